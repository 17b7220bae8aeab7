-- A project reads one account of a vendor: its state, its errors and its schedule are told by connector. A
-- second one could be stored and was never read.
UPDATE connector_connections c SET enabled = false, updated_at = now()
WHERE c.enabled AND EXISTS (
    SELECT FROM connector_connections o
    WHERE o.project_id = c.project_id AND o.connector = c.connector AND o.enabled
      AND (o.created_at, o.id) < (c.created_at, c.id));
CREATE UNIQUE INDEX connector_connections_one ON connector_connections (project_id, connector) WHERE enabled;
