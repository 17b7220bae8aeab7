-- Chunks and their vectors.

-- name: messages_to_index(project_id, message_ids)
SELECT m.id, m.conversation_global_id, m.content, m.created_at, m.sender_name,
       (m.deleted_at IS NULL AND NOT m.private AND m.direction IN ('inbound', 'outbound')) IS TRUE AS indexable
FROM cw_messages m
WHERE m.project_id = :project_id AND m.id = ANY(:message_ids)
ORDER BY m.id;

-- name: put_message_words(project_id, message_ids)!
-- What these messages can be found by: their words, and the names of who wrote and to whom.
INSERT INTO search_texts AS t (project_id, source_type, source_pk, conversation_global_id, occurred_at, private, body)
SELECT m.project_id, 'chatwoot_message', m.id, m.conversation_global_id, m.created_at, m.private,
       fold_text(left(concat_ws(E'\n', nullif(m.sender_name, c.name), c.name, m.content), 200000))
FROM cw_messages m
LEFT JOIN cw_contacts c ON c.project_id = m.project_id AND c.id = m.contact_global_id
WHERE m.project_id = :project_id AND m.id = ANY(:message_ids)
  AND m.deleted_at IS NULL AND m.direction IN ('inbound', 'outbound') AND btrim(m.content) <> ''
ON CONFLICT (project_id, source_type, source_pk) DO UPDATE SET
    conversation_global_id = excluded.conversation_global_id, occurred_at = excluded.occurred_at,
    private = excluded.private, body = excluded.body
WHERE (t.conversation_global_id, t.occurred_at, t.private, t.body)
      IS DISTINCT FROM (excluded.conversation_global_id, excluded.occurred_at, excluded.private, excluded.body);

-- name: drop_message_words(project_id, message_ids)!
-- Deleted messages, and those that lost their text, are found no more.
DELETE FROM search_texts t USING cw_messages m
WHERE t.project_id = :project_id AND t.source_type = 'chatwoot_message' AND t.source_pk = ANY(:message_ids)
  AND m.project_id = t.project_id AND m.id = t.source_pk
  AND (m.deleted_at IS NOT NULL OR m.direction NOT IN ('inbound', 'outbound') OR btrim(coalesce(m.content, '')) = '');

-- name: put_document_words(project_id, ids)!
INSERT INTO search_texts AS t (project_id, source_type, source_pk, occurred_at, body)
SELECT d.project_id, d.source_type, d.id, d.occurred_at,
       fold_text(left(concat_ws(E'\n', d.title, d.author, d.body), 200000))
FROM source_documents d
WHERE d.project_id = :project_id AND d.id = ANY(:ids)
ON CONFLICT (project_id, source_type, source_pk) DO UPDATE SET occurred_at = excluded.occurred_at, body = excluded.body
WHERE (t.occurred_at, t.body) IS DISTINCT FROM (excluded.occurred_at, excluded.body);

-- name: drop_document_words(project_id, source_type, ids)!
DELETE FROM search_texts
WHERE project_id = :project_id AND source_type = :source_type AND source_pk = ANY(:ids);

-- name: short_message_runs(project_id, conversation_ids, message_ids, shortest)
-- Around each changed message: from the last long message before it to the first long one after it.
-- Only short messages there can have a window that changed.
WITH changed AS (
    SELECT conversation_global_id, min(created_at) AS first_at, max(created_at) AS last_at
    FROM cw_messages WHERE project_id = :project_id AND id = ANY(:message_ids)
    GROUP BY conversation_global_id
), span AS (
    SELECT c.conversation_global_id,
           coalesce((SELECT max(m.created_at) FROM cw_messages m
                     WHERE m.project_id = :project_id AND m.conversation_global_id = c.conversation_global_id
                       AND m.created_at < c.first_at AND length(m.content) >= :shortest), '-infinity') AS since,
           coalesce((SELECT min(m.created_at) FROM cw_messages m
                     WHERE m.project_id = :project_id AND m.conversation_global_id = c.conversation_global_id
                       AND m.created_at > c.last_at AND length(m.content) >= :shortest), 'infinity') AS until
    FROM changed c
)
SELECT m.id, m.conversation_global_id, m.content, m.created_at, m.sender_name,
       length(btrim(m.content)) < :shortest AS short
FROM span s
JOIN cw_messages m ON m.project_id = :project_id AND m.conversation_global_id = s.conversation_global_id
    AND m.created_at BETWEEN s.since AND s.until
WHERE s.conversation_global_id = ANY(:conversation_ids) AND m.deleted_at IS NULL AND NOT m.private
  AND m.direction IN ('inbound', 'outbound') AND btrim(coalesce(m.content, '')) <> ''
ORDER BY m.conversation_global_id, m.created_at, m.message_id;

-- name: drop_surplus_chunks(project_id, source_type, message_ids, looked_at, kept)!
-- Chunks that the new cut no longer has: of shortened, deleted or now private messages, and windows
-- that begin elsewhere now.
DELETE FROM rag_chunks c
WHERE c.project_id = :project_id AND c.source_type = :source_type
  AND (c.source_pk = ANY(:message_ids) OR (c.kind = 'window' AND c.source_pk = ANY(:looked_at)))
  AND NOT EXISTS (
      SELECT FROM jsonb_to_recordset(:kept) AS k(source_pk text, kind text, chunk_index int)
      WHERE k.source_pk = c.source_pk AND k.kind = c.kind AND k.chunk_index = c.chunk_index);

-- name: upsert_chunks(project_id, source_type, version, rows)
-- New chunks wait to be embedded; one whose text changed waits again, with its attempts forgotten.
INSERT INTO rag_chunks AS c (project_id, source_type, source_pk, kind, chunk_index, conversation_global_id,
        message_global_id, text, context, text_hash, content_tokens, start_offset, end_offset, chunker_version, occurred_at)
SELECT :project_id, :source_type, r.source_pk, r.kind, r.chunk_index, r.conversation_global_id, r.message_global_id,
       r.text, r.context, decode(r.text_hash, 'hex'), r.content_tokens, r.start_offset, r.end_offset, :version, r.occurred_at
FROM jsonb_to_recordset(:rows) AS r(source_pk text, kind text, chunk_index int, conversation_global_id text,
     message_global_id text, text text, context text, text_hash text, content_tokens int, start_offset int,
     end_offset int, occurred_at timestamptz)
ON CONFLICT (project_id, source_type, source_pk, kind, chunk_index) DO UPDATE SET
    text = excluded.text, context = excluded.context, text_hash = excluded.text_hash,
    content_tokens = excluded.content_tokens, start_offset = excluded.start_offset, end_offset = excluded.end_offset,
    chunker_version = excluded.chunker_version, occurred_at = excluded.occurred_at, embedding_status = 'pending',
    embedding_attempts = 0, embedding_error = NULL, claim_token = NULL, claimed_by_run = NULL, lease_expires_at = NULL,
    next_attempt_at = now(), updated_at = now()
WHERE c.text_hash <> excluded.text_hash OR c.chunker_version <> excluded.chunker_version
RETURNING c.id, xmax = 0 AS inserted;

-- name: drop_vectors(project_id, chunk_ids)!
DELETE FROM rag_vectors WHERE project_id = :project_id AND chunk_id = ANY(:chunk_ids);

-- name: bump_data_version(project_id)!
UPDATE projects SET data_version = data_version + 1 WHERE id = :project_id;

-- name: ensure_model(identity, dimensions)$
SELECT ensure_embedding_model(:identity, :dimensions);

-- name: release_lost_chunks(project_id, run_id, max_attempts)!
-- Claims whose worker was lost: of an earlier attempt of this run, of a run that is no longer at work,
-- or past their lease. Back to waiting, or failed when that happened too often.
UPDATE rag_chunks c SET
    embedding_status = CASE WHEN embedding_attempts >= :max_attempts THEN 'failed' ELSE 'pending' END,
    embedding_error = CASE WHEN embedding_attempts >= :max_attempts THEN 'max_attempts_exceeded'
                           ELSE 'recovered_from_lost_worker' END,
    claim_token = NULL, claimed_by_run = NULL, lease_expires_at = NULL, updated_at = now()
WHERE project_id = :project_id AND embedding_status = 'processing'
  AND (lease_expires_at < now() OR claimed_by_run = :run_id OR NOT EXISTS (
      SELECT FROM job_runs r WHERE r.project_id = c.project_id AND r.id = c.claimed_by_run AND r.status = 'running'));

-- name: claim_chunks(project_id, run_id, claim_token, lease_seconds, most)
WITH next AS (
    SELECT id FROM rag_chunks
    WHERE project_id = :project_id AND embedding_status = 'pending' AND next_attempt_at <= now()
    ORDER BY next_attempt_at, created_at, id LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE rag_chunks c SET embedding_status = 'processing', embedding_attempts = c.embedding_attempts + 1,
    claim_token = :claim_token, claimed_by_run = :run_id, lease_expires_at = now() + make_interval(secs => :lease_seconds), updated_at = now()
FROM next WHERE c.project_id = :project_id AND c.id = next.id
RETURNING c.id, c.text, c.context, c.text_hash, c.content_tokens, c.embedding_attempts;

-- name: claim_stale_chunks(project_id, model_id, run_id, claim_token, lease_seconds, most)
-- Chunks whose vectors are of another model. Those stay and are searched until the new ones are complete.
WITH former AS MATERIALIZED (
    SELECT coalesce(
        (SELECT embedding_model_id FROM rag_chunks
         WHERE project_id = :project_id AND embedding_model_id < :model_id AND embedding_status = 'ready'
         ORDER BY embedding_model_id, id LIMIT 1),
        (SELECT embedding_model_id FROM rag_chunks
         WHERE project_id = :project_id AND embedding_model_id > :model_id AND embedding_status = 'ready'
         ORDER BY embedding_model_id, id LIMIT 1)) AS id
), next AS (
    SELECT id FROM rag_chunks
    WHERE project_id = :project_id AND embedding_model_id = (SELECT id FROM former) AND embedding_status = 'ready'
    ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE rag_chunks c SET embedding_status = 'processing', embedding_attempts = c.embedding_attempts + 1,
    claim_token = :claim_token, claimed_by_run = :run_id, lease_expires_at = now() + make_interval(secs => :lease_seconds), updated_at = now()
FROM next WHERE c.project_id = :project_id AND c.id = next.id
RETURNING c.id, c.text, c.context, c.text_hash, c.content_tokens, c.embedding_attempts;

-- name: store_vectors(project_id, model_id, claim_token, chunk_ids, hashes, vectors, final)!
-- Only where the chunk is still ours and still has the text that was encoded. One that somebody is
-- rewriting just now is left alone: two writers that wait for each other's chunks would be a deadlock.
-- Attempts are forgotten when this is the model that is wanted: what it refuses must not start anew with each vector of the old one.
WITH encoded AS (
    SELECT * FROM unnest(:chunk_ids::uuid[], :hashes::bytea[], :vectors::text[]) AS e(id, text_hash, vector)
), ours AS (
    SELECT c.id, e.vector FROM rag_chunks c JOIN encoded e ON e.id = c.id
    WHERE c.project_id = :project_id AND c.embedding_status = 'processing'
      AND c.claim_token = :claim_token AND c.text_hash = e.text_hash
    FOR UPDATE OF c SKIP LOCKED
), ready AS (
    UPDATE rag_chunks c SET embedding_status = 'ready', embedding_model_id = :model_id, embedding_error = NULL,
        embedding_attempts = CASE WHEN :final THEN 0 ELSE c.embedding_attempts END,
        claim_token = NULL, claimed_by_run = NULL, lease_expires_at = NULL, last_embedded_at = now(), updated_at = now()
    FROM ours e
    WHERE c.project_id = :project_id AND c.id = e.id
    RETURNING c.id, c.source_type, c.occurred_at, e.vector
)
INSERT INTO rag_vectors (project_id, model_id, chunk_id, embedding, source_type, occurred_at)
SELECT :project_id, :model_id, id, vector::halfvec, source_type, occurred_at FROM ready
ON CONFLICT (project_id, model_id, chunk_id) DO UPDATE
    SET embedding = excluded.embedding, source_type = excluded.source_type, occurred_at = excluded.occurred_at;

-- name: search_by(project_id, model_id)!
-- From now on questions go to this model, if nothing that has a vector lacks one of it. What it refused
-- for good is found by its words.
UPDATE projects SET search_model_id = :model_id, data_version = data_version + 1
WHERE id = :project_id AND search_model_id IS DISTINCT FROM :model_id
  AND NOT EXISTS (SELECT FROM rag_chunks WHERE project_id = :project_id AND embedding_model_id < :model_id
                    AND embedding_status <> 'failed')
  AND NOT EXISTS (SELECT FROM rag_chunks WHERE project_id = :project_id AND embedding_model_id > :model_id
                    AND embedding_status <> 'failed');

-- name: drop_former_vectors(project_id, model_id, most)$
-- Vectors of models that the project is searched by no more, and the marks of them on failed chunks.
WITH former AS (
    SELECT v.model_id, v.chunk_id FROM rag_vectors v
    WHERE v.project_id = :project_id AND (v.model_id < :model_id OR v.model_id > :model_id)
      AND EXISTS (SELECT FROM projects p WHERE p.id = :project_id AND p.search_model_id = :model_id)
    LIMIT :most
), gone AS (
    DELETE FROM rag_vectors v USING former f
    WHERE v.project_id = :project_id AND v.model_id = f.model_id AND v.chunk_id = f.chunk_id
    RETURNING v.chunk_id
), unmarked AS (
    UPDATE rag_chunks c SET embedding_model_id = NULL FROM gone g
    WHERE c.project_id = :project_id AND c.id = g.chunk_id AND c.embedding_status = 'failed'
      AND c.embedding_model_id <> :model_id
)
SELECT count(*) FROM gone;

-- name: drop_unused_indexes(wanted)$
SELECT drop_unused_vector_indexes(:wanted);

-- name: give_back_chunks(project_id, claim_token, chunk_ids, error, costs_attempt, max_attempts, pause_seconds)!
UPDATE rag_chunks SET
    embedding_attempts = embedding_attempts - CASE WHEN :costs_attempt THEN 0 ELSE 1 END,
    embedding_status = CASE WHEN :costs_attempt AND embedding_attempts >= :max_attempts THEN 'failed' ELSE 'pending' END,
    embedding_error = :error, claim_token = NULL, claimed_by_run = NULL, lease_expires_at = NULL,
    next_attempt_at = now() + make_interval(secs => :pause_seconds), updated_at = now()
WHERE project_id = :project_id AND id = ANY(:chunk_ids) AND embedding_status = 'processing'
  AND claim_token = :claim_token;

-- name: retry_failed(project_id)!
UPDATE rag_chunks SET embedding_status = 'pending', embedding_attempts = 0, embedding_error = NULL,
    next_attempt_at = now(), updated_at = now()
WHERE project_id = :project_id AND embedding_status = 'failed';

-- name: retry_stale(project_id, identity)!
-- Chunks that the wanted model refused while they have vectors of another one.
UPDATE rag_chunks SET embedding_status = 'pending', embedding_attempts = 0, embedding_error = NULL,
    next_attempt_at = now(), updated_at = now()
WHERE project_id = :project_id AND embedding_status = 'failed'
  AND embedding_model_id <> (SELECT id FROM embedding_models WHERE identity = :identity);

-- name: tokens_today(project_id)$
-- What was paid for.
SELECT coalesce(sum(u.tokens), 0)::bigint FROM embedding_usage u JOIN embedding_models m ON m.id = u.model_id
WHERE u.project_id = :project_id AND u.day = current_date AND NOT starts_with(m.identity, 'local:');

-- name: remembered_question(project_id, model_id, text_hash, hours)^
-- The question's vector, if it was paid for of late, and the tokens paid for today.
SELECT (SELECT embedding::text FROM query_embedding_cache c
        WHERE c.project_id = :project_id AND c.model_id = :model_id AND c.text_hash = :text_hash
          AND c.created_at > now() - make_interval(hours => :hours)) AS vector,
       (SELECT coalesce(sum(u.tokens), 0)::bigint FROM embedding_usage u JOIN embedding_models m ON m.id = u.model_id
        WHERE u.project_id = :project_id AND u.day = current_date AND NOT starts_with(m.identity, 'local:')) AS tokens_today;

-- name: remember_question(project_id, model_id, text_hash, vector, tokens)!
WITH kept AS (
    INSERT INTO query_embedding_cache AS c (project_id, model_id, text_hash, embedding)
    VALUES (:project_id, :model_id, :text_hash, :vector::halfvec)
    ON CONFLICT (project_id, model_id, text_hash) DO UPDATE
        SET embedding = excluded.embedding, created_at = excluded.created_at
)
INSERT INTO embedding_usage AS u (project_id, day, model_id, purpose, calls, tokens)
VALUES (:project_id, current_date, :model_id, 'query', 1, :tokens)
ON CONFLICT (project_id, day, model_id, purpose) DO UPDATE
    SET calls = u.calls + 1, tokens = u.tokens + excluded.tokens;

-- name: purge_questions(hours)!
-- Vectors of questions of all projects that are too old to be used.
DELETE FROM query_embedding_cache WHERE created_at < now() - make_interval(hours => :hours);

-- name: set_policy(project_id, policy)^
UPDATE projects SET embedding_policy = :policy, data_version = data_version + 1 WHERE id = :project_id
RETURNING id, embedding_policy;

-- name: count_usage(project_id, model_id, purpose, tokens)!
INSERT INTO embedding_usage AS u (project_id, day, model_id, purpose, calls, tokens)
VALUES (:project_id, current_date, :model_id, :purpose, 1, :tokens)
ON CONFLICT (project_id, day, model_id, purpose) DO UPDATE
    SET calls = u.calls + 1, tokens = u.tokens + excluded.tokens;

-- name: status(project_id, configured, local)^
-- All of GET /lightrag/status in one look; counts come from the counters, the rest from partial indexes.
SELECT p.id AS project_id, p.account_scope_id, p.embedding_policy,
       (SELECT identity FROM embedding_models m WHERE m.id = p.search_model_id) AS search_model,
       -- Two ranges of the index: it has no entry for "another one than".
       (SELECT count(*) FROM rag_chunks c WHERE c.project_id = p.id AND c.embedding_model_id < coalesce(w.id, 32767))
           + (SELECT count(*) FROM rag_chunks c WHERE c.project_id = p.id AND c.embedding_model_id > coalesce(w.id, 32767)) AS stale_model_chunks,
       (SELECT jsonb_object_agg(name, value) FROM project_counters c WHERE c.project_id = p.id) AS counters,
       (SELECT min(created_at) FROM (SELECT created_at FROM rag_chunks c WHERE c.project_id = p.id
            AND embedding_status = 'pending' ORDER BY next_attempt_at, created_at, id LIMIT 1) first) AS oldest_pending_at,
       (SELECT next_attempt_at FROM rag_chunks c WHERE c.project_id = p.id AND embedding_status = 'pending'
          AND next_attempt_at > now() ORDER BY next_attempt_at, created_at, id LIMIT 1) AS next_retry_at,
       (SELECT jsonb_build_object('status', r.status,
                                  'finished_at', to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                                  'processed', r.result -> 'processed', 'failed', r.result -> 'failed')
        FROM job_latest l JOIN job_runs r ON r.project_id = l.project_id AND r.id = l.run_id
        WHERE l.project_id = p.id AND l.job_type = 'embeddings_run') AS last_run,
       (SELECT coalesce(sum(u.tokens), 0)::bigint FROM embedding_usage u JOIN embedding_models m ON m.id = u.model_id
        WHERE u.project_id = p.id AND u.day = current_date AND NOT starts_with(m.identity, 'local:')) AS tokens_today,
       (SELECT coalesce(jsonb_agg(f), '[]') FROM (
            SELECT id AS chunk_id, embedding_error AS error, embedding_attempts AS attempts FROM rag_chunks c
            WHERE c.project_id = p.id AND embedding_status = 'failed' ORDER BY updated_at DESC, id LIMIT 5) f) AS failed_sample
FROM projects p
LEFT JOIN embedding_models w ON w.identity = CASE p.embedding_policy WHEN 'local_only' THEN :local ELSE :configured END
WHERE p.id = :project_id;

-- name: upsert_documents(project_id, rows)
-- Answers those that are new or changed, and which.
INSERT INTO source_documents AS d (project_id, id, source_type, title, body, author, source_url, facts, content_hash, occurred_at)
SELECT :project_id, r.id, r.source_type, r.title, r.body, r.author, r.source_url, r.facts, decode(r.content_hash, 'hex'), r.occurred_at
FROM jsonb_to_recordset(:rows) AS r(id text, source_type text, title text, body text, author text, source_url text,
     facts jsonb, content_hash text, occurred_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET
    source_type = excluded.source_type, title = excluded.title, body = excluded.body, author = excluded.author,
    source_url = excluded.source_url, facts = excluded.facts, content_hash = excluded.content_hash,
    occurred_at = excluded.occurred_at, updated_at = now()
WHERE d.content_hash <> excluded.content_hash
RETURNING d.id, xmax = 0 AS inserted;

-- name: delete_documents(project_id, ids)!
DELETE FROM source_documents WHERE project_id = :project_id AND id = ANY(:ids);

-- name: date_document_chunks(project_id, ids)!
-- A document may be of another day with the same text: its chunks and vectors are found by that day.
WITH moved AS (
    UPDATE rag_chunks c SET occurred_at = d.occurred_at
    FROM source_documents d
    WHERE d.project_id = :project_id AND d.id = ANY(:ids) AND c.project_id = d.project_id
      AND c.source_type = d.source_type AND c.source_pk = d.id AND c.occurred_at IS DISTINCT FROM d.occurred_at
    RETURNING c.id, c.occurred_at
)
UPDATE rag_vectors v SET occurred_at = m.occurred_at FROM moved m WHERE v.project_id = :project_id AND v.chunk_id = m.id;

-- name: drop_surplus_document_chunks(project_id, source_types, ids, kept)!
-- Chunks that the new cut no longer has.
DELETE FROM rag_chunks c
WHERE c.project_id = :project_id AND c.source_type = ANY(:source_types) AND c.source_pk = ANY(:ids)
  AND NOT EXISTS (
      SELECT FROM jsonb_to_recordset(:kept) AS k(source_pk text, chunk_index int)
      WHERE k.source_pk = c.source_pk AND k.chunk_index = c.chunk_index);

-- name: upsert_document_chunks(project_id, version, rows)
-- As upsert_chunks, for documents of any source.
INSERT INTO rag_chunks AS c (project_id, source_type, source_pk, chunk_index, text, context, text_hash, content_tokens,
        start_offset, end_offset, chunker_version, occurred_at)
SELECT :project_id, r.source_type, r.source_pk, r.chunk_index, r.text, r.context, decode(r.text_hash, 'hex'),
       r.content_tokens, r.start_offset, r.end_offset, :version, r.occurred_at
FROM jsonb_to_recordset(:rows) AS r(source_type text, source_pk text, chunk_index int, text text, context text,
     text_hash text, content_tokens int, start_offset int, end_offset int, occurred_at timestamptz)
ON CONFLICT (project_id, source_type, source_pk, kind, chunk_index) DO UPDATE SET
    text = excluded.text, context = excluded.context, text_hash = excluded.text_hash,
    content_tokens = excluded.content_tokens, start_offset = excluded.start_offset, end_offset = excluded.end_offset,
    chunker_version = excluded.chunker_version, occurred_at = excluded.occurred_at, embedding_status = 'pending',
    embedding_attempts = 0, embedding_error = NULL, claim_token = NULL, claimed_by_run = NULL, lease_expires_at = NULL,
    next_attempt_at = now(), updated_at = now()
WHERE c.text_hash <> excluded.text_hash OR c.chunker_version <> excluded.chunker_version
RETURNING c.id, xmax = 0 AS inserted;
