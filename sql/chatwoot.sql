-- Chatwoot: rows as pages bring them. Every upsert takes one JSON array and leaves unchanged rows alone.

-- name: upsert_inboxes(project_id, connection_id, rows)!
INSERT INTO cw_inboxes_raw AS t (project_id, connection_id, id, account_id, inbox_id, name, channel_type, content_hash)
SELECT :project_id, :connection_id, r.id, r.account_id, r.inbox_id, r.name, r.channel_type, decode(r.content_hash, 'hex')
FROM jsonb_to_recordset(:rows) AS r(id text, account_id bigint, inbox_id bigint, name text, channel_type text, content_hash text)
ON CONFLICT (project_id, id) DO UPDATE SET name = excluded.name, channel_type = excluded.channel_type,
    content_hash = excluded.content_hash, last_seen_at = now(), updated_at = now(), deleted_at = NULL
WHERE t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL;

-- name: upsert_agents(project_id, rows)!
INSERT INTO cw_agents AS t (project_id, id, account_id, agent_id, name, email)
SELECT :project_id, r.id, r.account_id, r.agent_id, r.name, r.email
FROM jsonb_to_recordset(:rows) AS r(id text, account_id bigint, agent_id bigint, name text, email text)
ON CONFLICT (project_id, id) DO UPDATE SET name = excluded.name, email = excluded.email, last_seen_at = now(), deleted_at = NULL
WHERE (t.name, t.email) IS DISTINCT FROM (excluded.name, excluded.email) OR t.deleted_at IS NOT NULL;

-- name: unlisted_inboxes(project_id, account, numbers)^
-- Those that a list of all of them does not name, beside how many there are.
SELECT count(*) AS stored, coalesce(array_agg(id ORDER BY id) FILTER (WHERE inbox_id <> ALL(:numbers::bigint[])), '{}') AS ids
FROM cw_inboxes_raw WHERE project_id = :project_id AND account_id = :account AND deleted_at IS NULL;

-- name: unlisted_agents(project_id, account, numbers)^
SELECT count(*) AS stored, coalesce(array_agg(id ORDER BY id) FILTER (WHERE agent_id <> ALL(:numbers::bigint[])), '{}') AS ids
FROM cw_agents WHERE project_id = :project_id AND account_id = :account AND deleted_at IS NULL;

-- name: bury_inboxes(project_id, ids)!
UPDATE cw_inboxes_raw SET deleted_at = now(), updated_at = now()
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL;

-- name: bury_agents(project_id, ids)!
UPDATE cw_agents SET deleted_at = now() WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL;

-- name: upsert_contacts(project_id, connection_id, rows)!
-- Field by field: the newest that is not empty wins. A thinner reading never empties anything, and an older one
-- only fills what is empty.
INSERT INTO cw_contacts AS t (project_id, connection_id, id, account_id, contact_id, name, email, phone_number,
                              identifier, custom_attributes, content_hash, source_created_at, source_updated_at, updated_at)
SELECT :project_id, :connection_id, r.id, r.account_id, r.contact_id, r.name, r.email, r.phone_number,
       r.identifier, coalesce(r.custom_attributes, '{}'), ''::bytea, r.source_created_at, r.updated_at, r.updated_at
FROM jsonb_to_recordset(:rows) AS r(id text, account_id bigint, contact_id bigint, name text, email text,
     phone_number text, identifier text, custom_attributes jsonb, source_created_at timestamptz, updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET
    name = CASE WHEN excluded.source_updated_at < t.source_updated_at THEN coalesce(t.name, excluded.name) ELSE coalesce(excluded.name, t.name) END,
    email = CASE WHEN excluded.source_updated_at < t.source_updated_at THEN coalesce(t.email, excluded.email) ELSE coalesce(excluded.email, t.email) END,
    phone_number = CASE WHEN excluded.source_updated_at < t.source_updated_at THEN coalesce(t.phone_number, excluded.phone_number)
                        ELSE coalesce(excluded.phone_number, t.phone_number) END,
    identifier = CASE WHEN excluded.source_updated_at < t.source_updated_at THEN coalesce(t.identifier, excluded.identifier)
                      ELSE coalesce(excluded.identifier, t.identifier) END,
    custom_attributes = CASE WHEN excluded.source_updated_at < t.source_updated_at THEN excluded.custom_attributes || t.custom_attributes
                             ELSE t.custom_attributes || excluded.custom_attributes END,
    source_created_at = coalesce(t.source_created_at, excluded.source_created_at),
    source_updated_at = greatest(t.source_updated_at, excluded.source_updated_at),
    updated_at = greatest(t.updated_at, excluded.updated_at), last_seen_at = now(),
    deleted_at = CASE WHEN excluded.source_updated_at < t.source_updated_at THEN t.deleted_at END
WHERE CASE WHEN excluded.source_updated_at < t.source_updated_at
      THEN (coalesce(t.name, excluded.name), coalesce(t.email, excluded.email), coalesce(t.phone_number, excluded.phone_number),
            coalesce(t.identifier, excluded.identifier), excluded.custom_attributes || t.custom_attributes)
           IS DISTINCT FROM (t.name, t.email, t.phone_number, t.identifier, t.custom_attributes)
      ELSE (coalesce(excluded.name, t.name), coalesce(excluded.email, t.email),
            coalesce(excluded.phone_number, t.phone_number), coalesce(excluded.identifier, t.identifier),
            t.custom_attributes || excluded.custom_attributes, greatest(t.source_updated_at, excluded.source_updated_at), NULL)
           IS DISTINCT FROM (t.name, t.email, t.phone_number, t.identifier, t.custom_attributes, t.source_updated_at, t.deleted_at)
      END;

-- name: bury_contacts(project_id, ids)!
-- Contacts that are no longer there. Their addresses stay: who opted out under one is still known by it.
UPDATE cw_contacts SET deleted_at = now() WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL;

-- name: bury_strangers(project_id, account)!
-- Contacts of whom no conversation is here: where only some inboxes are read, they are nobody's.
UPDATE cw_contacts c SET deleted_at = now()
WHERE c.project_id = :project_id AND c.account_id = :account AND c.deleted_at IS NULL AND NOT EXISTS (
    SELECT FROM cw_conversations v
    WHERE v.project_id = c.project_id AND v.contact_global_id = c.id AND v.deleted_at IS NULL);

-- name: see_contacts(project_id, account, numbers, began)!
UPDATE cw_contacts SET last_seen_at = greatest(now(), :began::timestamptz)
WHERE project_id = :project_id AND account_id = :account AND contact_id = ANY(:numbers) AND deleted_at IS NULL;

-- name: unseen_contacts(project_id, account, began, most)^
-- The vendor lists contacts of whom it knows an address, a number or an id of another system.
SELECT count(*) FILTER (WHERE last_seen_at < :began) AS missing, count(*) AS stored,
       coalesce((array_agg(contact_id ORDER BY contact_id) FILTER (WHERE last_seen_at < :began))[1:(:most)::int], '{}') AS numbers
FROM cw_contacts
WHERE project_id = :project_id AND account_id = :account AND deleted_at IS NULL
  AND coalesce(email, phone_number, identifier) IS NOT NULL;

-- name: knows_contact(project_id, id)$
SELECT EXISTS (SELECT FROM cw_contacts WHERE project_id = :project_id AND id = :id);

-- name: upsert_conversations(project_id, connection_id, rows)!
-- The content hash is left for mark_read: until the messages are read too, the conversation is not done.
-- A reading that is older than what is stored changes nothing.
INSERT INTO cw_conversations AS t (project_id, connection_id, id, account_id, conversation_id, contact_global_id, inbox_id,
        status, assignee_id, assignee_name, labels, data, content_hash, last_activity_at, source_created_at,
        source_updated_at, updated_at)
SELECT :project_id, :connection_id, r.id, r.account_id, r.conversation_id, r.contact_global_id, r.inbox_id, r.status,
       r.assignee_id, r.assignee_name, coalesce(r.labels, '{}'), r.data, ''::bytea, r.last_activity_at,
       r.source_created_at, r.source_updated_at, coalesce(r.last_activity_at, r.source_updated_at, r.source_created_at)
FROM jsonb_to_recordset(:rows) AS r(id text, account_id bigint, conversation_id bigint, contact_global_id text,
     inbox_id bigint, status text, assignee_id bigint, assignee_name text, labels text[], data jsonb, content_hash text,
     last_activity_at timestamptz, source_created_at timestamptz, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET
    contact_global_id = coalesce(excluded.contact_global_id, t.contact_global_id), inbox_id = excluded.inbox_id,
    status = excluded.status, assignee_id = excluded.assignee_id, assignee_name = excluded.assignee_name,
    labels = excluded.labels, data = excluded.data, last_activity_at = excluded.last_activity_at,
    source_updated_at = excluded.source_updated_at, updated_at = excluded.updated_at,
    last_seen_at = now(), deleted_at = NULL
WHERE coalesce(excluded.source_updated_at >= t.source_updated_at, true)
  AND ((t.status, t.assignee_id, t.assignee_name, t.labels, t.data, t.last_activity_at, t.source_updated_at, t.inbox_id)
       IS DISTINCT FROM (excluded.status, excluded.assignee_id, excluded.assignee_name, excluded.labels, excluded.data,
                         excluded.last_activity_at, excluded.source_updated_at, excluded.inbox_id)
       OR t.deleted_at IS NOT NULL);

-- name: mark_read(project_id, rows)!
-- Conversations whose messages were read to the end, and by which reading that was.
UPDATE cw_conversations t
SET messages_read_to = coalesce(r.last_activity_at, now()), content_hash = decode(r.content_hash, 'hex'),
    last_message_id = (SELECT max(m.message_id) FROM cw_messages m
                       WHERE m.project_id = t.project_id AND m.conversation_global_id = t.id)
FROM jsonb_to_recordset(:rows) AS r(id text, content_hash text, last_activity_at timestamptz, read boolean)
WHERE t.project_id = :project_id AND t.id = r.id AND r.read
  AND (t.content_hash <> decode(r.content_hash, 'hex') OR t.messages_read_to IS NULL);

-- name: forget_reading(project_id, number)!
-- A conversation is read again from its first message; the empty hashes say so.
WITH talk AS (
    UPDATE cw_conversations SET messages_read_to = NULL, content_hash = ''
    WHERE project_id = :project_id AND conversation_id = :number AND deleted_at IS NULL
    RETURNING id
)
UPDATE cw_messages m SET content_hash = '' FROM talk
WHERE m.project_id = :project_id AND m.conversation_global_id = talk.id;

-- name: stored_conversations(project_id, ids)
SELECT c.id, encode(c.content_hash, 'hex') AS content_hash, c.messages_read_to, recent.id - 1 AS reread_after
FROM cw_conversations c
LEFT JOIN LATERAL (
    SELECT min(message_id) AS id FROM (
        SELECT m.message_id FROM cw_messages m
        WHERE m.project_id = c.project_id AND m.conversation_global_id = c.id AND m.content_hash <> ''
        ORDER BY m.created_at DESC, m.id DESC LIMIT 20) newest
) recent ON true
WHERE c.project_id = :project_id AND c.id = ANY(:ids)
ORDER BY c.id;

-- name: bury_conversations(project_id, ids)
-- Conversations that are no longer there, and what was said in them. Answers the messages. Should one
-- come back, the empty hashes have all of it read again.
WITH gone AS (
    UPDATE cw_conversations SET deleted_at = now(), messages_read_to = NULL, content_hash = ''
    WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL
    RETURNING id
)
UPDATE cw_messages m SET content = NULL, content_hash = '', deleted_at = coalesce(m.deleted_at, now()), updated_at = now(),
       last_seen_at = now()
FROM gone WHERE m.project_id = :project_id AND m.conversation_global_id = gone.id
RETURNING m.id, false AS inserted;

-- name: see_conversations(project_id, account, numbers, began)!
-- Whatever the two clocks say, what a sweep saw was seen after it began.
UPDATE cw_conversations SET last_seen_at = greatest(now(), :began::timestamptz)
WHERE project_id = :project_id AND account_id = :account AND conversation_id = ANY(:numbers) AND deleted_at IS NULL;

-- name: unseen_conversations(project_id, account, began, most)^
-- How many conversations a sweep did not see, beside how many there are; and the numbers of some of them.
SELECT count(*) FILTER (WHERE last_seen_at < :began) AS missing, count(*) AS stored,
       ARRAY(SELECT conversation_id FROM cw_conversations
             WHERE project_id = :project_id AND account_id = :account AND deleted_at IS NULL AND last_seen_at < :began
             ORDER BY conversation_id LIMIT :most) AS numbers
FROM cw_conversations WHERE project_id = :project_id AND account_id = :account AND deleted_at IS NULL;

-- name: upsert_messages(project_id, connection_id, rows, read_at)
-- Answers the messages that are new or changed. A deleted one keeps its place and loses its content.
-- The vendor tells no time of change, so what was asked for later wins: a poll and a webhook may meet.
INSERT INTO cw_messages AS t (project_id, connection_id, id, account_id, message_id, conversation_id,
        conversation_global_id, contact_global_id, sender_type, sender_id, sender_name, private, message_type,
        direction, content, data, content_hash, source_created_at, source_updated_at, deleted_at, created_at, updated_at,
        last_seen_at)
SELECT :project_id, :connection_id, r.id, r.account_id, r.message_id, r.conversation_id, r.conversation_global_id,
       coalesce(r.contact_global_id, c.contact_global_id), r.sender_type, r.sender_id, r.sender_name, r.private,
       r.message_type, r.direction, r.content, r.data, decode(r.content_hash, 'hex'), r.created_at, r.source_updated_at,
       CASE WHEN r.deleted THEN now() END, r.created_at, coalesce(r.source_updated_at, r.created_at),
       :read_at::timestamptz
FROM jsonb_to_recordset(:rows) AS r(id text, account_id bigint, message_id bigint, conversation_id bigint,
     conversation_global_id text, contact_global_id text, sender_type text, sender_id bigint, sender_name text,
     private boolean, message_type smallint, direction text, content text, data jsonb, content_hash text,
     created_at timestamptz, source_updated_at timestamptz, deleted boolean)
JOIN cw_conversations c ON c.project_id = :project_id AND c.id = r.conversation_global_id
ON CONFLICT (project_id, id) DO UPDATE SET
    content = excluded.content, private = excluded.private, message_type = excluded.message_type,
    direction = excluded.direction, sender_type = excluded.sender_type, sender_id = excluded.sender_id,
    sender_name = excluded.sender_name, data = excluded.data, content_hash = excluded.content_hash,
    source_updated_at = excluded.source_updated_at, last_seen_at = excluded.last_seen_at,
    deleted_at = CASE WHEN excluded.deleted_at IS NULL THEN NULL ELSE coalesce(t.deleted_at, now()) END,
    updated_at = CASE WHEN t.content IS DISTINCT FROM excluded.content THEN now() ELSE t.updated_at END
WHERE t.content_hash <> excluded.content_hash AND excluded.last_seen_at >= t.last_seen_at
RETURNING t.id, xmax = 0 AS inserted;

-- name: upsert_attachments(project_id, rows)!
INSERT INTO cw_attachments_raw AS t (project_id, id, account_id, message_global_id, conversation_global_id, content_type,
                                     file_name, file_size, file_url, thumb_url)
SELECT :project_id, r.id, r.account_id, r.message_global_id, r.conversation_global_id, r.content_type, r.file_name,
       r.file_size, r.file_url, r.thumb_url
FROM jsonb_to_recordset(:rows) AS r(id text, account_id bigint, message_global_id text, conversation_global_id text,
     content_type text, file_name text, file_size bigint, file_url text, thumb_url text)
ON CONFLICT (project_id, id) DO UPDATE SET content_type = excluded.content_type, file_name = excluded.file_name,
    file_size = excluded.file_size, file_url = excluded.file_url, thumb_url = excluded.thumb_url, updated_at = now()
WHERE (t.content_type, t.file_name, t.file_size, t.file_url, t.thumb_url)
      IS DISTINCT FROM (excluded.content_type, excluded.file_name, excluded.file_size, excluded.file_url, excluded.thumb_url);

-- name: drop_attachments_of_deleted(project_id, message_ids)!
DELETE FROM cw_attachments_raw a USING cw_messages m
WHERE a.project_id = :project_id AND a.message_global_id = ANY(:message_ids)
  AND m.project_id = a.project_id AND m.id = a.message_global_id AND m.deleted_at IS NOT NULL;

-- name: hide_snippets(project_id, message_ids)!
-- What was deleted or made private upstream is not to be read in the event log either.
UPDATE connector_events SET payload_json = payload_json - 'snippet'
WHERE project_id = :project_id AND source = 'chatwoot' AND source_ref = ANY(:message_ids) AND payload_json ? 'snippet';

-- name: silent_clients(project_id, connection_id, days, looked_back_days)
-- Conversations whose last word is the team's, and that nobody has answered for so many days.
SELECT c.id, c.conversation_id, last.message_id::text AS message_id, last.created_at AS since
FROM cw_conversations c
CROSS JOIN LATERAL (
    SELECT m.message_id, m.created_at, m.direction FROM cw_messages m
    WHERE m.project_id = c.project_id AND m.conversation_global_id = c.id AND NOT m.private
      AND m.deleted_at IS NULL AND m.direction IN ('inbound', 'outbound')
    ORDER BY m.created_at DESC, m.id DESC LIMIT 1) last
WHERE c.project_id = :project_id AND c.connection_id = :connection_id AND c.deleted_at IS NULL
  AND c.updated_at > now() - make_interval(days => :looked_back_days)
  AND last.direction = 'outbound' AND last.created_at < now() - make_interval(days => :days)
ORDER BY last.created_at DESC, c.id LIMIT 1000;

-- name: end_silences(project_id, message_ids)!
-- A client's message ends the silence of its conversation, if there was one.
INSERT INTO connector_events (project_id, event_type, occurred_at, actor, source, source_ref, source_url, payload_json, dedupe_key)
SELECT DISTINCT ON (s.id) s.project_id, 'client_silent_ended', m.created_at, 'client', 'chatwoot', s.source_ref, s.source_url,
       jsonb_build_object('conversation_global_id', s.source_ref, 'message_global_id', m.id),
       sha256(convert_to('chatwoot ended ' || s.id, 'UTF8'))
FROM cw_messages m
JOIN connector_events s ON s.project_id = m.project_id AND s.source = 'chatwoot'
    AND s.source_ref = m.conversation_global_id AND s.event_type = 'client_silent_started' AND s.occurred_at < m.created_at
WHERE m.project_id = :project_id AND m.id = ANY(:message_ids) AND m.direction = 'inbound' AND NOT m.private
ORDER BY s.id, m.created_at
ON CONFLICT (project_id, dedupe_key) DO NOTHING;
