-- While one model's vectors are replaced by another's, questions go to the old ones, project by project,
-- until the new ones are complete.

-- The model whose vectors answer this project's questions. Null: it never had any.
ALTER TABLE projects ADD COLUMN search_model_id smallint REFERENCES embedding_models;
UPDATE projects p SET search_model_id = (
    SELECT embedding_model_id FROM rag_chunks c
    WHERE c.project_id = p.id AND embedding_model_id IS NOT NULL
    GROUP BY embedding_model_id ORDER BY count(*) DESC, embedding_model_id DESC LIMIT 1);

-- Chunks of another model than the wanted one: how many there are, and the next ones to embed anew.
CREATE INDEX rag_chunks_model ON rag_chunks (project_id, embedding_model_id, id);

-- Counted until the vectors were spread over parts; read by nobody.
DELETE FROM project_counters WHERE name LIKE 'vectors.%';

-- The number of a model, with its own partial vector index: made at its first use, and again when the
-- model comes back after its index was dropped.
CREATE OR REPLACE FUNCTION ensure_embedding_model(wanted text, dims int) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
    found smallint;
BEGIN
    SELECT id INTO found FROM embedding_models WHERE identity = wanted;
    IF found IS NOT NULL AND to_regclass(format('rag_vectors_hnsw_%s', found)) IS NOT NULL THEN
        RETURN found;
    END IF;
    PERFORM pg_advisory_xact_lock(7265004);
    INSERT INTO embedding_models (identity, dimensions) VALUES (wanted, dims) ON CONFLICT (identity) DO NOTHING;
    SELECT id INTO found FROM embedding_models WHERE identity = wanted;
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS rag_vectors_hnsw_%s ON rag_vectors
         USING hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops) WHERE model_id = %s',
        found, dims, found);
    RETURN found;
END $$;

-- Drops the vector indexes of models that no project searches, that nobody wants and that have no vectors.
-- A drop waits for every search: when one is at work for long, the index stays until the next time.
CREATE FUNCTION drop_unused_vector_indexes(wanted text[]) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    model smallint;
    dropped int := 0;
BEGIN
    PERFORM set_config('lock_timeout', '300ms', true);
    FOR model IN
        SELECT m.id FROM embedding_models m
        WHERE m.identity <> ALL (wanted) AND to_regclass(format('rag_vectors_hnsw_%s', m.id)) IS NOT NULL
          AND m.created_at < now() - interval '1 hour'
          AND NOT EXISTS (SELECT FROM projects p WHERE p.search_model_id = m.id)
          AND NOT EXISTS (SELECT FROM rag_vectors v JOIN projects p ON p.id = v.project_id WHERE v.model_id = m.id)
        ORDER BY m.id
    LOOP
        BEGIN
            EXECUTE format('DROP INDEX IF EXISTS rag_vectors_hnsw_%s', model);
            dropped := dropped + 1;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            NULL;
        END;
    END LOOP;
    RETURN dropped;
END $$;
