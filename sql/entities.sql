-- Whom and what a text names.

-- name: known_names(project_id, beginnings, most)
-- People and companies of the project in whose names one of these beginnings of words stands: contacts,
-- the team in Chatwoot, people of the CRM, companies. `beginnings` are LIKE patterns of folded text.
(SELECT 'person' AS kind, 'contact' AS known_as, c.id, c.name FROM cw_contacts c
 WHERE c.project_id = :project_id AND c.deleted_at IS NULL AND c.name <> '' AND c.search_text LIKE ANY (:beginnings)
 ORDER BY c.id LIMIT :most)
UNION ALL
(SELECT 'person', 'agent', a.id, a.name FROM cw_agents a
 WHERE a.project_id = :project_id AND translate(lower(a.name), 'ё', 'е') LIKE ANY (:beginnings)
 ORDER BY a.id LIMIT :most)
UNION ALL
(SELECT 'person', 'crm_person', p.id, p.full_name FROM attio_people_raw p
 WHERE p.project_id = :project_id AND p.deleted_at IS NULL
   AND translate(lower(p.full_name), 'ё', 'е') LIKE ANY (:beginnings)
 ORDER BY p.id LIMIT :most)
UNION ALL
(SELECT 'company', 'company', a.id::text, a.name FROM crm_accounts a
 WHERE a.project_id = :project_id AND a.source_deleted_at IS NULL AND a.search_text LIKE ANY (:beginnings)
 ORDER BY a.id LIMIT :most)
ORDER BY kind, name, known_as, id;
