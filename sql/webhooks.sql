-- Webhooks: doors, deliveries, and how they are worked off.

-- name: open_door(token_hash, connector, limited, per_second, burst)^
-- The connection behind a token, and one token of its bucket, in one round trip. No row: no such door.
WITH door AS (
    SELECT project_id, id, connector, webhook_secret_enc, webhook_require_signature,
           CASE WHEN webhook_previous_until > now() THEN webhook_secret_previous_enc END AS webhook_previous_enc
    FROM connector_connections
    WHERE webhook_token_hash = :token_hash AND connector = :connector AND enabled
), rule AS (
    SELECT interval '1 second' / :per_second::float8 AS pause, interval '1 second' / :per_second::float8 * :burst AS depth
), taken AS (
    INSERT INTO rate_limits AS r (bucket, full_at)
    SELECT 'webhook:' || door.id, clock_timestamp() + rule.pause FROM door, rule WHERE :limited
    ON CONFLICT (bucket) DO UPDATE
        SET full_at = greatest(r.full_at, clock_timestamp()) + (SELECT pause FROM rule)
        WHERE greatest(r.full_at, clock_timestamp()) + (SELECT pause FROM rule)
              <= clock_timestamp() + (SELECT depth FROM rule) + interval '1 millisecond'
    RETURNING full_at
)
SELECT door.*, NOT :limited OR taken.full_at IS NOT NULL AS allowed
FROM door LEFT JOIN taken ON true;

-- name: store_delivery(project_id, connection_id, connector, delivery_id, event, object_ref, tenant, signature_state, headers, body, wanted, debounce)^
-- No row: it has been delivered before. What nobody wants is noted and done with.
INSERT INTO webhook_deliveries (project_id, connection_id, connector, delivery_id, event, object_ref, tenant,
                                signature_state, headers, body, status, next_attempt_at, processed_at)
VALUES (:project_id, :connection_id, :connector, :delivery_id, :event, :object_ref, :tenant, :signature_state, :headers,
        CASE WHEN :wanted THEN :body::bytea END,
        CASE WHEN :wanted THEN 'pending' ELSE 'ignored' END,
        CASE WHEN :wanted THEN now() + make_interval(secs => :debounce) END,
        CASE WHEN :wanted THEN NULL ELSE now() END)
ON CONFLICT (project_id, connection_id, delivery_id) DO NOTHING
RETURNING id;

-- name: claim_deliveries(project_id, claim, objects, most)
-- Objects of which something is due, and of each everything that waits: one look at the object serves
-- them all. Rows of another claim are those of a run that is gone, since a project has one at a time.
WITH due AS (
    SELECT connection_id, object_ref FROM webhook_deliveries
    WHERE project_id = :project_id AND status IN ('pending', 'processing', 'failed')
      AND (status = 'processing' AND claim <> :claim OR status <> 'processing' AND next_attempt_at <= now())
    GROUP BY connection_id, object_ref ORDER BY min(id) LIMIT :objects
), picked AS (
    SELECT d.id FROM webhook_deliveries d JOIN due USING (connection_id, object_ref)
    WHERE d.project_id = :project_id AND d.status IN ('pending', 'processing', 'failed')
      AND (d.status = 'pending' OR d.status = 'processing' AND d.claim <> :claim
           OR d.status = 'failed' AND d.next_attempt_at <= now())
    ORDER BY d.id LIMIT :most FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhook_deliveries d SET status = 'processing', claim = :claim, attempts = d.attempts + 1
FROM picked WHERE d.project_id = :project_id AND d.id = picked.id
RETURNING d.id, d.connection_id, d.connector, d.object_ref, d.tenant, d.attempts, d.error_kind;

-- name: read_deliveries(project_id, ids)
SELECT id, delivery_id, event, object_ref, received_at, attempts, body FROM webhook_deliveries
WHERE project_id = :project_id AND id = ANY(:ids) ORDER BY id;

-- name: end_deliveries(project_id, claim, ids, status, error_kind, error, milliseconds)!
-- Only those that are still this claim's.
UPDATE webhook_deliveries SET status = :status, claim = NULL, next_attempt_at = NULL, processed_at = now(),
       processing_ms = :milliseconds, error_kind = :error_kind, last_error = left(:error, 2000)
WHERE project_id = :project_id AND id = ANY(:ids) AND claim = :claim;

-- name: fail_deliveries(project_id, claim, ids, error_kind, error, milliseconds, counts, patience, delay, base_seconds, cap_seconds, jitter, max_attempts)
-- The nth failure waits base * 2^(n-1) seconds, scattered by a fifth; the last one is a dead letter, unless
-- there is patience for so many seconds yet.
WITH judged AS (
    SELECT id, :counts AND attempts >= :max_attempts
                   AND coalesce(received_at < now() - make_interval(secs => :patience::float8), true) AS given_up
    FROM webhook_deliveries WHERE project_id = :project_id AND id = ANY(:ids) AND claim = :claim
)
UPDATE webhook_deliveries d SET
    status = CASE WHEN judged.given_up THEN 'dead_letter' ELSE 'failed' END,
    next_attempt_at = CASE WHEN judged.given_up THEN NULL
        ELSE now() + make_interval(secs => coalesce(:delay::float8,
            least(:cap_seconds, :base_seconds * 2 ^ least(attempts - 1, 20)) * :jitter::float8)) END,
    attempts = attempts - CASE WHEN :counts THEN 0 ELSE 1 END,
    claim = NULL, processed_at = now(), processing_ms = :milliseconds,
    error_kind = :error_kind, last_error = left(:error, 2000)
FROM judged WHERE d.project_id = :project_id AND d.id = judged.id
RETURNING d.status;

-- name: release_deliveries(project_id, claim)!
-- What a run that had to stop did not get to; it does not count as an attempt.
UPDATE webhook_deliveries SET status = CASE WHEN attempts > 1 THEN 'failed' ELSE 'pending' END, claim = NULL,
       attempts = greatest(attempts - 1, 0), next_attempt_at = now()
WHERE project_id = :project_id AND claim = :claim AND status = 'processing';

-- name: note_health(project_id, applied, given_up)!
-- Of which connections deliveries have been applied now, and of which some were given up.
UPDATE connector_connections SET
    webhook_applied_at = CASE WHEN id = ANY(:applied::uuid[]) THEN now() ELSE webhook_applied_at END,
    webhook_given_up_at = CASE WHEN id = ANY(:given_up::uuid[]) THEN now() ELSE webhook_given_up_at END
WHERE project_id = :project_id AND id = ANY(:applied::uuid[] || :given_up::uuid[]);

-- name: seconds_until_due(project_id)$
SELECT extract(epoch FROM min(next_attempt_at) - now())::float8 FROM webhook_deliveries
WHERE project_id = :project_id AND status IN ('pending', 'failed');

-- name: ensure_loops(project_id, base_url, credentials_enc)$
-- Loops is called with the installation's key; its row here only holds the door.
WITH made AS (
    INSERT INTO connector_connections (project_id, connector, base_url, external_account_id, credentials_enc, display_name)
    VALUES (:project_id, 'loops', :base_url, :project_id::text, :credentials_enc, 'Loops (webhooks)')
    ON CONFLICT (project_id, connector, external_account_id) DO NOTHING
    RETURNING id
)
SELECT id FROM made
UNION ALL
SELECT id FROM connector_connections
WHERE project_id = :project_id AND connector = 'loops' AND external_account_id = :project_id::text
LIMIT 1;

-- name: lock_door(project_id, connection_id)^
SELECT id, connector, webhook_token_hash IS NOT NULL AS has_token FROM connector_connections
WHERE project_id = :project_id AND id = :connection_id FOR UPDATE;

-- name: rotate_door(project_id, connection_id, token_hash, secret_enc, require_signature, overlap_hours)^
-- What is null stays. A secret that gives way is valid for a while; an address is not.
UPDATE connector_connections SET
    webhook_token_hash = coalesce(:token_hash::bytea, webhook_token_hash),
    webhook_secret_previous_enc = CASE WHEN :secret_enc::bytea IS NULL THEN webhook_secret_previous_enc
                                       ELSE webhook_secret_enc END,
    webhook_previous_until = CASE WHEN :secret_enc::bytea IS NULL THEN webhook_previous_until
                                  WHEN webhook_secret_enc IS NOT NULL
                                  THEN now() + make_interval(hours => :overlap_hours) END,
    webhook_secret_enc = coalesce(:secret_enc::bytea, webhook_secret_enc),
    webhook_require_signature = coalesce(:require_signature::boolean, webhook_require_signature),
    webhook_rotated_at = now(), updated_at = now()
WHERE project_id = :project_id AND id = :connection_id
RETURNING id AS connection_id, connector, webhook_secret_enc IS NOT NULL AS has_secret,
          webhook_require_signature AS require_signature, webhook_previous_until AS previous_secret_valid_until,
          webhook_rotated_at AS rotated_at;

-- name: list_deliveries(project_id, connector, status, event, before_id, most)
SELECT id::text, connection_id, connector, delivery_id, event, object_ref, signature_state, status, attempts,
       received_at, next_attempt_at, processed_at, processing_ms, error_kind, last_error,
       octet_length(body) AS body_bytes
FROM webhook_deliveries d
WHERE project_id = :project_id AND (:connector::text IS NULL OR connector = :connector)
  AND (:status::text IS NULL OR status = :status) AND (:event::text IS NULL OR event = :event)
  AND (:before_id::bigint IS NULL OR id < :before_id)
ORDER BY d.id DESC LIMIT :most;

-- name: replay_delivery(project_id, id)^
-- Due at once, as if it had just come. No row: there is none, it is in hand, or its body is gone.
UPDATE webhook_deliveries SET status = 'pending', attempts = 0, next_attempt_at = now(), claim = NULL,
       processed_at = NULL, processing_ms = NULL, error_kind = NULL, last_error = NULL
WHERE project_id = :project_id AND id = :id AND status <> 'processing' AND body IS NOT NULL
RETURNING id::text, connector, delivery_id, event, object_ref, status;

-- name: find_delivery(project_id, id)^
SELECT id, status, body IS NOT NULL AS has_body FROM webhook_deliveries
WHERE project_id = :project_id AND id = :id;

-- name: purge_bodies(days)!
UPDATE webhook_deliveries SET body = NULL
WHERE received_at < now() - make_interval(days => :days) AND body IS NOT NULL;

-- name: purge_deliveries(days)!
DELETE FROM webhook_deliveries WHERE received_at < now() - make_interval(days => :days);
