-- What the bench asks the measured database.

-- name: projects()
SELECT p.id, p.name, coalesce(m.value, 0) AS messages, coalesce(c.value, 0) AS chunks
FROM projects p
LEFT JOIN project_counters m ON m.project_id = p.id AND m.name = 'messages'
LEFT JOIN project_counters c ON c.project_id = p.id AND c.name = 'chunks.ready'
ORDER BY messages DESC, p.name;

-- name: sizes()^
SELECT pg_database_size(current_database()) AS database_bytes,
       -- The index over all parts of the table has no size of its own: theirs are added up.
       (SELECT sum(pg_relation_size(part.relid))::bigint FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am a ON a.oid = c.relam CROSS JOIN pg_partition_tree(i.indexrelid) part
        WHERE i.indrelid = 'rag_vectors'::regclass AND a.amname = 'hnsw') AS vector_index_bytes,
       current_setting('server_version') AS server_version,
       current_setting('shared_buffers') AS shared_buffers;

-- name: forget_questions()!
TRUNCATE lightrag_query_runs, lightrag_feedback, search_analytics;

-- name: nearest(project_id, model_id, dimensions, vector, wanted, exact, width)
SELECT chunk_id, distance
FROM nearest_vectors(:project_id, :model_id::smallint, :dimensions, :vector, :wanted, :exact, :width, NULL, NULL, NULL)
ORDER BY distance, chunk_id;

-- name: embed_again()!
-- Every chunk waits for its vector, as after a change of the encoder.
WITH gone AS (DELETE FROM rag_vectors)
UPDATE rag_chunks SET embedding_status = 'pending', embedding_attempts = 0;

-- name: counts(project_id)^
SELECT (SELECT value FROM project_counters WHERE project_id = :project_id AND name = 'messages') AS messages,
       (SELECT value FROM project_counters WHERE project_id = :project_id AND name = 'chunks.ready') AS ready,
       (SELECT count(*) FROM job_runs WHERE project_id = :project_id AND status IN ('queued', 'running')) AS alive;

-- name: last_end(project_id)$
SELECT max(finished_at) FROM job_runs WHERE project_id = :project_id;

-- name: load_auto_explain()!
LOAD 'auto_explain';

-- name: explain_everything()^
-- From now on each statement, also within functions, sends its plan as a notice.
SELECT set_config('auto_explain.log_min_duration', '0', false), set_config('auto_explain.log_analyze', 'on', false),
       set_config('auto_explain.log_buffers', 'on', false), set_config('auto_explain.log_nested_statements', 'on', false),
       set_config('client_min_messages', 'log', false);
