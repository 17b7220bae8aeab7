-- Extensions, tenants, people, sessions, and what every request needs.

CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- An account scope groups the projects of one tenant (a studio's portfolio).
CREATE TABLE account_scopes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    scope_key text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO account_scopes (scope_key, name) VALUES ('default', 'Default account scope');

CREATE TABLE projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_scope_id uuid NOT NULL REFERENCES account_scopes ON DELETE RESTRICT,
    name text NOT NULL CHECK (length(name) BETWEEN 2 AND 160),
    phase text NOT NULL DEFAULT 'active'
        CHECK (phase IN ('kickoff', 'active', 'review', 'handoff', 'warranty', 'completed')),
    is_demo boolean NOT NULL DEFAULT false,
    archived_at timestamptz,
    -- Grows with every change of the project's data; a part of each cache key.
    data_version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, account_scope_id)
);
-- One live project of a name in a scope, whatever its capitals.
CREATE UNIQUE INDEX projects_name ON projects (account_scope_id, lower(name)) WHERE archived_at IS NULL;
CREATE INDEX projects_newest ON projects (created_at DESC, id DESC);

CREATE TABLE app_users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    username text NOT NULL CHECK (length(username) BETWEEN 1 AND 200),
    email text CHECK (length(email) <= 300),
    role text NOT NULL DEFAULT 'pm'
        CHECK (role IN ('owner', 'pm', 'delivery_lead', 'executor', 'viewer')),
    password_hash text NOT NULL,
    -- The user that the configured credentials made; only that one follows them.
    from_settings boolean NOT NULL DEFAULT false,
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX app_users_username ON app_users (lower(username));
CREATE UNIQUE INDEX app_users_email ON app_users (lower(email)) WHERE email IS NOT NULL;

CREATE TABLE project_assignments (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES app_users ON DELETE CASCADE,
    assigned_at timestamptz NOT NULL DEFAULT now(),
    assigned_by uuid REFERENCES app_users ON DELETE SET NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, user_id)
);
CREATE INDEX project_assignments_user ON project_assignments (user_id, project_id);

-- Only the SHA-256 of a session's token is stored: who reads the table cannot use it.
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES app_users ON DELETE CASCADE,
    csrf_secret text NOT NULL,
    active_project_id uuid REFERENCES projects ON DELETE SET NULL,
    ip text,
    user_agent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id, last_seen_at DESC);
CREATE INDEX sessions_last_seen ON sessions (last_seen_at);

-- Who did what. Append-only; a row of the whole installation has no project.
CREATE TABLE audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id uuid REFERENCES projects ON DELETE SET NULL,
    actor_user_id uuid REFERENCES app_users ON DELETE SET NULL,
    actor_username text NOT NULL DEFAULT '' CHECK (length(actor_username) <= 200),
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 200),
    entity_type text NOT NULL DEFAULT '' CHECK (length(entity_type) <= 200),
    entity_id text NOT NULL DEFAULT '' CHECK (length(entity_id) <= 200),
    status text NOT NULL DEFAULT 'ok' CHECK (length(status) <= 50),
    request_id text,
    idempotency_key text,
    payload jsonb NOT NULL DEFAULT '{}',
    evidence_refs jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_events_project ON audit_events (project_id, created_at DESC, id DESC);
CREATE INDEX audit_events_action ON audit_events (action, created_at DESC, id DESC);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The foreign keys above may empty their own columns; nothing else changes.
    IF TG_OP = 'UPDATE'
       AND (to_jsonb(NEW) - 'project_id' - 'actor_user_id')
         = (to_jsonb(OLD) - 'project_id' - 'actor_user_id') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A key is reserved before the work it protects, and holds the answer after it.
CREATE TABLE idempotency_keys (
    scope text NOT NULL,
    actor text NOT NULL,
    route text NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 256),
    request_hash bytea NOT NULL,
    state text NOT NULL DEFAULT 'in_progress' CHECK (state IN ('in_progress', 'done')),
    status_code int,
    response jsonb,
    locked_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    PRIMARY KEY (scope, actor, route, key)
);
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

-- Token buckets, and failed logins. Losing them in a crash costs nothing, so they skip the WAL.
CREATE UNLOGGED TABLE rate_limits (
    bucket text PRIMARY KEY,
    -- The moment at which the bucket is full again (the generic cell rate algorithm's arrival time).
    full_at timestamptz NOT NULL
);
CREATE UNLOGGED TABLE login_attempts (
    bucket text PRIMARY KEY,
    attempts int NOT NULL,
    window_ends_at timestamptz NOT NULL
);

CREATE TABLE app_settings (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Counts that pages show, kept by triggers so that no page scans a table for them.
CREATE TABLE project_counters (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL,
    value bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (project_id, name)
);

-- Adds a statement's changes to project_counters. Arguments: the counter's name; a column, each value
-- of which has its own counter `name.value`, or ''; and `live` where rows with a deleted_at do not count.
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counter text := quote_literal(TG_ARGV[0])
        || CASE WHEN TG_ARGV[1] = '' THEN '' ELSE format(' || ''.'' || %I', TG_ARGV[1]) END;
    condition text := CASE WHEN TG_ARGV[2] = 'live' THEN 'WHERE deleted_at IS NULL' ELSE '' END;
    parts text[] := '{}';
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        parts := parts || format('SELECT project_id, %s AS name, 1 AS delta FROM new_rows %s', counter, condition);
    END IF;
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        parts := parts || format('SELECT project_id, %s AS name, -1 AS delta FROM old_rows %s', counter, condition);
    END IF;
    -- Sorted, so that two transactions take the counters' row locks in the same order.
    EXECUTE format(
        'INSERT INTO project_counters AS c (project_id, name, value)
         SELECT project_id, name, sum(delta) FROM (%s) changes
         WHERE EXISTS (SELECT FROM projects p WHERE p.id = changes.project_id)
         GROUP BY project_id, name HAVING sum(delta) <> 0 ORDER BY project_id, name
         ON CONFLICT (project_id, name) DO UPDATE SET value = c.value + excluded.value',
        array_to_string(parts, ' UNION ALL '));
    RETURN NULL;
END $$;
