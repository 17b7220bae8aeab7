-- What may leave to a paid provider of embeddings, and what it already answered.

-- as_is: texts as they are. redacted: without addresses, phone and card numbers. local_only: nothing
-- leaves; the project uses the encoder that ships with the application.
ALTER TABLE projects ADD COLUMN embedding_policy text NOT NULL DEFAULT 'as_is'
    CHECK (embedding_policy IN ('as_is', 'redacted', 'local_only'));

-- Vectors of questions that were paid for, for a day. By hash: the question itself is not kept here.
CREATE TABLE query_embedding_cache (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    model_id smallint NOT NULL REFERENCES embedding_models,
    text_hash bytea NOT NULL,
    embedding halfvec NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, model_id, text_hash)
);
CREATE INDEX query_embedding_cache_age ON query_embedding_cache (created_at);
