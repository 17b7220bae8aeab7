-- Texts of every source but messages, and what happened to the rows of all sources.

-- A text that can be found: an issue with its comments, a deal, a note. Messages have their own table.
CREATE TABLE source_documents (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    source_type text NOT NULL,
    title text NOT NULL,
    body text NOT NULL DEFAULT '',
    author text,
    source_url text,
    -- What the row is shown with: the state of an issue, the stage of a deal.
    facts jsonb NOT NULL DEFAULT '{}',
    search_text text GENERATED ALWAYS AS
        (translate(lower(normalize(title || E'\n' || body, NFKC)), 'ё', 'е')) STORED,
    words tsvector GENERATED ALWAYS AS (to_tsvector('russian'::regconfig,
        translate(lower(normalize(left(title || E'\n' || body, 250000), NFKC)), 'ё', 'е'))) STORED,
    content_hash bytea NOT NULL,
    occurred_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id)
);
CREATE INDEX source_documents_newest ON source_documents (project_id, source_type, occurred_at DESC NULLS LAST, id);
CREATE INDEX source_documents_words ON source_documents USING gin (project_id, words);
CREATE INDEX source_documents_text ON source_documents USING gin (project_id, search_text gin_trgm_ops);

-- What happened, told once: from changes of rows and never from their being read again.
CREATE TABLE connector_events (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_type text NOT NULL CHECK (event_type IN (
        'message_sent', 'approval_requested', 'approval_approved', 'scope_change_detected',
        'client_silent_started', 'client_silent_ended', 'issue_created', 'issue_state_changed', 'issue_blocked',
        'issue_unblocked', 'issue_completed', 'deal_created', 'deal_stage_changed', 'note_logged', 'task_logged',
        'contact_updated', 'activity_logged')),
    occurred_at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor IN ('client', 'team', 'system')),
    source text NOT NULL CHECK (source IN ('chatwoot', 'linear', 'attio', 'system')),
    source_ref text NOT NULL,
    source_url text,
    payload_json jsonb NOT NULL DEFAULT '{}',
    dedupe_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, dedupe_key)
);
CREATE INDEX connector_events_newest ON connector_events (project_id, occurred_at DESC, id DESC);
CREATE INDEX connector_events_type ON connector_events (project_id, event_type, occurred_at DESC, id DESC);
CREATE INDEX connector_events_ref ON connector_events (project_id, source, source_ref);
CREATE INDEX connector_events_age ON connector_events (created_at);
