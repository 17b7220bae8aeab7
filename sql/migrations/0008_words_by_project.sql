-- The indexes of keyword search begin with the project: what a word costs is decided by the project it
-- is looked for in, and not by how many others the installation has.
CREATE EXTENSION IF NOT EXISTS btree_gin;

DROP INDEX cw_messages_words;
CREATE INDEX cw_messages_words ON cw_messages USING gin (project_id, words) WHERE deleted_at IS NULL AND NOT private;
DROP INDEX cw_messages_text;
CREATE INDEX cw_messages_text ON cw_messages USING gin (project_id, search_text gin_trgm_ops)
    WHERE deleted_at IS NULL AND NOT private;
