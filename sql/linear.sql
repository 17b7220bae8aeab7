-- Linear: rows as pages bring them. Every upsert takes one JSON array and leaves unchanged rows alone;
-- an older reading never overwrites a newer one (webhooks may overtake the polling), and what was found gone
-- does not come back by a page that was asked for before that (`read_at`).

-- name: upsert_teams(project_id, connection_id, rows, read_at)!
INSERT INTO linear_teams_raw AS t (project_id, connection_id, id, workspace_id, external_id, key, name, archived_at,
                                   content_hash, source_updated_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.key, r.name, r.archived_at,
       decode(r.content_hash, 'hex'), r.source_updated_at
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, key text, name text,
     archived_at timestamptz, content_hash text, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET key = excluded.key, name = excluded.name, archived_at = excluded.archived_at,
    content_hash = excluded.content_hash, source_updated_at = excluded.source_updated_at, last_seen_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL)
  AND coalesce(excluded.source_updated_at >= t.source_updated_at, true) AND coalesce(t.deleted_at < :read_at, true);

-- name: upsert_states(project_id, connection_id, rows, read_at)!
INSERT INTO linear_states_raw AS t (project_id, connection_id, id, workspace_id, external_id, team_external_id, name, type,
                                    position, archived_at, content_hash, source_updated_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.team_external_id, r.name, r.type,
       r.position, r.archived_at, decode(r.content_hash, 'hex'), r.source_updated_at
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, team_external_id text, name text, type text,
     position double precision, archived_at timestamptz, content_hash text, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET team_external_id = excluded.team_external_id, name = excluded.name,
    type = excluded.type, position = excluded.position, archived_at = excluded.archived_at,
    content_hash = excluded.content_hash, source_updated_at = excluded.source_updated_at, last_seen_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL)
  AND coalesce(excluded.source_updated_at >= t.source_updated_at, true) AND coalesce(t.deleted_at < :read_at, true);

-- name: upsert_projects(project_id, connection_id, rows, read_at)!
INSERT INTO linear_projects_raw AS t (project_id, connection_id, id, workspace_id, external_id, name, description, url, state,
        state_type, health, progress, lead_name, start_date, target_date, completed_at, canceled_at, archived_at, trashed,
        content_hash, source_created_at, source_updated_at, updated_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.name, r.description, r.url, r.state,
       r.state_type, r.health, r.progress, r.lead_name, r.start_date, r.target_date, r.completed_at, r.canceled_at,
       r.archived_at, r.trashed, decode(r.content_hash, 'hex'), r.source_created_at, r.source_updated_at, r.source_updated_at
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, name text, description text, url text,
     state text, state_type text, health text, progress double precision, lead_name text, start_date date, target_date date,
     completed_at timestamptz, canceled_at timestamptz, archived_at timestamptz, trashed boolean, content_hash text,
     source_created_at timestamptz, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET name = excluded.name, description = excluded.description, url = excluded.url,
    state = excluded.state, state_type = excluded.state_type, health = excluded.health, progress = excluded.progress,
    lead_name = excluded.lead_name, start_date = excluded.start_date, target_date = excluded.target_date,
    completed_at = excluded.completed_at, canceled_at = excluded.canceled_at, archived_at = excluded.archived_at,
    trashed = excluded.trashed, content_hash = excluded.content_hash, source_updated_at = excluded.source_updated_at,
    updated_at = excluded.updated_at, last_seen_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL)
  AND coalesce(excluded.source_updated_at >= t.source_updated_at, true) AND coalesce(t.deleted_at < :read_at, true);

-- name: upsert_cycles(project_id, connection_id, rows, read_at)!
INSERT INTO linear_cycles_raw AS t (project_id, connection_id, id, workspace_id, external_id, team_external_id, number, name,
        starts_at, ends_at, completed_at, progress, archived_at, content_hash, source_updated_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.team_external_id, r.number, r.name,
       r.starts_at, r.ends_at, r.completed_at, r.progress, r.archived_at, decode(r.content_hash, 'hex'), r.source_updated_at
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, team_external_id text, number int, name text,
     starts_at timestamptz, ends_at timestamptz, completed_at timestamptz, progress numeric(6, 3), archived_at timestamptz,
     content_hash text, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET team_external_id = excluded.team_external_id, number = excluded.number,
    name = excluded.name, starts_at = excluded.starts_at, ends_at = excluded.ends_at, completed_at = excluded.completed_at,
    progress = excluded.progress, archived_at = excluded.archived_at, content_hash = excluded.content_hash,
    source_updated_at = excluded.source_updated_at, last_seen_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL)
  AND coalesce(excluded.source_updated_at >= t.source_updated_at, true) AND coalesce(t.deleted_at < :read_at, true);

-- name: upsert_labels(project_id, connection_id, rows, read_at)!
INSERT INTO linear_labels_raw AS t (project_id, connection_id, id, workspace_id, external_id, team_external_id, name,
        archived_at, content_hash, source_updated_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.team_external_id, r.name,
       r.archived_at, decode(r.content_hash, 'hex'), r.source_updated_at
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, team_external_id text, name text,
     archived_at timestamptz, content_hash text, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET team_external_id = excluded.team_external_id, name = excluded.name,
    archived_at = excluded.archived_at, content_hash = excluded.content_hash,
    source_updated_at = excluded.source_updated_at, last_seen_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL)
  AND coalesce(excluded.source_updated_at >= t.source_updated_at, true) AND coalesce(t.deleted_at < :read_at, true);

-- name: upsert_issues(project_id, connection_id, rows, read_at)
-- Answers the issues that are new or changed, each with the state it had before.
WITH incoming AS (
    SELECT * FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, identifier text, number int,
        url text, title text, description text, team_external_id text, team_key text, linear_project_external_id text,
        state text, state_external_id text, state_type text, cycle_external_id text, cycle_name text,
        parent_external_id text, label_ids text[], priority int, estimate double precision, assignee_external_id text,
        assignee_name text, assignee_email text, creator_name text, due_date date, started_at timestamptz,
        completed_at timestamptz, canceled_at timestamptz, archived_at timestamptz, trashed boolean, content_hash text,
        source_created_at timestamptz, source_updated_at timestamptz)
), before AS (
    SELECT t.id, t.state, t.state_type FROM linear_issues_raw t
    WHERE t.project_id = :project_id AND t.id IN (SELECT id FROM incoming)
), written AS (
    INSERT INTO linear_issues_raw AS t (project_id, connection_id, id, workspace_id, external_id, identifier, number, url,
        title, description, team_external_id, team_key, linear_project_external_id, state, state_external_id, state_type,
        cycle_external_id, cycle_name, parent_external_id, label_ids, priority, estimate, assignee_external_id,
        assignee_name, assignee_email, creator_name, due_date, started_at, completed_at, canceled_at, archived_at, trashed,
        content_hash, source_created_at, source_updated_at, created_at, updated_at)
    SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.identifier, r.number, r.url,
        r.title, r.description, r.team_external_id, r.team_key, r.linear_project_external_id, r.state, r.state_external_id,
        r.state_type, r.cycle_external_id, r.cycle_name, r.parent_external_id, r.label_ids, r.priority, r.estimate,
        r.assignee_external_id, r.assignee_name, r.assignee_email, r.creator_name, r.due_date, r.started_at,
        r.completed_at, r.canceled_at, r.archived_at, r.trashed, decode(r.content_hash, 'hex'),
        r.source_created_at, r.source_updated_at, r.source_created_at, r.source_updated_at
    FROM incoming r
    ON CONFLICT (project_id, id) DO UPDATE SET identifier = excluded.identifier, number = excluded.number,
        url = excluded.url, title = excluded.title, description = excluded.description,
        team_external_id = excluded.team_external_id, team_key = excluded.team_key,
        linear_project_external_id = excluded.linear_project_external_id, state = excluded.state,
        state_external_id = excluded.state_external_id, state_type = excluded.state_type,
        cycle_external_id = excluded.cycle_external_id, cycle_name = excluded.cycle_name,
        parent_external_id = excluded.parent_external_id, label_ids = excluded.label_ids, priority = excluded.priority,
        estimate = excluded.estimate, assignee_external_id = excluded.assignee_external_id,
        assignee_name = excluded.assignee_name, assignee_email = excluded.assignee_email,
        creator_name = excluded.creator_name, due_date = excluded.due_date, started_at = excluded.started_at,
        completed_at = excluded.completed_at, canceled_at = excluded.canceled_at, archived_at = excluded.archived_at,
        trashed = excluded.trashed, content_hash = excluded.content_hash, source_updated_at = excluded.source_updated_at,
        updated_at = excluded.updated_at, last_seen_at = now(), deleted_at = NULL
    WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL)
      AND coalesce(excluded.source_updated_at >= t.source_updated_at, true) AND coalesce(t.deleted_at < :read_at, true)
    RETURNING t.id, t.external_id, t.identifier, t.title, t.url, t.state, t.state_type, t.due_date, t.completed_at,
              t.source_created_at, t.source_updated_at
)
SELECT w.*, b.id IS NULL AS inserted, b.state AS was_state, b.state_type AS was_state_type
FROM written w LEFT JOIN before b ON b.id = w.id
ORDER BY w.source_updated_at, w.id;

-- name: replace_blockers(project_id, issue_ids, rows)!
-- The blockers of these issues, as they were told with them.
WITH told AS (
    SELECT * FROM jsonb_to_recordset(:rows) AS r(issue_id text, blocker_external_id text, blocker_identifier text, blocker_state_type text)
), dropped AS (
    DELETE FROM linear_issue_blockers b
    WHERE b.project_id = :project_id AND b.issue_id = ANY(:issue_ids)
      AND NOT EXISTS (SELECT FROM told t WHERE t.issue_id = b.issue_id AND t.blocker_external_id = b.blocker_external_id)
)
INSERT INTO linear_issue_blockers AS b (project_id, issue_id, blocker_external_id, blocker_identifier, blocker_state_type)
SELECT :project_id, issue_id, blocker_external_id, blocker_identifier, blocker_state_type FROM told
ON CONFLICT (project_id, issue_id, blocker_external_id) DO UPDATE
    SET blocker_identifier = excluded.blocker_identifier, blocker_state_type = excluded.blocker_state_type;

-- name: refresh_blocked(project_id, external_ids)
-- Whether these issues, and those that they block, are blocked: a blocker counts while it is neither done
-- nor cancelled nor gone. Answers those whose flag or count changed.
WITH affected AS (
    SELECT i.id FROM linear_issues_raw i
    WHERE i.project_id = :project_id AND i.external_id = ANY(:external_ids)
    UNION
    SELECT b.issue_id FROM linear_issue_blockers b
    WHERE b.project_id = :project_id AND b.blocker_external_id = ANY(:external_ids)
), counted AS (
    SELECT a.id, count(b.blocker_external_id) AS blockers,
           coalesce(jsonb_agg(b.blocker_identifier ORDER BY b.blocker_identifier)
                    FILTER (WHERE b.blocker_external_id IS NOT NULL), '[]') AS names
    FROM affected a
    LEFT JOIN (linear_issue_blockers b LEFT JOIN linear_issues_raw k
               ON k.project_id = b.project_id AND k.external_id = b.blocker_external_id)
        ON b.project_id = :project_id AND b.issue_id = a.id
       AND CASE WHEN k.id IS NULL THEN coalesce(b.blocker_state_type, '') NOT IN ('completed', 'canceled') ELSE k.open END
    GROUP BY a.id
), before AS (
    SELECT i.id, i.blocked FROM linear_issues_raw i WHERE i.project_id = :project_id AND i.id IN (SELECT id FROM affected)
), written AS (
    UPDATE linear_issues_raw i SET blocked = c.blockers > 0, blocked_by_count = c.blockers
    FROM counted c
    WHERE i.project_id = :project_id AND i.id = c.id AND (i.blocked, i.blocked_by_count) IS DISTINCT FROM (c.blockers > 0, c.blockers::int)
    RETURNING i.id, i.identifier, i.title, i.url, i.blocked, i.blocked_by_count, c.names
)
SELECT w.id, w.identifier, w.title, w.url, w.blocked, w.blocked_by_count, w.names AS blockers, b.blocked AS was_blocked
FROM written w JOIN before b ON b.id = w.id
ORDER BY w.id;

-- name: upsert_comments(project_id, connection_id, rows, read_at)
INSERT INTO linear_comments_raw AS t (project_id, connection_id, id, workspace_id, external_id, issue_external_id,
        parent_external_id, body, url, author_name, author_email, archived_at, content_hash, source_created_at, source_updated_at)
SELECT :project_id, :connection_id, r.id, r.workspace_id, r.external_id, r.issue_external_id,
       r.parent_external_id, r.body, r.url, r.author_name, r.author_email, r.archived_at, decode(r.content_hash, 'hex'),
       r.source_created_at, r.source_updated_at
FROM jsonb_to_recordset(:rows) AS r(id text, workspace_id text, external_id text, issue_external_id text,
     parent_external_id text, body text, url text, author_name text, author_email text, archived_at timestamptz,
     content_hash text, source_created_at timestamptz, source_updated_at timestamptz)
ON CONFLICT (project_id, id) DO UPDATE SET issue_external_id = excluded.issue_external_id, body = excluded.body,
    url = excluded.url, author_name = excluded.author_name, author_email = excluded.author_email,
    archived_at = excluded.archived_at, content_hash = excluded.content_hash,
    source_updated_at = excluded.source_updated_at, last_seen_at = now(), deleted_at = NULL
WHERE (t.content_hash <> excluded.content_hash OR t.deleted_at IS NOT NULL)
  AND coalesce(excluded.source_updated_at >= t.source_updated_at, true) AND coalesce(t.deleted_at < :read_at, true)
RETURNING t.id, t.issue_external_id;

-- name: issue_texts(project_id, external_ids)
-- What can be found of issues: their own text and their comments, the oldest first.
SELECT i.id, i.identifier, i.title, i.description, i.url, i.creator_name, i.assignee_name, i.state, i.priority, i.due_date,
       i.source_updated_at, i.deleted_at IS NOT NULL OR i.trashed AS gone,
       coalesce((SELECT array_agg(l.name ORDER BY l.name, l.id) FROM linear_labels_raw l
                 WHERE l.project_id = i.project_id AND l.external_id = ANY(i.label_ids) AND l.deleted_at IS NULL), '{}') AS labels,
       coalesce((SELECT jsonb_agg(jsonb_build_object('author', c.author_name, 'body', c.body) ORDER BY c.source_created_at, c.id)
                 FROM linear_comments_raw c
                 WHERE c.project_id = i.project_id AND c.issue_external_id = i.external_id AND c.deleted_at IS NULL), '[]') AS comments
FROM linear_issues_raw i
WHERE i.project_id = :project_id AND i.external_id = ANY(:external_ids)
ORDER BY i.id;

-- name: labelled_issues(project_id, label_ids)
-- Issues that bear one of these labels, by the labels' global ids.
SELECT i.external_id FROM linear_issues_raw i
WHERE i.project_id = :project_id AND i.deleted_at IS NULL AND i.label_ids && ARRAY(
    SELECT l.external_id FROM linear_labels_raw l WHERE l.project_id = :project_id AND l.id = ANY(:label_ids))
ORDER BY i.external_id;

-- name: see(raw, project_id, connection_id, ids, began)$
SELECT linear_see(:raw::regclass, :project_id, :connection_id, :ids, :began);

-- name: unseen(raw, project_id, connection_id, began)^
-- What a sweep that has come to its end did not name, beside how much there is.
SELECT ids, stored FROM linear_unseen(:raw::regclass, :project_id, :connection_id, :began);

-- name: delete_issues(project_id, ids)
UPDATE linear_issues_raw SET deleted_at = now(), title = '–', description = NULL, content_hash = ''
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL
RETURNING id, external_id AS issue_external_id;

-- name: delete_comments(project_id, ids)
UPDATE linear_comments_raw SET deleted_at = now(), body = '', content_hash = ''
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL
RETURNING id, issue_external_id;

-- name: delete_teams(project_id, ids)!
UPDATE linear_teams_raw SET deleted_at = now(), content_hash = ''
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL;

-- name: delete_states(project_id, ids)!
UPDATE linear_states_raw SET deleted_at = now(), content_hash = ''
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL;

-- name: delete_projects(project_id, ids)!
UPDATE linear_projects_raw SET deleted_at = now(), description = NULL, content_hash = ''
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL;

-- name: delete_cycles(project_id, ids)!
UPDATE linear_cycles_raw SET deleted_at = now(), content_hash = ''
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL;

-- name: delete_labels(project_id, ids)!
UPDATE linear_labels_raw SET deleted_at = now(), content_hash = ''
WHERE project_id = :project_id AND id = ANY(:ids) AND deleted_at IS NULL;
