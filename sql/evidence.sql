-- Evidence: what decisions were based on.

-- name: keep(project_id, rows)!
-- Each reference once; what is known of its place is filled in. A snippet is not lost to a later mention
-- without one.
INSERT INTO evidence_items AS e (project_id, source_type, source_table, source_pk, conversation_global_id,
                                 message_global_id, contact_global_id, snippet, payload)
SELECT :project_id, r.source_type, r.source_table, r.source_pk,
       CASE r.source_table WHEN 'cw_conversations' THEN r.source_pk ELSE coalesce(m.conversation_global_id, c.conversation_global_id) END,
       CASE r.source_table WHEN 'cw_messages' THEN r.source_pk ELSE c.message_global_id END,
       CASE r.source_table WHEN 'cw_contacts' THEN r.source_pk ELSE coalesce(m.contact_global_id, v.contact_global_id) END,
       r.snippet, r.payload
FROM jsonb_to_recordset(:rows) AS r(source_type text, source_table text, source_pk text, snippet text, payload jsonb)
LEFT JOIN cw_messages m ON r.source_table = 'cw_messages' AND m.project_id = :project_id AND m.id = r.source_pk
LEFT JOIN cw_conversations v ON r.source_table = 'cw_conversations' AND v.project_id = :project_id AND v.id = r.source_pk
LEFT JOIN rag_chunks c ON r.source_table = 'rag_chunks' AND c.project_id = :project_id AND c.id::text = r.source_pk
WHERE NOT EXISTS (SELECT FROM erased_refs x WHERE x.project_id = :project_id AND x.ref = r.source_pk)
ON CONFLICT (project_id, source_table, source_pk) DO UPDATE SET
    source_type = excluded.source_type, snippet = coalesce(excluded.snippet, e.snippet), payload = excluded.payload,
    conversation_global_id = coalesce(excluded.conversation_global_id, e.conversation_global_id),
    message_global_id = coalesce(excluded.message_global_id, e.message_global_id),
    contact_global_id = coalesce(excluded.contact_global_id, e.contact_global_id), updated_at = now();

-- name: find(project_id, private, text, pattern, exactly, source_type, source_table, since, before, after_rank, after_at, after_id, most)
-- By words (web style: quotes, minus, or), the best match first; when none has them, by likeness: ids,
-- parts of them, mistypings (`exactly`: never). What was said in a message goes with it when it is deleted.
WITH asked AS MATERIALIZED (
    -- A question of nothing but stop words is looked for as it is.
    SELECT CASE WHEN numnode(stems) > 0 THEN stems ELSE plain END AS query
    FROM (SELECT websearch_to_tsquery('russian', :text) AS stems, websearch_to_tsquery('simple', :text) AS plain) q
), fitting AS NOT MATERIALIZED (
    SELECT e.* FROM evidence_items e
    WHERE e.project_id = :project_id
      AND (:source_type::text IS NULL OR e.source_type = :source_type)
      AND (:source_table::text IS NULL OR e.source_table = :source_table)
      AND (:since::timestamptz IS NULL OR e.created_at >= :since)
      AND (:before::timestamptz IS NULL OR e.created_at < :before)
      AND NOT EXISTS (SELECT FROM cw_messages m WHERE m.project_id = e.project_id AND m.id = e.message_global_id
                        AND (m.deleted_at IS NOT NULL OR m.private AND NOT :private))
), worded AS MATERIALIZED (
    SELECT f.id, f.created_at, round(1000 * ts_rank(f.words, (SELECT query FROM asked)))::int AS rank
    FROM fitting f WHERE f.words @@ (SELECT query FROM asked)
), alike AS (
    SELECT f.id, f.created_at,
           CASE WHEN f.search_text LIKE :pattern::text THEN 1000 ELSE round(1000 * word_similarity(:text::text, f.search_text))::int END AS rank
    FROM fitting f
    WHERE NOT :exactly AND NOT EXISTS (SELECT FROM worded) AND (f.search_text LIKE :pattern::text OR :text::text <%% f.search_text)
), page AS (
    SELECT * FROM (SELECT * FROM worded UNION ALL SELECT * FROM alike) found
    WHERE :after_id::uuid IS NULL OR (rank, created_at, id) < (:after_rank::int, :after_at::timestamptz, :after_id::uuid)
    ORDER BY rank DESC, created_at DESC, id DESC LIMIT :most
)
SELECT e.id, e.source_type, e.source_table, e.source_pk, e.conversation_global_id, e.message_global_id,
       e.contact_global_id, e.snippet, e.payload, e.created_at,
       ts_headline('russian', translate(replace(replace(replace(e.snippet, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), 'ёЁ', 'еЕ'),
                   (SELECT query FROM asked), 'StartSel=<mark>, StopSel=</mark>, HighlightAll=true') AS highlight,
       p.id || '~' || p.rank AS place
FROM page p JOIN evidence_items e ON e.project_id = :project_id AND e.id = p.id
ORDER BY p.rank DESC, p.created_at DESC, p.id DESC;

-- name: forget(project_id, contact_id, conversations, messages, refs)!
DELETE FROM evidence_items
WHERE project_id = :project_id
  AND (contact_global_id = :contact_id OR conversation_global_id = ANY(:conversations::text[])
       OR message_global_id = ANY(:messages::text[]) OR source_pk = ANY(:refs::text[]));
