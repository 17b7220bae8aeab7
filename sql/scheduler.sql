-- Job runs and schedules. A run is a row with a lease; whoever holds its claim_token may write it.

-- name: insert_run(project_id, job_type, trigger, requested_by, requested_by_name, request_id, payload, cascade_of, delay)^
-- A new run, or none when one of its type is waiting or working in the project.
INSERT INTO job_runs (project_id, job_type, trigger, requested_by, requested_by_name, request_id, payload, cascade_of,
                      not_before)
VALUES (:project_id, :job_type, :trigger, :requested_by, :requested_by_name, :request_id, :payload, :cascade_of,
        now() + make_interval(secs => :delay))
ON CONFLICT (project_id, job_type) WHERE status IN ('queued', 'running') DO NOTHING
RETURNING id, status;

-- name: join_run(project_id, job_type, again, delay)^
-- The run of that type that is alive. `again` has it run once more when it is already at work: what
-- the caller wants done may have come too late for it. One that waits for later is brought forward.
UPDATE job_runs SET run_again = run_again OR (:again AND status = 'running'),
       not_before = least(not_before, now() + make_interval(secs => :delay))
WHERE project_id = :project_id AND job_type = :job_type AND status IN ('queued', 'running')
RETURNING id, status;

-- name: expect_run(project_id, job_type, trigger, delay)^
-- See to it that a run begins after this statement, and within `delay` when none did yet. Most calls
-- find one that waits, or one at work that will be repeated, and write nothing. `settled` is false when
-- that one ended meanwhile: ask again.
WITH alive AS (
    SELECT id, status = 'queued' AND not_before <= now() + make_interval(secs => :delay)
               OR status = 'running' AND run_again AS enough
    FROM job_runs WHERE project_id = :project_id AND job_type = :job_type AND status IN ('queued', 'running')
), changed AS (
    UPDATE job_runs r SET run_again = r.run_again OR r.status = 'running',
           not_before = least(r.not_before, now() + make_interval(secs => :delay))
    FROM alive
    WHERE r.project_id = :project_id AND r.id = alive.id AND NOT alive.enough AND r.status IN ('queued', 'running')
    RETURNING r.status
), made AS (
    INSERT INTO job_runs (project_id, job_type, trigger, not_before)
    SELECT :project_id, :job_type, :trigger, now() + make_interval(secs => :delay)
    WHERE NOT EXISTS (SELECT FROM alive)
    ON CONFLICT (project_id, job_type) WHERE status IN ('queued', 'running') DO NOTHING
    RETURNING id
)
SELECT EXISTS (SELECT FROM alive WHERE enough) OR EXISTS (SELECT FROM changed) OR EXISTS (SELECT FROM made) AS settled,
       EXISTS (SELECT FROM made) OR EXISTS (SELECT FROM changed WHERE status = 'queued') AS sooner;

-- name: take_turn()$
-- Claims are made one at a time, so that two workers cannot pass a cap together.
SELECT pg_advisory_xact_lock(7265003) IS NULL;

-- name: claim_next(worker, lease_seconds, max_total, max_per_project)^
-- The waiting run of the project that has the fewest at work; the oldest of those.
WITH busy AS (
    SELECT project_id, count(*) AS runs FROM job_runs
    WHERE status = 'running' AND lease_until > now() GROUP BY project_id
), next AS (
    SELECT r.project_id, r.id
    FROM job_runs r LEFT JOIN busy b ON b.project_id = r.project_id
    WHERE r.status = 'queued' AND r.not_before <= now()
      AND coalesce(b.runs, 0) < :max_per_project
      AND (SELECT coalesce(sum(runs), 0) FROM busy) < :max_total
    ORDER BY coalesce(b.runs, 0), r.queued_at, r.id
    LIMIT 1 FOR UPDATE OF r SKIP LOCKED
)
UPDATE job_runs r SET status = 'running', claimed_by = :worker, claim_token = gen_random_uuid(),
       lease_until = now() + make_interval(secs => :lease_seconds), heartbeat_at = now(),
       attempt = r.attempt + 1, started_at = coalesce(r.started_at, now()), progress = '{}'
FROM next WHERE r.project_id = next.project_id AND r.id = next.id
RETURNING r.project_id, r.id, r.job_type, r.trigger, r.payload, r.claim_token, r.attempt, r.request_id, r.cancel_requested;

-- name: heartbeat(project_id, run_id, claim_token, lease_seconds, processed_count, progress)^
-- Renews the lease. No row: it was lost.
UPDATE job_runs SET lease_until = now() + make_interval(secs => :lease_seconds), heartbeat_at = now(),
       processed_count = :processed_count, progress = :progress
WHERE project_id = :project_id AND id = :run_id AND claim_token = :claim_token AND status = 'running'
RETURNING cancel_requested;

-- name: finish(project_id, run_id, claim_token, status, processed_count, result, error_kind, error)^
-- No row: the lease was lost, and another worker owns the run now.
UPDATE job_runs r SET status = :status, finished_at = now(), lease_until = NULL, claim_token = NULL,
       processed_count = :processed_count, result = :result, error_kind = :error_kind, error = left(:error, 4000),
       duration_ms = (extract(epoch FROM now() - r.started_at) * 1000)::bigint
FROM projects p
WHERE r.project_id = :project_id AND r.id = :run_id AND r.claim_token = :claim_token
  AND r.status = 'running' AND p.id = r.project_id
RETURNING r.project_id, r.id, r.job_type, r.attempt, r.run_again, r.finished_at, r.duration_ms, p.account_scope_id;

-- name: reschedule(project_id, job_type, succeeded, status, error, base_seconds, cap_seconds, retry_after, jitter, max_failures)!
-- After a run of whatever trigger: on success the next one comes after the cadence; after the nth
-- failure in a row after base * 2^(n-1), a little scattered, or when the vendor says, up to the cap.
-- Too many failures in a row suspend it (never, when max_failures is null); a success wakes it again.
UPDATE scheduled_jobs s SET
    last_run_at = now(), last_status = :status, last_error = left(:error, 2000), updated_at = now(),
    consecutive_failures = CASE WHEN :succeeded THEN 0 ELSE s.consecutive_failures + 1 END,
    status = CASE WHEN :succeeded AND s.status = 'suspended' THEN 'active'
                  WHEN NOT :succeeded AND s.status = 'active' AND s.consecutive_failures + 1 >= :max_failures::int
                  THEN 'suspended' ELSE s.status END,
    next_run_at = now() + make_interval(secs => CASE
        WHEN :succeeded THEN s.cadence_seconds
        WHEN :retry_after::float8 IS NOT NULL THEN least(:cap_seconds, :retry_after::float8)
        ELSE least(:cap_seconds, :base_seconds * 2 ^ least(s.consecutive_failures, 20)) * :jitter END)
WHERE s.project_id = :project_id AND s.job_type = :job_type;

-- name: bury_lost_runs(max_attempts)
-- Runs whose lease ended too often.
UPDATE job_runs r SET status = 'dead', finished_at = now(), lease_until = NULL, claim_token = NULL,
       error_kind = 'lease_expired', error = 'The worker was lost ' || attempt || ' times.',
       duration_ms = (extract(epoch FROM now() - r.started_at) * 1000)::bigint
FROM projects p
WHERE r.status = 'running' AND r.lease_until < now() AND r.attempt >= :max_attempts AND p.id = r.project_id
RETURNING r.project_id, r.id, r.job_type, r.attempt, r.run_again, r.finished_at, r.duration_ms, r.error, p.account_scope_id;

-- name: requeue_lost_runs()
UPDATE job_runs SET status = 'queued', lease_until = NULL, claim_token = NULL, claimed_by = NULL
WHERE status = 'running' AND lease_until < now()
RETURNING project_id, id, job_type;

-- name: queue_due(project_id, most)
-- Due schedules become waiting runs, one of a type in a project; null means all projects.
WITH due AS (
    SELECT project_id, id, job_type, payload FROM scheduled_jobs
    WHERE status = 'active' AND next_run_at <= now()
      AND (:project_id::uuid IS NULL OR project_id = :project_id)
    ORDER BY next_run_at, project_id, id LIMIT :most FOR UPDATE SKIP LOCKED
), moved AS (
    -- The end of the run sets the real time; until then this keeps it from being due again.
    UPDATE scheduled_jobs s SET next_run_at = now() + make_interval(secs => s.cadence_seconds), updated_at = now()
    FROM due WHERE s.project_id = due.project_id AND s.id = due.id
)
INSERT INTO job_runs (project_id, job_type, trigger, payload)
SELECT project_id, job_type, 'schedule', payload FROM due
ON CONFLICT (project_id, job_type) WHERE status IN ('queued', 'running') DO NOTHING
RETURNING project_id, id, job_type;

-- name: count_claimable()$
SELECT count(*) FROM job_runs WHERE status = 'queued' AND not_before <= now();

-- name: create_schedules(project_id, job_types, cadences)!
-- The first runs are spread over their first cadence, so that a new installation does not do all at once.
INSERT INTO scheduled_jobs (project_id, job_type, cadence_seconds, next_run_at)
SELECT :project_id, job_type, cadence, now() + make_interval(secs => cadence * random())
FROM unnest(:job_types::text[], :cadences::int[]) AS wanted(job_type, cadence)
ON CONFLICT (project_id, job_type) DO NOTHING;

-- name: find_run(project_id, run_id)^
SELECT id, job_type AS job_name, job_type, trigger, status, attempt, progress, processed_count, result, error_kind,
       error, requested_by_name, request_id, cascade_of, cancel_requested, queued_at, started_at, finished_at,
       heartbeat_at, duration_ms
FROM job_runs WHERE project_id = :project_id AND id = :run_id;

-- name: list_runs(project_id, job_type, status, before_at, before_id, most)
SELECT id, job_type, trigger, status, attempt, progress, processed_count, error_kind, error,
       queued_at, started_at, finished_at, duration_ms
FROM job_runs
WHERE project_id = :project_id
  AND (:job_type::text IS NULL OR job_type = :job_type)
  AND (:status::text IS NULL OR status = :status)
  AND (:before_at::timestamptz IS NULL OR (queued_at, id) < (:before_at::timestamptz, :before_id::uuid))
ORDER BY queued_at DESC, id DESC LIMIT :most;

-- name: request_cancel(project_id, run_id)^
-- A waiting run ends at once; a working one is asked to.
UPDATE job_runs r SET cancel_requested = true,
       status = CASE WHEN r.status = 'queued' THEN 'cancelled' ELSE r.status END,
       finished_at = CASE WHEN r.status = 'queued' THEN now() ELSE r.finished_at END
FROM projects p
WHERE r.project_id = :project_id AND r.id = :run_id AND r.status IN ('queued', 'running') AND p.id = r.project_id
RETURNING r.project_id, r.id, r.job_type, r.attempt, r.status, r.run_again, r.finished_at, r.duration_ms, p.account_scope_id;

-- name: latest_runs(project_id)
SELECT r.id, r.job_type AS job_name, r.status, r.queued_at, r.started_at, r.finished_at, r.processed_count,
       r.error, r.error_kind, r.trigger, r.progress, r.result AS meta
FROM job_latest l JOIN job_runs r ON r.project_id = l.project_id AND r.id = l.run_id
WHERE l.project_id = :project_id
ORDER BY r.job_type;

-- name: counters(project_id)
SELECT name, value FROM project_counters WHERE project_id = :project_id ORDER BY name;

-- name: table_sizes(names)
-- Sizes from the file system and the planner's statistics, never from rows. For the whole installation; a
-- table in parts has the sum of its parts.
WITH whole AS MATERIALIZED (SELECT pg_database_size(current_database()) AS bytes)
SELECT c.relname AS name, sum(pg_total_relation_size(part.oid))::bigint AS bytes,
       sum(greatest(part.reltuples, 0))::float8 AS all_rows, (SELECT bytes FROM whole) AS database_bytes
FROM pg_class c
JOIN pg_class part ON part.relkind = 'r'
    AND (part.oid = c.oid OR part.oid IN (SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = c.oid))
WHERE c.relname = ANY(:names) AND c.relnamespace = 'public'::regnamespace
GROUP BY c.relname
ORDER BY c.relname;

-- name: watermarks(project_id)
SELECT c.connector || ':' || c.external_account_id || ':' || s.stream AS source, s.cursor_ts, s.cursor_id,
       s.updated_at, jsonb_build_object('records_total', s.records_total, 'last_success_at', s.last_success_at) AS meta
FROM connector_streams s
JOIN connector_connections c ON c.project_id = s.project_id AND c.id = s.connection_id
WHERE s.project_id = :project_id
ORDER BY s.updated_at DESC, s.connection_id, s.stream LIMIT 5;

-- name: schedules(project_id)
SELECT s.id, s.job_type, s.status, s.cadence_seconds, s.next_run_at, s.last_run_at, s.last_status, s.last_error,
       s.payload, s.consecutive_failures, s.paused_by,
       CASE WHEN r.id IS NOT NULL THEN jsonb_build_object(
           'run_id', r.id, 'status', r.status, 'started_at', r.started_at, 'progress', r.progress) END AS running
FROM scheduled_jobs s
LEFT JOIN job_runs r ON r.project_id = s.project_id AND r.job_type = s.job_type AND r.status IN ('queued', 'running')
WHERE s.project_id = :project_id
ORDER BY s.job_type;

-- name: process_seen(process, kind, details)!
INSERT INTO process_heartbeats (process, kind, details) VALUES (:process, :kind, :details)
ON CONFLICT (process) DO UPDATE SET seen_at = now(), details = excluded.details;

-- name: process_gone(process)!
DELETE FROM process_heartbeats WHERE process = :process;

-- name: take_housekeeping(seconds)^
-- A row for the one worker whose turn it is, none for the others.
INSERT INTO process_heartbeats (process, kind) VALUES ('housekeeping', 'housekeeping')
ON CONFLICT (process) DO UPDATE SET seen_at = now()
WHERE process_heartbeats.seen_at < now() - make_interval(secs => :seconds)
RETURNING process;

-- name: purge_processes()!
DELETE FROM process_heartbeats WHERE seen_at < now() - interval '1 day';

-- name: purge_runs(days)!
DELETE FROM job_runs r
WHERE r.status IN ('completed', 'partial', 'failed', 'cancelled', 'dead') AND r.finished_at < now() - make_interval(days => :days)
  AND NOT EXISTS (SELECT FROM job_latest l WHERE l.project_id = r.project_id AND l.run_id = r.id);

-- name: give_back(project_id, run_id, claim_token)!
-- A worker that stops in order returns its run; that does not count as an attempt.
UPDATE job_runs SET status = 'queued', lease_until = NULL, claim_token = NULL, claimed_by = NULL,
       attempt = greatest(attempt - 1, 0)
WHERE project_id = :project_id AND id = :run_id AND claim_token = :claim_token AND status = 'running';

-- name: retry_source(project_id, run_id)^
-- The run that is wanted again, once it has ended.
SELECT job_type, payload, status FROM job_runs WHERE project_id = :project_id AND id = :run_id;

-- name: set_schedule_status(project_id, job_type, status, by)^
-- Pause or resume. Resumed, it is due at once and its failures are forgotten.
UPDATE scheduled_jobs SET status = :status, updated_at = now(),
       paused_by = CASE WHEN :status = 'paused' THEN :by END,
       next_run_at = CASE WHEN :status = 'active' THEN now() ELSE next_run_at END,
       consecutive_failures = CASE WHEN :status = 'active' THEN 0 ELSE consecutive_failures END
WHERE project_id = :project_id AND job_type = :job_type
RETURNING job_type, status, next_run_at;

-- name: silent_runs(minutes)
-- Runs that count as working and have shown no life for so long, in every project.
SELECT r.project_id, p.name AS project, r.id, r.job_type, r.attempt, r.claimed_by, r.heartbeat_at, r.started_at
FROM job_runs r JOIN projects p ON p.id = r.project_id
WHERE r.status = 'running' AND r.heartbeat_at < now() - make_interval(mins => :minutes)
   OR r.status = 'dead' AND r.finished_at > now() - interval '7 days'
ORDER BY r.heartbeat_at, r.project_id, r.id;
