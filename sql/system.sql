-- Health of the installation. Statements here speak for all projects on purpose.

-- name: readiness()^
SELECT (SELECT max(filename) FROM schema_migrations) AS newest_migration,
       count(*) AS queued,
       extract(epoch FROM now() - min(greatest(queued_at, not_before)))::float8 AS oldest_queued_seconds
FROM job_runs WHERE status = 'queued' AND not_before <= now();

-- name: connector_gauges()
-- How connectors stand, over all projects: the oldest data, open errors, breakers that are not at rest.
SELECT 'lag' AS gauge, c.connector AS place, NULL AS kind, NULL AS status,
       max(extract(epoch FROM now() - coalesce(s.last_success_at, c.created_at)))::float8 AS value, NULL::float8 AS failures
FROM connector_connections c
LEFT JOIN connector_sync_state s ON s.project_id = c.project_id AND s.connector = c.connector
WHERE c.enabled AND c.connector <> 'loops'
GROUP BY c.connector
UNION ALL
SELECT 'errors', connector, error_kind, status, count(*), NULL FROM connector_errors
WHERE status <> 'resolved' GROUP BY connector, error_kind, status
UNION ALL
SELECT 'breakers', split_part(split_part(host, '://', 2), '/', 1), NULL,
       CASE WHEN open_until > now() THEN 'open' WHEN open_until IS NOT NULL THEN 'half_open' ELSE 'closed' END,
       count(*), max(failures)
FROM connector_breakers b
JOIN connector_connections c ON c.project_id = b.project_id AND c.id = b.connection_id AND c.base_url = b.host
WHERE failures > 0 OR open_until IS NOT NULL
GROUP BY 2, 4
ORDER BY 1, 2, 3, 4;

-- name: embedding_gauges()
-- How many chunks are in which state, over all projects, and since when the oldest waits.
SELECT substr(name, 8) AS state, sum(value)::float8 AS chunks,
       CASE WHEN name = 'chunks.pending' THEN
           (SELECT extract(epoch FROM now() - min(created_at))::float8 FROM rag_chunks WHERE embedding_status = 'pending')
       END AS oldest_seconds
FROM project_counters WHERE starts_with(name, 'chunks.') GROUP BY name ORDER BY name;

-- name: partitions()
-- Every part of a partitioned table, as the statement that makes it: a line each instead of a table each.
SELECT 'CREATE TABLE ' || i.inhrelid::regclass || ' PARTITION OF ' || i.inhparent::regclass || ' '
           || pg_get_expr(c.relpartbound, c.oid) || ';' AS statement
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE c.relispartition AND c.relkind = 'r'
ORDER BY i.inhparent::regclass::text, length(c.relname), c.relname;
