-- What the bench writes and reads by itself; everything it measures is the application's own SQL.

-- name: copy_inboxes()!
COPY cw_inboxes_raw (project_id, id, connection_id, account_id, inbox_id, name, channel_type, content_hash) FROM STDIN;

-- name: copy_contacts()!
COPY cw_contacts (project_id, id, connection_id, account_id, contact_id, name, email, content_hash, source_created_at,
                  source_updated_at, updated_at) FROM STDIN;

-- name: copy_conversations()!
COPY cw_conversations (project_id, id, connection_id, account_id, conversation_id, contact_global_id, inbox_id, status,
                       labels, content_hash, last_activity_at, messages_read_to, last_message_id, source_created_at,
                       source_updated_at, updated_at) FROM STDIN;

-- name: copy_messages()!
COPY cw_messages (project_id, id, connection_id, account_id, message_id, conversation_id, conversation_global_id,
                  contact_global_id, sender_type, sender_id, sender_name, private, message_type, direction, content,
                  content_hash, source_created_at, source_updated_at, created_at, updated_at) FROM STDIN;

-- name: find_connection(project_id)$
SELECT id FROM connector_connections WHERE project_id = :project_id;

-- name: message_ids(project_id)
SELECT id FROM cw_messages WHERE project_id = :project_id ORDER BY message_id;

-- name: add_run_history(project_id, runs)!
-- A year's runs of each job type, one every few hours.
INSERT INTO job_runs (project_id, job_type, trigger, status, processed_count, result, attempt, queued_at, started_at,
                      finished_at, duration_ms)
SELECT :project_id, job_type, 'schedule', CASE WHEN n %% 50 = 7 THEN 'failed' ELSE 'completed' END, n %% 90,
       jsonb_build_object('processed', n %% 90, 'failed', 0), 1, at, at + interval '1 second', at + interval '4 seconds', 3000
FROM (SELECT job_type, n, now() - make_interval(hours => (:runs - n) * 4 + 1) AS at
      FROM generate_series(1, :runs) AS n,
           unnest(ARRAY['connectors_sync_cycle', 'connector_errors_retry', 'chatwoot_sync', 'embeddings_run',
                        'linear_sync']) AS job_type) history
ORDER BY at;

-- name: add_sync_state(project_id, connection_id, records)!
-- The connector as it is after a good sync.
WITH streams AS (
    INSERT INTO connector_streams (project_id, connection_id, stream, cursor_ts, cursor_id, last_success_at, records_total)
    SELECT :project_id, :connection_id, stream, now() - interval '10 minutes', '1', now() - interval '5 minutes', :records
    FROM unnest(ARRAY['conversations', 'contacts', 'inboxes', 'agents']) AS stream
)
INSERT INTO connector_sync_state (project_id, connector, status, cursor_ts, last_attempt_at, last_success_at)
VALUES (:project_id, 'chatwoot', 'ok', now() - interval '10 minutes', now() - interval '5 minutes', now() - interval '5 minutes');

-- name: hold_schedules()!
-- Nothing starts by itself while something else is measured.
UPDATE scheduled_jobs SET status = 'paused', paused_by = 'bench';

-- name: stamp()$
SELECT value #>> '{}' FROM app_settings WHERE key = 'bench';

-- name: set_stamp(stamp)!
INSERT INTO app_settings (key, value) VALUES ('bench', to_jsonb(:stamp::text));

-- name: count_pending()$
SELECT count(*) FROM rag_chunks WHERE embedding_status = 'pending';

-- name: analyse()!
VACUUM (ANALYZE);
