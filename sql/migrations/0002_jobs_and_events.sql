-- Jobs: what should run, what ran; and the live events that tell of it.

CREATE TABLE scheduled_jobs (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    job_type text NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'suspended')),
    cadence_seconds int NOT NULL CHECK (cadence_seconds BETWEEN 1 AND 31536000),
    next_run_at timestamptz NOT NULL,
    last_run_at timestamptz,
    last_status text,
    last_error text,
    consecutive_failures int NOT NULL DEFAULT 0,
    payload jsonb NOT NULL DEFAULT '{}',
    paused_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, job_type)
);
CREATE INDEX scheduled_jobs_due ON scheduled_jobs (next_run_at) WHERE status = 'active';

CREATE TABLE job_runs (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    job_type text NOT NULL,
    trigger text NOT NULL CHECK (trigger IN ('schedule', 'cascade', 'manual', 'webhook', 'retry')),
    requested_by uuid REFERENCES app_users ON DELETE SET NULL,
    requested_by_name text,
    request_id text,
    cascade_of uuid,
    payload jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'completed', 'partial', 'failed', 'cancelled', 'dead')),
    claimed_by text,
    -- Changes with every claim: a worker that lost its lease can no longer write.
    claim_token uuid,
    lease_until timestamptz,
    heartbeat_at timestamptz,
    cancel_requested boolean NOT NULL DEFAULT false,
    -- Asked for again while at work: what the caller wants may have come too late for this run.
    run_again boolean NOT NULL DEFAULT false,
    attempt int NOT NULL DEFAULT 0,
    progress jsonb NOT NULL DEFAULT '{}',
    processed_count bigint NOT NULL DEFAULT 0,
    result jsonb NOT NULL DEFAULT '{}',
    error_kind text,
    error text CHECK (length(error) <= 4000),
    not_before timestamptz NOT NULL DEFAULT now(),
    queued_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    duration_ms bigint,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, cascade_of) REFERENCES job_runs (project_id, id)
        ON DELETE SET NULL (cascade_of)
);
-- One waiting or working run of a job type in a project: a second request joins it.
CREATE UNIQUE INDEX job_runs_alive ON job_runs (project_id, job_type)
    WHERE status IN ('queued', 'running');
CREATE INDEX job_runs_queued ON job_runs (not_before, queued_at) WHERE status = 'queued';
CREATE INDEX job_runs_leases ON job_runs (lease_until) WHERE status = 'running';
CREATE INDEX job_runs_newest ON job_runs (project_id, job_type, queued_at DESC, id DESC);
CREATE INDEX job_runs_history ON job_runs (project_id, queued_at DESC, id DESC);

-- The newest run of each job type, so that the jobs page reads a dozen rows and not a history.
CREATE TABLE job_latest (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    job_type text NOT NULL,
    run_id uuid NOT NULL,
    PRIMARY KEY (project_id, job_type),
    FOREIGN KEY (project_id, run_id) REFERENCES job_runs (project_id, id) ON DELETE CASCADE
);
CREATE FUNCTION remember_latest_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_latest (project_id, job_type, run_id)
    VALUES (NEW.project_id, NEW.job_type, NEW.id)
    ON CONFLICT (project_id, job_type) DO UPDATE SET run_id = excluded.run_id;
    RETURN NULL;
END $$;
CREATE TRIGGER job_runs_latest AFTER INSERT ON job_runs
    FOR EACH ROW EXECUTE FUNCTION remember_latest_run();

-- Every process that works, seen by its heartbeat.
CREATE TABLE process_heartbeats (
    process text PRIMARY KEY,
    kind text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    details jsonb NOT NULL DEFAULT '{}'
);

-- Live events: streams are fed from here, and replay what a client missed.
CREATE TABLE events (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_type text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id)
);
CREATE INDEX events_by_id ON events (id);
CREATE INDEX events_age ON events (created_at);
