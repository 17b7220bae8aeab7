-- Keyword search reads lexemes: a word finds its inflections through an index, and how often it occurs
-- is known to the planner. The trigram index stays for what has no lexeme: identifiers and amounts.

-- The russian configuration stems Russian words and English ones alike; ё is written as е by half the
-- world, and file names of a Mac spell й in two characters.
ALTER TABLE cw_messages ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('russian'::regconfig,
    translate(lower(normalize(coalesce(content, ''), NFKC)), 'ё', 'е'))) STORED;

-- Both indexes hold what a search may show and nothing else.
DROP INDEX cw_messages_words;
CREATE INDEX cw_messages_words ON cw_messages USING gin (words) WHERE deleted_at IS NULL AND NOT private;
CREATE INDEX cw_messages_text ON cw_messages USING gin (search_text gin_trgm_ops)
    WHERE deleted_at IS NULL AND NOT private;
