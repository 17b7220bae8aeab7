-- How the webhooks of a connection are doing: while they bring everything, it is polled less often.

ALTER TABLE connector_connections
    -- When deliveries were last applied, and when one was last given up.
    ADD COLUMN webhook_applied_at timestamptz,
    ADD COLUMN webhook_given_up_at timestamptz;

-- Ages in seconds. `waiting_seconds` is that of the oldest delivery that is not applied yet.
CREATE VIEW webhook_health AS
SELECT c.project_id, c.id AS connection_id,
       c.webhook_token_hash IS NOT NULL
           AND (c.webhook_secret_enc IS NOT NULL OR NOT c.webhook_require_signature) AS has_door,
       c.webhook_applied_at AS applied_at, extract(epoch FROM now() - c.webhook_applied_at)::float8 AS applied_seconds,
       c.webhook_given_up_at AS given_up_at, o.failed,
       extract(epoch FROM now() - o.waiting_since)::float8 AS waiting_seconds
FROM connector_connections c
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE d.status = 'failed') AS failed, min(d.received_at) AS waiting_since
    FROM webhook_deliveries d
    WHERE d.project_id = c.project_id AND d.connection_id = c.id AND d.status IN ('pending', 'processing', 'failed')) o ON true;
