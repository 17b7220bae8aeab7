-- Attio: rows as pages bring them. Every upsert takes one JSON array, leaves unchanged rows alone and answers
-- those that are new or changed; a row that was gone and is there again counts as changed. The vendor tells no
-- time of change, so what was asked for later (`read_at`) wins: a sweep and a webhook may meet.

-- name: upsert_accounts(project_id, connection_id, rows, read_at)
INSERT INTO attio_accounts_raw AS t (project_id, connection_id, id, workspace_id, external_id, url, name, domain,
        domains, stage, crm_stage, annual_revenue, description, owner_id, last_interaction_at, data, content_hash,
        source_created_at, source_updated_at, last_seen_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.url, r.name, r.domain,
       coalesce(r.domains, '{}'), r.stage, r.crm_stage, r.annual_revenue, r.description, r.owner_id,
       r.last_interaction_at, r.data, decode(r.content_hash, 'hex'), r.source_created_at, r.source_updated_at, :read_at::timestamptz
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, url text, name text, domain text,
     domains text[], stage text, crm_stage text, annual_revenue numeric, description text, owner_id text,
     last_interaction_at timestamptz, data jsonb, content_hash text, source_created_at timestamptz,
     source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET
    connection_id = excluded.connection_id, url = excluded.url, name = excluded.name, domain = excluded.domain,
    domains = excluded.domains, stage = excluded.stage, crm_stage = excluded.crm_stage,
    annual_revenue = excluded.annual_revenue, description = excluded.description, owner_id = excluded.owner_id,
    last_interaction_at = excluded.last_interaction_at, data = excluded.data, content_hash = excluded.content_hash,
    source_updated_at = excluded.source_updated_at, last_seen_at = excluded.last_seen_at, mirrored = false, updated_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL) AND t.last_seen_at <= excluded.last_seen_at
RETURNING t.id;

-- name: upsert_people(project_id, connection_id, rows, read_at)
-- With whether it was somebody else, by name, address, number or role, than before.
WITH before AS (
    SELECT t.id, t.full_name, t.email, t.phone, t.role FROM attio_people_raw t
    JOIN jsonb_to_recordset(:rows) AS r(id text) ON r.id = t.id WHERE t.project_id = :project_id
), written AS (
    INSERT INTO attio_people_raw AS t (project_id, connection_id, id, workspace_id, external_id, url, full_name, email,
            emails, phone, phones, role, account_external_id, last_interaction_at, content_hash, source_created_at,
            source_updated_at, last_seen_at)
    SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.url, r.full_name, r.email,
           coalesce(r.emails, '{}'), r.phone, coalesce(r.phones, '{}'), r.role, r.account_external_id,
           r.last_interaction_at, decode(r.content_hash, 'hex'), r.source_created_at, r.source_updated_at, :read_at::timestamptz
    FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, url text, full_name text,
         email text, emails text[], phone text, phones text[], role text, account_external_id text,
         last_interaction_at timestamptz, content_hash text, source_created_at timestamptz, source_updated_at timestamptz)
    ON CONFLICT (project_id, id) DO UPDATE SET
        connection_id = excluded.connection_id, url = excluded.url, full_name = excluded.full_name,
        email = excluded.email, emails = excluded.emails, phone = excluded.phone, phones = excluded.phones,
        role = excluded.role, account_external_id = excluded.account_external_id,
        last_interaction_at = excluded.last_interaction_at, content_hash = excluded.content_hash,
        source_updated_at = excluded.source_updated_at, last_seen_at = excluded.last_seen_at, updated_at = now(), deleted_at = NULL
    WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL) AND t.last_seen_at <= excluded.last_seen_at
    RETURNING t.id, t.url, t.full_name, t.email, t.phone, t.role, xmax = 0 AS inserted
)
SELECT w.id, w.url, w.full_name, w.inserted,
       (w.full_name, w.email, w.phone, w.role) IS DISTINCT FROM (b.full_name, b.email, b.phone, b.role) AS who_changed
FROM written w LEFT JOIN before b ON b.id = w.id ORDER BY w.id;

-- name: upsert_opportunities(project_id, connection_id, rows, read_at)
-- With the stage that each had before.
WITH before AS (
    SELECT t.id, t.stage FROM attio_opportunities_raw t
    JOIN jsonb_to_recordset(:rows) AS r(id text) ON r.id = t.id WHERE t.project_id = :project_id
), written AS (
    INSERT INTO attio_opportunities_raw AS t (project_id, connection_id, id, workspace_id, external_id, url, title,
            stage, crm_stage, stage_changed_at, amount, currency, probability, expected_close_date,
            account_external_id, people_external_ids, next_step, next_step_due_at, lost_reason, description, owner_id,
            content_hash, source_created_at, source_updated_at, last_seen_at)
    SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.url, r.title, r.stage, r.crm_stage,
           r.stage_changed_at, r.amount, r.currency, r.probability, r.expected_close_date, r.account_external_id,
           coalesce(r.people_external_ids, '{}'), r.next_step, r.next_step_due_at, r.lost_reason, r.description,
           r.owner_id, decode(r.content_hash, 'hex'), r.source_created_at, r.source_updated_at, :read_at::timestamptz
    FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, url text, title text,
         stage text, crm_stage text, stage_changed_at timestamptz, amount numeric, currency text, probability numeric,
         expected_close_date date, account_external_id text, people_external_ids text[], next_step text,
         next_step_due_at timestamptz, lost_reason text, description text, owner_id text, content_hash text,
         source_created_at timestamptz, source_updated_at timestamptz)
    ON CONFLICT (project_id, id) DO UPDATE SET
        connection_id = excluded.connection_id, url = excluded.url, title = excluded.title, stage = excluded.stage,
        crm_stage = excluded.crm_stage, stage_changed_at = excluded.stage_changed_at, amount = excluded.amount,
        currency = excluded.currency, probability = excluded.probability,
        expected_close_date = excluded.expected_close_date, account_external_id = excluded.account_external_id,
        people_external_ids = excluded.people_external_ids, next_step = excluded.next_step,
        next_step_due_at = excluded.next_step_due_at, lost_reason = excluded.lost_reason,
        description = excluded.description, owner_id = excluded.owner_id, content_hash = excluded.content_hash,
        source_updated_at = excluded.source_updated_at, last_seen_at = excluded.last_seen_at, mirrored = false, updated_at = now(), deleted_at = NULL
    WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL) AND t.last_seen_at <= excluded.last_seen_at
    RETURNING t.id, t.url, t.title, t.stage, t.crm_stage, t.stage_changed_at, t.amount, t.currency, t.source_created_at,
              xmax = 0 AS inserted
)
SELECT w.*, b.stage AS was_stage FROM written w LEFT JOIN before b ON b.id = w.id ORDER BY w.id;

-- name: upsert_notes(project_id, connection_id, rows, read_at)
INSERT INTO attio_notes_raw AS t (project_id, connection_id, id, workspace_id, external_id, url, parent_object,
        parent_record_id, title, content, actor_type, actor_id, content_hash, source_created_at, source_updated_at, last_seen_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.url, r.parent_object, r.parent_record_id,
       r.title, r.content, r.actor_type, r.actor_id, decode(r.content_hash, 'hex'), r.source_created_at,
       r.source_updated_at, :read_at::timestamptz
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, url text, parent_object text,
     parent_record_id text, title text, content text, actor_type text, actor_id text, content_hash text,
     source_created_at timestamptz, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET
    connection_id = excluded.connection_id, url = excluded.url, parent_object = excluded.parent_object,
    parent_record_id = excluded.parent_record_id, title = excluded.title, content = excluded.content,
    actor_type = excluded.actor_type, actor_id = excluded.actor_id, content_hash = excluded.content_hash,
    source_updated_at = excluded.source_updated_at, last_seen_at = excluded.last_seen_at, updated_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL) AND t.last_seen_at <= excluded.last_seen_at
RETURNING t.id, t.url, t.title, t.parent_record_id, t.source_created_at, xmax = 0 AS inserted;

-- name: upsert_tasks(project_id, connection_id, rows, read_at)
INSERT INTO attio_tasks_raw AS t (project_id, connection_id, id, workspace_id, external_id, url, content, deadline_at,
        is_completed, linked_record_ids, assignee_ids, actor_type, actor_id, content_hash, source_created_at,
        source_updated_at, last_seen_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.url, r.content, r.deadline_at,
       r.is_completed, coalesce(r.linked_record_ids, '{}'), coalesce(r.assignee_ids, '{}'), r.actor_type, r.actor_id,
       decode(r.content_hash, 'hex'), r.source_created_at, r.source_updated_at, :read_at::timestamptz
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, url text, content text,
     deadline_at timestamptz, is_completed boolean, linked_record_ids text[], assignee_ids text[], actor_type text,
     actor_id text, content_hash text, source_created_at timestamptz, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET
    connection_id = excluded.connection_id, url = excluded.url, content = excluded.content,
    deadline_at = excluded.deadline_at, is_completed = excluded.is_completed,
    linked_record_ids = excluded.linked_record_ids, assignee_ids = excluded.assignee_ids,
    actor_type = excluded.actor_type, actor_id = excluded.actor_id, content_hash = excluded.content_hash,
    source_updated_at = excluded.source_updated_at, last_seen_at = excluded.last_seen_at, updated_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL) AND t.last_seen_at <= excluded.last_seen_at
RETURNING t.id, t.url, t.linked_record_ids, t.deadline_at, t.is_completed, t.source_created_at, xmax = 0 AS inserted;

-- name: upsert_entries(project_id, connection_id, rows, read_at)
INSERT INTO attio_list_entries_raw AS t (project_id, connection_id, id, workspace_id, external_id, url, list_slug,
        parent_object, parent_record_id, stage, crm_stage, stage_changed_at, amount, currency, owner_id, content_hash,
        source_created_at, source_updated_at, last_seen_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.url, r.list_slug, r.parent_object,
       r.parent_record_id, r.stage, r.crm_stage, r.stage_changed_at, r.amount, r.currency, r.owner_id,
       decode(r.content_hash, 'hex'), r.source_created_at, r.source_updated_at, :read_at::timestamptz
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, url text, list_slug text,
     parent_object text, parent_record_id text, stage text, crm_stage text, stage_changed_at timestamptz,
     amount numeric, currency text, owner_id text, content_hash text, source_created_at timestamptz,
     source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET
    connection_id = excluded.connection_id, url = excluded.url, list_slug = excluded.list_slug,
    parent_object = excluded.parent_object, parent_record_id = excluded.parent_record_id, stage = excluded.stage,
    crm_stage = excluded.crm_stage, stage_changed_at = excluded.stage_changed_at, amount = excluded.amount,
    currency = excluded.currency, owner_id = excluded.owner_id, content_hash = excluded.content_hash,
    source_updated_at = excluded.source_updated_at, last_seen_at = excluded.last_seen_at, updated_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL) AND t.last_seen_at <= excluded.last_seen_at
RETURNING t.id;

-- name: see(raw, project_id, workspace_id, connection_id, external_ids, sweep_id, read_at)$
-- A reading named these: a page of a sweep, or a single one, which has no sweep_id.
SELECT attio_see(:raw::regclass, :project_id, :workspace_id, :connection_id, :external_ids, :sweep_id::uuid, :read_at);

-- name: unseen(raw, project_id, connection_id, sweep_id, began, list)^
SELECT ids, stored FROM attio_unseen(:raw::regclass, :project_id, :connection_id, :sweep_id::uuid, :began, :list::text);

-- name: mark_deleted(raw, project_id, ids, read_at)$
SELECT attio_mark_deleted(:raw::regclass, :project_id, :ids, :read_at);

-- name: entries_of_other_lists(project_id, connection_id, lists)
SELECT id FROM attio_list_entries_raw
WHERE project_id = :project_id AND connection_id = :connection_id AND deleted_at IS NULL
  AND list_slug <> ALL(:lists::text[])
ORDER BY id;

-- name: forget_other_lists(project_id, connection_id, lists)!
-- How far lists that are not read any more had been read.
DELETE FROM connector_streams
WHERE project_id = :project_id AND connection_id = :connection_id AND left(stream, 5) = 'list:'
  AND substr(stream, 6) <> ALL(:lists::text[]);

-- name: settle_other_lists(project_id, lists)!
-- What was wrong with lists that are not read any more is nobody's task.
UPDATE connector_errors SET status = 'resolved', resolved_at = now(), updated_at = now(), next_retry_at = NULL
WHERE project_id = :project_id AND connector = 'attio' AND status <> 'resolved' AND left(stream, 5) = 'list:'
  AND substr(stream, 6) <> ALL(:lists::text[]);

-- name: empty_notes(project_id, ids)!
UPDATE attio_notes_raw SET title = NULL, content = NULL WHERE project_id = :project_id AND id = ANY(:ids);

-- name: empty_tasks(project_id, ids)!
UPDATE attio_tasks_raw SET content = NULL WHERE project_id = :project_id AND id = ANY(:ids);

-- name: account_texts(project_id, ids)
SELECT id, name, description, domain, domains, stage, annual_revenue, url, source_updated_at FROM attio_accounts_raw
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL ORDER BY id;

-- name: opportunity_texts(project_id, ids)
SELECT o.id, o.title, o.description, o.next_step, o.stage, o.amount, o.currency, o.probability, o.expected_close_date,
       o.lost_reason, o.url, o.source_updated_at, a.name AS account_name,
       coalesce((SELECT array_agg(p.full_name ORDER BY p.full_name, p.id) FROM unnest(o.people_external_ids) AS named(id)
                 JOIN attio_people_raw p ON p.project_id = o.project_id AND p.workspace_id = o.workspace_id
                     AND p.external_id = named.id
                 WHERE p.deleted_at IS NULL AND p.full_name IS NOT NULL), '{}') AS people
FROM attio_opportunities_raw o
LEFT JOIN attio_accounts_raw a ON a.project_id = o.project_id AND a.workspace_id = o.workspace_id
    AND a.external_id = o.account_external_id AND a.deleted_at IS NULL
WHERE o.project_id = :project_id AND o.id = ANY(:ids) AND o.deleted_at IS NULL ORDER BY o.id;

-- name: person_texts(project_id, ids)
SELECT p.id, p.full_name, p.email, p.emails, p.phones, p.role, p.url, p.source_updated_at, a.name AS account_name
FROM attio_people_raw p
LEFT JOIN attio_accounts_raw a ON a.project_id = p.project_id AND a.workspace_id = p.workspace_id
    AND a.external_id = p.account_external_id AND a.deleted_at IS NULL
WHERE p.project_id = :project_id AND p.id = ANY(:ids) AND p.deleted_at IS NULL ORDER BY p.id;

-- name: note_texts(project_id, ids)
-- With the name of what each note is about, and its address: a note has none of its own.
SELECT n.id, n.title, n.content, coalesce(n.url, a.url, o.url, p.url) AS url, n.source_created_at,
       coalesce(a.name, o.title, p.full_name) AS about
FROM attio_notes_raw n
LEFT JOIN attio_accounts_raw a ON a.project_id = n.project_id AND a.workspace_id = n.workspace_id
    AND a.external_id = n.parent_record_id
LEFT JOIN attio_opportunities_raw o ON o.project_id = n.project_id AND o.workspace_id = n.workspace_id
    AND o.external_id = n.parent_record_id
LEFT JOIN attio_people_raw p ON p.project_id = n.project_id AND p.workspace_id = n.workspace_id
    AND p.external_id = n.parent_record_id
WHERE n.project_id = :project_id AND n.id = ANY(:ids) AND n.deleted_at IS NULL ORDER BY n.id;

-- name: row_ids(raw, project_id, workspace_id, external_ids)$
-- The rows of these records that are not gone yet.
SELECT attio_row_ids(:raw::regclass, :project_id, :workspace_id, :external_ids);
