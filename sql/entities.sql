-- Whom and what a text names.

-- name: known_names(project_id, contact_ids, person_ids, pairs, phrases)
-- People and companies that the evidence may name: the clients it is from and the team, people that are
-- evidence themselves, whoever bears one of the names written in it, and what the keys of the project's issues
-- begin with. `pairs` are LIKE patterns of two words with capitals, folded and without endings; `phrases` are
-- what may be a company, in lower case, a line each.
-- Nothing is limited within the branches: a limit would have whole tables read instead of the indexes.
SELECT 'person' AS kind, 'contact' AS known_as, c.id, c.name FROM cw_contacts c
WHERE c.project_id = :project_id AND c.id = ANY (:contact_ids) AND c.deleted_at IS NULL AND c.name <> ''
UNION
SELECT 'person', 'contact', c.id, c.name FROM cw_contacts c
WHERE c.project_id = :project_id AND c.search_text LIKE ANY (:pairs) AND c.deleted_at IS NULL AND c.name <> ''
UNION
SELECT 'person', 'agent', a.id, a.name FROM cw_agents a
WHERE a.project_id = :project_id AND a.deleted_at IS NULL AND a.name <> ''
UNION
SELECT 'person', 'crm_person', p.id, p.full_name FROM attio_people_raw p
WHERE p.project_id = :project_id AND p.deleted_at IS NULL AND p.full_name <> ''
  AND p.id IN (SELECT unnest(:person_ids::text[])
               UNION ALL
               SELECT t.source_pk FROM search_texts t
               WHERE t.project_id = :project_id AND t.source_type = 'attio_person' AND t.body LIKE ANY (:pairs))
UNION
SELECT 'company', 'company', a.id::text, a.name FROM crm_accounts a
WHERE a.project_id = :project_id AND lower(btrim(a.name)) = ANY (string_to_array(:phrases, E'\n')) AND a.source_deleted_at IS NULL
UNION
SELECT 'company', 'company', a.id::text, a.name FROM crm_accounts a
WHERE a.project_id = :project_id AND a.search_text LIKE ANY (:pairs) AND a.source_deleted_at IS NULL
UNION
SELECT 'issues', 'team', t.id, t.key FROM linear_teams_raw t
WHERE t.project_id = :project_id AND t.key <> '' AND t.deleted_at IS NULL
ORDER BY kind, name, known_as, id LIMIT 500;
