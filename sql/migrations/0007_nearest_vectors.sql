-- One way to the nearest vectors, and each of them once: what an index walk found too little of is
-- replaced by the scan, not added to.
DROP FUNCTION nearest_vectors(uuid, smallint, int, halfvec, int, boolean, int, timestamptz, timestamptz);
DROP FUNCTION create_vector_index(smallint, int);

CREATE OR REPLACE FUNCTION nearest_vectors(
    project uuid, model smallint, dims int, question text, wanted int, exact boolean, ef int,
    sources text[], since timestamptz, before timestamptz
) RETURNS TABLE (chunk_id uuid, distance float8) LANGUAGE plpgsql AS $$
DECLARE
    filters text := format('v.project_id = %L AND v.model_id = %s', project, model)
        || CASE WHEN sources IS NULL THEN '' ELSE format(' AND v.source_type = ANY(%L::text[])', sources) END
        || CASE WHEN since IS NULL THEN '' ELSE format(' AND v.occurred_at >= %L', since) END
        || CASE WHEN before IS NULL THEN '' ELSE format(' AND v.occurred_at < %L', before) END;
    ids uuid[];
    distances float8[];
BEGIN
    IF NOT exact THEN
        PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true),
                set_config('hnsw.ef_search', least(1000, greatest(ef, 2 * wanted))::text, true),
                set_config('hnsw.max_scan_tuples', '60000', true);
        EXECUTE format(
            'WITH near AS MATERIALIZED (
                 SELECT v.chunk_id, (v.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s))::float8 AS distance
                 FROM rag_vectors v WHERE %3$s
                 ORDER BY v.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) LIMIT %4$s)
             SELECT array_agg(chunk_id ORDER BY distance, chunk_id), array_agg(distance ORDER BY distance, chunk_id)
             FROM near', dims, question, filters, wanted)
        INTO ids, distances;
        IF cardinality(ids) >= wanted THEN
            RETURN QUERY SELECT * FROM unnest(ids, distances);
            RETURN;
        END IF;
    END IF;
    -- The sum keeps the planner from the vector index, which would lose rows to the filter.
    RETURN QUERY EXECUTE format(
        'SELECT v.chunk_id, (v.embedding <=> %L::halfvec)::float8 + 0 AS distance
         FROM rag_vectors v WHERE %s ORDER BY distance, v.chunk_id LIMIT %s', question, filters, wanted);
END $$;
