-- The audit log.

-- name: insert_event(project_id, actor_user_id, actor_username, action, entity_type, entity_id, status, request_id, payload)!
INSERT INTO audit_events (project_id, actor_user_id, actor_username, action, entity_type, entity_id,
                          status, request_id, payload)
VALUES (:project_id, :actor_user_id, :actor_username, :action, :entity_type, :entity_id,
        :status, :request_id, :payload);
