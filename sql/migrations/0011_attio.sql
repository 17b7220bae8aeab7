-- Attio: companies, people, deals, notes, tasks and entries of lists as they were last read; and the CRM
-- that they are mirrored into.

CREATE TABLE attio_accounts_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    name text,
    domain text,
    domains text[] NOT NULL DEFAULT '{}',
    stage text,
    crm_stage text NOT NULL,
    annual_revenue numeric(18, 2),
    description text,
    owner_id text,
    last_interaction_at timestamptz,
    data jsonb NOT NULL DEFAULT '{}',
    -- Whether the CRM's row shows this one as it is now.
    mirrored boolean NOT NULL DEFAULT false,
    content_hash bytea NOT NULL,
    -- The sweep that saw it last: what a complete sweep did not see is gone.
    sweep_id uuid,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, workspace_id, external_id)
);
CREATE INDEX attio_accounts_unmirrored ON attio_accounts_raw (project_id, id) WHERE NOT mirrored;

CREATE TABLE attio_people_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    full_name text,
    email text,
    emails text[] NOT NULL DEFAULT '{}',
    phone text,
    phones text[] NOT NULL DEFAULT '{}',
    role text,
    account_external_id text,
    last_interaction_at timestamptz,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, workspace_id, external_id)
);
CREATE INDEX attio_people_email ON attio_people_raw (project_id, lower(email)) WHERE email IS NOT NULL;
CREATE INDEX attio_people_account ON attio_people_raw (project_id, account_external_id);

CREATE TABLE attio_opportunities_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    title text,
    -- As it is called there, and what it is here.
    stage text,
    crm_stage text NOT NULL,
    stage_changed_at timestamptz,
    amount numeric(18, 2),
    currency text,
    probability numeric(5, 4),
    expected_close_date date,
    account_external_id text,
    people_external_ids text[] NOT NULL DEFAULT '{}',
    next_step text,
    next_step_due_at timestamptz,
    lost_reason text,
    description text,
    owner_id text,
    mirrored boolean NOT NULL DEFAULT false,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, workspace_id, external_id)
);
CREATE INDEX attio_opportunities_unmirrored ON attio_opportunities_raw (project_id, id) WHERE NOT mirrored;
CREATE INDEX attio_opportunities_account ON attio_opportunities_raw (project_id, account_external_id);

-- One that was deleted keeps its place and loses its text; so do tasks.
CREATE TABLE attio_notes_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    parent_object text NOT NULL,
    parent_record_id text NOT NULL,
    title text,
    content text,
    actor_type text,
    actor_id text,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, workspace_id, external_id)
);
CREATE INDEX attio_notes_parent ON attio_notes_raw (project_id, parent_record_id);

CREATE TABLE attio_tasks_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    content text,
    deadline_at timestamptz,
    is_completed boolean NOT NULL DEFAULT false,
    linked_record_ids text[] NOT NULL DEFAULT '{}',
    assignee_ids text[] NOT NULL DEFAULT '{}',
    actor_type text,
    actor_id text,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, workspace_id, external_id)
);
CREATE INDEX attio_tasks_records ON attio_tasks_raw USING gin (linked_record_ids);

-- Where a record stands in a list: pipelines are often lists.
CREATE TABLE attio_list_entries_raw (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    list_slug text NOT NULL,
    parent_object text,
    parent_record_id text NOT NULL,
    stage text,
    crm_stage text NOT NULL,
    stage_changed_at timestamptz,
    amount numeric(18, 2),
    currency text,
    owner_id text,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, workspace_id, external_id)
);
CREATE INDEX attio_list_entries_parent ON attio_list_entries_raw (project_id, parent_record_id);

-- The sweep's three steps, the same for every table above.

CREATE FUNCTION attio_see(raw regclass, project uuid, workspace text, connection uuid, ids text[], sweep uuid)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'UPDATE %s SET sweep_id = $1, connection_id = $2, last_seen_at = now()
         WHERE project_id = $3 AND workspace_id = $4 AND external_id = ANY($5)', raw)
    USING sweep, connection, project, workspace, ids;
END $$;

-- Rows of a connection (and of one list) that a sweep did not see, and how many there are at all.
CREATE FUNCTION attio_unseen(raw regclass, project uuid, connection uuid, sweep uuid, list text, OUT ids text[], OUT stored bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE sweep_id IS DISTINCT FROM $1), ''{}''), count(*)
         FROM %s WHERE project_id = $2 AND connection_id = $3 AND deleted_at IS NULL %s',
        raw, CASE WHEN list IS NULL THEN '' ELSE format('AND list_slug = %L', list) END)
    INTO ids, stored USING sweep, project, connection;
END $$;

CREATE FUNCTION attio_mark_deleted(raw regclass, project uuid, gone text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('UPDATE %s SET deleted_at = now(), updated_at = now() WHERE project_id = $1 AND id = ANY($2)', raw)
    USING project, gone;
END $$;

CREATE TABLE crm_accounts (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 300),
    domain text CHECK (length(domain) <= 300),
    -- The vendor's id of the same company.
    external_ref text CHECK (length(external_ref) <= 500),
    stage text NOT NULL DEFAULT 'prospect' CHECK (stage IN ('active', 'inactive', 'prospect')),
    owner_user_id uuid REFERENCES app_users ON DELETE SET NULL,
    owner_username text CHECK (length(owner_username) <= 200),
    source_system text NOT NULL DEFAULT 'manual'
        CHECK (source_system IN ('manual', 'attio', 'linear', 'chatwoot', 'system')),
    source_url text,
    -- Fields that a person wrote: the mirror leaves them alone. Kept by the trigger below.
    edited_fields text[] NOT NULL DEFAULT '{}',
    -- The vendor no longer has it.
    source_deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_ref)
);
CREATE UNIQUE INDEX crm_accounts_name ON crm_accounts (project_id, lower(btrim(name)));
CREATE INDEX crm_accounts_domain ON crm_accounts (project_id, domain) WHERE domain IS NOT NULL;
CREATE INDEX crm_accounts_stage ON crm_accounts (project_id, stage, updated_at DESC, id);
CREATE INDEX crm_accounts_newest ON crm_accounts (project_id, updated_at DESC, id);
CREATE INDEX crm_accounts_owner ON crm_accounts (owner_user_id);

CREATE TABLE crm_account_contacts (
    project_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL,
    contact_global_id text NOT NULL,
    role text,
    is_primary boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, account_id, contact_global_id),
    FOREIGN KEY (project_id, account_id) REFERENCES crm_accounts ON DELETE CASCADE,
    FOREIGN KEY (project_id, contact_global_id) REFERENCES cw_contacts (project_id, id) ON DELETE CASCADE
);

CREATE TABLE crm_opportunities (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
    stage text NOT NULL DEFAULT 'discovery'
        CHECK (stage IN ('discovery', 'qualified', 'proposal', 'negotiation', 'won', 'lost')),
    amount_estimate numeric(14, 2) NOT NULL DEFAULT 0 CHECK (amount_estimate >= 0),
    currency text CHECK (length(currency) <= 3),
    probability numeric(5, 4) NOT NULL DEFAULT 0.1 CHECK (probability BETWEEN 0 AND 1),
    expected_close_date date,
    -- Empty when nobody said one: an invented step would hide that.
    next_step text NOT NULL DEFAULT '' CHECK (length(next_step) <= 1000),
    next_step_due_at timestamptz,
    owner_user_id uuid REFERENCES app_users ON DELETE SET NULL,
    owner_username text CHECK (length(owner_username) <= 200),
    evidence_refs jsonb NOT NULL DEFAULT '[]',
    external_ref text CHECK (length(external_ref) <= 500),
    source_system text NOT NULL DEFAULT 'manual'
        CHECK (source_system IN ('manual', 'attio', 'linear', 'chatwoot', 'system')),
    source_url text,
    stage_changed_at timestamptz NOT NULL DEFAULT now(),
    -- A person moved it here: the vendor's stage counts again once it changes there.
    stage_override_at timestamptz,
    -- The vendor's stage when it was last mirrored.
    source_stage text,
    lost_reason text CHECK (length(lost_reason) <= 1000),
    closed_at timestamptz,
    edited_fields text[] NOT NULL DEFAULT '{}',
    source_deleted_at timestamptz,
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, external_ref),
    FOREIGN KEY (project_id, account_id) REFERENCES crm_accounts ON DELETE CASCADE
);
CREATE INDEX crm_opportunities_stage ON crm_opportunities (project_id, stage, expected_close_date);
CREATE INDEX crm_opportunities_newest ON crm_opportunities (project_id, updated_at DESC, id);
CREATE INDEX crm_opportunities_account ON crm_opportunities (project_id, account_id);
CREATE INDEX crm_opportunities_owner ON crm_opportunities (owner_user_id);
CREATE INDEX crm_opportunities_evidence ON crm_opportunities USING gin (evidence_refs);

CREATE TABLE crm_opportunity_stage_events (
    project_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    opportunity_id uuid NOT NULL,
    from_stage text,
    to_stage text NOT NULL,
    reason text CHECK (length(reason) <= 1000),
    actor_username text NOT NULL,
    evidence_refs jsonb NOT NULL DEFAULT '[]',
    audit_event_id bigint REFERENCES audit_events ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, opportunity_id) REFERENCES crm_opportunities ON DELETE CASCADE
);
CREATE INDEX crm_stage_events_newest ON crm_opportunity_stage_events (project_id, created_at DESC, id DESC);
CREATE INDEX crm_stage_events_opportunity ON crm_opportunity_stage_events (project_id, opportunity_id, created_at, id);

-- Notes what a person writes, so that no writer can forget to: everybody but the mirror, which says so
-- for its transaction (lightpost.mirror), is a person. Arguments: the fields that can be owned.
CREATE FUNCTION note_edited_fields() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_said jsonb := to_jsonb(NEW);
    before jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ELSE '{}' END;
    field text;
BEGIN
    IF coalesce(current_setting('lightpost.mirror', true), '') = 'on' THEN
        RETURN NEW;
    END IF;
    FOREACH field IN ARRAY TG_ARGV LOOP
        IF now_said -> field IS DISTINCT FROM before -> field
           AND coalesce(now_said ->> field, '') <> coalesce(before ->> field, '')
           AND NOT field = ANY (NEW.edited_fields) THEN
            NEW.edited_fields := NEW.edited_fields || field;
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE TRIGGER crm_accounts_edited BEFORE INSERT OR UPDATE ON crm_accounts
    FOR EACH ROW EXECUTE FUNCTION note_edited_fields('name', 'domain');
CREATE TRIGGER crm_accounts_stage_edited BEFORE UPDATE OF stage ON crm_accounts
    FOR EACH ROW EXECUTE FUNCTION note_edited_fields('stage');
CREATE TRIGGER crm_opportunities_edited BEFORE UPDATE ON crm_opportunities
    FOR EACH ROW WHEN (NEW.stage = OLD.stage)
    EXECUTE FUNCTION note_edited_fields('account_id', 'title', 'amount_estimate', 'currency', 'probability',
                                        'expected_close_date', 'next_step', 'next_step_due_at', 'lost_reason');

CREATE FUNCTION note_moved_stage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('lightpost.mirror', true), '') <> 'on' THEN
        NEW.stage_override_at := now();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER crm_opportunities_moved BEFORE UPDATE ON crm_opportunities
    FOR EACH ROW WHEN (NEW.stage <> OLD.stage AND NEW.external_ref IS NOT NULL)
    EXECUTE FUNCTION note_moved_stage();

CREATE TRIGGER attio_accounts_counted_i AFTER INSERT ON attio_accounts_raw REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_accounts', '', 'live');
CREATE TRIGGER attio_accounts_counted_u AFTER UPDATE ON attio_accounts_raw
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_accounts', '', 'live');
CREATE TRIGGER attio_accounts_counted_d AFTER DELETE ON attio_accounts_raw REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_accounts', '', 'live');
CREATE TRIGGER attio_opportunities_counted_i AFTER INSERT ON attio_opportunities_raw REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_opportunities', '', 'live');
CREATE TRIGGER attio_opportunities_counted_u AFTER UPDATE ON attio_opportunities_raw
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_opportunities', '', 'live');
CREATE TRIGGER attio_opportunities_counted_d AFTER DELETE ON attio_opportunities_raw REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_opportunities', '', 'live');
CREATE TRIGGER attio_people_counted_i AFTER INSERT ON attio_people_raw REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_people', '', 'live');
CREATE TRIGGER attio_people_counted_u AFTER UPDATE ON attio_people_raw
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_people', '', 'live');
CREATE TRIGGER attio_people_counted_d AFTER DELETE ON attio_people_raw REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_people', '', 'live');
CREATE TRIGGER crm_accounts_counted_i AFTER INSERT ON crm_accounts REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_accounts', '', 'all');
CREATE TRIGGER crm_accounts_counted_u AFTER UPDATE ON crm_accounts
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_accounts', '', 'all');
CREATE TRIGGER crm_accounts_counted_d AFTER DELETE ON crm_accounts REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_accounts', '', 'all');
CREATE TRIGGER crm_opportunities_counted_i AFTER INSERT ON crm_opportunities REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_opportunities', '', 'all');
CREATE TRIGGER crm_opportunities_counted_u AFTER UPDATE ON crm_opportunities
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_opportunities', '', 'all');
CREATE TRIGGER crm_opportunities_counted_d AFTER DELETE ON crm_opportunities REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_opportunities', '', 'all');
