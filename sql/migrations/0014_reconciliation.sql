-- How much of what the vendors have is here, as each reconciliation found it.

CREATE TABLE sync_reconciliation_metrics (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    -- All rows of a run are written at once.
    run_id uuid NOT NULL,
    connector text NOT NULL CHECK (connector IN ('chatwoot', 'linear', 'attio', 'portfolio')),
    source text NOT NULL CHECK (source IN ('manual', 'sync_cycle', 'daily_job', 'scheduler')),
    -- Of what stands upstream, the share that stands here.
    completeness_pct numeric(6, 2) NOT NULL CHECK (completeness_pct BETWEEN 0 AND 100),
    duplicate_count bigint NOT NULL CHECK (duplicate_count >= 0),
    missing_count bigint NOT NULL CHECK (missing_count >= 0),
    total_count bigint NOT NULL CHECK (total_count >= 0),
    -- Under the threshold of its run: told once when it drops, once when it recovers.
    below_threshold boolean NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    captured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, run_id, connector)
);
CREATE INDEX sync_reconciliation_newest ON sync_reconciliation_metrics (project_id, connector, captured_at DESC, id DESC);
CREATE INDEX sync_reconciliation_age ON sync_reconciliation_metrics (captured_at);

INSERT INTO scheduled_jobs (project_id, job_type, cadence_seconds, next_run_at)
SELECT id, 'connectors_reconciliation_daily', 86400, now() + make_interval(secs => 86400 * random()) FROM projects
ON CONFLICT (project_id, job_type) DO NOTHING;

-- How many rows of a kind (of one list) stand here, and how many of them a vendor named.
CREATE FUNCTION attio_matched(raw regclass, project uuid, workspace text, named text[], list text,
                              OUT stored bigint, OUT matched bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'SELECT count(*), count(u.id) FROM %s r LEFT JOIN unnest($3) u(id) ON u.id = r.external_id
         WHERE r.project_id = $1 AND r.workspace_id = $2 AND r.deleted_at IS NULL %s',
        raw, CASE WHEN list IS NULL THEN '' ELSE format('AND r.list_slug = %L', list) END)
    INTO stored, matched USING project, workspace, named;
END $$;
