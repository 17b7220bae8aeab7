-- Health of the installation. Statements here speak for all projects on purpose.

-- name: readiness()^
SELECT (SELECT max(filename) FROM schema_migrations) AS newest_migration,
       count(*) AS queued,
       extract(epoch FROM now() - min(greatest(queued_at, not_before)))::float8 AS oldest_queued_seconds
FROM job_runs WHERE status = 'queued' AND not_before <= now();
