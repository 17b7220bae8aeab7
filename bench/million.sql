-- Ten times the data: copies of everything that a question reads, in the same projects.

-- name: without_triggers()!
-- For this session: copies are consistent by themselves, and the counters are set once, at the end.
SELECT set_config('session_replication_role', 'replica', false), set_config('maintenance_work_mem', '2GB', false),
       set_config('max_parallel_maintenance_workers', '2', false), set_config('synchronous_commit', 'off', false);

-- name: forget_stamp()!
-- Until all is done, the copy is not what the stamp of its original says.
DELETE FROM app_settings WHERE key = 'bench';

-- name: indexes()
-- What is dropped while rows are copied and made again afterwards, with what makes it.
SELECT c.relname AS name, i.indrelid::regclass::text AS of, a.amname AS kind, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE i.indrelid IN ('cw_messages'::regclass, 'rag_chunks'::regclass, 'rag_vectors'::regclass, 'search_texts'::regclass)
  AND NOT i.indisunique
ORDER BY c.relname;

-- name: copy_conversations(copies)!
INSERT INTO cw_conversations
SELECT (jsonb_populate_record(c, jsonb_build_object('id', c.id || '~' || n, 'conversation_id', c.conversation_id + n * 10000000))).*
FROM cw_conversations c, generate_series(1, :copies) n;

-- name: copy_messages(copies)!
-- Each copy is older than the one before it, as another year of the same project would be.
INSERT INTO cw_messages (project_id, id, connection_id, account_id, message_id, conversation_id, conversation_global_id,
                         contact_global_id, sender_type, sender_id, sender_name, private, message_type, direction,
                         content, content_hash, source_created_at, source_updated_at, created_at, updated_at)
SELECT project_id, id || '~' || n, connection_id, account_id, message_id + n * 10000000, conversation_id + n * 10000000,
       conversation_global_id || '~' || n, contact_global_id, sender_type, sender_id, sender_name, private, message_type,
       direction, content, content_hash, source_created_at, source_updated_at, created_at - n * interval '7 days', updated_at
FROM cw_messages m, generate_series(1, :copies) n;

-- name: copy_search_texts(copies)!
INSERT INTO search_texts (project_id, source_type, source_pk, conversation_global_id, occurred_at, private, body)
SELECT project_id, source_type, source_pk || '~' || n, conversation_global_id || '~' || n, occurred_at - n * interval '7 days',
       private, body
FROM search_texts t, generate_series(1, :copies) n;

-- name: copy_chunks(copies)!
-- Chunks have ids that their vectors find again: the first one's, hashed with the number of the copy.
INSERT INTO rag_chunks (project_id, id, source_type, source_pk, kind, chunk_index, conversation_global_id,
                        message_global_id, text, context, text_hash, content_tokens, start_offset, end_offset,
                        chunker_version, occurred_at, embedding_status, embedding_model_id, last_embedded_at)
SELECT project_id, md5(id || '~' || n)::uuid, source_type, source_pk || '~' || n, kind, chunk_index,
       conversation_global_id || '~' || n, message_global_id || '~' || n, text, context, text_hash, content_tokens,
       start_offset, end_offset, chunker_version, occurred_at - n * interval '7 days', embedding_status,
       embedding_model_id, last_embedded_at
FROM rag_chunks c, generate_series(1, :copies) n;

-- name: copy_vectors(copies, dimensions)!
-- Perturbed: each copy points in a direction of its own, at a cosine of about 0.97 to what it was made from.
WITH noise AS MATERIALIZED (
    SELECT k, (SELECT array_agg((random() * 0.04 - 0.02)::real) FROM generate_series(1, :dimensions) WHERE k >= 0)::halfvec AS shift
    FROM generate_series(0, 4095) k
)
INSERT INTO rag_vectors (project_id, model_id, chunk_id, embedding, source_type, occurred_at)
SELECT v.project_id, v.model_id, md5(v.chunk_id || '~' || n)::uuid, v.embedding + noise.shift, v.source_type,
       v.occurred_at - n * interval '7 days'
FROM rag_vectors v CROSS JOIN generate_series(1, :copies) n
JOIN noise ON noise.k = (hashtext(v.chunk_id::text || n) & 4095);

-- name: multiply_counters(copies)!
UPDATE project_counters SET value = value * (:copies + 1)
WHERE name IN ('messages', 'conversations') OR name LIKE 'chunks.%%';

-- name: index_size(name)$
-- Of an index with all its parts, in bytes.
SELECT (pg_relation_size(:name::regclass)
        + coalesce((SELECT sum(pg_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = :name::regclass), 0))::bigint;

-- name: built()$
SELECT value FROM app_settings WHERE key = 'bench_indexes';

-- name: set_built(built)!
INSERT INTO app_settings (key, value) VALUES ('bench_indexes', :built::jsonb);
