-- Who may be written to, and what of each contact Loops knows.

-- What a contact wants on a channel, in all projects of a scope. `contact_global_id` is a contact's id
-- (`cwc:…`) or a lower-case address; the project is only where it was said. Sends are counted from
-- their attempts, not here.
CREATE TABLE contact_channel_policies (
    account_scope_id uuid NOT NULL REFERENCES account_scopes ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    project_id uuid REFERENCES projects ON DELETE SET NULL,
    contact_global_id text NOT NULL CHECK (length(contact_global_id) BETWEEN 1 AND 500),
    channel text NOT NULL CHECK (channel IN ('email', 'chatwoot', 'telegram', 'all')),
    opted_out boolean NOT NULL DEFAULT false,
    stop_on_reply boolean NOT NULL DEFAULT true,
    frequency_window_hours int NOT NULL DEFAULT 24 CHECK (frequency_window_hours BETWEEN 1 AND 720),
    frequency_cap int NOT NULL DEFAULT 3 CHECK (frequency_cap BETWEEN 1 AND 200),
    last_outbound_at timestamptz,
    last_inbound_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_scope_id, id),
    UNIQUE (account_scope_id, contact_global_id, channel)
);

-- Outranks every policy. The hash (SHA-256 of the value) stays when the value itself is erased.
CREATE TABLE suppressions (
    account_scope_id uuid NOT NULL REFERENCES account_scopes ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('email', 'phone', 'telegram', 'contact', 'domain')),
    value text CHECK (length(value) <= 500),
    value_hash bytea NOT NULL,
    channel text NOT NULL DEFAULT 'all' CHECK (channel IN ('email', 'chatwoot', 'telegram', 'all')),
    reason text NOT NULL
        CHECK (reason IN ('unsubscribe', 'complaint', 'hard_bounce', 'manual', 'do_not_contact')),
    source text NOT NULL DEFAULT '',
    evidence jsonb NOT NULL DEFAULT '[]',
    created_by uuid REFERENCES app_users ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    PRIMARY KEY (account_scope_id, id)
);
CREATE UNIQUE INDEX suppressions_one ON suppressions (account_scope_id, kind, value_hash, channel)
    WHERE revoked_at IS NULL;

-- What Loops was last told of an address.
CREATE TABLE loops_contact_state (
    account_scope_id uuid NOT NULL REFERENCES account_scopes ON DELETE CASCADE,
    email text NOT NULL,
    loops_id text,
    -- Of the payload that Loops took or refused; null after a failure that waiting may mend.
    payload_hash bytea,
    -- The projects that Loops knows of: a push by somebody who sees fewer takes none of them away.
    project_ids uuid[] NOT NULL DEFAULT '{}',
    status text NOT NULL CHECK (status IN
        ('pushed', 'failed', 'rejected', 'opted_out', 'bounced', 'complained', 'deleted')),
    last_error text CHECK (length(last_error) <= 200),
    last_tried_at timestamptz,
    last_pushed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_scope_id, email)
);
CREATE INDEX loops_contact_state_email ON loops_contact_state (email);
CREATE INDEX loops_contact_state_id ON loops_contact_state (loops_id) WHERE loops_id IS NOT NULL;

-- Each project has the schedule, and one push serves the whole scope: whose turn it is.
CREATE TABLE loops_turns (
    account_scope_id uuid PRIMARY KEY REFERENCES account_scopes ON DELETE CASCADE,
    run_id uuid NOT NULL,
    next_at timestamptz NOT NULL
);

INSERT INTO scheduled_jobs (project_id, job_type, cadence_seconds, next_run_at)
SELECT id, 'loops_contacts_sync', 3600, now() + make_interval(secs => 3600 * random()) FROM projects
ON CONFLICT (project_id, job_type) DO NOTHING;
