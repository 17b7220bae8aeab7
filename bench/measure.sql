-- What the bench asks the measured database.

-- name: projects()
SELECT p.id, p.name, coalesce(m.value, 0) AS messages, coalesce(c.value, 0) AS chunks
FROM projects p
LEFT JOIN project_counters m ON m.project_id = p.id AND m.name = 'messages'
LEFT JOIN project_counters c ON c.project_id = p.id AND c.name = 'chunks.ready'
ORDER BY messages DESC, p.name;

-- name: sizes()^
SELECT pg_database_size(current_database()) AS database_bytes,
       (SELECT sum(pg_relation_size(i.indexrelid))::bigint FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am a ON a.oid = c.relam WHERE i.indrelid = 'rag_vectors'::regclass AND a.amname = 'hnsw') AS vector_index_bytes,
       current_setting('server_version') AS server_version,
       current_setting('shared_buffers') AS shared_buffers;

-- name: forget_questions()!
TRUNCATE lightrag_query_runs, lightrag_feedback, search_analytics;
