-- Contacts pushed to Loops: which ones, why the others not, what Loops was told.

-- name: plan(account_scope_id, project_ids, visible_ids, internal_domains, version, most)^
-- What there is to push of the contacts of `project_ids`: how many have which fate, and the next ones
-- that wait. A contact's projects are those of the whole scope, as far as the caller may see them or
-- Loops knows of them already: a push by somebody who sees less neither tells more nor takes away.
-- Those tried longest ago come first, so that every contact is reached however small the runs are.
WITH people AS (
    SELECT lower(c.email) AS email, array_agg(DISTINCT c.project_id) AS project_ids,
           (array_agg(btrim(c.name) ORDER BY c.source_updated_at DESC NULLS LAST, c.id)
               FILTER (WHERE btrim(c.name) <> ''))[1] AS name
    FROM projects p JOIN cw_contacts c ON c.project_id = p.id
    WHERE p.account_scope_id = :account_scope_id AND p.archived_at IS NULL
      AND c.deleted_at IS NULL AND c.email <> ''
    GROUP BY 1 HAVING bool_or(c.project_id = ANY (:project_ids::uuid[]))
), team AS (
    SELECT lower(a.email) AS email FROM cw_agents a JOIN projects p ON p.id = a.project_id
    WHERE p.account_scope_id = :account_scope_id AND a.email IS NOT NULL
    UNION
    SELECT lower(email) FROM app_users WHERE email IS NOT NULL
), refused AS (
    -- Contacts and addresses that want no email, or shall get none; the same rules as find_block.
    SELECT contact_global_id AS who, 3 AS rank FROM contact_channel_policies
    WHERE account_scope_id = :account_scope_id AND opted_out AND channel IN ('email', 'all')
    UNION ALL
    SELECT value, 2 FROM suppressions
    WHERE account_scope_id = :account_scope_id AND kind = 'contact' AND revoked_at IS NULL AND channel IN ('email', 'all')
), blocked AS MATERIALIZED (
    SELECT address_hash, min(rank) AS rank FROM (
        SELECT sha256(convert_to(who, 'UTF8')) AS address_hash, rank FROM refused
        UNION ALL
        -- Under whichever of its ids somebody left, the address is left alone in the whole scope, even
        -- when that contact is gone by now.
        SELECT sha256(convert_to(lower(c.email), 'UTF8')), r.rank
        FROM refused r JOIN cw_contacts c ON c.id = r.who JOIN projects p ON p.id = c.project_id
        WHERE p.account_scope_id = :account_scope_id AND c.email IS NOT NULL
        UNION ALL
        SELECT value_hash, CASE reason WHEN 'hard_bounce' THEN 1 ELSE 2 END FROM suppressions
        WHERE account_scope_id = :account_scope_id AND kind IN ('email', 'domain') AND revoked_at IS NULL
          AND channel IN ('email', 'all')
    ) b GROUP BY address_hash
), known AS (
    SELECT p.email, p.name, split_part(p.email, '@', 2) AS domain, s.loops_id, s.status, s.last_tried_at,
           s.payload_hash, r.project_ids, r.project_names,
           sha256(convert_to(jsonb_build_array(:version::text, p.email, p.name, r.project_ids,
                                               r.project_names)::text, 'UTF8')) AS fresh_hash
    FROM people p
    LEFT JOIN loops_contact_state s ON s.account_scope_id = :account_scope_id AND s.email = p.email
    CROSS JOIN LATERAL (
        SELECT array_agg(r.id ORDER BY lower(r.name), r.id) AS project_ids,
               array_agg(r.name ORDER BY lower(r.name), r.id) AS project_names
        FROM projects r
        WHERE r.id = ANY (p.project_ids)
          AND (r.id = ANY (:visible_ids::uuid[]) OR r.id = ANY (s.project_ids))
    ) r
), judged AS MATERIALIZED (
    SELECT k.*, CASE
        WHEN length(k.email) > 254 OR position('..' IN k.email) > 0
          OR k.email !~ '^[^\s@"<>(),;\\]{1,64}@([\w-]+[.])+[\w-]{2,63}$' THEN 'invalid_email'
        WHEN k.domain = ANY (:internal_domains::text[]) OR k.email IN (SELECT email FROM team)
            THEN 'internal'
        WHEN own.rank IS NOT NULL OR whole.rank IS NOT NULL
            THEN (ARRAY['bounced', 'suppressed', 'opted_out'])[least(own.rank, whole.rank)]
        WHEN k.payload_hash IS DISTINCT FROM k.fresh_hash
          OR k.status = 'rejected' AND k.last_tried_at < now() - interval '1 day' THEN 'waiting'
        ELSE 'unchanged' END AS fate
    FROM known k
    LEFT JOIN blocked own ON own.address_hash = sha256(convert_to(k.email, 'UTF8'))
    LEFT JOIN blocked whole ON whole.address_hash = sha256(convert_to(k.domain, 'UTF8'))
), next AS (
    SELECT email, name, project_ids, project_names, encode(fresh_hash, 'hex') AS payload_hash,
           loops_id IS NOT NULL AS known, last_tried_at
    FROM judged WHERE fate = 'waiting'
    ORDER BY last_tried_at NULLS FIRST, email LIMIT :most
)
SELECT (SELECT coalesce(jsonb_object_agg(fate, contacts), '{}')
        FROM (SELECT fate, count(*) AS contacts FROM judged GROUP BY fate) f) AS counts,
       (SELECT coalesce(jsonb_agg(to_jsonb(next) - 'last_tried_at' ORDER BY last_tried_at NULLS FIRST, email), '[]')
        FROM next) AS contacts;

-- name: find_block(account_scope_id, email)$
-- Why an address gets no email by now; null when it may.
WITH mine AS (
    SELECT :email AS who
    UNION ALL
    SELECT c.id FROM projects p JOIN cw_contacts c ON c.project_id = p.id AND lower(c.email) = :email
    WHERE p.account_scope_id = :account_scope_id
), hashes AS (
    SELECT sha256(convert_to(place, 'UTF8')) AS value_hash
    FROM (VALUES (:email), (split_part(:email, '@', 2))) v(place)
)
SELECT (ARRAY['bounced', 'suppressed', 'opted_out'])[min(rank)] FROM (
    SELECT 3 AS rank FROM contact_channel_policies
    WHERE account_scope_id = :account_scope_id AND opted_out AND channel IN ('email', 'all')
      AND contact_global_id IN (SELECT who FROM mine)
    UNION ALL
    SELECT CASE reason WHEN 'hard_bounce' THEN 1 ELSE 2 END FROM suppressions
    WHERE account_scope_id = :account_scope_id AND revoked_at IS NULL AND channel IN ('email', 'all')
      AND (kind IN ('email', 'domain') AND value_hash IN (SELECT value_hash FROM hashes)
           OR kind = 'contact' AND value IN (SELECT who FROM mine))
) b;

-- name: remember_pushed(account_scope_id, email, loops_id, payload_hash, project_ids)!
INSERT INTO loops_contact_state AS s (account_scope_id, email, loops_id, payload_hash, project_ids, status,
                                      last_tried_at, last_pushed_at)
VALUES (:account_scope_id, :email, :loops_id, decode(:payload_hash, 'hex'), :project_ids::uuid[], 'pushed', now(), now())
ON CONFLICT (account_scope_id, email) DO UPDATE
    SET loops_id = excluded.loops_id, payload_hash = excluded.payload_hash, project_ids = excluded.project_ids,
        status = 'pushed', last_error = NULL, last_tried_at = now(), last_pushed_at = now(), updated_at = now();

-- name: remember_failure(account_scope_id, email, status, payload_hash, error)!
-- A refused payload keeps its hash, so that the same is not sent again at once; after a failure that
-- may pass the contact goes on waiting.
INSERT INTO loops_contact_state AS s (account_scope_id, email, payload_hash, status, last_error, last_tried_at)
VALUES (:account_scope_id, :email, decode(:payload_hash, 'hex'), :status, left(:error, 200), now())
ON CONFLICT (account_scope_id, email) DO UPDATE
    SET payload_hash = excluded.payload_hash, status = excluded.status, last_error = excluded.last_error,
        last_tried_at = now(), updated_at = now();

-- name: recent_failures(account_scope_id, project_ids, since, most)
-- Contacts of these projects that failed since then.
SELECT s.email, s.status, s.last_error AS code FROM loops_contact_state s
WHERE s.account_scope_id = :account_scope_id AND s.status IN ('failed', 'rejected') AND s.last_tried_at >= :since
  AND EXISTS (SELECT FROM cw_contacts c WHERE c.project_id = ANY (:project_ids::uuid[])
                AND lower(c.email) = s.email AND c.deleted_at IS NULL)
ORDER BY s.last_tried_at, s.email LIMIT :most;

-- name: forget_pushed(account_scope_id)!
-- Everything waits again, as for a new team in Loops.
UPDATE loops_contact_state SET payload_hash = NULL, loops_id = NULL, updated_at = now()
WHERE account_scope_id = :account_scope_id;

-- name: scope_of(project_id)$
SELECT account_scope_id FROM projects WHERE id = :project_id;

-- name: scope_by_key(scope_key)$
SELECT id FROM account_scopes WHERE scope_key = lower(:scope_key);

-- name: scope_projects(account_scope_id)
SELECT id FROM projects
WHERE account_scope_id = :account_scope_id AND archived_at IS NULL AND lower(name) <> '__legacy_scope__'
ORDER BY created_at, id;

-- name: take_turn(account_scope_id, run_id, seconds)^
-- The scope's push for the next while is this run's: a row. A run that was taken over from a lost
-- worker still has its turn.
INSERT INTO loops_turns AS t (account_scope_id, run_id, next_at)
VALUES (:account_scope_id, :run_id, now() + make_interval(secs => :seconds))
ON CONFLICT (account_scope_id) DO UPDATE SET run_id = excluded.run_id, next_at = excluded.next_at
WHERE t.next_at <= now() OR t.run_id = excluded.run_id
RETURNING account_scope_id;

-- name: give_turn_back(account_scope_id, run_id)!
-- The push is not done: the next run of any project of the scope may go on.
UPDATE loops_turns SET next_at = now() WHERE account_scope_id = :account_scope_id AND run_id = :run_id;

-- name: find_email(loops_id)$
SELECT email FROM loops_contact_state WHERE loops_id = :loops_id ORDER BY last_pushed_at DESC NULLS LAST LIMIT 1;

-- name: opt_out(project_id, email)
-- No email to this address in the project's scope, nor in any that told the same Loops team of it.
-- Answers the scopes in which that is news.
INSERT INTO contact_channel_policies AS k (account_scope_id, project_id, contact_global_id, channel, opted_out)
SELECT scope.id, CASE WHEN scope.id = mine.account_scope_id THEN mine.id END, :email, 'email', true
FROM projects mine
CROSS JOIN LATERAL (
    SELECT mine.account_scope_id AS id
    UNION SELECT account_scope_id FROM loops_contact_state WHERE email = :email
) scope
WHERE mine.id = :project_id
ON CONFLICT (account_scope_id, contact_global_id, channel) DO UPDATE SET opted_out = true, updated_at = now()
    WHERE NOT k.opted_out
RETURNING account_scope_id;

-- name: suppress(project_id, email, reason)
-- The same as a suppression, which no later consent on our side undoes by itself.
INSERT INTO suppressions (account_scope_id, kind, value, value_hash, channel, reason, source)
SELECT scope.id, 'email', :email, sha256(convert_to(:email, 'UTF8')), 'email', :reason, 'loops'
FROM (SELECT account_scope_id AS id FROM projects WHERE id = :project_id
      UNION SELECT account_scope_id FROM loops_contact_state WHERE email = :email) scope
ON CONFLICT (account_scope_id, kind, value_hash, channel) WHERE revoked_at IS NULL DO NOTHING
RETURNING account_scope_id;

-- name: note_optout(email, status, gone)!
-- What the state of pushes shows. A contact deleted in Loops is unknown there again.
UPDATE loops_contact_state SET status = :status, updated_at = now(),
       loops_id = CASE WHEN :gone THEN NULL ELSE loops_id END,
       payload_hash = CASE WHEN :gone THEN NULL ELSE payload_hash END
WHERE email = :email;

-- name: summary(account_scope_id)
-- How many addresses of a scope stand how.
SELECT status, count(*) AS contacts, max(last_pushed_at) AS last_pushed_at
FROM loops_contact_state WHERE account_scope_id = :account_scope_id GROUP BY status ORDER BY status;
