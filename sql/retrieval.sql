-- Finding: the two legs, and the record of what was asked.

-- name: query_context(project_id)^
-- What a question needs to know first: the version of the data (for the cache), its size, and the model
-- whose vectors are complete.
SELECT p.data_version, p.embedding_policy, p.search_model_id, m.identity AS search_model,
       coalesce((SELECT value FROM project_counters c WHERE c.project_id = p.id AND c.name = 'chunks.ready'), 0) AS ready_chunks,
       coalesce((SELECT sum(value) FROM project_counters c WHERE c.project_id = p.id
                   AND c.name IN ('messages', 'issues', 'attio_opportunities', 'attio_accounts', 'attio_people')), 0)::bigint AS sources
FROM projects p LEFT JOIN embedding_models m ON m.id = p.search_model_id
WHERE p.id = :project_id;

-- name: set_leg_timeout(milliseconds)!
SELECT set_config('statement_timeout', :milliseconds, true);

-- name: nearest_chunks(project_id, model_id, dimensions, vector, wanted, exact, ef_search, sources, since, before)
SELECT c.id, c.source_type, c.source_pk, c.chunk_index, c.text, c.conversation_global_id, c.message_global_id,
       c.occurred_at, n.distance
FROM nearest_vectors(:project_id, :model_id::smallint, :dimensions, :vector, :wanted, :exact, :ef_search,
                     :sources::text[], :since::timestamptz, :before::timestamptz) n
JOIN rag_chunks c ON c.project_id = :project_id AND c.id = n.chunk_id
ORDER BY n.distance, c.id;

-- name: sources_with_words(project_id, words, sources, since, before, private, per_word, rare, most)
-- Words of the question, each with its forms (itself and its translations), by full text; what full text
-- takes apart (identifiers, numbers) as typed, by the trigram index; and words that are rare so far also
-- as parts of longer words. Up to `per_word` sources of each, so that a word of half the project costs no
-- more than that. A source that has several words of that kind may be left out by each of them, so those
-- that have all or all but one of them are added. Rare words weigh more.
WITH asked AS MATERIALIZED (
    SELECT w.number, coalesce(w.exact, '{}') AS exact, coalesce(w.parts, '{}') AS parts,
           (SELECT nullif(string_agg('(' || q::text || ')', ' | ') FILTER (WHERE q::text <> ''), '')::tsquery
            FROM unnest(w.forms) form, plainto_tsquery('russian', form) q) AS query
    FROM jsonb_to_recordset(:words) AS w(number int, forms text[], exact text[], parts text[])
), whole AS MATERIALIZED (
    SELECT a.number, hit.source_type, hit.source_pk
    FROM asked a CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE t.project_id = :project_id AND t.words @@ a.query AND (:private OR NOT t.private)
          AND (:sources::text[] IS NULL OR t.source_type = ANY(:sources))
          AND (:since::timestamptz IS NULL OR t.occurred_at >= :since)
          AND (:before::timestamptz IS NULL OR t.occurred_at < :before)
        LIMIT :per_word) hit
    UNION
    SELECT a.number, hit.source_type, hit.source_pk
    FROM asked a CROSS JOIN unnest(a.exact) pattern CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE t.project_id = :project_id AND t.body LIKE pattern AND (:private OR NOT t.private)
          AND (:sources::text[] IS NULL OR t.source_type = ANY(:sources))
          AND (:since::timestamptz IS NULL OR t.occurred_at >= :since)
          AND (:before::timestamptz IS NULL OR t.occurred_at < :before)
        LIMIT :per_word) hit
), counted AS MATERIALIZED (
    SELECT a.number, a.query, a.parts, coalesce(w.n, 0) AS n
    FROM asked a LEFT JOIN (SELECT number, count(*) AS n FROM whole GROUP BY number) w ON w.number = a.number
), partly AS MATERIALIZED (
    SELECT c.number, hit.source_type, hit.source_pk
    FROM counted c CROSS JOIN unnest(c.parts) pattern CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE c.n < :rare AND t.project_id = :project_id AND t.body LIKE pattern AND (:private OR NOT t.private)
          AND (:sources::text[] IS NULL OR t.source_type = ANY(:sources))
          AND (:since::timestamptz IS NULL OR t.occurred_at >= :since)
          AND (:before::timestamptz IS NULL OR t.occurred_at < :before)
        LIMIT :rare) hit
), most_words AS (
    SELECT DISTINCT hit.source_type, hit.source_pk
    FROM (SELECT string_agg('(' || other.query::text || ')', ' & ')::tsquery AS query
          FROM counted one JOIN counted other ON other.number <> one.number
          WHERE one.n >= :per_word AND other.n >= :per_word
          GROUP BY one.number) but_one
    CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE t.project_id = :project_id AND t.words @@ but_one.query AND (:private OR NOT t.private)
          AND (:sources::text[] IS NULL OR t.source_type = ANY(:sources))
          AND (:since::timestamptz IS NULL OR t.occurred_at >= :since)
          AND (:before::timestamptz IS NULL OR t.occurred_at < :before)
        LIMIT :most) hit
), candidates AS (
    SELECT source_type, source_pk, sum(weight) AS weight
    FROM (SELECT w.source_type, w.source_pk, 1.0::float8 / c.n AS weight FROM whole w JOIN counted c USING (number)
          UNION ALL
          SELECT p.source_type, p.source_pk, 0.5::float8 / :rare FROM partly p
          UNION ALL
          SELECT m.source_type, m.source_pk, 1.0::float8 / :per_word FROM most_words m) found
    GROUP BY source_type, source_pk ORDER BY weight DESC, source_type, source_pk LIMIT :most
)
SELECT t.source_type, t.source_pk, t.conversation_global_id, t.occurred_at,
       (SELECT array_agg(n ORDER BY number) FROM counted) AS word_matches,
       -- A word in any of its inflections counts whole, a longer word that holds it counts half.
       (SELECT array_agg(CASE WHEN t.words @@ a.query OR t.body LIKE ANY (a.exact) THEN 1.0
                              WHEN t.body LIKE ANY (a.parts) THEN 0.5 ELSE 0.0 END::float8 ORDER BY a.number)
        FROM asked a) AS hits
FROM candidates c
JOIN search_texts t ON t.project_id = :project_id AND t.source_type = c.source_type AND t.source_pk = c.source_pk
ORDER BY c.weight DESC, t.occurred_at DESC NULLS LAST, t.source_type, t.source_pk;

-- name: look_closer(project_id, message_ids, document_ids, words, vector, model_id, private, neighbours)
-- Everything about these sources that ranking and showing ask for. A message comes with its neighbours:
-- what it replies to, and the replies to it. Distances are those of a source's nearest chunk.
WITH asked AS MATERIALIZED (
    SELECT w.number, coalesce(w.exact, '{}') AS exact, coalesce(w.parts, '{}') AS parts,
           (SELECT nullif(string_agg('(' || q::text || ')', ' | ') FILTER (WHERE q::text <> ''), '')::tsquery
            FROM unnest(w.forms) form, plainto_tsquery('russian', form) q) AS query
    FROM jsonb_to_recordset(:words) AS w(number int, forms text[], exact text[], parts text[])
), anchors AS (
    SELECT m.id, m.conversation_global_id, m.created_at FROM cw_messages m
    WHERE m.project_id = :project_id AND m.id = ANY(:message_ids)
), around AS (
    SELECT DISTINCT near.id FROM anchors a CROSS JOIN LATERAL (
        SELECT a.id
        UNION ALL
        (SELECT m.id FROM cw_messages m
         WHERE m.project_id = :project_id AND m.conversation_global_id = a.conversation_global_id
           AND (m.created_at, m.id) < (a.created_at, a.id)
           AND m.deleted_at IS NULL AND (:private OR NOT m.private) AND m.direction IN ('inbound', 'outbound')
         ORDER BY m.created_at DESC, m.id DESC LIMIT :neighbours)
        UNION ALL
        (SELECT m.id FROM cw_messages m
         WHERE m.project_id = :project_id AND m.conversation_global_id = a.conversation_global_id
           AND (m.created_at, m.id) > (a.created_at, a.id)
           AND m.deleted_at IS NULL AND (:private OR NOT m.private) AND m.direction IN ('inbound', 'outbound')
         ORDER BY m.created_at, m.id LIMIT :neighbours)) near
), found AS (
    SELECT 'chatwoot_message' AS source_type, m.id AS source_pk, m.message_id::text AS source_ref, NULL AS title,
           m.content AS body, m.sender_name AS author, m.sender_type, m.conversation_global_id, m.contact_global_id,
           m.created_at, m.private,
           k.base_url || '/app/accounts/' || m.account_id || '/conversations/' || m.conversation_id
               || '?messageId=' || m.message_id AS source_url,
           '{}'::jsonb AS facts
    FROM around a
    JOIN cw_messages m ON m.project_id = :project_id AND m.id = a.id AND m.deleted_at IS NULL AND (:private OR NOT m.private)
    LEFT JOIN connector_connections k ON k.project_id = m.project_id AND k.id = m.connection_id
    UNION ALL
    SELECT d.source_type, d.id, d.source_ref, d.title, d.body, d.author, NULL, NULL, NULL, d.occurred_at, false,
           d.source_url, d.facts
    FROM source_documents d WHERE d.project_id = :project_id AND d.id = ANY(:document_ids)
)
SELECT f.*,
       (SELECT array_agg(CASE WHEN t.words @@ a.query OR t.body LIKE ANY (a.exact) THEN 1.0
                              WHEN t.body LIKE ANY (a.parts) THEN 0.5 ELSE 0.0 END::float8 ORDER BY a.number)
        FROM asked a) AS hits,
       (SELECT min(v.embedding <=> :vector::halfvec)::float8
        FROM rag_chunks c JOIN rag_vectors v ON v.project_id = :project_id AND v.model_id = :model_id AND v.chunk_id = c.id
        WHERE c.project_id = :project_id AND c.source_type = f.source_type AND c.source_pk = f.source_pk) AS distance
FROM found f
LEFT JOIN search_texts t ON t.project_id = :project_id AND t.source_type = f.source_type AND t.source_pk = f.source_pk
ORDER BY f.conversation_global_id, f.created_at, f.source_pk;

-- name: commit_without_waiting()!
-- For this transaction: the disk is not waited for. A run lost with the power is a line of history.
SELECT set_config('synchronous_commit', 'off', true);

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

-- name: list_runs(project_id, user_id, before_id, most)
-- One person's runs, or everybody's.
SELECT id::text, query_text, mode, top_k, chunk_hits, source_hits, quality_score, source_diversity, cached, degraded,
       duration_ms, created_by, created_at
FROM lightrag_query_runs r
WHERE project_id = :project_id AND (:before_id::bigint IS NULL OR id < :before_id)
  AND (:user_id::uuid IS NULL OR user_id = :user_id)
ORDER BY r.id DESC LIMIT :most;

-- name: find_run(project_id, user_id, run_id)^
SELECT id::text, query_text, mode, filters, top_k, chunk_hits, source_hits, evidence, answer, quality_score,
       source_diversity, cached, degraded, duration_ms, created_by, created_at
FROM lightrag_query_runs
WHERE project_id = :project_id AND id = :run_id AND (:user_id::uuid IS NULL OR user_id = :user_id);

-- name: give_feedback(project_id, run_id, user_id, rating, comment)^
-- One opinion of a person on a run; the last one counts. No row: the project has no such run.
INSERT INTO lightrag_feedback AS f (project_id, query_run_id, user_id, rating, comment)
SELECT r.project_id, r.id, :user_id, :rating, :comment
FROM lightrag_query_runs r WHERE r.project_id = :project_id AND r.id = :run_id
ON CONFLICT (project_id, query_run_id, user_id) DO UPDATE
    SET rating = excluded.rating, comment = excluded.comment, updated_at = now()
RETURNING id::text, query_run_id::text, rating, comment, created_at;

-- name: liked_answers(project_id, days)
-- Questions whose answers people called good, with the first sources of the evidence: those were read.
SELECT r.id, r.query_text,
       (SELECT jsonb_agg(e ORDER BY n) FROM jsonb_array_elements(r.evidence) WITH ORDINALITY AS listed(e, n) WHERE n <= 3) AS cited
FROM lightrag_query_runs r
WHERE r.project_id = :project_id AND r.created_at > now() - make_interval(days => :days)
  AND jsonb_array_length(r.evidence) > 0
  AND (SELECT sum(f.rating) FROM lightrag_feedback f WHERE f.project_id = r.project_id AND f.query_run_id = r.id) > 0
ORDER BY r.id;
