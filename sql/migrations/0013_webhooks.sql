-- Webhooks: what vendors push, kept until it is applied; and the doors through which it comes.

ALTER TABLE connector_connections
    ADD COLUMN webhook_previous_until timestamptz,
    -- Off only for a vendor whose older servers sign nothing: then the secret address is all there is.
    ADD COLUMN webhook_require_signature boolean NOT NULL DEFAULT true;

CREATE TABLE webhook_deliveries (
    project_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    connection_id uuid NOT NULL,
    connector text NOT NULL,
    -- The vendor's own id, the same when it delivers again; the body's hash where it has none.
    delivery_id text NOT NULL CHECK (length(delivery_id) BETWEEN 1 AND 200),
    event text NOT NULL CHECK (length(event) <= 200),
    -- What it tells of, like `conversation:17`. Deliveries of one object are applied together.
    object_ref text NOT NULL CHECK (length(object_ref) <= 300),
    -- The vendor's account, as the payload names it.
    tenant text CHECK (length(tenant) <= 200),
    signature_state text NOT NULL CHECK (signature_state IN ('valid', 'absent_allowed')),
    headers jsonb NOT NULL DEFAULT '{}',
    -- As it came; emptied after some days, and never kept for what is ignored.
    body bytea,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'processing', 'done', 'ignored', 'failed', 'dead_letter')),
    attempts int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    -- Whoever works on it; rows of a run that is gone are anybody's.
    claim uuid,
    error_kind text CHECK (length(error_kind) <= 100),
    last_error text CHECK (length(last_error) <= 2000),
    received_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz,
    processing_ms int,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, connection_id, delivery_id),
    FOREIGN KEY (project_id, connection_id) REFERENCES connector_connections ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (project_id, connection_id, object_ref)
    WHERE status IN ('pending', 'processing', 'failed');
CREATE INDEX webhook_deliveries_received ON webhook_deliveries (received_at);
CREATE INDEX webhook_deliveries_bodies ON webhook_deliveries (received_at) WHERE body IS NOT NULL;
ALTER TABLE webhook_deliveries
    SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Retries bring their own time; the schedule only finds what nobody came back for.
INSERT INTO scheduled_jobs (project_id, job_type, cadence_seconds, next_run_at)
SELECT id, 'webhook_deliveries', 300, now() + make_interval(secs => 300 * random()) FROM projects
ON CONFLICT (project_id, job_type) DO NOTHING;
