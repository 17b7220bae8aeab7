-- Live events: written with the deed, told by NOTIFY, replayed from the table.

-- name: publish(project_id, event_type, payload)$
-- The notification carries the id only; streams read the row. It is sent when the transaction commits.
-- The lock makes ids follow the order of commits, so that reading on from the last id misses nothing.
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(7265002)
), written AS (
    INSERT INTO events (project_id, event_type, payload)
    SELECT :project_id, :event_type, :payload FROM turn
    RETURNING id
)
SELECT pg_notify('lightpost_events', id::text) IS NOT NULL FROM written;

-- name: end_session(session_hash)$
SELECT pg_notify('lightpost_sessions', :session_hash) IS NOT NULL;

-- name: newest_id()$
SELECT coalesce(max(id), 0) FROM events;

-- name: read_after(last_id, most)
-- What happened in all projects since an event; the hub hands each stream what it may see.
SELECT id, project_id, event_type, payload, created_at FROM events
WHERE id > :last_id ORDER BY id LIMIT :most;

-- name: read_missed(project_ids, last_id, most)
-- What a client missed in its projects.
SELECT id, project_id, event_type, payload, created_at FROM events
WHERE project_id = ANY(:project_ids) AND id > :last_id
ORDER BY id LIMIT :most;

-- name: oldest_kept()$
SELECT min(id) FROM events;

-- name: visible_projects(session_hashes, scope_ids, idle_days)
-- Of each living session and the account scope it listens in: the projects its user may see there.
SELECT s.token_hash, open.account_scope_id, array_agg(p.id ORDER BY p.id) AS project_ids
FROM unnest(:session_hashes::bytea[], :scope_ids::uuid[]) AS open (token_hash, account_scope_id)
JOIN sessions s ON s.token_hash = open.token_hash AND s.revoked_at IS NULL AND s.expires_at > now()
    AND s.last_seen_at > now() - make_interval(days => :idle_days)
JOIN app_users u ON u.id = s.user_id AND u.disabled_at IS NULL
JOIN projects p ON p.account_scope_id = open.account_scope_id AND p.archived_at IS NULL
    AND (u.role = 'owner' OR EXISTS (
        SELECT FROM project_assignments a WHERE a.project_id = p.id AND a.user_id = u.id))
GROUP BY s.token_hash, open.account_scope_id
ORDER BY s.token_hash, open.account_scope_id;

-- name: purge(hours)!
DELETE FROM events WHERE created_at < now() - make_interval(hours => :hours);
