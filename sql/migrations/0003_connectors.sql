-- Connections to vendors, how far each stream has been read, what went wrong; and Chatwoot's rows.

CREATE TABLE connector_connections (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    connector text NOT NULL CHECK (connector IN ('chatwoot', 'linear', 'attio', 'loops')),
    display_name text NOT NULL DEFAULT '',
    base_url text NOT NULL,
    external_account_id text NOT NULL,
    -- Fernet token made with the installation's secret key; never leaves the database in clear.
    credentials_enc bytea NOT NULL,
    credential_hint text NOT NULL DEFAULT '',
    auth_kind text NOT NULL DEFAULT 'token',
    filters jsonb NOT NULL DEFAULT '{}',
    mapping jsonb NOT NULL DEFAULT '{}',
    options jsonb NOT NULL DEFAULT '{}',
    webhook_token_hash bytea,
    webhook_secret_enc bytea,
    webhook_secret_previous_enc bytea,
    webhook_rotated_at timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    from_settings boolean NOT NULL DEFAULT false,
    health text NOT NULL DEFAULT 'ok' CHECK (health IN ('ok', 'degraded', 'needs_attention')),
    health_reason text,
    last_verified_at timestamptz,
    created_by uuid REFERENCES app_users ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, connector, external_account_id)
);
-- Without filters, one external workspace belongs to one project.
CREATE UNIQUE INDEX connector_connections_whole ON connector_connections
    (connector, base_url, external_account_id) WHERE filters = '{}' AND enabled;
CREATE UNIQUE INDEX connector_connections_webhook ON connector_connections (webhook_token_hash)
    WHERE webhook_token_hash IS NOT NULL;

CREATE TABLE connector_streams (
    project_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    stream text NOT NULL,
    cursor_ts timestamptz,
    cursor_id text,
    -- Where an unfinished window goes on: page number, target watermark and the like.
    page_cursor jsonb,
    backfill_state jsonb,
    last_sweep_at timestamptz,
    last_success_at timestamptz,
    records_total bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, connection_id, stream),
    FOREIGN KEY (project_id, connection_id) REFERENCES connector_connections ON DELETE CASCADE
);

-- One row a connector of a project: what a person looks at.
CREATE TABLE connector_sync_state (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    connector text NOT NULL CHECK (connector IN ('chatwoot', 'linear', 'attio')),
    mode text NOT NULL DEFAULT 'http' CHECK (mode IN ('http', 'mcp')),
    status text NOT NULL DEFAULT 'idle'
        CHECK (status IN ('idle', 'running', 'ok', 'partial', 'failed')),
    cursor_ts timestamptz,
    cursor_id text,
    page_cursor jsonb,
    last_attempt_at timestamptz,
    last_success_at timestamptz,
    retry_count int NOT NULL DEFAULT 0,
    last_error_kind text,
    last_error text CHECK (length(last_error) <= 2000),
    run_id uuid,
    meta jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, connector)
);

CREATE TABLE connector_errors (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    connector text NOT NULL,
    mode text NOT NULL DEFAULT 'http',
    stream text,
    operation text NOT NULL DEFAULT 'sync' CHECK (length(operation) <= 200),
    source_ref text CHECK (length(source_ref) <= 500),
    error_kind text NOT NULL CHECK (length(error_kind) <= 200),
    error_message text NOT NULL CHECK (length(error_message) <= 4000),
    payload_json jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'retrying', 'dead_letter', 'resolved')),
    attempt int NOT NULL DEFAULT 1,
    occurrences int NOT NULL DEFAULT 1,
    next_retry_at timestamptz,
    dedupe_key text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    PRIMARY KEY (project_id, id)
);
-- One open row for one fault, dead letters included: failing again counts, it does not multiply.
CREATE UNIQUE INDEX connector_errors_open ON connector_errors (project_id, connector, dedupe_key)
    WHERE status <> 'resolved';
CREATE INDEX connector_errors_due ON connector_errors (next_retry_at)
    WHERE status IN ('pending', 'retrying');
CREATE INDEX connector_errors_newest ON connector_errors (project_id, updated_at DESC, id DESC);

-- The breaker of one connection, shared by all processes.
CREATE TABLE connector_breakers (
    project_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    host text NOT NULL,
    failures int NOT NULL DEFAULT 0,
    open_until timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, connection_id, host),
    FOREIGN KEY (project_id, connection_id) REFERENCES connector_connections ON DELETE CASCADE
);

CREATE TABLE cw_inboxes_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    account_id bigint NOT NULL,
    inbox_id bigint NOT NULL,
    name text,
    channel_type text,
    data jsonb NOT NULL DEFAULT '{}',
    content_hash bytea NOT NULL,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, account_id, inbox_id)
);

-- Agents of the vendor's account: the team's side of each conversation.
CREATE TABLE cw_agents (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    account_id bigint NOT NULL,
    agent_id bigint NOT NULL,
    name text,
    email text,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, account_id, agent_id)
);

CREATE TABLE cw_contacts (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    account_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    name text,
    email text,
    phone_number text,
    identifier text,
    custom_attributes jsonb NOT NULL DEFAULT '{}',
    data jsonb NOT NULL DEFAULT '{}',
    content_hash bytea NOT NULL,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, account_id, contact_id)
);
CREATE INDEX cw_contacts_newest ON cw_contacts (project_id, updated_at DESC NULLS LAST, id DESC);
CREATE INDEX cw_contacts_email ON cw_contacts (project_id, lower(email)) WHERE email IS NOT NULL;

CREATE TABLE cw_conversations (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    account_id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    contact_global_id text,
    inbox_id bigint,
    status text,
    assignee_id bigint,
    assignee_name text,
    labels text[] NOT NULL DEFAULT '{}',
    data jsonb NOT NULL DEFAULT '{}',
    content_hash bytea NOT NULL,
    last_activity_at timestamptz,
    -- Messages of the conversation are read up to here: its last activity then, and its newest id.
    messages_read_to timestamptz,
    last_message_id bigint,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, account_id, conversation_id),
    FOREIGN KEY (project_id, contact_global_id) REFERENCES cw_contacts (project_id, id)
);
CREATE INDEX cw_conversations_newest ON cw_conversations
    (project_id, (coalesce(updated_at, created_at)) DESC, id DESC);
CREATE INDEX cw_conversations_contact ON cw_conversations (project_id, contact_global_id);

CREATE TABLE cw_messages (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    account_id bigint NOT NULL,
    message_id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    conversation_global_id text NOT NULL,
    contact_global_id text,
    sender_type text,
    sender_id bigint,
    sender_name text,
    private boolean NOT NULL DEFAULT false,
    message_type smallint,
    direction text CHECK (direction IN ('inbound', 'outbound', 'activity', 'template')),
    content text,
    -- What the keyword leg reads: one form of each letter (file names of a Mac spell й in two), lower
    -- case, ё as е. One column, so that its index is always usable.
    search_text text GENERATED ALWAYS AS (translate(lower(normalize(content, NFKC)), 'ё', 'е')) STORED,
    data jsonb NOT NULL DEFAULT '{}',
    content_hash bytea NOT NULL,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    -- The moment it was written, by the vendor's clock.
    created_at timestamptz,
    updated_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, account_id, message_id),
    FOREIGN KEY (project_id, conversation_global_id) REFERENCES cw_conversations (project_id, id),
    FOREIGN KEY (project_id, contact_global_id) REFERENCES cw_contacts (project_id, id)
);
CREATE INDEX cw_messages_newest ON cw_messages (project_id, created_at DESC NULLS LAST, id DESC);
CREATE INDEX cw_messages_conversation ON cw_messages
    (project_id, conversation_global_id, created_at DESC, id DESC);
CREATE INDEX cw_messages_contact ON cw_messages (project_id, contact_global_id);
CREATE INDEX cw_messages_words ON cw_messages USING gin (search_text gin_trgm_ops)
    WHERE deleted_at IS NULL;
ALTER TABLE cw_messages SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

CREATE TABLE cw_attachments_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    account_id bigint NOT NULL,
    message_global_id text NOT NULL,
    conversation_global_id text,
    content_type text,
    file_name text,
    file_size bigint,
    file_url text,
    thumb_url text,
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, message_global_id) REFERENCES cw_messages (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, conversation_global_id) REFERENCES cw_conversations (project_id, id)
        ON DELETE SET NULL (conversation_global_id)
);
CREATE INDEX cw_attachments_message ON cw_attachments_raw (project_id, message_global_id);

CREATE TRIGGER cw_contacts_counted_i AFTER INSERT ON cw_contacts REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('contacts', '', 'live');
CREATE TRIGGER cw_contacts_counted_u AFTER UPDATE ON cw_contacts
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('contacts', '', 'live');
CREATE TRIGGER cw_contacts_counted_d AFTER DELETE ON cw_contacts REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('contacts', '', 'live');
CREATE TRIGGER cw_conversations_counted_i AFTER INSERT ON cw_conversations REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('conversations', '', 'live');
CREATE TRIGGER cw_conversations_counted_u AFTER UPDATE ON cw_conversations
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('conversations', '', 'live');
CREATE TRIGGER cw_conversations_counted_d AFTER DELETE ON cw_conversations REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('conversations', '', 'live');
CREATE TRIGGER cw_messages_counted_i AFTER INSERT ON cw_messages REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('messages', '', 'live');
CREATE TRIGGER cw_messages_counted_u AFTER UPDATE ON cw_messages
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('messages', '', 'live');
CREATE TRIGGER cw_messages_counted_d AFTER DELETE ON cw_messages REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('messages', '', 'live');
