-- The whole schema, to be read. Generated from sql/migrations by `make schema`; a test
-- proves that the two are equal. Why a table looks as it does stands in the migrations.

CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;

CREATE EXTENSION IF NOT EXISTS fuzzystrmatch WITH SCHEMA public;

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

CREATE FUNCTION attio_mark_deleted(raw regclass, project uuid, gone text[], read_at timestamp with time zone) RETURNS text[]
    LANGUAGE plpgsql
    AS $_$
DECLARE marked text[];
BEGIN
    EXECUTE format(
        'WITH marked AS (
             UPDATE %s SET deleted_at = now(), updated_at = now(), last_seen_at = $3
             WHERE project_id = $1 AND id = ANY($2) AND deleted_at IS NULL AND last_seen_at <= $3 RETURNING id)
         SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM marked', raw)
    INTO marked USING project, gone, read_at;
    RETURN marked;
END $_$;

CREATE FUNCTION attio_matched(raw regclass, project uuid, workspace text, named text[], list text, OUT stored bigint, OUT matched bigint) RETURNS record
    LANGUAGE plpgsql
    AS $_$
BEGIN
    EXECUTE format(
        'SELECT count(*), count(u.id) FROM %s r LEFT JOIN unnest($3) u(id) ON u.id = r.external_id
         WHERE r.project_id = $1 AND r.workspace_id = $2 AND r.deleted_at IS NULL %s',
        raw, CASE WHEN list IS NULL THEN '' ELSE format('AND r.list_slug = %L', list) END)
    INTO stored, matched USING project, workspace, named;
END $_$;

CREATE FUNCTION attio_row_ids(raw regclass, project uuid, workspace text, externals text[]) RETURNS text[]
    LANGUAGE plpgsql
    AS $_$
DECLARE found text[];
BEGIN
    EXECUTE format(
        'SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM %s
         WHERE project_id = $1 AND workspace_id = $2 AND external_id = ANY($3) AND deleted_at IS NULL', raw)
    INTO found USING project, workspace, externals;
    RETURN found;
END $_$;

CREATE FUNCTION attio_see(raw regclass, project uuid, workspace text, connection uuid, ids text[], sweep uuid, read_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $_$
BEGIN
    EXECUTE format(
        'UPDATE %s SET sweep_id = coalesce($1, sweep_id), connection_id = $2, last_seen_at = greatest(last_seen_at, $6)
         WHERE project_id = $3 AND workspace_id = $4 AND external_id = ANY($5)', raw)
    USING sweep, connection, project, workspace, ids, read_at;
END $_$;

CREATE FUNCTION attio_unseen(raw regclass, project uuid, connection uuid, sweep uuid, began timestamp with time zone, list text, OUT ids text[], OUT stored bigint) RETURNS record
    LANGUAGE plpgsql
    AS $_$
BEGIN
    EXECUTE format(
        'SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE sweep_id IS DISTINCT FROM $1 AND last_seen_at < $4), ''{}''),
                count(*)
         FROM %s WHERE project_id = $2 AND connection_id = $3 AND deleted_at IS NULL %s',
        raw, CASE WHEN list IS NULL THEN '' ELSE format('AND list_slug = %L', list) END)
    INTO ids, stored USING sweep, project, connection, began;
END $_$;

CREATE FUNCTION count_rows() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION drop_unused_vector_indexes(wanted text[]) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    model smallint;
    dropped int := 0;
BEGIN
    PERFORM set_config('lock_timeout', '300ms', true);
    FOR model IN
        SELECT m.id FROM embedding_models m
        WHERE m.identity <> ALL (wanted) AND to_regclass(format('rag_vectors_hnsw_%s', m.id)) IS NOT NULL
          AND m.created_at < now() - interval '1 hour'
          AND NOT EXISTS (SELECT FROM projects p WHERE p.search_model_id = m.id)
          AND NOT EXISTS (SELECT FROM rag_vectors v JOIN projects p ON p.id = v.project_id WHERE v.model_id = m.id)
        ORDER BY m.id
    LOOP
        BEGIN
            EXECUTE format('DROP INDEX IF EXISTS rag_vectors_hnsw_%s', model);
            dropped := dropped + 1;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            NULL;
        END;
    END LOOP;
    RETURN dropped;
END $$;

CREATE FUNCTION ensure_embedding_model(wanted text, dims integer) RETURNS smallint
    LANGUAGE plpgsql
    AS $$
DECLARE
    found smallint;
BEGIN
    SELECT id INTO found FROM embedding_models WHERE identity = wanted;
    IF found IS NOT NULL AND to_regclass(format('rag_vectors_hnsw_%s', found)) IS NOT NULL THEN
        RETURN found;
    END IF;
    PERFORM pg_advisory_xact_lock(7265004);
    INSERT INTO embedding_models (identity, dimensions) VALUES (wanted, dims) ON CONFLICT (identity) DO NOTHING;
    SELECT id INTO found FROM embedding_models WHERE identity = wanted;
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS rag_vectors_hnsw_%s ON rag_vectors
         USING hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops) WHERE model_id = %s',
        found, dims, found);
    RETURN found;
END $$;

CREATE FUNCTION fold_text(given text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN translate(lower(NORMALIZE(given, NFKC)), 'ё'::text, 'е'::text);

CREATE FUNCTION in_word_sample(source_pk text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((hashtext(source_pk) & 31) = 0);

CREATE FUNCTION is_wanted(private boolean, source_type text, occurred_at timestamp with time zone, with_private boolean, sources text[], since timestamp with time zone, before timestamp with time zone) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((with_private OR (NOT private)) AND ((sources IS NULL) OR (source_type = ANY (sources))) AND ((since IS NULL) OR (occurred_at >= since)) AND ((before IS NULL) OR (occurred_at < before)));

CREATE FUNCTION linear_see(raw regclass, project uuid, connection uuid, ids text[], began timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $_$
BEGIN
    EXECUTE format(
        'UPDATE %s SET last_seen_at = greatest(now(), $4), connection_id = $2
         WHERE project_id = $1 AND external_id = ANY($3)', raw)
    USING project, connection, ids, began;
END $_$;

CREATE FUNCTION linear_unseen(raw regclass, project uuid, connection uuid, began timestamp with time zone, OUT ids text[], OUT stored bigint) RETURNS record
    LANGUAGE plpgsql
    AS $_$
BEGIN
    EXECUTE format(
        'SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE last_seen_at < $3), ''{}''), count(*)
         FROM %s WHERE project_id = $1 AND connection_id = $2 AND deleted_at IS NULL', raw)
    INTO ids, stored USING project, connection, began;
END $_$;

CREATE FUNCTION nearest_vectors(project uuid, model smallint, dims integer, question text, wanted integer, exact boolean, ef integer, sources text[], since timestamp with time zone, before timestamp with time zone) RETURNS TABLE(chunk_id uuid, distance double precision)
    LANGUAGE plpgsql
    AS $_$
DECLARE
    filters text := format('v.project_id = %L AND v.model_id = %s', project, model)
        || CASE WHEN sources IS NULL THEN '' ELSE format(' AND v.source_type = ANY(%L::text[])', sources) END
        || CASE WHEN since IS NULL THEN '' ELSE format(' AND v.occurred_at >= %L', since) END
        || CASE WHEN before IS NULL THEN '' ELSE format(' AND v.occurred_at < %L', before) END;
    ids uuid[];
    distances float8[];
BEGIN
    IF NOT exact THEN
        PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true),
                set_config('hnsw.ef_search', least(1000, greatest(ef, 2 * wanted))::text, true),
                set_config('hnsw.max_scan_tuples', '60000', true);
        EXECUTE format(
            'WITH near AS MATERIALIZED (
                 SELECT v.chunk_id, (v.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s))::float8 AS distance
                 FROM rag_vectors v WHERE %3$s
                 ORDER BY v.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) LIMIT %4$s)
             SELECT array_agg(chunk_id ORDER BY distance, chunk_id), array_agg(distance ORDER BY distance, chunk_id)
             FROM near', dims, question, filters, wanted)
        INTO ids, distances;
        IF cardinality(ids) >= wanted THEN
            RETURN QUERY SELECT * FROM unnest(ids, distances);
            RETURN;
        END IF;
    END IF;
    -- The sum keeps the planner from the vector index, which would lose rows to the filter.
    RETURN QUERY EXECUTE format(
        'SELECT v.chunk_id, (v.embedding <=> %L::halfvec)::float8 + 0 AS distance
         FROM rag_vectors v WHERE %s ORDER BY distance, v.chunk_id LIMIT %s', question, filters, wanted);
END $_$;

CREATE FUNCTION note_edited_fields() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION note_moved_stage() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF coalesce(current_setting('lightpost.mirror', true), '') <> 'on' THEN
        NEW.stage_override_at := now();
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION own_query(project_id uuid, query tsquery) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (regexp_replace((query)::text, '''((?:[^'']|'''')+)'''::text, ((''''::text || "left"((project_id)::text, 8)) || '\1'''::text), 'g'::text))::tsquery;

CREATE FUNCTION own_words(project_id uuid, words tsvector) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN array_to_tsvector(ARRAY(SELECT ("left"((own_words.project_id)::text, 8) || word.word) FROM unnest(tsvector_to_array(own_words.words)) word(word) WHERE (length(word.word) <= 400)));

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- The foreign keys above may empty their own columns; nothing else changes.
    IF TG_OP = 'UPDATE'
       AND (to_jsonb(NEW) - 'project_id' - 'actor_user_id')
         = (to_jsonb(OLD) - 'project_id' - 'actor_user_id') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;

CREATE FUNCTION remember_latest_run() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO job_latest (project_id, job_type, run_id)
    VALUES (NEW.project_id, NEW.job_type, NEW.id)
    ON CONFLICT (project_id, job_type) DO UPDATE SET run_id = excluded.run_id;
    RETURN NULL;
END $$;

CREATE TABLE rag_vectors (
    project_id uuid NOT NULL,
    model_id smallint NOT NULL,
    chunk_id uuid NOT NULL,
    embedding halfvec NOT NULL,
    source_type text NOT NULL,
    occurred_at timestamp with time zone
)
PARTITION BY HASH (project_id);
ALTER TABLE ONLY rag_vectors ALTER COLUMN embedding SET STORAGE PLAIN;

CREATE TABLE search_texts (
    project_id uuid NOT NULL,
    source_type text NOT NULL,
    source_pk text NOT NULL,
    conversation_global_id text,
    occurred_at timestamp with time zone,
    private boolean DEFAULT false NOT NULL,
    body text NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('russian'::regconfig, body)) STORED NOT NULL
)
PARTITION BY HASH (project_id);

CREATE TABLE account_scopes (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    scope_key text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE app_settings (
    key text NOT NULL,
    value jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE app_users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    username text NOT NULL,
    email text,
    role text DEFAULT 'pm'::text NOT NULL,
    password_hash text NOT NULL,
    from_settings boolean DEFAULT false NOT NULL,
    password_changed_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT app_users_email_check CHECK ((length(email) <= 300)),
    CONSTRAINT app_users_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'pm'::text, 'delivery_lead'::text, 'executor'::text, 'viewer'::text]))),
    CONSTRAINT app_users_username_check CHECK (((length(username) >= 1) AND (length(username) <= 200)))
);

CREATE TABLE attio_accounts_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    name text,
    domain text,
    domains text[] DEFAULT '{}'::text[] NOT NULL,
    stage text,
    crm_stage text NOT NULL,
    annual_revenue numeric(18,2),
    description text,
    owner_id text,
    last_interaction_at timestamp with time zone,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    mirrored boolean DEFAULT false NOT NULL,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE attio_list_entries_raw (
    project_id uuid NOT NULL,
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
    stage_changed_at timestamp with time zone,
    amount numeric(18,2),
    currency text,
    owner_id text,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE attio_notes_raw (
    project_id uuid NOT NULL,
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
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE attio_opportunities_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    title text,
    stage text,
    crm_stage text NOT NULL,
    stage_changed_at timestamp with time zone,
    amount numeric(18,2),
    currency text,
    probability numeric(5,4),
    expected_close_date date,
    account_external_id text,
    people_external_ids text[] DEFAULT '{}'::text[] NOT NULL,
    next_step text,
    next_step_due_at timestamp with time zone,
    lost_reason text,
    description text,
    owner_id text,
    mirrored boolean DEFAULT false NOT NULL,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE attio_people_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    full_name text,
    email text,
    emails text[] DEFAULT '{}'::text[] NOT NULL,
    phone text,
    phones text[] DEFAULT '{}'::text[] NOT NULL,
    role text,
    account_external_id text,
    last_interaction_at timestamp with time zone,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE attio_tasks_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    url text,
    content text,
    deadline_at timestamp with time zone,
    is_completed boolean DEFAULT false NOT NULL,
    linked_record_ids text[] DEFAULT '{}'::text[] NOT NULL,
    assignee_ids text[] DEFAULT '{}'::text[] NOT NULL,
    actor_type text,
    actor_id text,
    content_hash bytea NOT NULL,
    sweep_id uuid,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE audit_events (
    id bigint NOT NULL,
    project_id uuid,
    actor_user_id uuid,
    actor_username text DEFAULT ''::text NOT NULL,
    action text NOT NULL,
    entity_type text DEFAULT ''::text NOT NULL,
    entity_id text DEFAULT ''::text NOT NULL,
    status text DEFAULT 'ok'::text NOT NULL,
    request_id text,
    idempotency_key text,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    evidence_refs jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT audit_events_action_check CHECK (((length(action) >= 1) AND (length(action) <= 200))),
    CONSTRAINT audit_events_actor_username_check CHECK ((length(actor_username) <= 200)),
    CONSTRAINT audit_events_entity_id_check CHECK ((length(entity_id) <= 200)),
    CONSTRAINT audit_events_entity_type_check CHECK ((length(entity_type) <= 200)),
    CONSTRAINT audit_events_status_check CHECK ((length(status) <= 50))
);

ALTER TABLE audit_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE connector_breakers (
    project_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    host text NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    open_until timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE connector_connections (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    connector text NOT NULL,
    display_name text DEFAULT ''::text NOT NULL,
    base_url text NOT NULL,
    external_account_id text NOT NULL,
    credentials_enc bytea NOT NULL,
    credential_hint text DEFAULT ''::text NOT NULL,
    auth_kind text DEFAULT 'token'::text NOT NULL,
    filters jsonb DEFAULT '{}'::jsonb NOT NULL,
    mapping jsonb DEFAULT '{}'::jsonb NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    webhook_token_hash bytea,
    webhook_secret_enc bytea,
    webhook_secret_previous_enc bytea,
    webhook_rotated_at timestamp with time zone,
    enabled boolean DEFAULT true NOT NULL,
    from_settings boolean DEFAULT false NOT NULL,
    health text DEFAULT 'ok'::text NOT NULL,
    health_reason text,
    last_verified_at timestamp with time zone,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    webhook_previous_until timestamp with time zone,
    webhook_require_signature boolean DEFAULT true NOT NULL,
    webhook_applied_at timestamp with time zone,
    webhook_given_up_at timestamp with time zone,
    CONSTRAINT connector_connections_connector_check CHECK ((connector = ANY (ARRAY['chatwoot'::text, 'linear'::text, 'attio'::text, 'loops'::text]))),
    CONSTRAINT connector_connections_health_check CHECK ((health = ANY (ARRAY['ok'::text, 'degraded'::text, 'needs_attention'::text])))
);

CREATE TABLE connector_errors (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    connector text NOT NULL,
    mode text DEFAULT 'http'::text NOT NULL,
    stream text,
    operation text DEFAULT 'sync'::text NOT NULL,
    source_ref text,
    error_kind text NOT NULL,
    error_message text NOT NULL,
    payload_json jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    occurrences integer DEFAULT 1 NOT NULL,
    next_retry_at timestamp with time zone,
    dedupe_key text NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    CONSTRAINT connector_errors_error_kind_check CHECK ((length(error_kind) <= 200)),
    CONSTRAINT connector_errors_error_message_check CHECK ((length(error_message) <= 4000)),
    CONSTRAINT connector_errors_operation_check CHECK ((length(operation) <= 200)),
    CONSTRAINT connector_errors_source_ref_check CHECK ((length(source_ref) <= 500)),
    CONSTRAINT connector_errors_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'retrying'::text, 'dead_letter'::text, 'resolved'::text])))
);

ALTER TABLE connector_errors ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME connector_errors_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE connector_events (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    event_type text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    source text NOT NULL,
    source_ref text NOT NULL,
    source_url text,
    payload_json jsonb DEFAULT '{}'::jsonb NOT NULL,
    dedupe_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT connector_events_actor_check CHECK ((actor = ANY (ARRAY['client'::text, 'team'::text, 'system'::text]))),
    CONSTRAINT connector_events_event_type_check CHECK ((event_type = ANY (ARRAY['message_sent'::text, 'approval_requested'::text, 'approval_approved'::text, 'scope_change_detected'::text, 'client_silent_started'::text, 'client_silent_ended'::text, 'issue_created'::text, 'issue_state_changed'::text, 'issue_blocked'::text, 'issue_unblocked'::text, 'issue_completed'::text, 'deal_created'::text, 'deal_stage_changed'::text, 'note_logged'::text, 'task_logged'::text, 'contact_updated'::text, 'activity_logged'::text]))),
    CONSTRAINT connector_events_source_check CHECK ((source = ANY (ARRAY['chatwoot'::text, 'linear'::text, 'attio'::text, 'system'::text])))
);

ALTER TABLE connector_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME connector_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE connector_streams (
    project_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    stream text NOT NULL,
    cursor_ts timestamp with time zone,
    cursor_id text,
    page_cursor jsonb,
    backfill_state jsonb,
    last_sweep_at timestamp with time zone,
    last_success_at timestamp with time zone,
    records_total bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE connector_sync_state (
    project_id uuid NOT NULL,
    connector text NOT NULL,
    mode text DEFAULT 'http'::text NOT NULL,
    status text DEFAULT 'idle'::text NOT NULL,
    cursor_ts timestamp with time zone,
    cursor_id text,
    page_cursor jsonb,
    last_attempt_at timestamp with time zone,
    last_success_at timestamp with time zone,
    retry_count integer DEFAULT 0 NOT NULL,
    last_error_kind text,
    last_error text,
    run_id uuid,
    meta jsonb DEFAULT '{}'::jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT connector_sync_state_connector_check CHECK ((connector = ANY (ARRAY['chatwoot'::text, 'linear'::text, 'attio'::text]))),
    CONSTRAINT connector_sync_state_last_error_check CHECK ((length(last_error) <= 2000)),
    CONSTRAINT connector_sync_state_mode_check CHECK ((mode = ANY (ARRAY['http'::text, 'mcp'::text]))),
    CONSTRAINT connector_sync_state_status_check CHECK ((status = ANY (ARRAY['idle'::text, 'running'::text, 'ok'::text, 'partial'::text, 'failed'::text])))
);

CREATE TABLE contact_channel_policies (
    account_scope_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id uuid,
    contact_global_id text NOT NULL,
    channel text NOT NULL,
    opted_out boolean DEFAULT false NOT NULL,
    stop_on_reply boolean DEFAULT true NOT NULL,
    frequency_window_hours integer DEFAULT 24 NOT NULL,
    frequency_cap integer DEFAULT 3 NOT NULL,
    last_outbound_at timestamp with time zone,
    last_inbound_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT contact_channel_policies_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'chatwoot'::text, 'telegram'::text, 'all'::text]))),
    CONSTRAINT contact_channel_policies_contact_global_id_check CHECK (((length(contact_global_id) >= 1) AND (length(contact_global_id) <= 500))),
    CONSTRAINT contact_channel_policies_frequency_cap_check CHECK (((frequency_cap >= 1) AND (frequency_cap <= 200))),
    CONSTRAINT contact_channel_policies_frequency_window_hours_check CHECK (((frequency_window_hours >= 1) AND (frequency_window_hours <= 720)))
);

CREATE TABLE crm_account_contacts (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account_id uuid NOT NULL,
    contact_global_id text NOT NULL,
    role text,
    is_primary boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE crm_accounts (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    domain text,
    external_ref text,
    stage text DEFAULT 'prospect'::text NOT NULL,
    owner_user_id uuid,
    owner_username text,
    source_system text DEFAULT 'manual'::text NOT NULL,
    source_url text,
    edited_fields text[] DEFAULT '{}'::text[] NOT NULL,
    source_deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    search_text text GENERATED ALWAYS AS (translate(lower(NORMALIZE(((name || '
'::text) || COALESCE(domain, ''::text)), NFKC)), 'ё'::text, 'е'::text)) STORED,
    CONSTRAINT crm_accounts_domain_check CHECK ((length(domain) <= 300)),
    CONSTRAINT crm_accounts_external_ref_check CHECK ((length(external_ref) <= 500)),
    CONSTRAINT crm_accounts_name_check CHECK (((length(name) >= 1) AND (length(name) <= 300))),
    CONSTRAINT crm_accounts_owner_username_check CHECK ((length(owner_username) <= 200)),
    CONSTRAINT crm_accounts_source_system_check CHECK ((source_system = ANY (ARRAY['manual'::text, 'attio'::text, 'linear'::text, 'chatwoot'::text, 'system'::text]))),
    CONSTRAINT crm_accounts_stage_check CHECK ((stage = ANY (ARRAY['active'::text, 'inactive'::text, 'prospect'::text])))
);

CREATE TABLE crm_opportunities (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account_id uuid NOT NULL,
    title text NOT NULL,
    stage text DEFAULT 'discovery'::text NOT NULL,
    amount_estimate numeric(14,2) DEFAULT 0 NOT NULL,
    currency text,
    probability numeric(5,4) DEFAULT 0.1 NOT NULL,
    expected_close_date date,
    next_step text DEFAULT ''::text NOT NULL,
    next_step_due_at timestamp with time zone,
    owner_user_id uuid,
    owner_username text,
    evidence_refs jsonb DEFAULT '[]'::jsonb NOT NULL,
    external_ref text,
    source_system text DEFAULT 'manual'::text NOT NULL,
    source_url text,
    stage_changed_at timestamp with time zone DEFAULT now() NOT NULL,
    stage_override_at timestamp with time zone,
    source_stage text,
    lost_reason text,
    closed_at timestamp with time zone,
    edited_fields text[] DEFAULT '{}'::text[] NOT NULL,
    source_deleted_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    search_text text GENERATED ALWAYS AS (translate(lower(NORMALIZE(((title || '
'::text) || next_step), NFKC)), 'ё'::text, 'е'::text)) STORED,
    CONSTRAINT crm_opportunities_amount_estimate_check CHECK ((amount_estimate >= (0)::numeric)),
    CONSTRAINT crm_opportunities_currency_check CHECK ((length(currency) <= 3)),
    CONSTRAINT crm_opportunities_external_ref_check CHECK ((length(external_ref) <= 500)),
    CONSTRAINT crm_opportunities_lost_reason_check CHECK ((length(lost_reason) <= 1000)),
    CONSTRAINT crm_opportunities_next_step_check CHECK ((length(next_step) <= 1000)),
    CONSTRAINT crm_opportunities_owner_username_check CHECK ((length(owner_username) <= 200)),
    CONSTRAINT crm_opportunities_probability_check CHECK (((probability >= (0)::numeric) AND (probability <= (1)::numeric))),
    CONSTRAINT crm_opportunities_source_system_check CHECK ((source_system = ANY (ARRAY['manual'::text, 'attio'::text, 'linear'::text, 'chatwoot'::text, 'system'::text]))),
    CONSTRAINT crm_opportunities_stage_check CHECK ((stage = ANY (ARRAY['discovery'::text, 'qualified'::text, 'proposal'::text, 'negotiation'::text, 'won'::text, 'lost'::text]))),
    CONSTRAINT crm_opportunities_title_check CHECK (((length(title) >= 1) AND (length(title) <= 500)))
);

CREATE TABLE crm_opportunity_stage_events (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    opportunity_id uuid NOT NULL,
    from_stage text,
    to_stage text NOT NULL,
    reason text,
    actor_username text NOT NULL,
    evidence_refs jsonb DEFAULT '[]'::jsonb NOT NULL,
    audit_event_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT crm_opportunity_stage_events_reason_check CHECK ((length(reason) <= 1000))
);

ALTER TABLE crm_opportunity_stage_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME crm_opportunity_stage_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE cw_agents (
    project_id uuid NOT NULL,
    id text NOT NULL,
    account_id bigint NOT NULL,
    agent_id bigint NOT NULL,
    name text,
    email text,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
);

CREATE TABLE cw_attachments_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    account_id bigint NOT NULL,
    message_global_id text NOT NULL,
    conversation_global_id text,
    content_type text,
    file_name text,
    file_size bigint,
    file_url text,
    thumb_url text,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE cw_contacts (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    account_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    name text,
    email text,
    phone_number text,
    identifier text,
    custom_attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash bytea NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    search_text text GENERATED ALWAYS AS (translate(lower(NORMALIZE(((((COALESCE(name, ''::text) || '
'::text) || COALESCE(email, ''::text)) || '
'::text) || COALESCE(phone_number, ''::text)), NFKC)), 'ё'::text, 'е'::text)) STORED,
    phone_digits text GENERATED ALWAYS AS (regexp_replace(phone_number, '[^0-9]'::text, ''::text, 'g'::text)) STORED,
    phone_key text GENERATED ALWAYS AS (
CASE
    WHEN (regexp_replace(phone_number, '[^0-9+]'::text, ''::text, 'g'::text) ~ '^8[0-9]{10}$'::text) THEN ('7'::text || substr(regexp_replace(phone_number, '[^0-9]'::text, ''::text, 'g'::text), 2))
    ELSE NULLIF(regexp_replace(phone_number, '[^0-9]'::text, ''::text, 'g'::text), ''::text)
END) STORED
);

CREATE TABLE cw_conversations (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    account_id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    contact_global_id text,
    inbox_id bigint,
    status text,
    assignee_id bigint,
    assignee_name text,
    labels text[] DEFAULT '{}'::text[] NOT NULL,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash bytea NOT NULL,
    last_activity_at timestamp with time zone,
    messages_read_to timestamp with time zone,
    last_message_id bigint,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone
);

CREATE TABLE cw_inboxes_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    account_id bigint NOT NULL,
    inbox_id bigint NOT NULL,
    name text,
    channel_type text,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash bytea NOT NULL,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE cw_messages (
    project_id uuid NOT NULL,
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
    private boolean DEFAULT false NOT NULL,
    message_type smallint,
    direction text,
    content text,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash bytea NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    CONSTRAINT cw_messages_direction_check CHECK ((direction = ANY (ARRAY['inbound'::text, 'outbound'::text, 'activity'::text, 'template'::text])))
)
WITH (autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE embedding_models (
    id smallint NOT NULL,
    identity text NOT NULL,
    dimensions integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT embedding_models_dimensions_check CHECK (((dimensions >= 8) AND (dimensions <= 4000)))
);

ALTER TABLE embedding_models ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME embedding_models_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE embedding_usage (
    project_id uuid NOT NULL,
    day date NOT NULL,
    model_id smallint NOT NULL,
    purpose text NOT NULL,
    calls bigint DEFAULT 0 NOT NULL,
    tokens bigint DEFAULT 0 NOT NULL,
    CONSTRAINT embedding_usage_purpose_check CHECK ((purpose = ANY (ARRAY['chunks'::text, 'query'::text])))
);

CREATE TABLE erased_refs (
    project_id uuid NOT NULL,
    ref text NOT NULL,
    erased_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT erased_refs_ref_check CHECK (((length(ref) >= 1) AND (length(ref) <= 500)))
);

CREATE TABLE events (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    event_type text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE evidence_items (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    source_type text NOT NULL,
    source_table text NOT NULL,
    source_pk text NOT NULL,
    conversation_global_id text,
    message_global_id text,
    contact_global_id text,
    snippet text,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    search_text text GENERATED ALWAYS AS (translate(lower(NORMALIZE(((((((COALESCE(snippet, ''::text) || '
'::text) || source_pk) || '
'::text) || COALESCE(conversation_global_id, ''::text)) || '
'::text) || COALESCE(message_global_id, ''::text)), NFKC)), 'ё'::text, 'е'::text)) STORED NOT NULL,
    words tsvector GENERATED ALWAYS AS ((to_tsvector('russian'::regconfig, translate(lower(NORMALIZE(((((((COALESCE(snippet, ''::text) || '
'::text) || source_pk) || '
'::text) || COALESCE(conversation_global_id, ''::text)) || '
'::text) || COALESCE(message_global_id, ''::text)), NFKC)), 'ё'::text, 'е'::text)) || to_tsvector('simple'::regconfig, translate(lower(NORMALIZE(COALESCE(snippet, ''::text), NFKC)), 'ё'::text, 'е'::text)))) STORED NOT NULL,
    CONSTRAINT evidence_items_snippet_check CHECK ((length(snippet) <= 1000)),
    CONSTRAINT evidence_items_source_pk_check CHECK (((length(source_pk) >= 1) AND (length(source_pk) <= 500))),
    CONSTRAINT evidence_items_source_table_check CHECK ((length(source_table) <= 100)),
    CONSTRAINT evidence_items_source_type_check CHECK (((length(source_type) >= 1) AND (length(source_type) <= 100)))
);

CREATE TABLE idempotency_keys (
    scope text NOT NULL,
    actor text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    state text DEFAULT 'in_progress'::text NOT NULL,
    status_code integer,
    response jsonb,
    locked_until timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone DEFAULT (now() + '24:00:00'::interval) NOT NULL,
    CONSTRAINT idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 256))),
    CONSTRAINT idempotency_keys_state_check CHECK ((state = ANY (ARRAY['in_progress'::text, 'done'::text])))
);

CREATE TABLE job_latest (
    project_id uuid NOT NULL,
    job_type text NOT NULL,
    run_id uuid NOT NULL
);

CREATE TABLE job_runs (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    job_type text NOT NULL,
    trigger text NOT NULL,
    requested_by uuid,
    requested_by_name text,
    request_id text,
    cascade_of uuid,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    claimed_by text,
    claim_token uuid,
    lease_until timestamp with time zone,
    heartbeat_at timestamp with time zone,
    cancel_requested boolean DEFAULT false NOT NULL,
    run_again boolean DEFAULT false NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    progress jsonb DEFAULT '{}'::jsonb NOT NULL,
    processed_count bigint DEFAULT 0 NOT NULL,
    result jsonb DEFAULT '{}'::jsonb NOT NULL,
    error_kind text,
    error text,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    queued_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    duration_ms bigint,
    CONSTRAINT job_runs_error_check CHECK ((length(error) <= 4000)),
    CONSTRAINT job_runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'completed'::text, 'partial'::text, 'failed'::text, 'cancelled'::text, 'dead'::text]))),
    CONSTRAINT job_runs_trigger_check CHECK ((trigger = ANY (ARRAY['schedule'::text, 'cascade'::text, 'manual'::text, 'webhook'::text, 'retry'::text])))
);

CREATE TABLE lightrag_feedback (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    query_run_id bigint NOT NULL,
    user_id uuid NOT NULL,
    rating smallint NOT NULL,
    comment text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT lightrag_feedback_comment_check CHECK ((length(comment) <= 2000)),
    CONSTRAINT lightrag_feedback_rating_check CHECK (((rating >= '-1'::integer) AND (rating <= 1)))
);

CREATE TABLE lightrag_feedback_days (
    project_id uuid NOT NULL,
    day date NOT NULL,
    score_band smallint NOT NULL,
    up integer DEFAULT 0 NOT NULL,
    neutral integer DEFAULT 0 NOT NULL,
    down integer DEFAULT 0 NOT NULL,
    CONSTRAINT lightrag_feedback_days_score_band_check CHECK ((score_band = ANY (ARRAY[0, 25, 50, 75])))
);

ALTER TABLE lightrag_feedback ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME lightrag_feedback_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE lightrag_query_runs (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    user_id uuid,
    created_by text,
    query_text text NOT NULL,
    mode text DEFAULT 'hybrid'::text NOT NULL,
    filters jsonb DEFAULT '{}'::jsonb NOT NULL,
    top_k integer NOT NULL,
    chunk_hits integer NOT NULL,
    source_hits integer NOT NULL,
    evidence jsonb NOT NULL,
    answer text NOT NULL,
    quality_score numeric(5,2) NOT NULL,
    source_diversity integer DEFAULT 0 NOT NULL,
    cached boolean DEFAULT false NOT NULL,
    degraded boolean DEFAULT false NOT NULL,
    embedding_model_id smallint,
    duration_ms integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT lightrag_query_runs_answer_check CHECK ((length(answer) <= 10000)),
    CONSTRAINT lightrag_query_runs_created_by_check CHECK ((length(created_by) <= 200)),
    CONSTRAINT lightrag_query_runs_mode_check CHECK ((mode = ANY (ARRAY['hybrid'::text, 'vector'::text, 'keyword'::text]))),
    CONSTRAINT lightrag_query_runs_query_text_check CHECK ((length(query_text) <= 4000))
);

ALTER TABLE lightrag_query_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME lightrag_query_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE linear_comments_raw (
    project_id uuid NOT NULL,
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
    archived_at timestamp with time zone,
    content_hash bytea NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
);

CREATE TABLE linear_cycles_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    team_external_id text,
    number integer,
    name text,
    starts_at timestamp with time zone,
    ends_at timestamp with time zone,
    completed_at timestamp with time zone,
    progress numeric(6,3),
    archived_at timestamp with time zone,
    content_hash bytea NOT NULL,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
);

CREATE TABLE linear_issue_blockers (
    project_id uuid NOT NULL,
    issue_id text NOT NULL,
    blocker_external_id text NOT NULL,
    blocker_identifier text,
    blocker_state_type text
);

CREATE TABLE linear_issues_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    identifier text,
    number integer,
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
    label_ids text[] DEFAULT '{}'::text[] NOT NULL,
    priority integer,
    estimate double precision,
    assignee_external_id text,
    assignee_name text,
    assignee_email text,
    creator_name text,
    blocked boolean DEFAULT false NOT NULL,
    blocked_by_count integer DEFAULT 0 NOT NULL,
    due_date date,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    canceled_at timestamp with time zone,
    archived_at timestamp with time zone,
    trashed boolean DEFAULT false NOT NULL,
    open boolean GENERATED ALWAYS AS (((completed_at IS NULL) AND (canceled_at IS NULL) AND (archived_at IS NULL) AND (NOT trashed) AND (deleted_at IS NULL))) STORED,
    content_hash bytea NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone,
    updated_at timestamp with time zone
);

CREATE TABLE linear_labels_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    team_external_id text,
    name text NOT NULL,
    archived_at timestamp with time zone,
    content_hash bytea NOT NULL,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
);

CREATE TABLE linear_projects_raw (
    project_id uuid NOT NULL,
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
    completed_at timestamp with time zone,
    canceled_at timestamp with time zone,
    archived_at timestamp with time zone,
    trashed boolean DEFAULT false NOT NULL,
    content_hash bytea NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone
);

CREATE TABLE linear_states_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    team_external_id text,
    name text,
    type text,
    "position" double precision,
    archived_at timestamp with time zone,
    content_hash bytea NOT NULL,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
);

CREATE TABLE linear_teams_raw (
    project_id uuid NOT NULL,
    id text NOT NULL,
    connection_id uuid,
    workspace_id text NOT NULL,
    external_id text NOT NULL,
    key text,
    name text,
    archived_at timestamp with time zone,
    content_hash bytea NOT NULL,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
);

CREATE UNLOGGED TABLE login_attempts (
    bucket text NOT NULL,
    attempts integer NOT NULL,
    window_ends_at timestamp with time zone NOT NULL
);

CREATE TABLE loops_contact_state (
    account_scope_id uuid NOT NULL,
    email text NOT NULL,
    loops_id text,
    payload_hash bytea,
    project_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    status text NOT NULL,
    last_error text,
    last_tried_at timestamp with time zone,
    last_pushed_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT loops_contact_state_last_error_check CHECK ((length(last_error) <= 200)),
    CONSTRAINT loops_contact_state_status_check CHECK ((status = ANY (ARRAY['pushed'::text, 'failed'::text, 'rejected'::text, 'opted_out'::text, 'bounced'::text, 'complained'::text, 'deleted'::text])))
);

CREATE TABLE loops_turns (
    account_scope_id uuid NOT NULL,
    run_id uuid NOT NULL,
    next_at timestamp with time zone NOT NULL
);

CREATE TABLE process_heartbeats (
    process text NOT NULL,
    kind text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);

CREATE TABLE project_assignments (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    assigned_at timestamp with time zone DEFAULT now() NOT NULL,
    assigned_by uuid
);

CREATE TABLE project_counters (
    project_id uuid NOT NULL,
    name text NOT NULL,
    value bigint DEFAULT 0 NOT NULL
);

CREATE TABLE projects (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account_scope_id uuid NOT NULL,
    name text NOT NULL,
    phase text DEFAULT 'active'::text NOT NULL,
    is_demo boolean DEFAULT false NOT NULL,
    archived_at timestamp with time zone,
    data_version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    search_model_id smallint,
    embedding_policy text DEFAULT 'as_is'::text NOT NULL,
    CONSTRAINT projects_embedding_policy_check CHECK ((embedding_policy = ANY (ARRAY['as_is'::text, 'redacted'::text, 'local_only'::text]))),
    CONSTRAINT projects_name_check CHECK (((length(name) >= 2) AND (length(name) <= 160))),
    CONSTRAINT projects_phase_check CHECK ((phase = ANY (ARRAY['kickoff'::text, 'active'::text, 'review'::text, 'handoff'::text, 'warranty'::text, 'completed'::text])))
);

CREATE TABLE query_embedding_cache (
    project_id uuid NOT NULL,
    model_id smallint NOT NULL,
    text_hash bytea NOT NULL,
    embedding halfvec NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE rag_chunks (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    source_type text NOT NULL,
    source_pk text NOT NULL,
    kind text DEFAULT 'text'::text NOT NULL,
    chunk_index integer NOT NULL,
    conversation_global_id text,
    message_global_id text,
    text text NOT NULL,
    context text DEFAULT ''::text NOT NULL,
    text_hash bytea NOT NULL,
    content_tokens integer NOT NULL,
    start_offset integer DEFAULT 0 NOT NULL,
    end_offset integer DEFAULT 0 NOT NULL,
    chunker_version smallint NOT NULL,
    occurred_at timestamp with time zone,
    embedding_status text DEFAULT 'pending'::text NOT NULL,
    embedding_model_id smallint,
    embedding_attempts integer DEFAULT 0 NOT NULL,
    embedding_error text,
    claim_token uuid,
    claimed_by_run uuid,
    lease_expires_at timestamp with time zone,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    last_embedded_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT rag_chunks_chunk_index_check CHECK ((chunk_index >= 0)),
    CONSTRAINT rag_chunks_embedding_error_check CHECK ((length(embedding_error) <= 400)),
    CONSTRAINT rag_chunks_embedding_status_check CHECK ((embedding_status = ANY (ARRAY['pending'::text, 'processing'::text, 'ready'::text, 'failed'::text]))),
    CONSTRAINT rag_chunks_kind_check CHECK ((kind = ANY (ARRAY['text'::text, 'window'::text])))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.01');

CREATE UNLOGGED TABLE rate_limits (
    bucket text NOT NULL,
    full_at timestamp with time zone NOT NULL
);

CREATE TABLE scheduled_jobs (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    job_type text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    cadence_seconds integer NOT NULL,
    next_run_at timestamp with time zone NOT NULL,
    last_run_at timestamp with time zone,
    last_status text,
    last_error text,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    paused_by text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT scheduled_jobs_cadence_seconds_check CHECK (((cadence_seconds >= 1) AND (cadence_seconds <= 31536000))),
    CONSTRAINT scheduled_jobs_status_check CHECK ((status = ANY (ARRAY['active'::text, 'paused'::text, 'suspended'::text])))
);

CREATE TABLE schema_migrations (
    filename text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE search_analytics (
    project_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    event_type text DEFAULT 'search'::text NOT NULL,
    query text NOT NULL,
    query_norm text NOT NULL,
    query_run_id bigint,
    result_count integer DEFAULT 0 NOT NULL,
    filters jsonb DEFAULT '{}'::jsonb NOT NULL,
    user_id uuid,
    clicked_result_id text,
    clicked_source_type text,
    duration_ms integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT search_analytics_event_type_check CHECK ((event_type = ANY (ARRAY['search'::text, 'click'::text, 'suggestion'::text]))),
    CONSTRAINT search_analytics_query_check CHECK ((length(query) <= 4000))
);

CREATE TABLE sessions (
    token_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    csrf_secret text NOT NULL,
    active_project_id uuid,
    ip text,
    user_agent text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);

CREATE TABLE source_documents (
    project_id uuid NOT NULL,
    id text NOT NULL,
    source_type text NOT NULL,
    title text NOT NULL,
    body text DEFAULT ''::text NOT NULL,
    author text,
    source_url text,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash bytea NOT NULL,
    occurred_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    source_ref text GENERATED ALWAYS AS ("substring"(id, '[^:]*$'::text)) STORED NOT NULL
);

CREATE TABLE suppressions (
    account_scope_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    value text,
    value_hash bytea NOT NULL,
    channel text DEFAULT 'all'::text NOT NULL,
    reason text NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    evidence jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT suppressions_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'chatwoot'::text, 'telegram'::text, 'all'::text]))),
    CONSTRAINT suppressions_kind_check CHECK ((kind = ANY (ARRAY['email'::text, 'phone'::text, 'telegram'::text, 'contact'::text, 'domain'::text]))),
    CONSTRAINT suppressions_reason_check CHECK ((reason = ANY (ARRAY['unsubscribe'::text, 'complaint'::text, 'hard_bounce'::text, 'manual'::text, 'do_not_contact'::text]))),
    CONSTRAINT suppressions_value_check CHECK ((length(value) <= 500))
);

CREATE TABLE sync_reconciliation_metrics (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    run_id uuid NOT NULL,
    connector text NOT NULL,
    source text NOT NULL,
    completeness_pct numeric(6,2) NOT NULL,
    duplicate_count bigint NOT NULL,
    missing_count bigint NOT NULL,
    total_count bigint NOT NULL,
    below_threshold boolean NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    captured_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sync_reconciliation_metrics_completeness_pct_check CHECK (((completeness_pct >= (0)::numeric) AND (completeness_pct <= (100)::numeric))),
    CONSTRAINT sync_reconciliation_metrics_connector_check CHECK ((connector = ANY (ARRAY['chatwoot'::text, 'linear'::text, 'attio'::text, 'portfolio'::text]))),
    CONSTRAINT sync_reconciliation_metrics_duplicate_count_check CHECK ((duplicate_count >= 0)),
    CONSTRAINT sync_reconciliation_metrics_missing_count_check CHECK ((missing_count >= 0)),
    CONSTRAINT sync_reconciliation_metrics_source_check CHECK ((source = ANY (ARRAY['manual'::text, 'sync_cycle'::text, 'daily_job'::text, 'scheduler'::text]))),
    CONSTRAINT sync_reconciliation_metrics_total_count_check CHECK ((total_count >= 0))
);

ALTER TABLE sync_reconciliation_metrics ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME sync_reconciliation_metrics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE webhook_deliveries (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    connection_id uuid NOT NULL,
    connector text NOT NULL,
    delivery_id text NOT NULL,
    event text NOT NULL,
    object_ref text NOT NULL,
    tenant text,
    signature_state text NOT NULL,
    headers jsonb DEFAULT '{}'::jsonb NOT NULL,
    body bytea,
    status text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone,
    claim uuid,
    error_kind text,
    last_error text,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    processed_at timestamp with time zone,
    processing_ms integer,
    CONSTRAINT webhook_deliveries_delivery_id_check CHECK (((length(delivery_id) >= 1) AND (length(delivery_id) <= 200))),
    CONSTRAINT webhook_deliveries_error_kind_check CHECK ((length(error_kind) <= 100)),
    CONSTRAINT webhook_deliveries_event_check CHECK ((length(event) <= 200)),
    CONSTRAINT webhook_deliveries_last_error_check CHECK ((length(last_error) <= 2000)),
    CONSTRAINT webhook_deliveries_object_ref_check CHECK ((length(object_ref) <= 300)),
    CONSTRAINT webhook_deliveries_signature_state_check CHECK ((signature_state = ANY (ARRAY['valid'::text, 'absent_allowed'::text]))),
    CONSTRAINT webhook_deliveries_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'processing'::text, 'done'::text, 'ignored'::text, 'failed'::text, 'dead_letter'::text]))),
    CONSTRAINT webhook_deliveries_tenant_check CHECK ((length(tenant) <= 200))
)
WITH (autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

ALTER TABLE webhook_deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME webhook_deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW webhook_health AS
 SELECT c.project_id,
    c.id AS connection_id,
    ((c.webhook_token_hash IS NOT NULL) AND ((c.webhook_secret_enc IS NOT NULL) OR (NOT c.webhook_require_signature))) AS has_door,
    c.webhook_applied_at AS applied_at,
    (EXTRACT(epoch FROM (now() - c.webhook_applied_at)))::double precision AS applied_seconds,
    c.webhook_given_up_at AS given_up_at,
    o.failed,
    (EXTRACT(epoch FROM (now() - o.waiting_since)))::double precision AS waiting_seconds
   FROM (connector_connections c
     LEFT JOIN LATERAL ( SELECT count(*) FILTER (WHERE (d.status = 'failed'::text)) AS failed,
            min(d.received_at) AS waiting_since
           FROM webhook_deliveries d
          WHERE ((d.project_id = c.project_id) AND (d.connection_id = c.id) AND (d.status = ANY (ARRAY['pending'::text, 'processing'::text, 'failed'::text])))) o ON (true));

ALTER TABLE ONLY account_scopes
    ADD CONSTRAINT account_scopes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY account_scopes
    ADD CONSTRAINT account_scopes_scope_key_key UNIQUE (scope_key);

ALTER TABLE ONLY app_settings
    ADD CONSTRAINT app_settings_pkey PRIMARY KEY (key);

ALTER TABLE ONLY app_users
    ADD CONSTRAINT app_users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY attio_accounts_raw
    ADD CONSTRAINT attio_accounts_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY attio_accounts_raw
    ADD CONSTRAINT attio_accounts_raw_project_id_workspace_id_external_id_key UNIQUE (project_id, workspace_id, external_id);

ALTER TABLE ONLY attio_list_entries_raw
    ADD CONSTRAINT attio_list_entries_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY attio_list_entries_raw
    ADD CONSTRAINT attio_list_entries_raw_project_id_workspace_id_external_id_key UNIQUE (project_id, workspace_id, external_id);

ALTER TABLE ONLY attio_notes_raw
    ADD CONSTRAINT attio_notes_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY attio_notes_raw
    ADD CONSTRAINT attio_notes_raw_project_id_workspace_id_external_id_key UNIQUE (project_id, workspace_id, external_id);

ALTER TABLE ONLY attio_opportunities_raw
    ADD CONSTRAINT attio_opportunities_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY attio_opportunities_raw
    ADD CONSTRAINT attio_opportunities_raw_project_id_workspace_id_external_id_key UNIQUE (project_id, workspace_id, external_id);

ALTER TABLE ONLY attio_people_raw
    ADD CONSTRAINT attio_people_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY attio_people_raw
    ADD CONSTRAINT attio_people_raw_project_id_workspace_id_external_id_key UNIQUE (project_id, workspace_id, external_id);

ALTER TABLE ONLY attio_tasks_raw
    ADD CONSTRAINT attio_tasks_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY attio_tasks_raw
    ADD CONSTRAINT attio_tasks_raw_project_id_workspace_id_external_id_key UNIQUE (project_id, workspace_id, external_id);

ALTER TABLE ONLY audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY connector_breakers
    ADD CONSTRAINT connector_breakers_pkey PRIMARY KEY (project_id, connection_id, host);

ALTER TABLE ONLY connector_connections
    ADD CONSTRAINT connector_connections_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY connector_connections
    ADD CONSTRAINT connector_connections_project_id_connector_external_account_key UNIQUE (project_id, connector, external_account_id);

ALTER TABLE ONLY connector_errors
    ADD CONSTRAINT connector_errors_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY connector_events
    ADD CONSTRAINT connector_events_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY connector_events
    ADD CONSTRAINT connector_events_project_id_dedupe_key_key UNIQUE (project_id, dedupe_key);

ALTER TABLE ONLY connector_streams
    ADD CONSTRAINT connector_streams_pkey PRIMARY KEY (project_id, connection_id, stream);

ALTER TABLE ONLY connector_sync_state
    ADD CONSTRAINT connector_sync_state_pkey PRIMARY KEY (project_id, connector);

ALTER TABLE ONLY contact_channel_policies
    ADD CONSTRAINT contact_channel_policies_account_scope_id_contact_global_id_key UNIQUE (account_scope_id, contact_global_id, channel);

ALTER TABLE ONLY contact_channel_policies
    ADD CONSTRAINT contact_channel_policies_pkey PRIMARY KEY (account_scope_id, id);

ALTER TABLE ONLY crm_account_contacts
    ADD CONSTRAINT crm_account_contacts_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY crm_account_contacts
    ADD CONSTRAINT crm_account_contacts_project_id_account_id_contact_global_i_key UNIQUE (project_id, account_id, contact_global_id);

ALTER TABLE ONLY crm_accounts
    ADD CONSTRAINT crm_accounts_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY crm_accounts
    ADD CONSTRAINT crm_accounts_project_id_external_ref_key UNIQUE (project_id, external_ref);

ALTER TABLE ONLY crm_opportunities
    ADD CONSTRAINT crm_opportunities_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY crm_opportunities
    ADD CONSTRAINT crm_opportunities_project_id_external_ref_key UNIQUE (project_id, external_ref);

ALTER TABLE ONLY crm_opportunity_stage_events
    ADD CONSTRAINT crm_opportunity_stage_events_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY cw_agents
    ADD CONSTRAINT cw_agents_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY cw_agents
    ADD CONSTRAINT cw_agents_project_id_account_id_agent_id_key UNIQUE (project_id, account_id, agent_id);

ALTER TABLE ONLY cw_attachments_raw
    ADD CONSTRAINT cw_attachments_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY cw_contacts
    ADD CONSTRAINT cw_contacts_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY cw_contacts
    ADD CONSTRAINT cw_contacts_project_id_account_id_contact_id_key UNIQUE (project_id, account_id, contact_id);

ALTER TABLE ONLY cw_conversations
    ADD CONSTRAINT cw_conversations_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY cw_conversations
    ADD CONSTRAINT cw_conversations_project_id_account_id_conversation_id_key UNIQUE (project_id, account_id, conversation_id);

ALTER TABLE ONLY cw_inboxes_raw
    ADD CONSTRAINT cw_inboxes_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY cw_inboxes_raw
    ADD CONSTRAINT cw_inboxes_raw_project_id_account_id_inbox_id_key UNIQUE (project_id, account_id, inbox_id);

ALTER TABLE ONLY cw_messages
    ADD CONSTRAINT cw_messages_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY cw_messages
    ADD CONSTRAINT cw_messages_project_id_account_id_message_id_key UNIQUE (project_id, account_id, message_id);

ALTER TABLE ONLY embedding_models
    ADD CONSTRAINT embedding_models_identity_key UNIQUE (identity);

ALTER TABLE ONLY embedding_models
    ADD CONSTRAINT embedding_models_pkey PRIMARY KEY (id);

ALTER TABLE ONLY embedding_usage
    ADD CONSTRAINT embedding_usage_pkey PRIMARY KEY (project_id, day, model_id, purpose);

ALTER TABLE ONLY erased_refs
    ADD CONSTRAINT erased_refs_pkey PRIMARY KEY (project_id, ref);

ALTER TABLE ONLY events
    ADD CONSTRAINT events_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY evidence_items
    ADD CONSTRAINT evidence_items_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY evidence_items
    ADD CONSTRAINT evidence_items_project_id_source_table_source_pk_key UNIQUE (project_id, source_table, source_pk);

ALTER TABLE ONLY idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, actor, route, key);

ALTER TABLE ONLY job_latest
    ADD CONSTRAINT job_latest_pkey PRIMARY KEY (project_id, job_type);

ALTER TABLE ONLY job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY lightrag_feedback_days
    ADD CONSTRAINT lightrag_feedback_days_pkey PRIMARY KEY (project_id, day, score_band);

ALTER TABLE ONLY lightrag_feedback
    ADD CONSTRAINT lightrag_feedback_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY lightrag_feedback
    ADD CONSTRAINT lightrag_feedback_project_id_query_run_id_user_id_key UNIQUE (project_id, query_run_id, user_id);

ALTER TABLE ONLY lightrag_query_runs
    ADD CONSTRAINT lightrag_query_runs_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY linear_comments_raw
    ADD CONSTRAINT linear_comments_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY linear_comments_raw
    ADD CONSTRAINT linear_comments_raw_project_id_external_id_key UNIQUE (project_id, external_id);

ALTER TABLE ONLY linear_cycles_raw
    ADD CONSTRAINT linear_cycles_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY linear_cycles_raw
    ADD CONSTRAINT linear_cycles_raw_project_id_external_id_key UNIQUE (project_id, external_id);

ALTER TABLE ONLY linear_issue_blockers
    ADD CONSTRAINT linear_issue_blockers_pkey PRIMARY KEY (project_id, issue_id, blocker_external_id);

ALTER TABLE ONLY linear_issues_raw
    ADD CONSTRAINT linear_issues_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY linear_issues_raw
    ADD CONSTRAINT linear_issues_raw_project_id_external_id_key UNIQUE (project_id, external_id);

ALTER TABLE ONLY linear_labels_raw
    ADD CONSTRAINT linear_labels_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY linear_labels_raw
    ADD CONSTRAINT linear_labels_raw_project_id_external_id_key UNIQUE (project_id, external_id);

ALTER TABLE ONLY linear_projects_raw
    ADD CONSTRAINT linear_projects_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY linear_projects_raw
    ADD CONSTRAINT linear_projects_raw_project_id_external_id_key UNIQUE (project_id, external_id);

ALTER TABLE ONLY linear_states_raw
    ADD CONSTRAINT linear_states_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY linear_states_raw
    ADD CONSTRAINT linear_states_raw_project_id_external_id_key UNIQUE (project_id, external_id);

ALTER TABLE ONLY linear_teams_raw
    ADD CONSTRAINT linear_teams_raw_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY linear_teams_raw
    ADD CONSTRAINT linear_teams_raw_project_id_external_id_key UNIQUE (project_id, external_id);

ALTER TABLE ONLY login_attempts
    ADD CONSTRAINT login_attempts_pkey PRIMARY KEY (bucket);

ALTER TABLE ONLY loops_contact_state
    ADD CONSTRAINT loops_contact_state_pkey PRIMARY KEY (account_scope_id, email);

ALTER TABLE ONLY loops_turns
    ADD CONSTRAINT loops_turns_pkey PRIMARY KEY (account_scope_id);

ALTER TABLE ONLY process_heartbeats
    ADD CONSTRAINT process_heartbeats_pkey PRIMARY KEY (process);

ALTER TABLE ONLY project_assignments
    ADD CONSTRAINT project_assignments_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY project_assignments
    ADD CONSTRAINT project_assignments_project_id_user_id_key UNIQUE (project_id, user_id);

ALTER TABLE ONLY project_counters
    ADD CONSTRAINT project_counters_pkey PRIMARY KEY (project_id, name);

ALTER TABLE ONLY projects
    ADD CONSTRAINT projects_id_account_scope_id_key UNIQUE (id, account_scope_id);

ALTER TABLE ONLY projects
    ADD CONSTRAINT projects_pkey PRIMARY KEY (id);

ALTER TABLE ONLY query_embedding_cache
    ADD CONSTRAINT query_embedding_cache_pkey PRIMARY KEY (project_id, model_id, text_hash);

ALTER TABLE ONLY rag_chunks
    ADD CONSTRAINT rag_chunks_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY rag_chunks
    ADD CONSTRAINT rag_chunks_project_id_source_type_source_pk_kind_chunk_inde_key UNIQUE (project_id, source_type, source_pk, kind, chunk_index);

ALTER TABLE ONLY rag_vectors
    ADD CONSTRAINT rag_vectors_pkey PRIMARY KEY (project_id, model_id, chunk_id);

ALTER TABLE ONLY rate_limits
    ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (bucket);

ALTER TABLE ONLY scheduled_jobs
    ADD CONSTRAINT scheduled_jobs_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY scheduled_jobs
    ADD CONSTRAINT scheduled_jobs_project_id_job_type_key UNIQUE (project_id, job_type);

ALTER TABLE ONLY schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (filename);

ALTER TABLE ONLY search_analytics
    ADD CONSTRAINT search_analytics_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY search_texts
    ADD CONSTRAINT search_texts_pkey PRIMARY KEY (project_id, source_type, source_pk);

ALTER TABLE ONLY sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY source_documents
    ADD CONSTRAINT source_documents_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY suppressions
    ADD CONSTRAINT suppressions_pkey PRIMARY KEY (account_scope_id, id);

ALTER TABLE ONLY sync_reconciliation_metrics
    ADD CONSTRAINT sync_reconciliation_metrics_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY sync_reconciliation_metrics
    ADD CONSTRAINT sync_reconciliation_metrics_project_id_run_id_connector_key UNIQUE (project_id, run_id, connector);

ALTER TABLE ONLY webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (project_id, id);

ALTER TABLE ONLY webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_project_id_connection_id_delivery_id_key UNIQUE (project_id, connection_id, delivery_id);

CREATE UNIQUE INDEX app_users_email ON app_users USING btree (lower(email)) WHERE (email IS NOT NULL);

CREATE UNIQUE INDEX app_users_username ON app_users USING btree (lower(username));

CREATE INDEX attio_accounts_unmirrored ON attio_accounts_raw USING btree (project_id, id) WHERE (NOT mirrored);

CREATE INDEX attio_list_entries_parent ON attio_list_entries_raw USING btree (project_id, parent_record_id);

CREATE INDEX attio_notes_parent ON attio_notes_raw USING btree (project_id, parent_record_id);

CREATE INDEX attio_opportunities_account ON attio_opportunities_raw USING btree (project_id, account_external_id);

CREATE INDEX attio_opportunities_unmirrored ON attio_opportunities_raw USING btree (project_id, id) WHERE (NOT mirrored);

CREATE INDEX attio_people_account ON attio_people_raw USING btree (project_id, account_external_id);

CREATE INDEX attio_people_email ON attio_people_raw USING btree (project_id, lower(email)) WHERE (email IS NOT NULL);

CREATE INDEX attio_tasks_records ON attio_tasks_raw USING gin (linked_record_ids);

CREATE INDEX audit_events_action ON audit_events USING btree (action, created_at DESC, id DESC);

CREATE INDEX audit_events_project ON audit_events USING btree (project_id, created_at DESC, id DESC);

CREATE UNIQUE INDEX connector_connections_one ON connector_connections USING btree (project_id, connector) WHERE enabled;

CREATE UNIQUE INDEX connector_connections_webhook ON connector_connections USING btree (webhook_token_hash) WHERE (webhook_token_hash IS NOT NULL);

CREATE UNIQUE INDEX connector_connections_whole ON connector_connections USING btree (connector, base_url, external_account_id) WHERE ((filters = '{}'::jsonb) AND enabled);

CREATE INDEX connector_errors_due ON connector_errors USING btree (next_retry_at) WHERE (status = ANY (ARRAY['pending'::text, 'retrying'::text]));

CREATE INDEX connector_errors_newest ON connector_errors USING btree (project_id, updated_at DESC, id DESC);

CREATE UNIQUE INDEX connector_errors_open ON connector_errors USING btree (project_id, connector, dedupe_key) WHERE (status <> 'resolved'::text);

CREATE INDEX connector_events_age ON connector_events USING btree (created_at);

CREATE INDEX connector_events_newest ON connector_events USING btree (project_id, occurred_at DESC, id DESC);

CREATE INDEX connector_events_ref ON connector_events USING btree (project_id, source, source_ref);

CREATE INDEX connector_events_type ON connector_events USING btree (project_id, event_type, occurred_at DESC, id DESC);

CREATE INDEX crm_accounts_domain ON crm_accounts USING btree (project_id, domain) WHERE (domain IS NOT NULL);

CREATE UNIQUE INDEX crm_accounts_name ON crm_accounts USING btree (project_id, lower(btrim(name)));

CREATE INDEX crm_accounts_newest ON crm_accounts USING btree (project_id, updated_at DESC, id);

CREATE INDEX crm_accounts_owner ON crm_accounts USING btree (owner_user_id);

CREATE INDEX crm_accounts_stage ON crm_accounts USING btree (project_id, stage, updated_at DESC, id);

CREATE INDEX crm_accounts_text ON crm_accounts USING gin (project_id, search_text gin_trgm_ops);

CREATE INDEX crm_opportunities_account ON crm_opportunities USING btree (project_id, account_id);

CREATE INDEX crm_opportunities_evidence ON crm_opportunities USING gin (evidence_refs);

CREATE INDEX crm_opportunities_newest ON crm_opportunities USING btree (project_id, updated_at DESC, id);

CREATE INDEX crm_opportunities_owner ON crm_opportunities USING btree (owner_user_id);

CREATE INDEX crm_opportunities_stage ON crm_opportunities USING btree (project_id, stage, expected_close_date);

CREATE INDEX crm_opportunities_text ON crm_opportunities USING gin (project_id, search_text gin_trgm_ops);

CREATE INDEX crm_stage_events_newest ON crm_opportunity_stage_events USING btree (project_id, created_at DESC, id DESC);

CREATE INDEX crm_stage_events_opportunity ON crm_opportunity_stage_events USING btree (project_id, opportunity_id, created_at, id);

CREATE INDEX cw_attachments_message ON cw_attachments_raw USING btree (project_id, message_global_id);

CREATE INDEX cw_contacts_email ON cw_contacts USING btree (project_id, lower(email)) WHERE (email IS NOT NULL);

CREATE INDEX cw_contacts_identifier ON cw_contacts USING btree (project_id, identifier) WHERE (identifier IS NOT NULL);

CREATE INDEX cw_contacts_newest ON cw_contacts USING btree (project_id, COALESCE(updated_at, '-infinity'::timestamp with time zone) DESC, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX cw_contacts_phone ON cw_contacts USING gin (project_id, phone_digits gin_trgm_ops) WHERE (deleted_at IS NULL);

CREATE INDEX cw_contacts_text ON cw_contacts USING gin (project_id, search_text gin_trgm_ops) WHERE (deleted_at IS NULL);

CREATE INDEX cw_conversations_contact ON cw_conversations USING btree (project_id, contact_global_id);

CREATE INDEX cw_conversations_newest ON cw_conversations USING btree (project_id, COALESCE(updated_at, created_at) DESC, id DESC);

CREATE INDEX cw_messages_contact ON cw_messages USING btree (project_id, contact_global_id);

CREATE INDEX cw_messages_conversation ON cw_messages USING btree (project_id, conversation_global_id, created_at DESC, id DESC);

CREATE INDEX cw_messages_newest ON cw_messages USING btree (project_id, COALESCE(created_at, '-infinity'::timestamp with time zone) DESC, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX cw_messages_private ON cw_messages USING btree (project_id, COALESCE(created_at, '-infinity'::timestamp with time zone) DESC, id DESC) WHERE ((deleted_at IS NULL) AND private);

CREATE INDEX events_age ON events USING btree (created_at);

CREATE INDEX events_by_id ON events USING btree (id);

CREATE INDEX evidence_items_contact ON evidence_items USING btree (project_id, contact_global_id) WHERE (contact_global_id IS NOT NULL);

CREATE INDEX evidence_items_conversation ON evidence_items USING btree (project_id, conversation_global_id) WHERE (conversation_global_id IS NOT NULL);

CREATE INDEX evidence_items_message ON evidence_items USING btree (project_id, message_global_id) WHERE (message_global_id IS NOT NULL);

CREATE INDEX evidence_items_newest ON evidence_items USING btree (project_id, created_at DESC, id DESC);

CREATE INDEX evidence_items_text ON evidence_items USING gin (project_id, search_text gin_trgm_ops);

CREATE INDEX evidence_items_words ON evidence_items USING gin (project_id, words);

CREATE INDEX idempotency_keys_expired ON idempotency_keys USING btree (expires_at);

CREATE UNIQUE INDEX job_runs_alive ON job_runs USING btree (project_id, job_type) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE INDEX job_runs_history ON job_runs USING btree (project_id, queued_at DESC, id DESC);

CREATE INDEX job_runs_leases ON job_runs USING btree (lease_until) WHERE (status = 'running'::text);

CREATE INDEX job_runs_newest ON job_runs USING btree (project_id, job_type, queued_at DESC, id DESC);

CREATE INDEX job_runs_queued ON job_runs USING btree (not_before, queued_at) WHERE (status = 'queued'::text);

CREATE INDEX lightrag_query_runs_newest ON lightrag_query_runs USING btree (project_id, created_at DESC, id DESC);

CREATE INDEX lightrag_query_runs_user ON lightrag_query_runs USING btree (user_id) WHERE (user_id IS NOT NULL);

CREATE INDEX linear_comments_issue ON linear_comments_raw USING btree (project_id, issue_external_id, source_created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX linear_comments_sweep ON linear_comments_raw USING btree (project_id, connection_id, last_seen_at) WHERE (deleted_at IS NULL);

CREATE INDEX linear_issue_blockers_by ON linear_issue_blockers USING btree (project_id, blocker_external_id);

CREATE INDEX linear_issues_blocked ON linear_issues_raw USING btree (project_id, updated_at DESC) WHERE (open AND blocked);

CREATE INDEX linear_issues_newest ON linear_issues_raw USING btree (project_id, updated_at DESC NULLS LAST, id DESC);

CREATE INDEX linear_issues_state ON linear_issues_raw USING btree (project_id, state_type, due_date) WHERE open;

CREATE INDEX linear_issues_sweep ON linear_issues_raw USING btree (project_id, connection_id, last_seen_at) WHERE (deleted_at IS NULL);

CREATE INDEX loops_contact_state_email ON loops_contact_state USING btree (email);

CREATE INDEX loops_contact_state_id ON loops_contact_state USING btree (loops_id) WHERE (loops_id IS NOT NULL);

CREATE INDEX project_assignments_user ON project_assignments USING btree (user_id, project_id);

CREATE UNIQUE INDEX projects_name ON projects USING btree (account_scope_id, lower(name)) WHERE (archived_at IS NULL);

CREATE INDEX projects_newest ON projects USING btree (created_at DESC, id DESC);

CREATE INDEX query_embedding_cache_age ON query_embedding_cache USING btree (created_at);

CREATE INDEX rag_chunks_conversation ON rag_chunks USING btree (project_id, conversation_global_id, id);

CREATE INDEX rag_chunks_failed ON rag_chunks USING btree (project_id, updated_at DESC, id) WHERE (embedding_status = 'failed'::text);

CREATE INDEX rag_chunks_leases ON rag_chunks USING btree (project_id, lease_expires_at) WHERE (embedding_status = 'processing'::text);

CREATE INDEX rag_chunks_model ON rag_chunks USING btree (project_id, embedding_model_id, id);

CREATE INDEX rag_chunks_pending ON rag_chunks USING btree (project_id, next_attempt_at, created_at, id) WHERE (embedding_status = 'pending'::text);

CREATE INDEX scheduled_jobs_due ON scheduled_jobs USING btree (next_run_at) WHERE (status = 'active'::text);

CREATE INDEX search_analytics_age ON search_analytics USING btree (project_id, created_at);

CREATE INDEX search_analytics_newest ON search_analytics USING btree (project_id, event_type, created_at DESC, id);

CREATE INDEX search_analytics_query ON search_analytics USING gin (project_id, query_norm gin_trgm_ops) WHERE (event_type = 'search'::text);

CREATE INDEX search_analytics_run ON search_analytics USING btree (project_id, query_run_id) WHERE (query_run_id IS NOT NULL);

CREATE INDEX search_analytics_user ON search_analytics USING btree (user_id, created_at DESC) WHERE (user_id IS NOT NULL);

CREATE INDEX search_texts_body ON ONLY search_texts USING gin (body gin_trgm_ops);

CREATE INDEX search_texts_sample ON ONLY search_texts USING gin (own_words(project_id, words)) WHERE in_word_sample(source_pk);

CREATE INDEX search_texts_words ON ONLY search_texts USING gin (own_words(project_id, words));

CREATE INDEX sessions_last_seen ON sessions USING btree (last_seen_at);

CREATE INDEX sessions_user ON sessions USING btree (user_id, last_seen_at DESC);

CREATE INDEX source_documents_newest ON source_documents USING btree (project_id, source_type, occurred_at DESC NULLS LAST, id);

CREATE UNIQUE INDEX suppressions_one ON suppressions USING btree (account_scope_id, kind, value_hash, channel) WHERE (revoked_at IS NULL);

CREATE INDEX sync_reconciliation_age ON sync_reconciliation_metrics USING btree (captured_at);

CREATE INDEX sync_reconciliation_newest ON sync_reconciliation_metrics USING btree (project_id, connector, captured_at DESC, id DESC);

CREATE INDEX webhook_deliveries_bodies ON webhook_deliveries USING btree (received_at) WHERE (body IS NOT NULL);

CREATE INDEX webhook_deliveries_open ON webhook_deliveries USING btree (project_id, connection_id, object_ref) WHERE (status = ANY (ARRAY['pending'::text, 'processing'::text, 'failed'::text]));

CREATE INDEX webhook_deliveries_received ON webhook_deliveries USING btree (received_at);

CREATE TRIGGER attio_accounts_counted_d AFTER DELETE ON attio_accounts_raw REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_accounts', '', 'live');

CREATE TRIGGER attio_accounts_counted_i AFTER INSERT ON attio_accounts_raw REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_accounts', '', 'live');

CREATE TRIGGER attio_accounts_counted_u AFTER UPDATE ON attio_accounts_raw REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_accounts', '', 'live');

CREATE TRIGGER attio_opportunities_counted_d AFTER DELETE ON attio_opportunities_raw REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_opportunities', '', 'live');

CREATE TRIGGER attio_opportunities_counted_i AFTER INSERT ON attio_opportunities_raw REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_opportunities', '', 'live');

CREATE TRIGGER attio_opportunities_counted_u AFTER UPDATE ON attio_opportunities_raw REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_opportunities', '', 'live');

CREATE TRIGGER attio_people_counted_d AFTER DELETE ON attio_people_raw REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_people', '', 'live');

CREATE TRIGGER attio_people_counted_i AFTER INSERT ON attio_people_raw REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_people', '', 'live');

CREATE TRIGGER attio_people_counted_u AFTER UPDATE ON attio_people_raw REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('attio_people', '', 'live');

CREATE TRIGGER audit_events_append_only BEFORE DELETE OR UPDATE ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER crm_accounts_counted_d AFTER DELETE ON crm_accounts REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_accounts', '', 'all');

CREATE TRIGGER crm_accounts_counted_i AFTER INSERT ON crm_accounts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_accounts', '', 'all');

CREATE TRIGGER crm_accounts_counted_u AFTER UPDATE ON crm_accounts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_accounts', '', 'all');

CREATE TRIGGER crm_accounts_edited BEFORE INSERT OR UPDATE ON crm_accounts FOR EACH ROW EXECUTE FUNCTION note_edited_fields('name', 'domain');

CREATE TRIGGER crm_accounts_stage_edited BEFORE UPDATE OF stage ON crm_accounts FOR EACH ROW EXECUTE FUNCTION note_edited_fields('stage');

CREATE TRIGGER crm_opportunities_counted_d AFTER DELETE ON crm_opportunities REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_opportunities', '', 'all');

CREATE TRIGGER crm_opportunities_counted_i AFTER INSERT ON crm_opportunities REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_opportunities', '', 'all');

CREATE TRIGGER crm_opportunities_counted_u AFTER UPDATE ON crm_opportunities REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('crm_opportunities', '', 'all');

CREATE TRIGGER crm_opportunities_edited BEFORE UPDATE ON crm_opportunities FOR EACH ROW WHEN ((new.stage = old.stage)) EXECUTE FUNCTION note_edited_fields('account_id', 'title', 'amount_estimate', 'currency', 'probability', 'expected_close_date', 'next_step', 'next_step_due_at', 'lost_reason');

CREATE TRIGGER crm_opportunities_moved BEFORE UPDATE ON crm_opportunities FOR EACH ROW WHEN (((new.stage <> old.stage) AND (new.external_ref IS NOT NULL))) EXECUTE FUNCTION note_moved_stage();

CREATE TRIGGER cw_contacts_counted_d AFTER DELETE ON cw_contacts REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('contacts', '', 'live');

CREATE TRIGGER cw_contacts_counted_i AFTER INSERT ON cw_contacts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('contacts', '', 'live');

CREATE TRIGGER cw_contacts_counted_u AFTER UPDATE ON cw_contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('contacts', '', 'live');

CREATE TRIGGER cw_conversations_counted_d AFTER DELETE ON cw_conversations REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('conversations', '', 'live');

CREATE TRIGGER cw_conversations_counted_i AFTER INSERT ON cw_conversations REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('conversations', '', 'live');

CREATE TRIGGER cw_conversations_counted_u AFTER UPDATE ON cw_conversations REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('conversations', '', 'live');

CREATE TRIGGER cw_messages_counted_d AFTER DELETE ON cw_messages REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('messages', '', 'live');

CREATE TRIGGER cw_messages_counted_i AFTER INSERT ON cw_messages REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('messages', '', 'live');

CREATE TRIGGER cw_messages_counted_u AFTER UPDATE ON cw_messages REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('messages', '', 'live');

CREATE TRIGGER job_runs_latest AFTER INSERT ON job_runs FOR EACH ROW EXECUTE FUNCTION remember_latest_run();

CREATE TRIGGER linear_issues_counted_d AFTER DELETE ON linear_issues_raw REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('issues', '', 'live');

CREATE TRIGGER linear_issues_counted_i AFTER INSERT ON linear_issues_raw REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('issues', '', 'live');

CREATE TRIGGER linear_issues_counted_u AFTER UPDATE ON linear_issues_raw REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('issues', '', 'live');

CREATE TRIGGER rag_chunks_counted_d AFTER DELETE ON rag_chunks REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('chunks', 'embedding_status', 'all');

CREATE TRIGGER rag_chunks_counted_i AFTER INSERT ON rag_chunks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('chunks', 'embedding_status', 'all');

CREATE TRIGGER rag_chunks_counted_u AFTER UPDATE ON rag_chunks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows('chunks', 'embedding_status', 'all');

ALTER TABLE ONLY attio_accounts_raw
    ADD CONSTRAINT attio_accounts_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY attio_list_entries_raw
    ADD CONSTRAINT attio_list_entries_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY attio_notes_raw
    ADD CONSTRAINT attio_notes_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY attio_opportunities_raw
    ADD CONSTRAINT attio_opportunities_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY attio_people_raw
    ADD CONSTRAINT attio_people_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY attio_tasks_raw
    ADD CONSTRAINT attio_tasks_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY audit_events
    ADD CONSTRAINT audit_events_actor_user_id_fkey FOREIGN KEY (actor_user_id) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE ONLY audit_events
    ADD CONSTRAINT audit_events_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE SET NULL;

ALTER TABLE ONLY connector_breakers
    ADD CONSTRAINT connector_breakers_project_id_connection_id_fkey FOREIGN KEY (project_id, connection_id) REFERENCES connector_connections(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY connector_connections
    ADD CONSTRAINT connector_connections_created_by_fkey FOREIGN KEY (created_by) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE ONLY connector_connections
    ADD CONSTRAINT connector_connections_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY connector_errors
    ADD CONSTRAINT connector_errors_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY connector_events
    ADD CONSTRAINT connector_events_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY connector_streams
    ADD CONSTRAINT connector_streams_project_id_connection_id_fkey FOREIGN KEY (project_id, connection_id) REFERENCES connector_connections(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY connector_sync_state
    ADD CONSTRAINT connector_sync_state_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY contact_channel_policies
    ADD CONSTRAINT contact_channel_policies_account_scope_id_fkey FOREIGN KEY (account_scope_id) REFERENCES account_scopes(id) ON DELETE CASCADE;

ALTER TABLE ONLY contact_channel_policies
    ADD CONSTRAINT contact_channel_policies_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE SET NULL;

ALTER TABLE ONLY crm_account_contacts
    ADD CONSTRAINT crm_account_contacts_project_id_account_id_fkey FOREIGN KEY (project_id, account_id) REFERENCES crm_accounts(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY crm_account_contacts
    ADD CONSTRAINT crm_account_contacts_project_id_contact_global_id_fkey FOREIGN KEY (project_id, contact_global_id) REFERENCES cw_contacts(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY crm_accounts
    ADD CONSTRAINT crm_accounts_owner_user_id_fkey FOREIGN KEY (owner_user_id) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE ONLY crm_accounts
    ADD CONSTRAINT crm_accounts_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm_opportunities
    ADD CONSTRAINT crm_opportunities_owner_user_id_fkey FOREIGN KEY (owner_user_id) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE ONLY crm_opportunities
    ADD CONSTRAINT crm_opportunities_project_id_account_id_fkey FOREIGN KEY (project_id, account_id) REFERENCES crm_accounts(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY crm_opportunities
    ADD CONSTRAINT crm_opportunities_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm_opportunity_stage_events
    ADD CONSTRAINT crm_opportunity_stage_events_audit_event_id_fkey FOREIGN KEY (audit_event_id) REFERENCES audit_events(id) ON DELETE SET NULL;

ALTER TABLE ONLY crm_opportunity_stage_events
    ADD CONSTRAINT crm_opportunity_stage_events_project_id_opportunity_id_fkey FOREIGN KEY (project_id, opportunity_id) REFERENCES crm_opportunities(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY cw_agents
    ADD CONSTRAINT cw_agents_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY cw_attachments_raw
    ADD CONSTRAINT cw_attachments_raw_project_id_conversation_global_id_fkey FOREIGN KEY (project_id, conversation_global_id) REFERENCES cw_conversations(project_id, id) ON DELETE SET NULL (conversation_global_id);

ALTER TABLE ONLY cw_attachments_raw
    ADD CONSTRAINT cw_attachments_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY cw_attachments_raw
    ADD CONSTRAINT cw_attachments_raw_project_id_message_global_id_fkey FOREIGN KEY (project_id, message_global_id) REFERENCES cw_messages(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY cw_contacts
    ADD CONSTRAINT cw_contacts_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY cw_conversations
    ADD CONSTRAINT cw_conversations_project_id_contact_global_id_fkey FOREIGN KEY (project_id, contact_global_id) REFERENCES cw_contacts(project_id, id);

ALTER TABLE ONLY cw_conversations
    ADD CONSTRAINT cw_conversations_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY cw_inboxes_raw
    ADD CONSTRAINT cw_inboxes_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY cw_messages
    ADD CONSTRAINT cw_messages_project_id_contact_global_id_fkey FOREIGN KEY (project_id, contact_global_id) REFERENCES cw_contacts(project_id, id);

ALTER TABLE ONLY cw_messages
    ADD CONSTRAINT cw_messages_project_id_conversation_global_id_fkey FOREIGN KEY (project_id, conversation_global_id) REFERENCES cw_conversations(project_id, id);

ALTER TABLE ONLY cw_messages
    ADD CONSTRAINT cw_messages_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY embedding_usage
    ADD CONSTRAINT embedding_usage_model_id_fkey FOREIGN KEY (model_id) REFERENCES embedding_models(id);

ALTER TABLE ONLY embedding_usage
    ADD CONSTRAINT embedding_usage_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY erased_refs
    ADD CONSTRAINT erased_refs_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY events
    ADD CONSTRAINT events_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY evidence_items
    ADD CONSTRAINT evidence_items_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY job_latest
    ADD CONSTRAINT job_latest_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY job_latest
    ADD CONSTRAINT job_latest_project_id_run_id_fkey FOREIGN KEY (project_id, run_id) REFERENCES job_runs(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY job_runs
    ADD CONSTRAINT job_runs_project_id_cascade_of_fkey FOREIGN KEY (project_id, cascade_of) REFERENCES job_runs(project_id, id) ON DELETE SET NULL (cascade_of);

ALTER TABLE ONLY job_runs
    ADD CONSTRAINT job_runs_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY job_runs
    ADD CONSTRAINT job_runs_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE ONLY lightrag_feedback_days
    ADD CONSTRAINT lightrag_feedback_days_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY lightrag_feedback
    ADD CONSTRAINT lightrag_feedback_project_id_query_run_id_fkey FOREIGN KEY (project_id, query_run_id) REFERENCES lightrag_query_runs(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY lightrag_feedback
    ADD CONSTRAINT lightrag_feedback_user_id_fkey FOREIGN KEY (user_id) REFERENCES app_users(id) ON DELETE CASCADE;

ALTER TABLE ONLY lightrag_query_runs
    ADD CONSTRAINT lightrag_query_runs_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES embedding_models(id);

ALTER TABLE ONLY lightrag_query_runs
    ADD CONSTRAINT lightrag_query_runs_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY lightrag_query_runs
    ADD CONSTRAINT lightrag_query_runs_user_id_fkey FOREIGN KEY (user_id) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE ONLY linear_comments_raw
    ADD CONSTRAINT linear_comments_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY linear_cycles_raw
    ADD CONSTRAINT linear_cycles_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY linear_issue_blockers
    ADD CONSTRAINT linear_issue_blockers_project_id_issue_id_fkey FOREIGN KEY (project_id, issue_id) REFERENCES linear_issues_raw(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY linear_issues_raw
    ADD CONSTRAINT linear_issues_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY linear_labels_raw
    ADD CONSTRAINT linear_labels_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY linear_projects_raw
    ADD CONSTRAINT linear_projects_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY linear_states_raw
    ADD CONSTRAINT linear_states_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY linear_teams_raw
    ADD CONSTRAINT linear_teams_raw_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY loops_contact_state
    ADD CONSTRAINT loops_contact_state_account_scope_id_fkey FOREIGN KEY (account_scope_id) REFERENCES account_scopes(id) ON DELETE CASCADE;

ALTER TABLE ONLY loops_turns
    ADD CONSTRAINT loops_turns_account_scope_id_fkey FOREIGN KEY (account_scope_id) REFERENCES account_scopes(id) ON DELETE CASCADE;

ALTER TABLE ONLY project_assignments
    ADD CONSTRAINT project_assignments_assigned_by_fkey FOREIGN KEY (assigned_by) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE ONLY project_assignments
    ADD CONSTRAINT project_assignments_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY project_assignments
    ADD CONSTRAINT project_assignments_user_id_fkey FOREIGN KEY (user_id) REFERENCES app_users(id) ON DELETE CASCADE;

ALTER TABLE ONLY project_counters
    ADD CONSTRAINT project_counters_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY projects
    ADD CONSTRAINT projects_account_scope_id_fkey FOREIGN KEY (account_scope_id) REFERENCES account_scopes(id) ON DELETE RESTRICT;

ALTER TABLE ONLY projects
    ADD CONSTRAINT projects_search_model_id_fkey FOREIGN KEY (search_model_id) REFERENCES embedding_models(id);

ALTER TABLE ONLY query_embedding_cache
    ADD CONSTRAINT query_embedding_cache_model_id_fkey FOREIGN KEY (model_id) REFERENCES embedding_models(id);

ALTER TABLE ONLY query_embedding_cache
    ADD CONSTRAINT query_embedding_cache_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY rag_chunks
    ADD CONSTRAINT rag_chunks_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES embedding_models(id);

ALTER TABLE ONLY rag_chunks
    ADD CONSTRAINT rag_chunks_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE rag_vectors
    ADD CONSTRAINT rag_vectors_model_id_fkey FOREIGN KEY (model_id) REFERENCES embedding_models(id);

ALTER TABLE rag_vectors
    ADD CONSTRAINT rag_vectors_project_id_chunk_id_fkey FOREIGN KEY (project_id, chunk_id) REFERENCES rag_chunks(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY scheduled_jobs
    ADD CONSTRAINT scheduled_jobs_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY search_analytics
    ADD CONSTRAINT search_analytics_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY search_analytics
    ADD CONSTRAINT search_analytics_user_id_fkey FOREIGN KEY (user_id) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE search_texts
    ADD CONSTRAINT search_texts_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY sessions
    ADD CONSTRAINT sessions_active_project_id_fkey FOREIGN KEY (active_project_id) REFERENCES projects(id) ON DELETE SET NULL;

ALTER TABLE ONLY sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES app_users(id) ON DELETE CASCADE;

ALTER TABLE ONLY source_documents
    ADD CONSTRAINT source_documents_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY suppressions
    ADD CONSTRAINT suppressions_account_scope_id_fkey FOREIGN KEY (account_scope_id) REFERENCES account_scopes(id) ON DELETE CASCADE;

ALTER TABLE ONLY suppressions
    ADD CONSTRAINT suppressions_created_by_fkey FOREIGN KEY (created_by) REFERENCES app_users(id) ON DELETE SET NULL;

ALTER TABLE ONLY sync_reconciliation_metrics
    ADD CONSTRAINT sync_reconciliation_metrics_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_project_id_connection_id_fkey FOREIGN KEY (project_id, connection_id) REFERENCES connector_connections(project_id, id) ON DELETE CASCADE;

CREATE SCHEMA parts;
CREATE TABLE parts.rag_vectors_0 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 0);
CREATE TABLE parts.rag_vectors_1 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 1);
CREATE TABLE parts.rag_vectors_2 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 2);
CREATE TABLE parts.rag_vectors_3 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 3);
CREATE TABLE parts.rag_vectors_4 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 4);
CREATE TABLE parts.rag_vectors_5 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 5);
CREATE TABLE parts.rag_vectors_6 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 6);
CREATE TABLE parts.rag_vectors_7 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 7);
CREATE TABLE parts.rag_vectors_8 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 8);
CREATE TABLE parts.rag_vectors_9 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 9);
CREATE TABLE parts.rag_vectors_10 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 10);
CREATE TABLE parts.rag_vectors_11 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 11);
CREATE TABLE parts.rag_vectors_12 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 12);
CREATE TABLE parts.rag_vectors_13 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 13);
CREATE TABLE parts.rag_vectors_14 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 14);
CREATE TABLE parts.rag_vectors_15 PARTITION OF rag_vectors FOR VALUES WITH (modulus 16, remainder 15);
CREATE TABLE parts.search_texts_0 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 0);
CREATE TABLE parts.search_texts_1 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 1);
CREATE TABLE parts.search_texts_2 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 2);
CREATE TABLE parts.search_texts_3 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 3);
CREATE TABLE parts.search_texts_4 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 4);
CREATE TABLE parts.search_texts_5 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 5);
CREATE TABLE parts.search_texts_6 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 6);
CREATE TABLE parts.search_texts_7 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 7);
CREATE TABLE parts.search_texts_8 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 8);
CREATE TABLE parts.search_texts_9 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 9);
CREATE TABLE parts.search_texts_10 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 10);
CREATE TABLE parts.search_texts_11 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 11);
CREATE TABLE parts.search_texts_12 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 12);
CREATE TABLE parts.search_texts_13 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 13);
CREATE TABLE parts.search_texts_14 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 14);
CREATE TABLE parts.search_texts_15 PARTITION OF search_texts FOR VALUES WITH (modulus 16, remainder 15);
