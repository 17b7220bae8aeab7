-- The CRM and its mirror of Attio. What a mirror changes is computed from rows that are locked first.

-- name: speak_as_mirror(answer)$
-- For the rest of the transaction (or until told otherwise) the mirror writes, and not a person.
SELECT set_config('lightpost.mirror', :answer, true);

-- name: take_turn(project_id)$
SELECT pg_advisory_xact_lock(hashtextextended('crm mirror ' || :project_id, 0)) IS NULL;

-- name: unmirrored_accounts(project_id)
SELECT id, external_id, name, domain, domains, stage, crm_stage, url FROM attio_accounts_raw
WHERE project_id = :project_id AND NOT mirrored AND deleted_at IS NULL
ORDER BY source_created_at, id;

-- name: name_keys(names)
-- The form in which names must differ, as the unique index has it.
SELECT n AS name, lower(btrim(n)) AS key FROM unnest(:names::text[]) n;

-- name: accounts_to_match(project_id, refs, domains, keys)
SELECT id, name, lower(btrim(name)) AS key, domain, stage, external_ref, source_url, edited_fields, source_deleted_at
FROM crm_accounts
WHERE project_id = :project_id
  AND (external_ref = ANY(:refs) OR domain = ANY(:domains) OR lower(btrim(name)) = ANY(:keys))
ORDER BY created_at, id FOR UPDATE;

-- name: update_accounts(project_id, rows)!
UPDATE crm_accounts a SET name = r.name, domain = r.domain, stage = r.stage, external_ref = r.external_ref,
    source_url = r.source_url, source_deleted_at = NULL, updated_at = now()
FROM jsonb_to_recordset(:rows) AS r(id uuid, name text, domain text, stage text, external_ref text, source_url text)
WHERE a.project_id = :project_id AND a.id = r.id;

-- name: insert_accounts(project_id, rows)
-- A name that somebody took meanwhile is left for the next time.
INSERT INTO crm_accounts (project_id, name, domain, stage, external_ref, source_url, source_system)
SELECT :project_id, r.name, r.domain, r.stage, r.external_ref, r.source_url, 'attio'
FROM jsonb_to_recordset(:rows) AS r(name text, domain text, stage text, external_ref text, source_url text)
ON CONFLICT DO NOTHING RETURNING external_ref;

-- name: accounts_mirrored(project_id, external_ids)!
UPDATE attio_accounts_raw SET mirrored = true WHERE project_id = :project_id AND NOT mirrored AND external_id = ANY(:external_ids);

-- name: unmirrored_opportunities(project_id)
-- Those whose company has an account; the others wait for it.
SELECT o.external_id, o.title, o.stage, o.crm_stage, coalesce(o.stage_changed_at, o.source_created_at) AS stage_changed_at,
       o.amount, o.currency, o.probability, o.expected_close_date, o.next_step, o.next_step_due_at, o.lost_reason, o.url,
       a.id AS account_id
FROM attio_opportunities_raw o
JOIN crm_accounts a ON a.project_id = o.project_id AND a.external_ref = o.account_external_id
WHERE o.project_id = :project_id AND NOT o.mirrored AND o.deleted_at IS NULL
ORDER BY o.source_created_at, o.id;

-- name: opportunities_by_ref(project_id, refs)
SELECT id, account_id, title, stage, amount_estimate, currency, probability, expected_close_date, next_step, next_step_due_at,
       external_ref, source_url, stage_changed_at, stage_override_at, source_stage, lost_reason, closed_at, edited_fields,
       source_deleted_at
FROM crm_opportunities WHERE project_id = :project_id AND external_ref = ANY(:refs)
ORDER BY id FOR UPDATE;

-- name: update_opportunities(project_id, rows)!
UPDATE crm_opportunities o SET account_id = r.account_id, title = r.title, stage = r.stage,
    amount_estimate = r.amount_estimate, currency = r.currency, probability = r.probability,
    expected_close_date = r.expected_close_date, next_step = r.next_step, next_step_due_at = r.next_step_due_at,
    stage_changed_at = r.stage_changed_at, stage_override_at = r.stage_override_at, source_stage = r.source_stage,
    lost_reason = r.lost_reason, closed_at = r.closed_at, source_url = r.source_url, source_deleted_at = NULL,
    version = o.version + 1, updated_at = now()
FROM jsonb_to_recordset(:rows) AS r(id uuid, account_id uuid, title text, stage text, amount_estimate numeric, currency text,
     probability numeric, expected_close_date date, next_step text, next_step_due_at timestamptz,
     stage_changed_at timestamptz, stage_override_at timestamptz, source_stage text, lost_reason text,
     closed_at timestamptz, source_url text)
WHERE o.project_id = :project_id AND o.id = r.id;

-- name: insert_opportunities(project_id, rows)
INSERT INTO crm_opportunities (project_id, account_id, title, stage, amount_estimate, currency, probability, expected_close_date,
        next_step, next_step_due_at, stage_changed_at, source_stage, lost_reason, closed_at, external_ref, source_url, source_system)
SELECT :project_id, r.account_id, r.title, r.stage, r.amount_estimate, r.currency, r.probability, r.expected_close_date,
       r.next_step, r.next_step_due_at, r.stage_changed_at, r.source_stage, r.lost_reason, r.closed_at, r.external_ref,
       r.source_url, 'attio'
FROM jsonb_to_recordset(:rows) AS r(account_id uuid, title text, stage text, amount_estimate numeric, currency text,
     probability numeric, expected_close_date date, next_step text, next_step_due_at timestamptz,
     stage_changed_at timestamptz, source_stage text, lost_reason text, closed_at timestamptz, external_ref text, source_url text)
ON CONFLICT DO NOTHING RETURNING id, external_ref;

-- name: opportunities_mirrored(project_id, external_ids)!
UPDATE attio_opportunities_raw SET mirrored = true
WHERE project_id = :project_id AND NOT mirrored AND external_id = ANY(:external_ids);

-- name: insert_stage_events(project_id, rows)!
INSERT INTO crm_opportunity_stage_events (project_id, opportunity_id, from_stage, to_stage, actor_username, created_at)
SELECT :project_id, r.opportunity_id, r.from_stage, r.to_stage, r.actor_username, coalesce(r.created_at, now())
FROM jsonb_to_recordset(:rows) AS r(opportunity_id uuid, from_stage text, to_stage text, actor_username text,
     created_at timestamptz);

-- name: flag_deleted_accounts(project_id, raw_ids)!
UPDATE crm_accounts a SET source_deleted_at = now(), updated_at = now()
FROM attio_accounts_raw r
WHERE r.project_id = :project_id AND r.id = ANY(:raw_ids) AND a.project_id = r.project_id
  AND a.external_ref = r.external_id AND a.source_deleted_at IS NULL;

-- name: flag_deleted_opportunities(project_id, raw_ids)!
UPDATE crm_opportunities o SET source_deleted_at = now(), version = o.version + 1, updated_at = now()
FROM attio_opportunities_raw r
WHERE r.project_id = :project_id AND r.id = ANY(:raw_ids) AND o.project_id = r.project_id
  AND o.external_ref = r.external_id AND o.source_deleted_at IS NULL;

-- name: coverage(project_id)^
-- How much of what the vendor has is in the CRM.
SELECT (SELECT count(*) FROM attio_accounts_raw r WHERE r.project_id = :project_id AND r.deleted_at IS NULL) AS total_attio_accounts,
       (SELECT count(*) FROM attio_accounts_raw r
            JOIN crm_accounts a ON a.project_id = r.project_id AND a.external_ref = r.external_id
        WHERE r.project_id = :project_id AND r.deleted_at IS NULL) AS mirrored_accounts,
       count(*) AS total_attio_opportunities,
       count(c.id) AS mirrored_opportunities,
       count(*) FILTER (WHERE o.account_external_id IS NULL) AS opportunities_without_account_ref,
       count(*) FILTER (WHERE o.account_external_id IS NOT NULL AND c.id IS NULL) AS opportunities_unmapped_to_crm_account
FROM attio_opportunities_raw o
LEFT JOIN crm_opportunities c ON c.project_id = o.project_id AND c.external_ref = o.external_id
WHERE o.project_id = :project_id AND o.deleted_at IS NULL;
