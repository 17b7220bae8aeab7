-- Health of the installation. Statements here speak for all projects on purpose.

-- name: readiness()^
SELECT (SELECT max(filename) FROM schema_migrations) AS newest_migration,
       count(*) AS queued,
       extract(epoch FROM now() - min(greatest(queued_at, not_before)))::float8 AS oldest_queued_seconds
FROM job_runs WHERE status = 'queued' AND not_before <= now();

-- name: partitions()
-- Every part of a partitioned table, as the statement that makes it: a line each instead of a table each.
SELECT 'CREATE TABLE ' || i.inhrelid::regclass || ' PARTITION OF ' || i.inhparent::regclass || ' '
           || pg_get_expr(c.relpartbound, c.oid) || ';' AS statement
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE c.relispartition AND c.relkind = 'r'
ORDER BY i.inhparent::regclass::text, length(c.relname), c.relname;
