-- What a word costs a question: no more in a project of a million messages, nor beside many other projects.

-- Words with the beginning of their project's id before each: the index then has a list of its own for a word
-- of a project, and nothing of other projects has to be passed over. The few letters need not tell all
-- projects apart; whoever asks names the project too. Longer words than 400 letters are looked for by nobody.
CREATE FUNCTION own_words(project_id uuid, words tsvector) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_to_tsvector(ARRAY(
    SELECT left(project_id::text, 8) || word FROM unnest(tsvector_to_array(words)) AS word WHERE length(word) <= 400));

-- The same of a question. In the text form of a tsquery each word stands in quotes.
CREATE FUNCTION own_query(project_id uuid, query tsquery) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(query::text, '''((?:[^'']|'''')+)''', '''' || left(project_id::text, 8) || '\1''', 'g')::tsquery;

DROP INDEX search_texts_words;
CREATE INDEX search_texts_words ON search_texts USING gin (own_words(project_id, words));

-- Every thirty-second source. By its key, so that it is the same one for every word, and in every database.
CREATE FUNCTION in_word_sample(source_pk text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtext(source_pk) & 31 = 0;

-- A common word is not looked up in the whole index, which would list every source that has it, but here.
CREATE INDEX search_texts_sample ON search_texts USING gin (own_words(project_id, words)) WHERE in_word_sample(source_pk);

-- The filters of a question, which every way to find something asks in the same words.
CREATE FUNCTION is_wanted(
    private boolean, source_type text, occurred_at timestamptz,
    with_private boolean, sources text[], since timestamptz, before timestamptz
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (with_private OR NOT private) AND (sources IS NULL OR source_type = ANY (sources))
    AND (since IS NULL OR occurred_at >= since) AND (before IS NULL OR occurred_at < before);
