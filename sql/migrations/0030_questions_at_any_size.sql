-- What a word costs a question: no more in a project of a million messages, nor beside many other projects.

-- The index of words begins with the project: its list of a word is cut with the project's own, so that a
-- part of the table may hold many projects.
DROP INDEX search_texts_words;
CREATE INDEX search_texts_words ON search_texts USING gin (project_id, words);

-- Every sixteenth source. By its key, so that it is the same one for every word, and in every database.
CREATE FUNCTION in_word_sample(source_pk text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtext(source_pk) & 15 = 0;

-- A common word is not looked up in the whole index, which would list every source that has it, but here.
CREATE INDEX search_texts_sample ON search_texts USING gin (project_id, words) WHERE in_word_sample(source_pk);

-- The filters of a question, which every way to find something asks in the same words.
CREATE FUNCTION is_wanted(
    private boolean, source_type text, occurred_at timestamptz,
    with_private boolean, sources text[], since timestamptz, before timestamptz
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (with_private OR NOT private) AND (sources IS NULL OR source_type = ANY (sources))
    AND (since IS NULL OR occurred_at >= since) AND (before IS NULL OR occurred_at < before);
