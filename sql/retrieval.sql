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

-- name: nearest_chunks(project_id, model_id, dimensions, vector, wanted, exact, ef_search, sources, since, before)
SELECT c.id, c.source_type, c.source_pk, c.chunk_index, c.text, c.conversation_global_id, c.message_global_id,
       c.occurred_at, n.distance
FROM nearest_vectors(:project_id, :model_id::smallint, :dimensions, :vector, :wanted, :exact, :ef_search,
                     :sources::text[], :since::timestamptz, :before::timestamptz) n
JOIN rag_chunks c ON c.project_id = :project_id AND c.id = n.chunk_id
ORDER BY n.distance, c.id;

-- name: sources_with_words(project_id, words, sources, since, before, private, per_word, often, rare, most)
-- Words of the question, each with its forms (itself and its translations). First in every 32nd source: a
-- word that `often` of those have is common, and its other sources are not listed. All other words are looked
-- up whole, `per_word` sources each at most. What full text takes apart (identifiers, numbers) is looked for as
-- typed, and a word that is rare so far also inside longer words, by the trigram index. Common words find by
-- being together: the sources that have all of them, or else all but one. Each costs what the rarest (or the
-- second rarest) of them occurs: where that is too much, the sample has to do. Rare words weigh more.
WITH asked AS MATERIALIZED (
    SELECT w.*, own_query(:project_id, w.query) AS own
    FROM (SELECT w.number, coalesce(w.exact, '{}') AS exact, coalesce(w.parts, '{}') AS parts,
                 (SELECT (string_agg(DISTINCT '(' || q::text || ')', ' | ') FILTER (WHERE q::text <> ''))::tsquery
                  FROM unnest(w.forms) form, plainto_tsquery('russian', form) q) AS query
          FROM jsonb_to_recordset(:words) AS w(number int, forms text[], exact text[], parts text[]) LIMIT 8) w
), sample AS MATERIALIZED (
    SELECT a.number, hit.source_type, hit.source_pk
    FROM asked a CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE t.project_id = :project_id AND own_words(t.project_id, t.words) @@ a.own AND in_word_sample(t.source_pk)
          AND is_wanted(t.private, t.source_type, t.occurred_at, :private, :sources, :since, :before)
        LIMIT 2 * :often) hit
), common AS MATERIALIZED (
    SELECT number, count(*) AS seen FROM sample GROUP BY number HAVING count(*) >= :often
), plain AS MATERIALIZED (
    SELECT number, source_type, source_pk FROM sample WHERE number IN (SELECT number FROM common)
    UNION ALL
    SELECT a.number, hit.source_type, hit.source_pk
    FROM asked a CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE t.project_id = :project_id AND own_words(t.project_id, t.words) @@ a.own
          AND is_wanted(t.private, t.source_type, t.occurred_at, :private, :sources, :since, :before)
        LIMIT :per_word) hit
    WHERE a.number NOT IN (SELECT number FROM common)
), plainly AS MATERIALIZED (
    SELECT a.*, coalesce(c.seen, 0) AS seen, CASE WHEN c.number IS NOT NULL THEN :per_word ELSE coalesce(p.n, 0) END AS n
    FROM asked a LEFT JOIN common c USING (number)
    LEFT JOIN (SELECT number, count(*) AS n FROM plain GROUP BY number) p USING (number)
), typed AS MATERIALIZED (
    SELECT a.number, hit.source_type, hit.source_pk
    FROM plainly a CROSS JOIN unnest(a.exact) pattern CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE t.project_id = :project_id AND t.body LIKE pattern AND t.words @@ a.query IS NOT TRUE
          AND is_wanted(t.private, t.source_type, t.occurred_at, :private, :sources, :since, :before)
        LIMIT :per_word) hit
    WHERE a.n < :rare
), counted AS MATERIALIZED (
    SELECT a.number, a.query, a.own, a.exact, a.seen, a.n + coalesce(t.n, 0) AS n,
           CASE WHEN a.n + coalesce(t.n, 0) < :rare THEN a.parts ELSE '{}' END AS parts
    FROM plainly a LEFT JOIN (SELECT number, count(*) AS n FROM typed GROUP BY number) t USING (number)
    ORDER BY a.number
), partly AS MATERIALIZED (
    SELECT c.number, hit.source_type, hit.source_pk
    FROM counted c CROSS JOIN unnest(c.parts) pattern CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE t.project_id = :project_id AND t.body LIKE pattern
          AND is_wanted(t.private, t.source_type, t.occurred_at, :private, :sources, :since, :before)
        LIMIT :rare) hit
), together AS MATERIALIZED (
    SELECT count(*) AS words, string_agg('(' || own::text || ')', ' & ')::tsquery AS query,
           min(seen) >= 2 * :often AS too_common, (array_agg(seen ORDER BY seen))[2] < 2 * :often AS but_one
    FROM counted WHERE n >= :per_word HAVING count(*) > 1
), every_word AS MATERIALIZED (
    SELECT hit.source_type, hit.source_pk, f.words FROM together f CROSS JOIN LATERAL (
        (SELECT t.source_type, t.source_pk FROM search_texts t
         WHERE NOT f.too_common AND t.project_id = :project_id AND own_words(t.project_id, t.words) @@ f.query
           AND is_wanted(t.private, t.source_type, t.occurred_at, :private, :sources, :since, :before)
         LIMIT :most)
        UNION ALL
        (SELECT t.source_type, t.source_pk FROM search_texts t
         WHERE f.too_common AND t.project_id = :project_id AND own_words(t.project_id, t.words) @@ f.query
           AND in_word_sample(t.source_pk)
           AND is_wanted(t.private, t.source_type, t.occurred_at, :private, :sources, :since, :before)
         LIMIT :most)) hit
), but_one AS MATERIALIZED (
    SELECT hit.source_type, hit.source_pk, q.words
    FROM (SELECT max(n) AS words, string_agg('(' || query || ')', ' | ')::tsquery AS query
          FROM (SELECT count(*) AS n, string_agg('(' || other.own::text || ')', ' & ') AS query
                FROM counted one JOIN counted other ON other.number <> one.number AND other.n >= :per_word
                WHERE one.n >= :per_word GROUP BY one.number HAVING count(*) > 1) one
          WHERE (SELECT count(*) FROM every_word) < :rare AND (SELECT but_one FROM together)) q
    CROSS JOIN LATERAL (
        SELECT t.source_type, t.source_pk FROM search_texts t
        WHERE t.project_id = :project_id AND own_words(t.project_id, t.words) @@ q.query
          AND is_wanted(t.private, t.source_type, t.occurred_at, :private, :sources, :since, :before)
        LIMIT :most) hit
), candidates AS (
    SELECT source_type, source_pk, sum(weight) AS weight
    FROM (SELECT w.source_type, w.source_pk, 1.0::float8 / c.n AS weight
          FROM (TABLE plain UNION ALL TABLE typed) w JOIN counted c USING (number)
          UNION ALL
          SELECT p.source_type, p.source_pk, 0.5::float8 / :rare FROM partly p
          UNION ALL
          SELECT source_type, source_pk, words::float8 / :per_word FROM (TABLE every_word UNION ALL TABLE but_one) most_words
         ) found
    GROUP BY source_type, source_pk ORDER BY weight DESC, source_type, source_pk LIMIT :most
)
SELECT t.source_type, t.source_pk,
       (SELECT array_agg(n ORDER BY number) FROM counted) AS word_matches,
       -- A word in any of its inflections counts whole, a longer word that holds it counts half.
       (SELECT array_agg(CASE WHEN t.words @@ a.query OR t.body LIKE ANY (a.exact) THEN 1.0
                              WHEN t.body LIKE ANY (a.parts) THEN 0.5 ELSE 0.0 END::float8 ORDER BY a.number)
        FROM counted a) AS hits
FROM candidates c
JOIN search_texts t ON t.project_id = :project_id AND t.source_type = c.source_type AND t.source_pk = c.source_pk
ORDER BY c.weight DESC, t.source_type, t.source_pk;

-- name: spelled_alike(project_id, words, private, looked_at)
-- For words that nobody wrote: what is written here that differs from each by a letter or, of long words, by two;
-- the nearest, and of several the most frequent. `looked_at` sources are read a word, found by their trigrams.
SELECT asked.word AS mistyped, best.word
FROM unnest(:words::text[]) AS asked(word)
CROSS JOIN LATERAL (
    SELECT said.word FROM (
        SELECT part.word, count(*) AS times
        FROM (SELECT t.body FROM search_texts t
              WHERE t.project_id = :project_id AND asked.word <%% t.body AND (:private OR NOT t.private)
              LIMIT :looked_at) near
        CROSS JOIN LATERAL regexp_split_to_table(near.body, '[^[:alpha:]]+') AS part(word)
        WHERE abs(length(part.word) - length(asked.word)) <= 2 GROUP BY part.word) said
    CROSS JOIN LATERAL levenshtein_less_equal(said.word, asked.word, 2) AS letters
    WHERE letters <= CASE WHEN length(asked.word) >= 8 THEN 2 ELSE 1 END
    ORDER BY letters, said.times DESC, said.word LIMIT 1) best
ORDER BY asked.word;

-- name: look_closer(project_id, message_ids, document_ids, words, vector, model_id, private, neighbours)
-- Everything about these sources that ranking and showing ask for. A message comes with its neighbours:
-- what it replies to, and the replies to it. Distances are those of a source's nearest chunk.
WITH asked AS MATERIALIZED (
    SELECT w.number, coalesce(w.exact, '{}') AS exact, coalesce(w.parts, '{}') AS parts,
           (SELECT (string_agg(DISTINCT '(' || q::text || ')', ' | ') FILTER (WHERE q::text <> ''))::tsquery
            FROM unnest(w.forms) form, plainto_tsquery('russian', form) q) AS query
    FROM jsonb_to_recordset(:words) AS w(number int, forms text[], exact text[], parts text[]) ORDER BY w.number
), places AS MATERIALIZED (
    SELECT id, base_url FROM connector_connections WHERE project_id = :project_id
), messages AS NOT MATERIALIZED (
    -- Only what is asked for below: whole rows would be carried through the union and its sort.
    SELECT id, message_id, conversation_id, account_id, connection_id, conversation_global_id, contact_global_id,
           content, sender_name, sender_type, direction, private, created_at
    FROM cw_messages WHERE project_id = :project_id AND deleted_at IS NULL AND (:private OR NOT private)
), around AS (
    SELECT DISTINCT ON (near.id) near.*
    FROM messages a CROSS JOIN LATERAL (
        SELECT a.*
        UNION ALL
        (SELECT m.* FROM messages m
         WHERE m.conversation_global_id = a.conversation_global_id AND (m.created_at, m.id) < (a.created_at, a.id)
           AND m.direction IN ('inbound', 'outbound')
         ORDER BY m.created_at DESC, m.id DESC LIMIT :neighbours)
        UNION ALL
        (SELECT m.* FROM messages m
         WHERE m.conversation_global_id = a.conversation_global_id AND (m.created_at, m.id) > (a.created_at, a.id)
           AND m.direction IN ('inbound', 'outbound')
         ORDER BY m.created_at, m.id LIMIT :neighbours)) near
    WHERE a.id = ANY(:message_ids)
    ORDER BY near.id
), found AS (
    SELECT 'chatwoot_message' AS source_type, m.id AS source_pk, m.message_id::text AS source_ref, NULL AS title,
           m.content AS body, m.sender_name AS author, m.sender_type, m.conversation_global_id, m.contact_global_id,
           m.created_at, m.private,
           k.base_url || '/app/accounts/' || m.account_id || '/conversations/' || m.conversation_id
               || '?messageId=' || m.message_id AS source_url,
           NULL::jsonb AS facts
    FROM around m LEFT JOIN places k ON k.id = m.connection_id
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

-- name: record_run(project_id, user_id, created_by, query_text, mode, filters, top_k, chunk_hits, source_hits, evidence, answer, quality_score, source_diversity, cached, degraded, embedding_model_id, duration_ms, query_norm, result_count)$
-- The run and the search event behind it, in one statement.
WITH run AS (
    INSERT INTO lightrag_query_runs (project_id, user_id, created_by, query_text, mode, filters, top_k, chunk_hits,
        source_hits, evidence, answer, quality_score, source_diversity, cached, degraded, embedding_model_id, duration_ms)
    VALUES (:project_id, :user_id, :created_by, :query_text, :mode, :filters, :top_k, :chunk_hits, :source_hits,
        :evidence, :answer, :quality_score, :source_diversity, :cached, :degraded, :embedding_model_id, :duration_ms)
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

-- name: find_run(project_id, user_id, run_id, private)^
-- A run as its reader may see it now. A message is shown while its words still stand in it, or in the window of
-- short messages that it was read with. What was deleted, erased, changed or made private since is left out and
-- counted, and so is the answer that quotes it.
WITH run AS (
    SELECT * FROM lightrag_query_runs
    WHERE project_id = :project_id AND id = :run_id AND (:user_id::uuid IS NULL OR user_id = :user_id)
), listed AS (
    SELECT e.item, e.place,
           CASE WHEN e.item ->> 'source_type' = 'chatwoot_message' THEN EXISTS (
               SELECT FROM cw_messages m
               WHERE m.project_id = :project_id AND m.id = e.item ->> 'source_pk' AND m.deleted_at IS NULL
                 AND (:private OR NOT m.private)
                 AND (position(e.item ->> 'snippet' IN coalesce(m.content, '')) > 0 OR EXISTS (
                     SELECT FROM rag_chunks c
                     WHERE c.project_id = :project_id AND c.source_type = 'chatwoot_message' AND c.source_pk = m.id
                       AND c.kind = 'window' AND starts_with(c.text, e.item ->> 'snippet'))))
           ELSE EXISTS (
               SELECT FROM source_documents d WHERE d.project_id = :project_id AND d.id = e.item ->> 'source_pk')
           END AS stands
    FROM run r CROSS JOIN LATERAL jsonb_array_elements(r.evidence) WITH ORDINALITY AS e(item, place)
), shown AS (
    SELECT coalesce(jsonb_agg(item ORDER BY place) FILTER (WHERE stands), '[]') AS evidence,
           count(*) FILTER (WHERE NOT stands) AS withheld,
           -- Runs of before it was noted may quote any of their evidence.
           count(*) FILTER (WHERE NOT stands AND coalesce((item ->> 'cited')::boolean, true)) AS quoted
    FROM listed
)
SELECT r.id::text, r.query_text, r.mode, r.filters, r.top_k, r.chunk_hits, r.source_hits, s.evidence,
       s.withheld AS evidence_withheld, CASE WHEN s.quoted > 0 THEN '' ELSE r.answer END AS answer,
       r.quality_score, r.source_diversity, r.cached, r.degraded, m.identity AS embedding_model, r.duration_ms,
       r.created_by, r.created_at
FROM run r CROSS JOIN shown s LEFT JOIN embedding_models m ON m.id = r.embedding_model_id;

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
