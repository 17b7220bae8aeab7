-- What was searched for: events, summaries, suggestions; forgetting; and the palette over all projects.

-- name: track(project_id, user_id, event_type, query, query_norm, query_run_id, result_count, filters, source_filter, top_k, clicked_result_id, clicked_source_type, duration_ms)$
-- An event that a page reports. A click belongs to the run of the search before it. A search that the
-- server has just recorded itself is not counted again: its event is the answer.
WITH mine AS (
    SELECT s.id, s.query_run_id, s.created_at, s.filters FROM search_analytics s
    WHERE s.user_id = :user_id AND s.project_id = :project_id AND s.event_type = 'search'
      AND s.query_norm = :query_norm AND s.query_run_id IS NOT NULL
      AND (:query_run_id::bigint IS NULL OR s.query_run_id = :query_run_id)
      AND s.created_at > now() - interval '24 hours'
    ORDER BY s.created_at DESC, s.id LIMIT 20
), repeated AS (
    SELECT id FROM mine
    WHERE :event_type = 'search'
      AND (:query_run_id::bigint IS NOT NULL
           OR created_at > now() - interval '60 seconds'
              AND filters -> 'sourceFilter' = :source_filter::jsonb AND filters -> 'topK' = :top_k::jsonb)
    ORDER BY created_at DESC, id LIMIT 1
), added AS (
    INSERT INTO search_analytics (project_id, event_type, query, query_norm, query_run_id, result_count, filters,
                                  user_id, clicked_result_id, clicked_source_type, duration_ms)
    SELECT :project_id, :event_type, :query, :query_norm,
           CASE WHEN :event_type = 'click' THEN (SELECT query_run_id FROM mine ORDER BY created_at DESC, id LIMIT 1) END,
           :result_count, :filters, :user_id, :clicked_result_id, :clicked_source_type, :duration_ms
    WHERE NOT EXISTS (SELECT FROM repeated)
    RETURNING id
)
SELECT id FROM added UNION ALL SELECT id FROM repeated;

-- name: summary(project_id, days, time_zone, most)^
-- All of the summary in one look at the events of the period, which begins with a day of the time zone.
WITH period AS (
    SELECT (date_trunc('day', now() AT TIME ZONE :time_zone) - make_interval(days => :days - 1)) AT TIME ZONE :time_zone AS since
), events AS MATERIALIZED (
    SELECT s.event_type, s.query_norm, s.query, s.query_run_id, s.user_id, s.result_count, s.duration_ms,
           s.clicked_source_type, s.created_at, (s.created_at AT TIME ZONE :time_zone)::date AS day
    FROM search_analytics s, period p
    WHERE s.project_id = :project_id AND s.created_at >= p.since AND s.event_type IN ('search', 'click')
), searches AS (
    SELECT e.*, EXISTS (SELECT FROM events c WHERE c.event_type = 'click' AND c.query_run_id = e.query_run_id) AS clicked
    FROM events e WHERE e.event_type = 'search'
), clicks AS (
    SELECT * FROM events WHERE event_type = 'click'
), grouped AS (
    SELECT (array_agg(query ORDER BY created_at DESC, query))[1] AS query, query_norm, count(*) AS search_count,
           round(avg(result_count))::int AS avg_results, round(avg(duration_ms))::int AS avg_duration_ms,
           max(created_at) AS last_at, sum((result_count = 0)::int) AS without_result,
           max(created_at) FILTER (WHERE result_count = 0) AS last_without
    FROM searches GROUP BY query_norm
), opinions AS (
    SELECT sum((f.rating = 1)::int) AS up, sum((f.rating = -1)::int) AS down
    FROM lightrag_feedback f, period p WHERE f.project_id = :project_id AND f.updated_at >= p.since
    UNION ALL
    SELECT sum(d.up), sum(d.down) FROM lightrag_feedback_days d, period p
    WHERE d.project_id = :project_id AND d.day >= (p.since AT TIME ZONE :time_zone)::date
)
SELECT jsonb_build_object(
           'total_searches', (SELECT count(*) FROM searches),
           'total_clicks', (SELECT count(*) FROM clicks),
           'unique_queries', (SELECT count(*) FROM grouped),
           'unique_users', (SELECT count(DISTINCT user_id) FROM searches),
           'avg_duration_ms', (SELECT coalesce(round(avg(duration_ms)), 0)::int FROM searches),
           'p50_duration_ms', (SELECT coalesce(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms)), 0)::int FROM searches),
           'p95_duration_ms', (SELECT coalesce(round(percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms)), 0)::int FROM searches),
           'avg_result_count', (SELECT coalesce(round(avg(result_count)), 0)::int FROM searches),
           'click_through_rate_pct', (SELECT coalesce(round(100.0 * count(*) FILTER (WHERE clicked) / nullif(count(*), 0), 2), 0) FROM searches)
       ) AS overview,
       (SELECT coalesce(jsonb_agg(to_jsonb(t) - 'last_at' ORDER BY t.search_count DESC, t.last_at DESC, t.query), '[]')
        FROM (SELECT query, search_count, avg_results, avg_duration_ms, last_at FROM grouped
              ORDER BY search_count DESC, last_at DESC, query_norm LIMIT :most) t) AS top_queries,
       (SELECT coalesce(jsonb_agg(to_jsonb(z) - 'last_without' ORDER BY z.search_count DESC, z.last_without DESC, z.query), '[]')
        FROM (SELECT query, without_result AS search_count, last_without FROM grouped WHERE without_result > 0
              ORDER BY without_result DESC, last_without DESC, query_norm LIMIT :most) z) AS zero_result_queries,
       (SELECT jsonb_agg(jsonb_build_object('day', d.day::date, 'searches', coalesce(n.searches, 0), 'clicks', coalesce(n.clicks, 0))
                         ORDER BY d.day DESC)
        FROM period p
        CROSS JOIN LATERAL (SELECT (p.since AT TIME ZONE :time_zone)::date + offset_days AS day
                            FROM generate_series(0, :days - 1) AS g(offset_days)) d
        LEFT JOIN (SELECT day, count(*) FILTER (WHERE event_type = 'search') AS searches,
                          count(*) FILTER (WHERE event_type = 'click') AS clicks
                   FROM events GROUP BY day) n ON n.day = d.day) AS daily_volume,
       (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.click_count DESC, c.source_type), '[]')
        FROM (SELECT coalesce(clicked_source_type, 'unknown') AS source_type, count(*) AS click_count
              FROM clicks GROUP BY 1) c) AS source_clicks,
       (SELECT jsonb_build_object('up', coalesce(sum(up), 0), 'down', coalesce(sum(down), 0)) FROM opinions) AS feedback;

-- name: quality_weeks(project_id, weeks, time_zone)
-- What people thought of answers, by week and by how good the answer took itself for.
SELECT week, score_band, sum(up)::int AS up, sum(neutral)::int AS neutral, sum(down)::int AS down,
       round(100.0 * sum(up) / nullif(sum(up + neutral + down), 0), 2) AS up_pct,
       round(100.0 * sum(down) / nullif(sum(up + neutral + down), 0), 2) AS down_pct
FROM (
    SELECT date_trunc('week', f.updated_at AT TIME ZONE :time_zone)::date AS week,
           least(75, 25 * floor(r.quality_score / 25))::int AS score_band,
           (f.rating = 1)::int AS up, (f.rating = 0)::int AS neutral, (f.rating = -1)::int AS down
    FROM lightrag_feedback f
    JOIN lightrag_query_runs r ON r.project_id = f.project_id AND r.id = f.query_run_id
    WHERE f.project_id = :project_id
    UNION ALL
    SELECT date_trunc('week', d.day)::date, d.score_band, d.up, d.neutral, d.down
    FROM lightrag_feedback_days d WHERE d.project_id = :project_id
) opinions
WHERE week > (date_trunc('week', now() AT TIME ZONE :time_zone) - make_interval(weeks => :weeks))::date
GROUP BY week, score_band ORDER BY week DESC, score_band;

-- name: suggestions(project_id, user_id, days, wanted, pattern, prefix, like_this, most)
-- What was searched for before and found something: by oneself, or by two people at least, so that nobody
-- reads another's questions. Beginnings before parts before what is only similar.
WITH past AS (
    SELECT s.query_norm, s.query, s.created_at, s.result_count, s.user_id,
           CASE WHEN :wanted::text IS NULL OR s.query_norm LIKE :prefix THEN 0
                WHEN s.query_norm LIKE :pattern::text THEN 1 ELSE 2 END AS tier
    FROM search_analytics s
    WHERE s.project_id = :project_id AND s.event_type = 'search'
      AND s.created_at > now() - make_interval(days => :days)
      AND (:wanted::text IS NULL OR s.query_norm LIKE :prefix::text OR s.query_norm LIKE :pattern::text
           OR :like_this::text <%% s.query_norm)
)
SELECT (array_agg(query ORDER BY (user_id = :user_id) DESC NULLS LAST, created_at DESC, query))[1] AS query,
       count(*) AS search_count
FROM past
GROUP BY query_norm, tier
HAVING (bool_or(user_id = :user_id) OR count(DISTINCT user_id) >= 2)
   AND (array_agg(result_count ORDER BY created_at DESC))[1] > 0
ORDER BY tier, count(*) DESC, max(created_at) DESC, query_norm LIMIT :most;

-- name: erase_history(user_id)^
-- Everything that one person asked and thought of answers, in all projects. What others asked in the same
-- words stays.
WITH events AS (
    DELETE FROM search_analytics WHERE user_id = :user_id RETURNING 1
), runs AS (
    DELETE FROM lightrag_query_runs WHERE user_id = :user_id RETURNING 1
), opinions AS (
    DELETE FROM lightrag_feedback WHERE user_id = :user_id RETURNING 1
)
SELECT (SELECT count(*) FROM events) AS search_analytics, (SELECT count(*) FROM runs) AS lightrag_query_runs,
       (SELECT count(*) FROM opinions) AS lightrag_feedback;

-- name: forget_quotes(project_id, contact_id, conversations, messages, chunks)^
-- Answers that quote what is being erased lose the quotation and their text; clicks lose what they led to. Short
-- messages are read together: where the contact had a say in somebody else's conversation, what is quoted of it
-- and is not the message's own words goes too.
WITH spoken_in AS MATERIALIZED (
    SELECT DISTINCT conversation_global_id AS id FROM cw_messages
    WHERE project_id = :project_id AND id = ANY(:messages::text[])
), quoting AS (
    SELECT r.id, told.evidence FROM lightrag_query_runs r CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(item ORDER BY place) FILTER (WHERE NOT gone), '[]') AS evidence, bool_or(gone) AS quotes
        FROM (SELECT item, place,
                     item ->> 'source_pk' = ANY(:messages::text[] || :chunks::text[])
                     OR coalesce(item #>> '{metadata,contact_global_id}' = :contact_id, false)
                     OR coalesce(item #>> '{metadata,conversation_global_id}' = ANY(:conversations::text[]), false)
                     OR coalesce(item #>> '{metadata,conversation_global_id}' IN (SELECT id FROM spoken_in), false)
                        AND NOT EXISTS (SELECT FROM cw_messages m WHERE m.project_id = :project_id AND m.id = item ->> 'source_pk'
                                          AND position(item ->> 'snippet' IN coalesce(m.content, '')) > 0) AS gone
              FROM jsonb_array_elements(r.evidence) WITH ORDINALITY AS e(item, place)) e) told
    WHERE r.project_id = :project_id AND told.quotes
), cleaned AS (
    UPDATE lightrag_query_runs r SET answer = '', evidence = q.evidence
    FROM quoting q WHERE r.project_id = :project_id AND r.id = q.id
    RETURNING r.id
), unclicked AS (
    UPDATE search_analytics SET clicked_result_id = NULL
    WHERE project_id = :project_id AND clicked_result_id = ANY(:messages::text[] || :chunks::text[] || :conversations::text[])
)
SELECT count(*) AS runs FROM cleaned;

-- name: forget_mentions(project_id, email, phone, identifier, name)^
-- Questions that name a person by address, number, id or whole name, in any inflection.
WITH asked AS (
    SELECT r.id FROM lightrag_query_runs r
    WHERE r.project_id = :project_id
      AND (position(:email::text IN fold_text(r.query_text)) > 0
           OR position(:phone::text IN regexp_replace(r.query_text, '[^0-9]', '', 'g')) > 0
           OR position(:identifier::text IN fold_text(r.query_text)) > 0
           OR to_tsvector('russian', fold_text(r.query_text)) @@ plainto_tsquery('russian', :name::text))
), runs AS (
    DELETE FROM lightrag_query_runs r USING asked a WHERE r.project_id = :project_id AND r.id = a.id RETURNING 1
), events AS (
    DELETE FROM search_analytics s
    WHERE s.project_id = :project_id
      AND (s.query_run_id IN (SELECT id FROM asked)
           OR position(:email::text IN s.query_norm) > 0
           OR position(:phone::text IN regexp_replace(s.query_norm, '[^0-9]', '', 'g')) > 0
           OR position(:identifier::text IN s.query_norm) > 0
           OR to_tsvector('russian', s.query_norm) @@ plainto_tsquery('russian', :name::text))
    RETURNING 1
)
SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM events) AS events;

-- name: palette(user_id, role, private, project_ids, types, text, pattern, beginning, digits, words, status, since, before, most)
-- Whatever has the words, of every type that is asked for, over the projects that the caller may enter.
-- `of_type` counts all that were found of a type.
WITH mine AS MATERIALIZED (
    SELECT p.id, p.name, p.phase, p.updated_at FROM projects p
    WHERE p.archived_at IS NULL AND lower(p.name) <> '__legacy_scope__'
      AND (:project_ids::uuid[] IS NULL OR p.id = ANY(:project_ids))
      AND (:role = 'owner' OR EXISTS (
            SELECT FROM project_assignments a WHERE a.project_id = p.id AND a.user_id = :user_id))
), named AS (
    SELECT 'client' AS type, c.id, c.name AS title, concat_ws(' · ', c.email, c.phone_number) AS excerpt,
           NULL AS status, p.id AS project_id, p.name AS project_name, c.updated_at, c.search_text,
           c.phone_digits LIKE :digits::text AS by_number
    FROM mine p JOIN cw_contacts c ON c.project_id = p.id AND c.deleted_at IS NULL
      AND (c.search_text LIKE :pattern::text OR c.phone_digits LIKE :digits::text OR :text::text <%% c.search_text)
    WHERE 'client' = ANY(:types::text[])
    UNION ALL
    SELECT 'client', a.id::text, a.name, a.domain, a.stage, p.id, p.name, a.updated_at, a.search_text, false
    FROM mine p JOIN crm_accounts a ON a.project_id = p.id AND a.source_deleted_at IS NULL
      AND (a.search_text LIKE :pattern::text OR :text::text <%% a.search_text)
    WHERE 'client' = ANY(:types::text[])
    UNION ALL
    SELECT 'offer', o.id::text, o.title, nullif(o.next_step, ''), o.stage, p.id, p.name, o.updated_at, o.search_text, false
    FROM mine p JOIN crm_opportunities o ON o.project_id = p.id AND o.source_deleted_at IS NULL
      AND (o.search_text LIKE :pattern::text OR :text::text <%% o.search_text)
    WHERE 'offer' = ANY(:types::text[])
    UNION ALL
    SELECT 'project', p.id::text, p.name, NULL, p.phase, p.id, p.name, p.updated_at, fold_text(p.name), false
    FROM mine p
    WHERE 'project' = ANY(:types::text[]) AND (fold_text(p.name) LIKE :pattern::text OR :text::text <%% fold_text(p.name))
    UNION ALL
    SELECT 'job', r.id::text, r.job_type, r.error, r.status, p.id, p.name, coalesce(r.finished_at, r.queued_at),
           replace(r.job_type, '_', ' '), false
    FROM mine p JOIN job_latest l ON l.project_id = p.id JOIN job_runs r ON r.project_id = l.project_id AND r.id = l.run_id
    WHERE 'job' = ANY(:types::text[])
      AND (replace(r.job_type, '_', ' ') LIKE replace(:pattern, '\_', ' ') OR :text::text <%% replace(r.job_type, '_', ' '))
), said AS (
    -- The newest of each project; how many there are is counted up to a thousand.
    SELECT 'message' AS type, t.id, p.id AS project_id, p.name AS project_name, t.updated_at, n.of_project
    FROM mine p CROSS JOIN LATERAL (
        SELECT m.id, m.created_at AS updated_at
        FROM search_texts t JOIN cw_messages m ON m.project_id = p.id AND m.id = t.source_pk AND m.deleted_at IS NULL
        WHERE t.project_id = p.id AND t.source_type = 'chatwoot_message' AND (:private OR NOT t.private)
          AND (own_words(t.project_id, t.words) @@ own_query(p.id, to_tsquery('russian', :words)) OR t.body LIKE :pattern::text)
          AND (:since::timestamptz IS NULL OR t.occurred_at >= :since)
          AND (:before::timestamptz IS NULL OR t.occurred_at < :before)
        ORDER BY coalesce(m.created_at, '-infinity') DESC, m.id DESC LIMIT :most) t
    CROSS JOIN LATERAL (
        SELECT count(*) AS of_project FROM (
            SELECT FROM search_texts t
            WHERE t.project_id = p.id AND t.source_type = 'chatwoot_message' AND (:private OR NOT t.private)
              AND (own_words(t.project_id, t.words) @@ own_query(p.id, to_tsquery('russian', :words)) OR t.body LIKE :pattern::text)
              AND (:since::timestamptz IS NULL OR t.occurred_at >= :since)
              AND (:before::timestamptz IS NULL OR t.occurred_at < :before)
            LIMIT 1000) seen) n
    WHERE 'message' = ANY(:types::text[]) AND :status::text IS NULL
), found AS (
    SELECT type, id, title, excerpt, status, project_id, project_name, updated_at, 1 AS counts,
           CASE WHEN search_text LIKE :beginning THEN 1.0 WHEN by_number OR search_text LIKE :pattern::text THEN 0.9
                ELSE 0.8 * word_similarity(:text::text, search_text) END::float8 AS score
    FROM named
    WHERE (:status::text IS NULL OR lower(status) = :status)
      AND (:since::timestamptz IS NULL OR updated_at >= :since) AND (:before::timestamptz IS NULL OR updated_at < :before)
    UNION ALL
    SELECT type, id, NULL, NULL, NULL, project_id, project_name, updated_at,
           -- The first one of a project stands for all of it.
           CASE WHEN row_number() OVER (PARTITION BY project_id ORDER BY id) = 1 THEN of_project ELSE 0 END, 0.7
    FROM said
), placed AS (
    SELECT f.*, sum(counts) OVER (PARTITION BY type) AS of_type,
           row_number() OVER (PARTITION BY type ORDER BY score DESC, updated_at DESC NULLS LAST, project_id, id) AS place
    FROM found f
), page AS (
    SELECT * FROM placed WHERE place <= :most
    ORDER BY score DESC, updated_at DESC NULLS LAST, type, project_id, id LIMIT 10 * :most
)
SELECT f.type, f.id, coalesce(f.title, m.sender_name, k.name, k.email) AS title, coalesce(f.excerpt, left(m.content, 200)) AS excerpt,
       coalesce(f.status, v.status) AS status, f.project_id, f.project_name, f.updated_at, round(f.score::numeric, 4) AS score,
       m.conversation_global_id, f.of_type::int
FROM page f
LEFT JOIN cw_messages m ON f.type = 'message' AND m.project_id = f.project_id AND m.id = f.id
LEFT JOIN cw_conversations v ON v.project_id = m.project_id AND v.id = m.conversation_global_id
LEFT JOIN cw_contacts k ON k.project_id = m.project_id AND k.id = m.contact_global_id
ORDER BY f.score DESC, f.updated_at DESC NULLS LAST, f.type, f.project_id, f.id;

-- name: purge_events(project_id, days, batch)!
DELETE FROM search_analytics WHERE project_id = :project_id AND id IN (
    SELECT id FROM search_analytics
    WHERE project_id = :project_id AND created_at < now() - make_interval(days => :days)
    ORDER BY created_at, id LIMIT :batch);

-- name: purge_runs(project_id, days, batch)^
-- What people thought of these runs' answers is kept as numbers.
WITH old AS (
    SELECT id, quality_score FROM lightrag_query_runs
    WHERE project_id = :project_id AND created_at < now() - make_interval(days => :days)
    ORDER BY created_at, id LIMIT :batch
), kept AS (
    INSERT INTO lightrag_feedback_days AS d (project_id, day, score_band, up, neutral, down)
    SELECT :project_id, f.updated_at::date, least(75, 25 * floor(o.quality_score / 25)),
           count(*) FILTER (WHERE f.rating = 1), count(*) FILTER (WHERE f.rating = 0), count(*) FILTER (WHERE f.rating = -1)
    FROM old o JOIN lightrag_feedback f ON f.project_id = :project_id AND f.query_run_id = o.id
    GROUP BY 2, 3
    ON CONFLICT (project_id, day, score_band) DO UPDATE SET
        up = d.up + excluded.up, neutral = d.neutral + excluded.neutral, down = d.down + excluded.down
), gone AS (
    DELETE FROM lightrag_query_runs r USING old o WHERE r.project_id = :project_id AND r.id = o.id RETURNING 1
)
SELECT count(*) AS deleted FROM gone;

-- name: purge_usage(project_id, days, batch)!
DELETE FROM embedding_usage WHERE project_id = :project_id AND (day, model_id, purpose) IN (
    SELECT day, model_id, purpose FROM embedding_usage
    WHERE project_id = :project_id AND day < current_date - :days
    ORDER BY day, model_id, purpose LIMIT :batch);

-- name: overdue(project_id, events_days, runs_days, usage_days)^
-- By how many days the oldest row of each table is older than it should be.
SELECT (SELECT extract(epoch FROM now() - min(created_at)) / 86400 - :events_days FROM search_analytics
        WHERE project_id = :project_id) AS search_analytics,
       (SELECT extract(epoch FROM now() - min(created_at)) / 86400 - :runs_days FROM lightrag_query_runs
        WHERE project_id = :project_id) AS lightrag_query_runs,
       (SELECT current_date - min(day) - :usage_days FROM embedding_usage
        WHERE project_id = :project_id) AS embedding_usage;
