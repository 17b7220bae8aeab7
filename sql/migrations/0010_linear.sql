-- Linear: teams, states, projects, cycles, labels, issues with their blockers, comments.

CREATE TABLE linear_teams_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    key text,
    name text,
    archived_at timestamptz,
    content_hash bytea NOT NULL,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_id)
);

CREATE TABLE linear_states_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    team_external_id text,
    name text,
    type text,
    position double precision,
    archived_at timestamptz,
    content_hash bytea NOT NULL,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_id)
);

CREATE TABLE linear_projects_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    name text NOT NULL,
    description text,
    url text,
    state text,
    state_type text,
    health text,
    progress double precision,
    lead_name text,
    start_date date,
    target_date date,
    completed_at timestamptz,
    canceled_at timestamptz,
    archived_at timestamptz,
    trashed boolean NOT NULL DEFAULT false,
    content_hash bytea NOT NULL,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_id)
);

CREATE TABLE linear_cycles_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    team_external_id text,
    number int,
    name text,
    starts_at timestamptz,
    ends_at timestamptz,
    completed_at timestamptz,
    progress numeric(6, 3),
    archived_at timestamptz,
    content_hash bytea NOT NULL,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_id)
);

CREATE TABLE linear_labels_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    team_external_id text,
    name text NOT NULL,
    archived_at timestamptz,
    content_hash bytea NOT NULL,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_id)
);

CREATE TABLE linear_issues_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    identifier text,
    number int,
    url text,
    title text NOT NULL,
    description text,
    team_external_id text,
    team_key text,
    linear_project_external_id text,
    state text,
    state_external_id text,
    state_type text,
    cycle_external_id text,
    cycle_name text,
    parent_external_id text,
    label_ids text[] NOT NULL DEFAULT '{}',
    priority int,
    estimate double precision,
    assignee_external_id text,
    assignee_name text,
    assignee_email text,
    creator_name text,
    -- Kept from the blockers' own states: a blocker counts while it is neither done nor cancelled.
    blocked boolean NOT NULL DEFAULT false,
    blocked_by_count int NOT NULL DEFAULT 0,
    due_date date,
    started_at timestamptz,
    completed_at timestamptz,
    canceled_at timestamptz,
    archived_at timestamptz,
    trashed boolean NOT NULL DEFAULT false,
    -- What every count of open issues means.
    open boolean GENERATED ALWAYS AS (
        completed_at IS NULL AND canceled_at IS NULL AND archived_at IS NULL AND NOT trashed AND deleted_at IS NULL
    ) STORED,
    content_hash bytea NOT NULL,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_id)
);
CREATE INDEX linear_issues_newest ON linear_issues_raw (project_id, updated_at DESC NULLS LAST, id DESC);
CREATE INDEX linear_issues_state ON linear_issues_raw (project_id, state_type, due_date) WHERE open;
CREATE INDEX linear_issues_blocked ON linear_issues_raw (project_id, updated_at DESC) WHERE open AND blocked;
CREATE INDEX linear_issues_sweep ON linear_issues_raw (project_id, connection_id, last_seen_at) WHERE deleted_at IS NULL;

CREATE TABLE linear_issue_blockers (
    project_id uuid NOT NULL,
    issue_id text NOT NULL,
    blocker_external_id text NOT NULL,
    blocker_identifier text,
    -- As it was told with the issue; a stored blocker's own row knows better.
    blocker_state_type text,
    PRIMARY KEY (project_id, issue_id, blocker_external_id),
    FOREIGN KEY (project_id, issue_id) REFERENCES linear_issues_raw (project_id, id) ON DELETE CASCADE
);
CREATE INDEX linear_issue_blockers_by ON linear_issue_blockers (project_id, blocker_external_id);

CREATE TABLE linear_comments_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    issue_external_id text NOT NULL,
    parent_external_id text,
    body text NOT NULL,
    url text,
    author_name text,
    author_email text,
    archived_at timestamptz,
    content_hash bytea NOT NULL,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_id)
);
CREATE INDEX linear_comments_issue ON linear_comments_raw (project_id, issue_external_id, source_created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX linear_comments_sweep ON linear_comments_raw (project_id, connection_id, last_seen_at)
    WHERE deleted_at IS NULL;

CREATE TRIGGER linear_issues_counted_i AFTER INSERT ON linear_issues_raw REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('issues', '', 'live');
CREATE TRIGGER linear_issues_counted_u AFTER UPDATE ON linear_issues_raw
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('issues', '', 'live');
CREATE TRIGGER linear_issues_counted_d AFTER DELETE ON linear_issues_raw REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('issues', '', 'live');
