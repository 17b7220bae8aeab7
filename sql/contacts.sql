-- Contacts, conversations and messages as lists and one by one; and forgetting a contact.
-- A list's key is a time and an id; rows without a time count as older than all others.

-- name: list_contacts(project_id, pattern, digits, identifier, has_email, updated_from, updated_before, after_at, after_id, most)
SELECT c.id, c.account_id::text, c.contact_id::text, c.name, c.email, c.phone_number, c.identifier, c.updated_at
FROM cw_contacts c
WHERE c.project_id = :project_id AND c.deleted_at IS NULL
  AND (:pattern::text IS NULL OR c.search_text LIKE :pattern OR c.phone_digits LIKE :digits)
  AND (:identifier::text IS NULL OR c.identifier = :identifier)
  AND (:has_email::boolean IS NULL OR (coalesce(c.email, '') <> '') = :has_email)
  AND (:updated_from::timestamptz IS NULL OR c.updated_at >= :updated_from)
  AND (:updated_before::timestamptz IS NULL OR c.updated_at < :updated_before)
  AND (:after_id::text IS NULL
       OR (coalesce(c.updated_at, '-infinity'), c.id) < (coalesce(:after_at::timestamptz, '-infinity'), :after_id))
ORDER BY coalesce(c.updated_at, '-infinity') DESC, c.id DESC LIMIT :most;

-- name: list_conversations(project_id, private, status, inbox_id, assignee_id, contact_global_id, since, before, after_at, after_id, most)
-- The last message is the last one that the caller may read.
WITH page AS (
    SELECT c.*, coalesce(c.updated_at, c.created_at) AS listed_at
    FROM cw_conversations c
    WHERE c.project_id = :project_id AND c.deleted_at IS NULL
      AND (:status::text IS NULL OR c.status = :status)
      AND (:inbox_id::bigint IS NULL OR c.inbox_id = :inbox_id)
      AND (:assignee_id::bigint IS NULL OR c.assignee_id = :assignee_id)
      AND (:contact_global_id::text IS NULL OR c.contact_global_id = :contact_global_id)
      AND (:since::timestamptz IS NULL OR coalesce(c.updated_at, c.created_at) >= :since)
      AND (:before::timestamptz IS NULL OR coalesce(c.updated_at, c.created_at) < :before)
      AND (:after_id::text IS NULL
           OR (coalesce(c.updated_at, c.created_at), c.id) < (:after_at::timestamptz, :after_id))
    ORDER BY coalesce(c.updated_at, c.created_at) DESC, c.id DESC LIMIT :most
)
SELECT p.id, p.account_id::text, p.conversation_id::text, p.contact_global_id, p.inbox_id::text, p.status,
       p.assignee_id::text, p.assignee_name, p.labels, p.updated_at, p.created_at, p.listed_at,
       CASE WHEN k.id IS NOT NULL THEN jsonb_build_object('id', k.id, 'name', k.name) END AS contact,
       last.created_at AS last_message_at
FROM page p
LEFT JOIN cw_contacts k ON k.project_id = p.project_id AND k.id = p.contact_global_id AND k.deleted_at IS NULL
LEFT JOIN LATERAL (
    SELECT m.created_at FROM cw_messages m
    WHERE m.project_id = p.project_id AND m.conversation_global_id = p.id AND m.deleted_at IS NULL
      AND (:private OR NOT m.private)
    ORDER BY m.created_at DESC NULLS LAST, m.id DESC LIMIT 1) last ON true
ORDER BY p.listed_at DESC, p.id DESC;

-- name: find_conversation(project_id, private, id)^
SELECT c.id, c.account_id::text, c.conversation_id::text, c.contact_global_id, c.inbox_id::text, c.status,
       c.assignee_id::text, c.assignee_name, c.labels, c.updated_at, c.created_at, c.source_created_at,
       CASE WHEN k.id IS NOT NULL
            THEN jsonb_build_object('id', k.id, 'name', k.name, 'email', k.email, 'phone_number', k.phone_number) END AS contact,
       CASE WHEN i.id IS NOT NULL THEN jsonb_build_object('id', i.inbox_id::text, 'name', i.name, 'channel_type', i.channel_type) END AS inbox,
       said.messages AS message_count, said.last_message_at,
       b.base_url || '/app/accounts/' || c.account_id || '/conversations/' || c.conversation_id AS source_url
FROM cw_conversations c
LEFT JOIN cw_contacts k ON k.project_id = c.project_id AND k.id = c.contact_global_id AND k.deleted_at IS NULL
LEFT JOIN cw_inboxes_raw i ON i.project_id = c.project_id AND i.account_id = c.account_id AND i.inbox_id = c.inbox_id
    AND i.deleted_at IS NULL
LEFT JOIN connector_connections b ON b.project_id = c.project_id AND b.id = c.connection_id
CROSS JOIN LATERAL (
    SELECT count(*) AS messages, max(m.created_at) AS last_message_at FROM cw_messages m
    WHERE m.project_id = c.project_id AND m.conversation_global_id = c.id AND m.deleted_at IS NULL
      AND (:private OR NOT m.private)) said
WHERE c.project_id = :project_id AND c.id = :id AND c.deleted_at IS NULL;

-- name: list_messages(project_id, private, only_private, conversation_global_id, contact_global_id, sender_type, since, before, searching, pattern, words, oldest_first, after_at, after_id, most)
-- Newest or oldest first, all or those found by a text: of the four ways one is taken, the others fall
-- away when the statement is planned.
WITH fitting AS NOT MATERIALIZED (
    SELECT m.id, coalesce(m.created_at, '-infinity') AS at
    FROM cw_messages m
    WHERE m.project_id = :project_id AND m.deleted_at IS NULL AND (:private OR NOT m.private)
      AND (:only_private::boolean IS NULL OR m.private = :only_private)
      AND (:conversation_global_id::text IS NULL OR m.conversation_global_id = :conversation_global_id)
      AND (:contact_global_id::text IS NULL OR m.contact_global_id = :contact_global_id)
      AND (:sender_type::text IS NULL OR lower(m.sender_type) = :sender_type)
      AND (:since::timestamptz IS NULL OR m.created_at >= :since)
      AND (:before::timestamptz IS NULL OR m.created_at < :before)
), found AS NOT MATERIALIZED (
    SELECT f.id, f.at
    FROM search_texts t JOIN fitting f ON f.id = t.source_pk
    WHERE t.project_id = :project_id AND t.source_type = 'chatwoot_message'
      AND (t.body LIKE :pattern::text OR own_words(t.project_id, t.words) @@ own_query(:project_id, plainto_tsquery('russian', :words)))
), page AS (
    (SELECT id, at FROM fitting
     WHERE NOT :searching AND NOT :oldest_first
       AND (:after_id::text IS NULL OR (at, id) < (coalesce(:after_at::timestamptz, '-infinity'), :after_id))
     ORDER BY at DESC, id DESC LIMIT :most)
    UNION ALL
    (SELECT id, at FROM fitting
     WHERE NOT :searching AND :oldest_first
       AND (:after_id::text IS NULL OR (at, id) > (coalesce(:after_at::timestamptz, '-infinity'), :after_id))
     ORDER BY at, id LIMIT :most)
    UNION ALL
    (SELECT id, at FROM found
     WHERE :searching AND NOT :oldest_first
       AND (:after_id::text IS NULL OR (at, id) < (coalesce(:after_at::timestamptz, '-infinity'), :after_id))
     ORDER BY at DESC, id DESC LIMIT :most)
    UNION ALL
    (SELECT id, at FROM found
     WHERE :searching AND :oldest_first
       AND (:after_id::text IS NULL OR (at, id) > (coalesce(:after_at::timestamptz, '-infinity'), :after_id))
     ORDER BY at, id LIMIT :most)
)
SELECT m.id, m.conversation_global_id, m.contact_global_id, m.sender_type, m.sender_name, m.direction, m.private,
       left(m.content, 300) AS content_snippet, m.created_at, m.updated_at
FROM page p JOIN cw_messages m ON m.project_id = :project_id AND m.id = p.id
ORDER BY CASE WHEN :oldest_first THEN p.at END, CASE WHEN :oldest_first THEN p.id END, p.at DESC, p.id DESC;

-- name: find_message(project_id, private, id)^
SELECT m.id, m.account_id::text, m.message_id::text, m.conversation_global_id, m.contact_global_id, m.sender_type,
       m.sender_id::text, m.sender_name, m.direction, m.private, m.content, m.created_at, m.updated_at,
       b.base_url || '/app/accounts/' || m.account_id || '/conversations/' || m.conversation_id
           || '?messageId=' || m.message_id AS source_url,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'content_type', a.content_type, 'file_name', a.file_name,
                   'file_size', a.file_size, 'file_url', a.file_url, 'thumb_url', a.thumb_url) ORDER BY a.id), '[]')
        FROM cw_attachments_raw a WHERE a.project_id = m.project_id AND a.message_global_id = m.id) AS attachments
FROM cw_messages m
LEFT JOIN connector_connections b ON b.project_id = m.project_id AND b.id = m.connection_id
WHERE m.project_id = :project_id AND m.id = :id AND m.deleted_at IS NULL AND (:private OR NOT m.private);

-- name: erasing(project_id)$
-- Alone with the project's messages: whoever writes them at this moment comes to an end first.
SELECT pg_advisory_xact_lock(hashtextextended('erase ' || :project_id, 0)) IS NULL;

-- name: writing(project_id)$
-- Beside others who write messages, and before or after an erasure, never during one.
SELECT pg_advisory_xact_lock_shared(hashtextextended('erase ' || :project_id, 0)) IS NULL;

-- name: erased_among(project_id, refs)
SELECT ref FROM erased_refs WHERE project_id = :project_id AND ref = ANY(:refs::text[]) ORDER BY ref;

-- name: remember_erased(project_id, refs)!
INSERT INTO erased_refs (project_id, ref) SELECT :project_id, ref FROM unnest(:refs::text[]) AS r(ref)
ON CONFLICT (project_id, ref) DO NOTHING;

-- name: find_traces(project_id, id)^
-- A contact, and everything that was said by it or in its conversations.
WITH talks AS (
    SELECT v.id, v.conversation_id FROM cw_conversations v
    WHERE v.project_id = :project_id AND v.contact_global_id = :id
), said AS (
    SELECT m.id FROM cw_messages m WHERE m.project_id = :project_id AND m.contact_global_id = :id
    UNION
    SELECT m.id FROM cw_messages m JOIN talks t ON m.conversation_global_id = t.id WHERE m.project_id = :project_id
), cut AS (
    SELECT c.id FROM rag_chunks c JOIN said s ON c.source_pk = s.id
    WHERE c.project_id = :project_id AND c.source_type = 'chatwoot_message'
)
SELECT c.id, c.connection_id, c.contact_id, c.name, lower(c.email) AS email, c.phone_digits, c.identifier,
       (SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM talks) AS conversations,
       (SELECT coalesce(array_agg('conversation:' || conversation_id ORDER BY id), '{}') FROM talks) AS objects,
       (SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM said) AS messages,
       (SELECT coalesce(array_agg(id::text ORDER BY id), '{}') FROM cut) AS chunks
FROM cw_contacts c WHERE c.project_id = :project_id AND c.id = :id;

-- name: blank_messages(project_id, messages)!
-- As when they were deleted upstream: what they were found by is then taken away with them.
UPDATE cw_messages SET content = NULL, sender_name = NULL, deleted_at = coalesce(deleted_at, now())
WHERE project_id = :project_id AND id = ANY(:messages::text[]);

-- name: delete_messages(project_id, messages)!
-- Their attachments go with them.
DELETE FROM cw_messages WHERE project_id = :project_id AND id = ANY(:messages::text[]);

-- name: delete_conversations(project_id, conversations)!
DELETE FROM cw_conversations WHERE project_id = :project_id AND id = ANY(:conversations::text[]);

-- name: delete_contact(project_id, id)!
DELETE FROM cw_contacts WHERE project_id = :project_id AND id = :id;

-- name: forget_happenings(project_id, refs)!
DELETE FROM connector_events WHERE project_id = :project_id AND source = 'chatwoot' AND source_ref = ANY(:refs::text[]);

-- name: forget_deliveries(project_id, connection_id, objects)!
-- Webhooks that were about them, with the bodies they came with.
DELETE FROM webhook_deliveries
WHERE project_id = :project_id AND connection_id = :connection_id AND object_ref = ANY(:objects::text[]);

-- name: forget_failures(project_id, objects)!
-- Records that could not be read: their own, and messages of their conversations, which are stored nowhere else.
UPDATE connector_errors SET payload_json = '{}'
WHERE project_id = :project_id AND connector = 'chatwoot' AND payload_json <> '{}'
  AND (source_ref = ANY(:objects::text[])
       OR 'conversation:' || (payload_json -> 'record' ->> 'conversation_id') = ANY(:objects::text[]));

-- name: forget_pushed(project_id, email)!
-- What Loops was told, unless the address is also another contact's of the same scope.
DELETE FROM loops_contact_state s USING projects p
WHERE p.id = :project_id AND s.account_scope_id = p.account_scope_id AND s.email = :email
  AND NOT EXISTS (SELECT FROM cw_contacts c JOIN projects o ON o.id = c.project_id
                  WHERE o.account_scope_id = p.account_scope_id AND lower(c.email) = :email AND c.deleted_at IS NULL);

-- name: leave_alone(project_id, id, email)!
-- Who is forgotten is not written to either. Of the address only a hash is kept, and no other trace.
WITH scope AS (
    SELECT account_scope_id AS id FROM projects WHERE id = :project_id
), gone AS (
    DELETE FROM contact_channel_policies k USING scope
    WHERE k.account_scope_id = scope.id AND k.contact_global_id IN (:id, :email::text)
), hashed AS (
    UPDATE suppressions s SET value = NULL FROM scope
    WHERE s.account_scope_id = scope.id AND s.value IN (:id, :email::text) AND s.kind = 'email'
)
INSERT INTO suppressions (account_scope_id, kind, value_hash, channel, reason, source)
SELECT scope.id, 'email', sha256(convert_to(:email, 'UTF8')), 'all', 'do_not_contact', 'erasure'
FROM scope WHERE :email::text IS NOT NULL
ON CONFLICT (account_scope_id, kind, value_hash, channel) WHERE revoked_at IS NULL DO NOTHING;

-- name: same_person_elsewhere(project_id, email)^
-- Where else in the scope the address stands: other contacts, and people of the CRM that is mirrored.
SELECT (SELECT coalesce(jsonb_agg(jsonb_build_object('project_id', c.project_id, 'contact_id', c.id) ORDER BY c.project_id, c.id), '[]')
        FROM projects o JOIN cw_contacts c ON c.project_id = o.id AND lower(c.email) = :email AND c.deleted_at IS NULL
        WHERE o.account_scope_id = p.account_scope_id) AS contacts,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('project_id', a.project_id, 'person_id', a.id) ORDER BY a.project_id, a.id), '[]')
        FROM projects o JOIN attio_people_raw a ON a.project_id = o.id AND lower(a.email) = :email AND a.deleted_at IS NULL
        WHERE o.account_scope_id = p.account_scope_id) AS people
FROM projects p WHERE p.id = :project_id;
