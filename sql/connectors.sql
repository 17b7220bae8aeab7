-- Connections, the places of their streams, their errors and their state.

-- name: find_connection(project_id, connector)^
SELECT * FROM connector_connections
WHERE project_id = :project_id AND connector = :connector
ORDER BY enabled DESC, created_at, id LIMIT 1;

-- name: find_connection_by_id(project_id, connection_id)^
SELECT * FROM connector_connections WHERE project_id = :project_id AND id = :connection_id;

-- name: connector_of(project_id, connection_id)$
SELECT connector FROM connector_connections WHERE project_id = :project_id AND id = :connection_id;

-- name: list_connections(project_id)
SELECT id, connector, display_name, base_url, external_account_id, credential_hint, filters, mapping, enabled, from_settings,
       health, health_reason, last_verified_at, created_at, updated_at
FROM connector_connections WHERE project_id = :project_id
ORDER BY connector, created_at, id;

-- name: store_connection(project_id, connector, base_url, external_account_id, credentials_enc, credential_hint, display_name, filters, mapping, from_settings, created_by)^
-- A new connection; for a known account a new token and a clean bill of health. Of that one, what is not
-- given stays: without its filters it would read the whole account.
INSERT INTO connector_connections AS c (project_id, connector, base_url, external_account_id, credentials_enc,
                                        credential_hint, display_name, filters, mapping, from_settings, created_by)
VALUES (:project_id, :connector, :base_url, :external_account_id, :credentials_enc,
        :credential_hint, :display_name, coalesce(:filters::jsonb, '{}'), coalesce(:mapping::jsonb, '{}'), :from_settings,
        :created_by)
ON CONFLICT (project_id, connector, external_account_id) DO UPDATE
    SET base_url = excluded.base_url, credentials_enc = excluded.credentials_enc,
        credential_hint = excluded.credential_hint,
        display_name = coalesce(nullif(excluded.display_name, ''), c.display_name),
        filters = coalesce(:filters::jsonb, c.filters), mapping = coalesce(:mapping::jsonb, c.mapping),
        from_settings = excluded.from_settings, enabled = true,
        health = 'ok', health_reason = NULL, updated_at = now()
RETURNING *;

-- name: stored_filters(project_id, connector, external_account_id)$
SELECT filters FROM connector_connections
WHERE project_id = :project_id AND connector = :connector AND external_account_id = :external_account_id FOR UPDATE;

-- name: change_connection(project_id, connection_id, display_name, filters, mapping, credentials_enc, credential_hint, enabled)^
-- What is null stays as it is. A new token gets a clean bill of health.
UPDATE connector_connections SET
    display_name = coalesce(:display_name, display_name), filters = coalesce(:filters, filters),
    mapping = coalesce(:mapping, mapping), enabled = coalesce(:enabled, enabled),
    credentials_enc = coalesce(:credentials_enc, credentials_enc),
    credential_hint = coalesce(:credential_hint, credential_hint),
    health = CASE WHEN :credentials_enc::bytea IS NULL THEN health ELSE 'ok' END,
    health_reason = CASE WHEN :credentials_enc::bytea IS NULL THEN health_reason END, updated_at = now()
WHERE project_id = :project_id AND id = :connection_id
RETURNING *;

-- name: forget_places(project_id, connection_id)!
-- What a connection may read has changed: everything is read again, and a sweep is due that takes back what it
-- may not read any more.
WITH due AS (
    UPDATE connector_streams SET page_cursor = NULL, last_sweep_at = 'epoch'
    WHERE project_id = :project_id AND connection_id = :connection_id AND right(stream, 6) = '_sweep'
)
DELETE FROM connector_streams
WHERE project_id = :project_id AND connection_id = :connection_id AND right(stream, 6) <> '_sweep';

-- name: delete_connection(project_id, connection_id)^
DELETE FROM connector_connections WHERE project_id = :project_id AND id = :connection_id
RETURNING id, connector, external_account_id;

-- name: set_health(project_id, connection_id, health, reason)!
UPDATE connector_connections SET health = :health, health_reason = :reason, updated_at = now()
WHERE project_id = :project_id AND id = :connection_id
  AND (health, coalesce(health_reason, '')) IS DISTINCT FROM (:health::text, coalesce(:reason::text, ''));

-- name: mark_verified(project_id, connection_id)!
UPDATE connector_connections SET last_verified_at = now(), health = 'ok', health_reason = NULL, updated_at = now()
WHERE project_id = :project_id AND id = :connection_id;

-- name: load_place(project_id, connection_id, stream)^
SELECT cursor_ts, cursor_id, page_cursor, last_sweep_at FROM connector_streams
WHERE project_id = :project_id AND connection_id = :connection_id AND stream = :stream;

-- name: save_place(project_id, connection_id, stream, cursor_ts, cursor_id, page_cursor, records, finished, swept)!
INSERT INTO connector_streams AS s (project_id, connection_id, stream, cursor_ts, cursor_id, page_cursor,
                                    records_total, last_success_at, last_sweep_at)
VALUES (:project_id, :connection_id, :stream, :cursor_ts, :cursor_id, :page_cursor,
        :records, CASE WHEN :finished THEN now() END, CASE WHEN :swept THEN now() END)
ON CONFLICT (project_id, connection_id, stream) DO UPDATE SET
    -- A cursor never goes back, and an empty reading never empties it.
    cursor_ts = greatest(s.cursor_ts, excluded.cursor_ts),
    cursor_id = coalesce(excluded.cursor_id, s.cursor_id),
    page_cursor = excluded.page_cursor, records_total = s.records_total + excluded.records_total,
    last_success_at = coalesce(excluded.last_success_at, s.last_success_at),
    last_sweep_at = coalesce(excluded.last_sweep_at, s.last_sweep_at), updated_at = now();

-- name: newest_cursor(project_id, connection_id)^
SELECT cursor_ts, cursor_id FROM connector_streams
WHERE project_id = :project_id AND connection_id = :connection_id AND cursor_ts IS NOT NULL
ORDER BY cursor_ts DESC, stream LIMIT 1;

-- name: breaker_state(project_id, connection_id, host)^
SELECT failures, greatest(0, extract(epoch FROM open_until - now())) AS open_seconds
FROM connector_breakers
WHERE project_id = :project_id AND connection_id = :connection_id AND host = :host;

-- name: breaker_failed(project_id, connection_id, host, limit, seconds)!
INSERT INTO connector_breakers AS b (project_id, connection_id, host, failures)
VALUES (:project_id, :connection_id, :host, 1)
ON CONFLICT (project_id, connection_id, host) DO UPDATE SET
    failures = b.failures + 1, updated_at = now(),
    open_until = CASE WHEN b.failures + 1 >= :limit THEN now() + make_interval(secs => :seconds) ELSE b.open_until END;

-- name: breaker_succeeded(project_id, connection_id, host)!
UPDATE connector_breakers SET failures = 0, open_until = NULL, updated_at = now()
WHERE project_id = :project_id AND connection_id = :connection_id AND host = :host AND failures > 0;

-- name: register_error(project_id, connector, stream, error_kind, error_message, source_ref, payload, dedupe_key, max_attempts, permanent, counts, patience, delay, base_seconds, cap_seconds, jitter)!
-- One open row a fault. The nth failure waits base * 2^(n-1) seconds, scattered by a fifth; the last
-- one, or one that waiting does not mend, is a dead letter. Where there is patience, its seconds count and
-- not the attempts.
INSERT INTO connector_errors AS e (project_id, connector, stream, error_kind, error_message, source_ref,
                                   payload_json, dedupe_key, status, next_retry_at)
VALUES (:project_id, :connector, :stream, :error_kind, :error_message, :source_ref, :payload, :dedupe_key,
        CASE WHEN :permanent OR (:max_attempts <= 1 AND :patience::float8 IS NULL) THEN 'dead_letter' ELSE 'pending' END,
        CASE WHEN :permanent THEN NULL
             ELSE now() + make_interval(secs => coalesce(:delay::float8, :base_seconds * :jitter::float8)) END)
ON CONFLICT (project_id, connector, dedupe_key) WHERE status <> 'resolved' DO UPDATE SET
    attempt = e.attempt + CASE WHEN :counts THEN 1 ELSE 0 END, occurrences = e.occurrences + 1,
    error_message = excluded.error_message, payload_json = excluded.payload_json, updated_at = now(),
    status = CASE WHEN e.status = 'dead_letter' OR :permanent OR (:counts AND CASE
                      WHEN :patience::float8 IS NULL THEN e.attempt + 1 >= :max_attempts
                      ELSE e.first_seen_at < now() - make_interval(secs => :patience) END)
                  THEN 'dead_letter' ELSE 'retrying' END,
    next_retry_at = CASE WHEN e.status = 'dead_letter' OR :permanent THEN NULL
        ELSE now() + make_interval(secs => coalesce(:delay::float8,
            least(:cap_seconds, :base_seconds * 2 ^ least(e.attempt, 20)) * :jitter::float8)) END;

-- name: resolve_errors(project_id, connector, streams, finished, whole)!
-- Of the streams that were read without a fault, and of the run as a whole. A record in quarantine stays
-- for a person; one that was retried, and that a reading of everything did not refuse again, is settled.
UPDATE connector_errors SET status = 'resolved', resolved_at = now(), updated_at = now(), next_retry_at = NULL
WHERE project_id = :project_id AND connector = :connector AND status <> 'resolved'
  AND CASE WHEN error_kind = 'record_invalid' THEN status <> 'dead_letter' AND stream = ANY(:finished)
           ELSE stream = ANY(:streams) OR (:whole AND stream IS NULL) END;

-- name: settle_records(project_id, connector, refs)!
-- Records that lay in quarantine and can be understood by now.
UPDATE connector_errors SET status = 'resolved', resolved_at = now(), updated_at = now(), next_retry_at = NULL
WHERE project_id = :project_id AND connector = :connector AND status <> 'resolved'
  AND error_kind = 'record_invalid' AND source_ref = ANY(:refs);

-- name: forget_place(project_id, connector, stream)!
-- Everything of a stream is read again.
DELETE FROM connector_streams s USING connector_connections c
WHERE c.project_id = :project_id AND c.connector = :connector
  AND s.project_id = c.project_id AND s.connection_id = c.id AND s.stream = :stream;

-- name: reopen_errors(project_id, connector)!
-- A changed connection gives what only a change could mend another chance.
UPDATE connector_errors SET status = 'pending', attempt = 0, next_retry_at = now(), updated_at = now()
WHERE project_id = :project_id AND connector = :connector AND status = 'dead_letter'
  AND error_kind <> 'record_invalid';

-- name: due_errors(project_id, most)
-- Errors whose time has come, those that wait longest first.
SELECT id::text, connector FROM connector_errors e
WHERE project_id = :project_id AND status IN ('pending', 'retrying') AND next_retry_at <= now()
ORDER BY next_retry_at, e.id LIMIT :most;

-- name: list_errors(project_id, whole, status, connector, error_kind, before_at, before_id, most)
-- Not `whole`: without the records in quarantine, which may be private notes.
SELECT id::text, connector, mode, stream, operation, source_ref, error_kind, error_message, attempt, occurrences,
       next_retry_at, status, CASE WHEN :whole THEN payload_json ELSE payload_json - 'record' END AS payload_json,
       dedupe_key, first_seen_at, created_at, updated_at, resolved_at
FROM connector_errors e
WHERE project_id = :project_id AND (:status::text IS NULL OR status = :status)
  AND (:connector::text IS NULL OR connector = :connector)
  AND (:error_kind::text IS NULL OR error_kind = :error_kind)
  AND (:before_at::timestamptz IS NULL OR (updated_at, id) < (:before_at::timestamptz, :before_id::bigint))
ORDER BY updated_at DESC, e.id DESC LIMIT :most;

-- name: lock_error(project_id, error_id)^
SELECT id, connector, stream, error_kind, status, payload_json -> 'record' AS record FROM connector_errors
WHERE project_id = :project_id AND id = :error_id FOR UPDATE;

-- name: revive_error(project_id, error_id)^
-- A dead letter gets a new ladder, and its first step is now.
UPDATE connector_errors SET status = 'pending', attempt = 0, next_retry_at = now(), updated_at = now()
WHERE project_id = :project_id AND id = :error_id
RETURNING id::text, connector, mode, stream, operation, source_ref, error_kind, error_message, attempt, occurrences,
       next_retry_at, status, payload_json, dedupe_key, first_seen_at, created_at, updated_at, resolved_at;

-- name: clear_attention(project_id, connector, options)!
-- A person looked: cycles may call the connector again.
UPDATE connector_connections SET health = 'degraded', options = options || :options, updated_at = now()
WHERE project_id = :project_id AND connector = :connector AND (health = 'needs_attention' OR :options <> '{}'::jsonb);

-- name: forget_confirmation(project_id, connection_id, option)!
UPDATE connector_connections SET options = options - :option
WHERE project_id = :project_id AND id = :connection_id AND options ? :option;

-- name: list_events(project_id, event_type, source, since, before, before_at, before_id, most)
SELECT id::text, event_type, occurred_at, actor, source, source_ref, source_url, payload_json, created_at
FROM connector_events e
WHERE project_id = :project_id AND (:event_type::text IS NULL OR event_type = :event_type)
  AND (:source::text IS NULL OR source = :source)
  AND (:since::timestamptz IS NULL OR occurred_at >= :since)
  AND (:before::timestamptz IS NULL OR occurred_at < :before)
  AND (:before_at::timestamptz IS NULL OR (occurred_at, id) < (:before_at::timestamptz, :before_id::bigint))
ORDER BY occurred_at DESC, e.id DESC LIMIT :most;

-- name: begin_state(project_id, connector, run_id)!
INSERT INTO connector_sync_state (project_id, connector, status, last_attempt_at, run_id)
VALUES (:project_id, :connector, 'running', now(), :run_id)
ON CONFLICT (project_id, connector) DO UPDATE
    SET status = 'running', last_attempt_at = now(), run_id = excluded.run_id, updated_at = now();

-- name: state_run(project_id, connector)$
-- The run that last began to read.
SELECT run_id FROM connector_sync_state WHERE project_id = :project_id AND connector = :connector;

-- name: stop_state(project_id, connector)!
-- A run that was stopped: what is known of the connector is what the run before it found.
UPDATE connector_sync_state SET updated_at = now(),
    status = CASE WHEN coalesce(last_error_kind, 'stream_unavailable') = 'stream_unavailable' THEN 'partial' ELSE 'failed' END
WHERE project_id = :project_id AND connector = :connector;

-- name: end_state(project_id, connector, status, cursor_ts, cursor_id, error_kind, error, meta)!
UPDATE connector_sync_state SET
    status = :status, updated_at = now(), meta = :meta,
    cursor_ts = coalesce(:cursor_ts, cursor_ts), cursor_id = coalesce(:cursor_id, cursor_id),
    last_success_at = CASE WHEN :status IN ('ok', 'partial') THEN now() ELSE last_success_at END,
    retry_count = CASE WHEN :status = 'failed' THEN retry_count + 1 ELSE 0 END,
    last_error_kind = :error_kind, last_error = left(:error, 2000)
WHERE project_id = :project_id AND connector = :connector;

-- name: states(project_id)
-- Every connector, also those that never ran; a run whose lease ended is not running any more.
SELECT k.connector, coalesce(s.mode, 'http') AS mode,
       CASE WHEN s.status = 'running' AND r.id IS NULL THEN 'failed' ELSE coalesce(s.status, 'idle') END AS status,
       s.status = 'running' AS was_running, r.heartbeat_at, r.lease_until, r.status AS run_status,
       s.cursor_ts, s.cursor_id, s.page_cursor, s.last_success_at, s.last_attempt_at,
       coalesce(s.retry_count, 0) AS retry_count, s.last_error, s.last_error_kind,
       coalesce(s.meta, '{}') AS meta, s.updated_at,
       extract(epoch FROM now() - s.last_success_at)::float8 AS lag_seconds,
       CASE WHEN c.health IS DISTINCT FROM 'needs_attention' THEN least(
           (SELECT j.next_run_at FROM scheduled_jobs j
            WHERE j.project_id = :project_id AND j.job_type = 'connectors_sync_cycle' AND j.status = 'active'),
           -- An error whose time has come waits for the job that looks for such errors.
           (SELECT greatest(j.next_run_at, min(e.next_retry_at)) FROM scheduled_jobs j
            JOIN connector_errors e ON e.project_id = j.project_id AND e.connector = k.connector
                AND e.status IN ('pending', 'retrying')
            WHERE j.project_id = :project_id AND j.job_type = 'connector_errors_retry' AND j.status = 'active'
            GROUP BY j.next_run_at)) END AS next_run_at,
       (SELECT count(*) FROM connector_errors e WHERE e.project_id = :project_id AND e.connector = k.connector
          AND e.status <> 'resolved') AS open_errors,
       (SELECT count(*) FROM connector_errors e WHERE e.project_id = :project_id AND e.connector = k.connector
          AND e.status = 'dead_letter') AS dead_letters,
       (SELECT count(*) FROM connector_errors e WHERE e.project_id = :project_id AND e.connector = k.connector
          AND e.status <> 'resolved' AND e.error_kind = 'record_invalid') AS quarantined,
       (SELECT min(e.first_seen_at) FROM connector_errors e WHERE e.project_id = :project_id
          AND e.connector = k.connector AND e.status <> 'resolved'
          AND e.error_kind NOT IN ('record_invalid', 'stream_unavailable', 'sweep_guard')) AS failing_since,
       b.failures AS breaker_failures, b.open_until AS breaker_until,
       c.id AS connection_id, c.enabled, c.health AS connection_health, c.health_reason, c.external_account_id, c.base_url, c.created_at AS connected_at,
       w.has_door, w.applied_at, w.applied_seconds, w.given_up_at, w.failed, w.waiting_seconds,
       (SELECT j.cadence_seconds FROM scheduled_jobs j
        WHERE j.project_id = :project_id AND j.job_type = 'connectors_sync_cycle') AS cadence_seconds
FROM (VALUES ('attio'), ('chatwoot'), ('linear')) AS k(connector)
LEFT JOIN connector_sync_state s ON s.project_id = :project_id AND s.connector = k.connector
LEFT JOIN job_runs r ON s.status = 'running' AND r.project_id = s.project_id AND r.id = s.run_id
    AND r.status IN ('queued', 'running')
LEFT JOIN LATERAL (
    SELECT * FROM connector_connections c
    WHERE c.project_id = :project_id AND c.connector = k.connector
    ORDER BY c.enabled DESC, c.created_at, c.id LIMIT 1) c ON true
LEFT JOIN LATERAL (
    SELECT * FROM connector_breakers b
    WHERE b.project_id = :project_id AND b.connection_id = c.id AND b.host = c.base_url) b ON true
LEFT JOIN webhook_health w ON w.project_id = :project_id AND w.connection_id = c.id
ORDER BY k.connector;

-- name: behind_elsewhere(user_id, role, project_id, soft, longest_lag)
-- Connectors that are behind, by the rule of state.py, in the other projects that somebody may enter.
SELECT p.id AS project_id, p.name AS project_name, c.connector, coalesce(s.status, 'idle') AS status, c.enabled,
       c.health AS connection_health, c.created_at AS connected_at, s.last_error_kind, s.last_error, s.last_success_at,
       s.last_attempt_at,
       (SELECT min(e.first_seen_at) FROM connector_errors e WHERE e.project_id = p.id AND e.connector = c.connector
          AND e.status <> 'resolved' AND e.error_kind <> 'record_invalid' AND e.error_kind <> ALL(:soft)) AS failing_since
FROM projects p
JOIN connector_connections c ON c.project_id = p.id AND c.enabled AND c.connector <> 'loops'
LEFT JOIN connector_sync_state s ON s.project_id = p.id AND s.connector = c.connector
WHERE p.archived_at IS NULL AND p.id <> :project_id
  AND (:role = 'owner' OR EXISTS (SELECT FROM project_assignments a WHERE a.project_id = p.id AND a.user_id = :user_id))
  AND (s.status = 'failed' OR c.health = 'needs_attention'
       OR s.status = 'running' AND s.last_error_kind <> ALL(:soft)
       OR coalesce(s.last_success_at, c.created_at) < now() - make_interval(secs => :longest_lag))
ORDER BY p.name, p.id, c.connector LIMIT 100;

-- name: insert_events(project_id, rows)!
INSERT INTO connector_events (project_id, event_type, occurred_at, actor, source, source_ref, source_url, payload_json, dedupe_key)
SELECT :project_id, r.event_type, r.occurred_at, r.actor, r.source, r.source_ref, r.source_url, r.payload,
       decode(r.dedupe_key, 'hex')
FROM jsonb_to_recordset(:rows) AS r(event_type text, occurred_at timestamptz, actor text, source text, source_ref text,
     source_url text, payload jsonb, dedupe_key text)
ON CONFLICT (project_id, dedupe_key) DO NOTHING;

-- name: purge_events(days)!
DELETE FROM connector_events WHERE created_at < now() - make_interval(days => :days);

-- name: purge_errors(days)!
DELETE FROM connector_errors WHERE status = 'resolved' AND resolved_at < now() - make_interval(days => :days);
