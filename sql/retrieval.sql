-- Finding: the two legs, and the record of what was asked.

-- name: query_context(project_id)^
-- What a question needs to know first: the version of the data (for the cache) and its size.
SELECT p.data_version,
       coalesce((SELECT value FROM project_counters c WHERE c.project_id = p.id AND c.name = 'chunks.ready'), 0) AS ready_chunks,
       coalesce((SELECT value FROM project_counters c WHERE c.project_id = p.id AND c.name = 'messages'), 0) AS messages
FROM projects p WHERE p.id = :project_id;

-- name: set_leg_timeout(milliseconds)$
SELECT set_config('statement_timeout', :milliseconds, true);

-- name: nearest_chunks(project_id, model_id, dimensions, vector, wanted, exact, ef_search, sources, since, before)
SELECT c.id, c.source_type, c.source_pk, c.kind, c.chunk_index, c.text, n.distance, m.content, m.created_at,
       c.conversation_global_id, c.message_global_id, m.contact_global_id, m.sender_type, m.sender_name, m.message_id,
       k.base_url || '/app/accounts/' || m.account_id || '/conversations/' || m.conversation_id
           || '?messageId=' || m.message_id AS source_url
FROM nearest_vectors(:project_id, :model_id::smallint, :dimensions, :vector, :wanted, :exact, :ef_search,
                     :sources::text[], :since::timestamptz, :before::timestamptz) n
JOIN rag_chunks c ON c.project_id = :project_id AND c.id = n.chunk_id
JOIN cw_messages m ON m.project_id = c.project_id AND m.id = c.message_global_id AND m.deleted_at IS NULL AND NOT m.private
LEFT JOIN connector_connections k ON k.project_id = m.project_id AND k.id = m.connection_id
ORDER BY n.distance, c.id;

-- name: messages_with_words(project_id, numbers, forms, exact_numbers, exact_patterns, per_word, since, before, most)
-- Words of the question, each with its forms (itself and its translations) for full text; those that
-- full text cannot see whole (identifiers, numbers) also as patterns for the trigram index. Up to
-- `per_word` messages of each, so that a word of half the project costs no more than that; then every
-- candidate is looked at for all the words. Rows with rare words come first.
WITH asked AS (
    SELECT number, nullif(string_agg('(' || query || ')', ' | ') FILTER (WHERE query <> ''), '')::tsquery AS query
    FROM (SELECT number, plainto_tsquery('russian', form)::text AS query
          FROM unnest(:numbers::int[], :forms::text[]) AS f(number, form)) parsed
    GROUP BY number
), exact AS (
    SELECT number, pattern FROM unnest(:exact_numbers::int[], :exact_patterns::text[]) AS e(number, pattern)
), matches AS MATERIALIZED (
    SELECT a.number, hit.id
    FROM asked a CROSS JOIN LATERAL (
        SELECT m.id FROM cw_messages m
        WHERE m.project_id = :project_id AND m.words @@ a.query AND m.deleted_at IS NULL AND NOT m.private
          AND m.direction IN ('inbound', 'outbound')
          AND (:since::timestamptz IS NULL OR m.created_at >= :since)
          AND (:before::timestamptz IS NULL OR m.created_at < :before)
        LIMIT :per_word) hit
    UNION
    SELECT e.number, hit.id
    FROM exact e CROSS JOIN LATERAL (
        SELECT m.id FROM cw_messages m
        WHERE m.project_id = :project_id AND m.search_text ILIKE e.pattern AND m.deleted_at IS NULL AND NOT m.private
          AND m.direction IN ('inbound', 'outbound')
          AND (:since::timestamptz IS NULL OR m.created_at >= :since)
          AND (:before::timestamptz IS NULL OR m.created_at < :before)
        LIMIT :per_word) hit
), counted AS (
    SELECT a.number, count(x.id) AS n FROM asked a LEFT JOIN matches x ON x.number = a.number GROUP BY a.number
), candidates AS (
    SELECT x.id, sum(1.0 / c.n) AS weight
    FROM matches x JOIN counted c ON c.number = x.number
    GROUP BY x.id ORDER BY weight DESC, x.id LIMIT :most
)
SELECT 'chatwoot_message' AS source_type, m.id AS source_pk, m.content, m.created_at, m.conversation_global_id,
       m.contact_global_id, m.sender_type, m.sender_name, m.message_id,
       (SELECT array_agg(n ORDER BY number) FROM counted) AS word_matches,
       (SELECT array_agg((m.words @@ a.query) IS TRUE OR EXISTS (
                   SELECT FROM exact e WHERE e.number = a.number AND m.search_text ILIKE e.pattern)
               ORDER BY a.number) FROM asked a) AS hits,
       k.base_url || '/app/accounts/' || m.account_id || '/conversations/' || m.conversation_id
           || '?messageId=' || m.message_id AS source_url
FROM candidates c
JOIN cw_messages m ON m.project_id = :project_id AND m.id = c.id
LEFT JOIN connector_connections k ON k.project_id = m.project_id AND k.id = m.connection_id
ORDER BY c.weight DESC, m.created_at DESC NULLS LAST, m.id;

-- name: record_run(project_id, user_id, created_by, query_text, mode, filters, top_k, chunk_hits, source_hits, evidence, answer, quality_score, source_diversity, cached, degraded, duration_ms, query_norm, result_count)$
-- The run and the search event behind it, in one statement.
WITH run AS (
    INSERT INTO lightrag_query_runs (project_id, user_id, created_by, query_text, mode, filters, top_k, chunk_hits,
        source_hits, evidence, answer, quality_score, source_diversity, cached, degraded, duration_ms)
    VALUES (:project_id, :user_id, :created_by, :query_text, :mode, :filters, :top_k, :chunk_hits, :source_hits,
        :evidence, :answer, :quality_score, :source_diversity, :cached, :degraded, :duration_ms)
    RETURNING id
), event AS (
    INSERT INTO search_analytics (project_id, event_type, query, query_norm, query_run_id, result_count, filters, user_id, duration_ms)
    SELECT :project_id, 'search', :query_text, :query_norm, id, :result_count, :filters, :user_id, :duration_ms FROM run
)
SELECT id::text FROM run;

-- name: list_runs(project_id, before_id, most)
SELECT id::text, query_text, mode, top_k, chunk_hits, source_hits, quality_score, source_diversity, cached, degraded,
       duration_ms, created_by, created_at
FROM lightrag_query_runs
WHERE project_id = :project_id AND (:before_id::bigint IS NULL OR id < :before_id)
ORDER BY id DESC LIMIT :most;

-- name: find_run(project_id, run_id)^
SELECT id::text, query_text, mode, filters, top_k, chunk_hits, source_hits, evidence, answer, quality_score,
       source_diversity, cached, degraded, duration_ms, created_by, created_at
FROM lightrag_query_runs WHERE project_id = :project_id AND id = :run_id;

-- name: give_feedback(project_id, run_id, user_id, rating, comment)^
-- One opinion of a person on a run; the last one counts. No row: the project has no such run.
INSERT INTO lightrag_feedback AS f (project_id, query_run_id, user_id, rating, comment)
SELECT r.project_id, r.id, :user_id, :rating, :comment
FROM lightrag_query_runs r WHERE r.project_id = :project_id AND r.id = :run_id
ON CONFLICT (project_id, query_run_id, user_id) DO UPDATE
    SET rating = excluded.rating, comment = excluded.comment, updated_at = now()
RETURNING id::text, query_run_id::text, rating, comment, created_at;
