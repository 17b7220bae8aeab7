-- Attio's records are read by sweeps and, when a webhook names them, one by one. Whose reading is newer is
-- told by when it was asked for: last_seen_at of the row.

DROP FUNCTION attio_see(regclass, uuid, text, uuid, text[], uuid);
DROP FUNCTION attio_unseen(regclass, uuid, uuid, uuid, text);
DROP FUNCTION attio_mark_deleted(regclass, uuid, text[]);

-- A reading named these. One that is no sweep leaves the mark of a sweep at work as it is.
CREATE FUNCTION attio_see(raw regclass, project uuid, workspace text, connection uuid, ids text[], sweep uuid, read_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'UPDATE %s SET sweep_id = coalesce($1, sweep_id), connection_id = $2, last_seen_at = greatest(last_seen_at, $6)
         WHERE project_id = $3 AND workspace_id = $4 AND external_id = ANY($5)', raw)
    USING sweep, connection, project, workspace, ids, read_at;
END $$;

-- Rows of a connection (and of one list) that a sweep did not see, nor anything else since it began; and how
-- many rows there are at all.
CREATE FUNCTION attio_unseen(raw regclass, project uuid, connection uuid, sweep uuid, began timestamptz, list text,
                             OUT ids text[], OUT stored bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE sweep_id IS DISTINCT FROM $1 AND last_seen_at < $4), ''{}''),
                count(*)
         FROM %s WHERE project_id = $2 AND connection_id = $3 AND deleted_at IS NULL %s',
        raw, CASE WHEN list IS NULL THEN '' ELSE format('AND list_slug = %L', list) END)
    INTO ids, stored USING sweep, project, connection, began;
END $$;

-- Answers those that are marked now: not what was gone already, nor what a later reading saw.
CREATE FUNCTION attio_mark_deleted(raw regclass, project uuid, gone text[], read_at timestamptz) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE marked text[];
BEGIN
    EXECUTE format(
        'WITH marked AS (
             UPDATE %s SET deleted_at = now(), updated_at = now(), last_seen_at = $3
             WHERE project_id = $1 AND id = ANY($2) AND deleted_at IS NULL AND last_seen_at <= $3 RETURNING id)
         SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM marked', raw)
    INTO marked USING project, gone, read_at;
    RETURN marked;
END $$;

CREATE FUNCTION attio_row_ids(raw regclass, project uuid, workspace text, externals text[]) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE found text[];
BEGIN
    EXECUTE format(
        'SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM %s
         WHERE project_id = $1 AND workspace_id = $2 AND external_id = ANY($3) AND deleted_at IS NULL', raw)
    INTO found USING project, workspace, externals;
    RETURN found;
END $$;
