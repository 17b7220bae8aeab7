-- Projects and the account scopes that group them.

-- name: list_accessible(user_id, role)
-- Newest first: the UI falls back to the first one.
SELECT p.id, p.name, p.account_scope_id, p.phase, p.created_at
FROM projects p
WHERE p.archived_at IS NULL AND lower(p.name) <> '__legacy_scope__'
  AND (:role = 'owner' OR EXISTS (
        SELECT FROM project_assignments a WHERE a.project_id = p.id AND a.user_id = :user_id))
ORDER BY p.created_at DESC, p.id DESC;

-- name: find_selectable(project_id, user_id, role)^
-- The project and whether the caller may enter it.
SELECT p.id, p.name, p.account_scope_id,
       (:role = 'owner' OR EXISTS (
           SELECT FROM project_assignments a WHERE a.project_id = p.id AND a.user_id = :user_id)) AS accessible
FROM projects p
WHERE p.id = :project_id AND p.archived_at IS NULL AND lower(p.name) <> '__legacy_scope__';

-- name: ensure_scope(scope_key, name)^
-- The account scope of a key, made when it is new; an existing one keeps its name.
WITH made AS (
    INSERT INTO account_scopes (scope_key, name) VALUES (:scope_key, :name)
    ON CONFLICT (scope_key) DO NOTHING
    RETURNING id
)
SELECT id FROM made UNION ALL SELECT id FROM account_scopes WHERE scope_key = :scope_key LIMIT 1;

-- name: create(name, account_scope_id, is_demo)^
INSERT INTO projects (name, account_scope_id, is_demo) VALUES (:name, :account_scope_id, :is_demo)
RETURNING id, name, account_scope_id, phase, created_at;

-- name: enter_when_nowhere(token_hash, project_id)!
-- The session of somebody who had no project yet works in the one just made.
UPDATE sessions SET active_project_id = :project_id
WHERE token_hash = :token_hash AND active_project_id IS NULL;

-- name: find_by_name(name)^
SELECT id, name, account_scope_id, is_demo FROM projects
WHERE lower(name) = lower(:name) AND archived_at IS NULL
ORDER BY created_at, id LIMIT 1;

-- name: name_of(project_id)$
SELECT name FROM projects WHERE id = :project_id;

-- name: list_all()
SELECT id, name, account_scope_id, is_demo, created_at FROM projects
WHERE archived_at IS NULL ORDER BY created_at, id;
