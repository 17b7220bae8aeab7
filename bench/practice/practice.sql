-- What fitting reads of a project: every public source, and where its chunks lie.

-- name: public_sources(project_id)
SELECT t.source_type, t.source_pk FROM search_texts t
WHERE t.project_id = :project_id AND NOT t.private
ORDER BY t.source_type, t.source_pk;

-- name: chunk_vectors(project_id)
SELECT c.source_type, c.source_pk, v.embedding::text AS vector
FROM rag_chunks c JOIN rag_vectors v ON v.project_id = c.project_id AND v.chunk_id = c.id
WHERE c.project_id = :project_id
ORDER BY c.source_type, c.source_pk, c.id;
