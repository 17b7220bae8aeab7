-- One table of words for every source. What can be found by its words stands here, folded and stemmed,
-- written in the transaction that writes the source. It is spread over 16 parts by project: a word costs
-- what it occurs in its own project and in those few that share the part, however many there are.

CREATE SCHEMA parts;

CREATE FUNCTION fold_text(given text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate(lower(normalize(given, NFKC)), 'ё', 'е');

CREATE TABLE search_texts (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    source_type text NOT NULL,
    source_pk text NOT NULL,
    conversation_global_id text,
    -- When the source was written; what dates and recency go by.
    occurred_at timestamptz,
    private boolean NOT NULL DEFAULT false,
    -- Names of who wrote it and to whom, then the text. Folded: one form of each letter, lower case, ё as
    -- е. At most 200,000 characters: Postgres refuses a vector of words of more than a megabyte.
    body text NOT NULL,
    -- Russian and English words in one configuration: it stems each by its letters.
    words tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('russian'::regconfig, body)) STORED,
    PRIMARY KEY (project_id, source_type, source_pk)
) PARTITION BY HASH (project_id);

-- Vectors are spread the same way: the nearest ones of a project are looked for among its own and few
-- others, so that the index is walked over as good as no foreign rows.
CREATE TEMPORARY TABLE vectors_so_far ON COMMIT DROP AS TABLE rag_vectors;
DROP TABLE rag_vectors;
CREATE TABLE rag_vectors (
    project_id uuid NOT NULL,
    model_id smallint NOT NULL,
    chunk_id uuid NOT NULL,
    embedding halfvec NOT NULL,
    source_type text NOT NULL,
    occurred_at timestamptz,
    PRIMARY KEY (project_id, model_id, chunk_id)
) PARTITION BY HASH (project_id);
ALTER TABLE rag_vectors ALTER COLUMN embedding SET STORAGE PLAIN;

DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format('CREATE TABLE parts.search_texts_%1$s PARTITION OF search_texts
            FOR VALUES WITH (MODULUS 16, REMAINDER %1$s)
            WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)', part);
        EXECUTE format('CREATE TABLE parts.rag_vectors_%1$s PARTITION OF rag_vectors
            FOR VALUES WITH (MODULUS 16, REMAINDER %1$s)
            WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.01)', part);
    END LOOP;
END $$;

INSERT INTO rag_vectors (project_id, model_id, chunk_id, embedding, source_type, occurred_at)
SELECT project_id, model_id, chunk_id, embedding, source_type, occurred_at FROM vectors_so_far;
ALTER TABLE rag_vectors
    ADD CONSTRAINT rag_vectors_model_id_fkey FOREIGN KEY (model_id) REFERENCES embedding_models,
    ADD CONSTRAINT rag_vectors_project_id_chunk_id_fkey FOREIGN KEY (project_id, chunk_id)
        REFERENCES rag_chunks (project_id, id) ON DELETE CASCADE;
DO $$
DECLARE
    model embedding_models;
BEGIN
    FOR model IN SELECT * FROM embedding_models LOOP
        EXECUTE format('CREATE INDEX rag_vectors_hnsw_%s ON rag_vectors
            USING hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops) WHERE model_id = %s',
            model.id, model.dimensions, model.id);
    END LOOP;
END $$;

INSERT INTO search_texts (project_id, source_type, source_pk, conversation_global_id, occurred_at, private, body)
SELECT m.project_id, 'chatwoot_message', m.id, m.conversation_global_id, m.created_at, m.private,
       fold_text(left(concat_ws(E'\n', nullif(m.sender_name, c.name), c.name, m.content), 200000))
FROM cw_messages m
LEFT JOIN cw_contacts c ON c.project_id = m.project_id AND c.id = m.contact_global_id
WHERE m.deleted_at IS NULL AND m.direction IN ('inbound', 'outbound') AND btrim(m.content) <> ''
UNION ALL
SELECT project_id, source_type, id, NULL, occurred_at, false,
       fold_text(left(concat_ws(E'\n', title, author, body), 200000))
FROM source_documents;

-- Without the project: a part holds few of them, and to cut a word's list with a project's would cost
-- more than to pass over the foreign rows.
CREATE INDEX search_texts_words ON search_texts USING gin (words);
CREATE INDEX search_texts_body ON search_texts USING gin (body gin_trgm_ops);

ALTER TABLE cw_messages DROP COLUMN words;
ALTER TABLE source_documents DROP COLUMN words, DROP COLUMN search_text;

-- Messages are embedded alone from now on. Their vectors are made anew; until then the old ones serve.
UPDATE rag_chunks SET context = '', text_hash = sha256(convert_to(text, 'UTF8')), embedding_status = 'pending',
    embedding_attempts = 0, claim_token = NULL, claimed_by_run = NULL, lease_expires_at = NULL, next_attempt_at = now()
WHERE source_type = 'chatwoot_message' AND context <> '';

-- The vendor's own id of what a document was made from.
ALTER TABLE source_documents ADD COLUMN source_ref text NOT NULL GENERATED ALWAYS AS (substring(id from '[^:]*$')) STORED;
