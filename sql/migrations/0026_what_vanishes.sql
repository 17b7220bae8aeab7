-- What a vendor deletes goes here too, the small kinds included: Linear's teams, states, projects, cycles and
-- labels, Chatwoot's inboxes and agents.
ALTER TABLE cw_agents ADD COLUMN deleted_at timestamptz;

-- A page of a sweep named these: they are there, and this connection's. Whatever the two clocks say, what a
-- sweep saw was seen after it began.
CREATE FUNCTION linear_see(raw regclass, project uuid, connection uuid, ids text[], began timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'UPDATE %s SET last_seen_at = greatest(now(), $4), connection_id = $2
         WHERE project_id = $1 AND external_id = ANY($3)', raw)
    USING project, connection, ids, began;
END $$;

-- Rows of a connection that were not seen since a sweep began, and how many there are at all.
CREATE FUNCTION linear_unseen(raw regclass, project uuid, connection uuid, began timestamptz,
                              OUT ids text[], OUT stored bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE last_seen_at < $3), ''{}''), count(*)
         FROM %s WHERE project_id = $1 AND connection_id = $2 AND deleted_at IS NULL', raw)
    INTO ids, stored USING project, connection, began;
END $$;
