-- Users and sessions.

-- name: load_session(token_hash, idle_days)^
-- The caller of a request, in one round trip: session, user, role and the project it works in.
-- A session without a project works in the newest one its user may enter, and a project that was
-- archived or taken away no longer counts. Nothing is written: a GET never changes a session.
SELECT s.token_hash, s.user_id, s.csrf_secret, s.created_at, s.last_seen_at,
       u.username, u.role, place.id AS project_id, place.account_scope_id,
       s.last_seen_at < now() - interval '30 seconds' AS stale
FROM sessions s
JOIN app_users u ON u.id = s.user_id AND u.disabled_at IS NULL
LEFT JOIN LATERAL (
    SELECT p.id, p.account_scope_id
    FROM projects p
    WHERE p.archived_at IS NULL AND lower(p.name) <> '__legacy_scope__'
      AND (u.role = 'owner' OR EXISTS (
            SELECT FROM project_assignments a WHERE a.project_id = p.id AND a.user_id = u.id))
    ORDER BY (p.id = s.active_project_id) IS TRUE DESC, p.created_at DESC, p.id DESC
    LIMIT 1
) place ON true
WHERE s.token_hash = :token_hash AND s.revoked_at IS NULL AND s.expires_at > now()
  AND s.last_seen_at > now() - make_interval(days => :idle_days);

-- name: touch_session(token_hash)!
-- At most twice a minute per session, not at every request.
UPDATE sessions SET last_seen_at = now()
WHERE token_hash = :token_hash AND last_seen_at < now() - interval '30 seconds';

-- name: create_session(token_hash, user_id, csrf_secret, ip, user_agent, absolute_days)^
-- A new session starts in the newest project its user may enter.
INSERT INTO sessions (token_hash, user_id, csrf_secret, ip, user_agent, expires_at, active_project_id)
SELECT :token_hash, u.id, :csrf_secret, :ip, left(:user_agent, 300),
       now() + make_interval(days => :absolute_days),
       (SELECT p.id FROM projects p
        WHERE p.archived_at IS NULL AND lower(p.name) <> '__legacy_scope__'
          AND (u.role = 'owner' OR EXISTS (
                SELECT FROM project_assignments a WHERE a.project_id = p.id AND a.user_id = u.id))
        ORDER BY p.created_at DESC, p.id DESC LIMIT 1)
FROM app_users u WHERE u.id = :user_id
RETURNING active_project_id;

-- name: revoke_session(token_hash)!
UPDATE sessions SET revoked_at = now() WHERE token_hash = :token_hash AND revoked_at IS NULL;

-- name: revoke_sessions_of_user(user_id, except_hash)
UPDATE sessions SET revoked_at = now()
WHERE user_id = :user_id AND revoked_at IS NULL AND token_hash <> :except_hash
RETURNING token_hash;

-- name: list_sessions(user_id, idle_days)
SELECT left(encode(token_hash, 'hex'), 16) AS id, token_hash, ip, user_agent, created_at, last_seen_at, expires_at
FROM sessions
WHERE user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
  AND last_seen_at > now() - make_interval(days => :idle_days)
ORDER BY last_seen_at DESC, token_hash;

-- name: revoke_session_of_user(user_id, short_id)^
UPDATE sessions SET revoked_at = now()
WHERE user_id = :user_id AND left(encode(token_hash, 'hex'), 16) = :short_id AND revoked_at IS NULL
RETURNING token_hash;

-- name: select_project(token_hash, project_id)!
UPDATE sessions SET active_project_id = :project_id, last_seen_at = now()
WHERE token_hash = :token_hash;

-- name: purge_sessions(idle_days)!
DELETE FROM sessions
WHERE expires_at < now() OR last_seen_at < now() - make_interval(days => :idle_days)
   OR revoked_at < now() - interval '1 day';

-- name: find_user(username)^
SELECT id, username, role, password_hash FROM app_users
WHERE lower(username) = lower(:username) AND disabled_at IS NULL;

-- name: seed_owner(username, password_hash)^
-- The configured owner. A user of that name made by hand keeps its password: settings only speak for
-- the user they made.
INSERT INTO app_users AS u (username, role, password_hash, from_settings)
VALUES (:username, 'owner', :password_hash, true)
ON CONFLICT (lower(username)) DO UPDATE
    SET password_hash = excluded.password_hash, password_changed_at = now(), updated_at = now()
    WHERE u.from_settings
RETURNING id;

-- name: update_password_hash(user_id, password_hash)!
-- The same password under a newer hash; sessions stay.
UPDATE app_users SET password_hash = :password_hash, updated_at = now() WHERE id = :user_id;

-- name: count_users()$
SELECT count(*) FROM app_users;

-- name: set_password(username, password_hash)^
UPDATE app_users SET password_hash = :password_hash, password_changed_at = now(), updated_at = now(),
       from_settings = false
WHERE lower(username) = lower(:username)
RETURNING id;

-- name: list_users()
SELECT id, username, role, email, from_settings, disabled_at, created_at FROM app_users
ORDER BY created_at, id;

-- name: configured_secret()$
-- Fingerprint of the password hash that the settings last brought.
SELECT value ->> 'fingerprint' FROM app_settings WHERE key = 'configured_owner';

-- name: remember_configured_secret(fingerprint)!
INSERT INTO app_settings (key, value)
VALUES ('configured_owner', jsonb_build_object('fingerprint', :fingerprint::text))
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now();
