-- The audit log.

-- name: insert_event(project_id, actor_user_id, actor_username, action, entity_type, entity_id, status, request_id, payload, evidence_refs)!
INSERT INTO audit_events (project_id, actor_user_id, actor_username, action, entity_type, entity_id,
                          status, request_id, payload, evidence_refs)
VALUES (:project_id, :actor_user_id, :actor_username, :action, :entity_type, :entity_id,
        :status, :request_id, :payload, :evidence_refs);
