-- Chunks of text, their vectors, and the record of every question asked.

-- An encoder is told apart by its identity: provider, model, dimensions and the chunker's version.
-- Vectors of two models are never compared; each model has its own partial index (see rag.sql).
CREATE TABLE embedding_models (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL UNIQUE,
    dimensions int NOT NULL CHECK (dimensions BETWEEN 8 AND 4000),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A piece of a source document. `kind` window holds several short messages read together.
CREATE TABLE rag_chunks (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    source_type text NOT NULL,
    source_pk text NOT NULL,
    kind text NOT NULL DEFAULT 'text' CHECK (kind IN ('text', 'window')),
    chunk_index int NOT NULL CHECK (chunk_index >= 0),
    conversation_global_id text,
    message_global_id text,
    text text NOT NULL,
    -- What stands before the text when it is embedded (who, where, when); not shown, not searched.
    context text NOT NULL DEFAULT '',
    text_hash bytea NOT NULL,
    content_tokens int NOT NULL,
    start_offset int NOT NULL DEFAULT 0,
    end_offset int NOT NULL DEFAULT 0,
    chunker_version smallint NOT NULL,
    -- When the source was written; what dates and recency go by.
    occurred_at timestamptz,
    embedding_status text NOT NULL DEFAULT 'pending'
        CHECK (embedding_status IN ('pending', 'processing', 'ready', 'failed')),
    embedding_model_id smallint REFERENCES embedding_models,
    embedding_attempts int NOT NULL DEFAULT 0,
    embedding_error text CHECK (length(embedding_error) <= 400),
    -- Who is embedding it: changes with every run's attempt, so that a run that was given up for lost
    -- can no longer write. The claim ends with its lease or with the job run that made it.
    claim_token uuid,
    claimed_by_run uuid,
    lease_expires_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_embedded_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, source_type, source_pk, kind, chunk_index)
);
CREATE INDEX rag_chunks_pending ON rag_chunks (project_id, next_attempt_at, created_at, id)
    WHERE embedding_status = 'pending';
CREATE INDEX rag_chunks_leases ON rag_chunks (project_id, lease_expires_at)
    WHERE embedding_status = 'processing';
CREATE INDEX rag_chunks_failed ON rag_chunks (project_id, updated_at DESC, id)
    WHERE embedding_status = 'failed';
CREATE INDEX rag_chunks_conversation ON rag_chunks (project_id, conversation_global_id, id);
ALTER TABLE rag_chunks SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.01);

-- Vectors stand apart from the text: rows stay small enough to be scanned without TOAST, and a chunk
-- may have vectors of the old and the new model while one replaces the other.
CREATE TABLE rag_vectors (
    project_id uuid NOT NULL,
    model_id smallint NOT NULL REFERENCES embedding_models,
    chunk_id uuid NOT NULL,
    embedding halfvec NOT NULL,
    source_type text NOT NULL,
    occurred_at timestamptz,
    PRIMARY KEY (project_id, model_id, chunk_id),
    FOREIGN KEY (project_id, chunk_id) REFERENCES rag_chunks (project_id, id) ON DELETE CASCADE
);
ALTER TABLE rag_vectors ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE rag_vectors SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.01);

-- Each model's vectors have their own index: made when the model is first used.
CREATE FUNCTION create_vector_index(model smallint, dimensions int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS rag_vectors_nearest_%1$s ON rag_vectors
         USING hnsw ((embedding::halfvec(%2$s)) halfvec_cosine_ops) WHERE model_id = %1$s',
        model, dimensions);
END $$;

-- The nearest vectors of a project, exactly `wanted` of them when there are so many. An index scan that
-- filters by project may come back short; the scan of the project's own rows never does.
CREATE FUNCTION nearest_vectors(
    project uuid, model smallint, dimensions int, question halfvec, wanted int, exact boolean,
    width int, written_from timestamptz, written_before timestamptz
) RETURNS TABLE (chunk_id uuid, distance float8) ROWS 50 LANGUAGE plpgsql AS $$
DECLARE
    found_ids uuid[];
    found_distances float8[];
BEGIN
    IF NOT exact THEN
        PERFORM set_config('hnsw.ef_search', width::text, true),
                set_config('hnsw.iterative_scan', 'strict_order', true);
        EXECUTE format(
            'SELECT array_agg(chunk_id ORDER BY d, chunk_id), array_agg(d ORDER BY d, chunk_id) FROM (
                 SELECT v.chunk_id, (v.embedding::halfvec(%1$s) <=> $1)::float8 AS d FROM rag_vectors v
                 WHERE v.model_id = %2$s AND v.project_id = $2
                   AND ($3 IS NULL OR v.occurred_at >= $3) AND ($4 IS NULL OR v.occurred_at < $4)
                 ORDER BY v.embedding::halfvec(%1$s) <=> $1 LIMIT $5) nearest',
            dimensions, model)
        INTO found_ids, found_distances
        USING question, project, written_from, written_before, wanted;
        IF cardinality(found_ids) = wanted THEN
            RETURN QUERY SELECT * FROM unnest(found_ids, found_distances);
            RETURN;
        END IF;
    END IF;
    -- Without the cast of the index's expression no vector index fits: this reads the project's rows.
    RETURN QUERY
        SELECT v.chunk_id, v.embedding <=> question FROM rag_vectors v
        WHERE v.project_id = project AND v.model_id = model
          AND (written_from IS NULL OR v.occurred_at >= written_from)
          AND (written_before IS NULL OR v.occurred_at < written_before)
        ORDER BY 2, 1 LIMIT wanted;
END $$;

CREATE TRIGGER rag_vectors_counted_i AFTER INSERT ON rag_vectors REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('vectors', 'model_id', 'all');
CREATE TRIGGER rag_vectors_counted_u AFTER UPDATE ON rag_vectors
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('vectors', 'model_id', 'all');
CREATE TRIGGER rag_vectors_counted_d AFTER DELETE ON rag_vectors REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('vectors', 'model_id', 'all');

CREATE TRIGGER rag_chunks_counted_i AFTER INSERT ON rag_chunks REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('chunks', 'embedding_status', 'all');
CREATE TRIGGER rag_chunks_counted_u AFTER UPDATE ON rag_chunks
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('chunks', 'embedding_status', 'all');
CREATE TRIGGER rag_chunks_counted_d AFTER DELETE ON rag_chunks REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows('chunks', 'embedding_status', 'all');

CREATE TABLE embedding_usage (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    day date NOT NULL,
    model_id smallint NOT NULL REFERENCES embedding_models,
    purpose text NOT NULL CHECK (purpose IN ('chunks', 'query')),
    calls bigint NOT NULL DEFAULT 0,
    tokens bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (project_id, day, model_id, purpose)
);

CREATE TABLE lightrag_query_runs (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id uuid REFERENCES app_users ON DELETE SET NULL,
    created_by text CHECK (length(created_by) <= 200),
    query_text text NOT NULL CHECK (length(query_text) <= 4000),
    mode text NOT NULL DEFAULT 'hybrid' CHECK (mode IN ('hybrid', 'vector', 'keyword')),
    filters jsonb NOT NULL DEFAULT '{}',
    top_k int NOT NULL,
    chunk_hits int NOT NULL,
    source_hits int NOT NULL,
    evidence jsonb NOT NULL,
    answer text NOT NULL CHECK (length(answer) <= 10000),
    quality_score numeric(5, 2) NOT NULL,
    source_diversity int NOT NULL DEFAULT 0,
    cached boolean NOT NULL DEFAULT false,
    degraded boolean NOT NULL DEFAULT false,
    embedding_model_id smallint REFERENCES embedding_models,
    duration_ms int,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id)
);
CREATE INDEX lightrag_query_runs_newest ON lightrag_query_runs (project_id, created_at DESC, id DESC);

CREATE TABLE lightrag_feedback (
    project_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    query_run_id bigint NOT NULL,
    user_id uuid NOT NULL REFERENCES app_users ON DELETE CASCADE,
    rating smallint NOT NULL CHECK (rating BETWEEN -1 AND 1),
    comment text CHECK (length(comment) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, query_run_id, user_id),
    FOREIGN KEY (project_id, query_run_id) REFERENCES lightrag_query_runs (project_id, id) ON DELETE CASCADE
);

CREATE TABLE search_analytics (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    event_type text NOT NULL DEFAULT 'search' CHECK (event_type IN ('search', 'click', 'suggestion')),
    query text NOT NULL CHECK (length(query) <= 4000),
    query_norm text NOT NULL,
    query_run_id bigint,
    result_count int NOT NULL DEFAULT 0,
    filters jsonb NOT NULL DEFAULT '{}',
    user_id uuid REFERENCES app_users ON DELETE SET NULL,
    clicked_result_id text,
    clicked_source_type text,
    duration_ms int,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id)
);
CREATE INDEX search_analytics_newest ON search_analytics (project_id, event_type, created_at DESC, id);

-- The number of a model, with its own partial vector index made at its first use.
CREATE FUNCTION ensure_embedding_model(wanted text, dims int) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
    found smallint;
BEGIN
    SELECT id INTO found FROM embedding_models WHERE identity = wanted;
    IF found IS NULL THEN
        PERFORM pg_advisory_xact_lock(7265004);
        INSERT INTO embedding_models (identity, dimensions) VALUES (wanted, dims)
        ON CONFLICT (identity) DO NOTHING RETURNING id INTO found;
        IF found IS NULL THEN
            SELECT id INTO found FROM embedding_models WHERE identity = wanted;
        ELSE
            EXECUTE format(
                'CREATE INDEX rag_vectors_hnsw_%s ON rag_vectors
                 USING hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops) WHERE model_id = %s',
                found, dims, found);
        END IF;
    END IF;
    RETURN found;
END $$;

-- The nearest vectors of a project. Planned at each call with its numbers in place: a generic plan
-- would not use the partial index. `exact` scans the project; else the index is walked until enough
-- rows of the project are found, and a scan steps in when it gives up before that.
CREATE FUNCTION nearest_vectors(
    project uuid, model smallint, dims int, question text, wanted int, exact boolean, ef int,
    sources text[], since timestamptz, before timestamptz
) RETURNS TABLE (chunk_id uuid, distance float8) LANGUAGE plpgsql AS $$
DECLARE
    filters text := format('v.project_id = %L AND v.model_id = %s', project, model)
        || CASE WHEN sources IS NULL THEN '' ELSE format(' AND v.source_type = ANY(%L::text[])', sources) END
        || CASE WHEN since IS NULL THEN '' ELSE format(' AND v.occurred_at >= %L', since) END
        || CASE WHEN before IS NULL THEN '' ELSE format(' AND v.occurred_at < %L', before) END;
    found int;
BEGIN
    IF NOT exact THEN
        PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true),
                set_config('hnsw.ef_search', least(1000, greatest(ef, 2 * wanted))::text, true),
                set_config('hnsw.max_scan_tuples', '60000', true);
        RETURN QUERY EXECUTE format(
            'WITH near AS MATERIALIZED (
                 SELECT v.chunk_id, (v.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s))::float8 AS distance
                 FROM rag_vectors v WHERE %3$s
                 ORDER BY v.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) LIMIT %4$s)
             SELECT chunk_id, distance FROM near ORDER BY distance, chunk_id', dims, question, filters, wanted);
        GET DIAGNOSTICS found = ROW_COUNT;
        IF found >= wanted THEN
            RETURN;
        END IF;
    END IF;
    -- The sum keeps the planner from the vector index, which would lose rows to the filter.
    RETURN QUERY EXECUTE format(
        'SELECT v.chunk_id, (v.embedding <=> %L::halfvec)::float8 + 0 AS distance
         FROM rag_vectors v WHERE %s ORDER BY distance, v.chunk_id LIMIT %s', question, filters, wanted);
END $$;
