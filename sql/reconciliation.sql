-- What the vendors have against what is here. Each count takes the ids that the vendor named; tombstones
-- count as not here.

-- name: count_chatwoot(project_id, account, conversation_ids, active_at, contact_ids)^
-- A conversation is here when it is stored and its messages were read to its last activity.
WITH upstream AS (
    SELECT id, active_at FROM unnest(:conversation_ids::bigint[], :active_at::timestamptz[]) u(id, active_at)
), conversations AS (
    SELECT count(*) AS stored, count(u.id) AS matched,
           count(u.id) FILTER (WHERE c.messages_read_to IS NULL OR c.messages_read_to < u.active_at) AS behind,
           count(*) FILTER (WHERE c.contact_global_id IS NULL) AS without_contact
    FROM cw_conversations c LEFT JOIN upstream u ON u.id = c.conversation_id
    WHERE c.project_id = :project_id AND c.account_id = :account AND c.deleted_at IS NULL
), messages AS (
    SELECT count(*) AS stored, count(*) FILTER (WHERE contact_global_id IS NULL) AS without_contact
    FROM cw_messages WHERE project_id = :project_id AND account_id = :account AND deleted_at IS NULL
), people AS (
    SELECT c.contact_id, lower(c.email) AS email, c.phone_key AS phone
    FROM cw_contacts c WHERE c.project_id = :project_id AND c.account_id = :account AND c.deleted_at IS NULL
), ranked AS (
    SELECT p.contact_id, u.id IS NOT NULL AS matched,
           email IS NOT NULL AND row_number() OVER (PARTITION BY email ORDER BY contact_id) > 1 AS same_email,
           phone IS NOT NULL AND row_number() OVER (PARTITION BY phone ORDER BY contact_id) > 1 AS same_phone
    FROM people p LEFT JOIN unnest(:contact_ids::bigint[]) u(id) ON u.id = p.contact_id
), contacts AS (
    SELECT count(*) AS stored, count(*) FILTER (WHERE matched) AS matched, count(*) FILTER (WHERE same_email) AS same_email,
           count(*) FILTER (WHERE same_phone) AS same_phone, count(*) FILTER (WHERE same_email OR same_phone) AS duplicates
    FROM ranked
)
SELECT v.stored AS conversations_total, v.matched - v.behind AS conversations_matched, v.behind AS conversations_behind,
       v.without_contact AS conversations_without_contact,
       m.stored AS messages_total, m.without_contact AS messages_without_contact,
       c.stored AS contacts_total, c.matched AS contacts_matched, c.same_email AS duplicate_contacts_by_email,
       c.same_phone AS duplicate_contacts_by_phone, c.duplicates
FROM conversations v, messages m, contacts c;

-- name: count_linear(project_id, workspace, issue_ids, comment_ids)^
WITH issues AS (
    SELECT i.*, u.id IS NOT NULL AS matched,
           i.open AND row_number() OVER (PARTITION BY i.open, i.team_external_id, lower(btrim(i.title)) ORDER BY i.external_id) > 1 AS same_title
    FROM linear_issues_raw i LEFT JOIN unnest(:issue_ids::text[]) u(id) ON u.id = i.external_id
    WHERE i.project_id = :project_id AND i.workspace_id = :workspace AND i.deleted_at IS NULL
), comments AS (
    SELECT count(*) AS stored, count(u.id) AS matched
    FROM linear_comments_raw c LEFT JOIN unnest(:comment_ids::text[]) u(id) ON u.id = c.external_id
    WHERE c.project_id = :project_id AND c.workspace_id = :workspace AND c.deleted_at IS NULL
)
SELECT count(*) AS issues_total, count(*) FILTER (WHERE matched) AS issues_matched,
       count(*) FILTER (WHERE coalesce(btrim(state), '') = '') AS issues_without_state,
       count(*) FILTER (WHERE coalesce(btrim(state_type), '') = '') AS issues_without_state_type,
       count(*) FILTER (WHERE coalesce(btrim(title), '') = '') AS issues_without_title,
       count(*) FILTER (WHERE blocked) AS blocked_issues, count(*) FILTER (WHERE same_title) AS duplicates,
       (SELECT stored FROM comments) AS comments_total, (SELECT matched FROM comments) AS comments_matched
FROM issues;

-- name: count_attio(project_id, workspace)^
-- Duplicates: companies of one domain, people of one address, open deals of one title and company.
WITH companies AS (
    SELECT external_id, domain IS NOT NULL AND row_number() OVER (PARTITION BY lower(domain) ORDER BY external_id) > 1 AS twin
    FROM attio_accounts_raw WHERE project_id = :project_id AND workspace_id = :workspace AND deleted_at IS NULL
), people AS (
    SELECT external_id, email IS NOT NULL AND row_number() OVER (PARTITION BY lower(email) ORDER BY external_id) > 1 AS twin
    FROM attio_people_raw WHERE project_id = :project_id AND workspace_id = :workspace AND deleted_at IS NULL
), deals AS (
    SELECT external_id, account_external_id,
           title IS NOT NULL AND account_external_id IS NOT NULL AND crm_stage NOT IN ('won', 'lost') AND row_number() OVER (
               PARTITION BY lower(btrim(title)), account_external_id, crm_stage IN ('won', 'lost') ORDER BY external_id) > 1 AS twin
    FROM attio_opportunities_raw WHERE project_id = :project_id AND workspace_id = :workspace AND deleted_at IS NULL
)
SELECT (SELECT count(*) FROM companies) AS raw_accounts_total, (SELECT count(*) FROM deals) AS raw_opportunities_total,
       (SELECT count(*) FROM companies r JOIN crm_accounts a ON a.project_id = :project_id AND a.external_ref = r.external_id)
           AS mapped_accounts_total,
       (SELECT count(*) FROM deals r JOIN crm_opportunities o ON o.project_id = :project_id AND o.external_ref = r.external_id)
           AS mapped_opportunities_total,
       (SELECT count(*) FROM deals WHERE account_external_id IS NULL) AS opportunities_without_account_ref,
       (SELECT count(*) FROM deals r WHERE account_external_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM crm_accounts a WHERE a.project_id = :project_id AND a.external_ref = r.account_external_id))
           AS opportunities_unmapped_to_crm_account,
       (SELECT count(*) FROM companies WHERE twin) AS duplicate_companies_by_domain,
       (SELECT count(*) FROM people WHERE twin) AS duplicate_people_by_email,
       (SELECT count(*) FROM deals WHERE twin) AS duplicate_deals_by_title;

-- name: match_attio(raw, project_id, workspace, ids, list)^
-- How many rows of a kind (of one list) are here, and how many of them the vendor named.
SELECT stored, matched FROM attio_matched(:raw::regclass, :project_id, :workspace, :ids, :list::text);

-- name: standing(project_id, connector)^
-- What else tells how current a connector is: seconds since it was last read, and what lies in quarantine.
SELECT (SELECT extract(epoch FROM now() - last_success_at)::float8 FROM connector_sync_state
        WHERE project_id = :project_id AND connector = :connector) AS lag_seconds,
       (SELECT count(*) FROM connector_errors WHERE project_id = :project_id AND connector = :connector
          AND error_kind = 'record_invalid' AND status <> 'resolved') AS quarantined;

-- name: were_below(project_id, run_id)
-- What the runs before this one said of each connector.
SELECT DISTINCT ON (connector) connector, below_threshold FROM sync_reconciliation_metrics
WHERE project_id = :project_id AND run_id <> :run_id
ORDER BY connector, captured_at DESC, id DESC;

-- name: store_metrics(project_id, run_id, source, rows)
-- A run that is repeated after its worker was lost says what it finds now.
INSERT INTO sync_reconciliation_metrics AS m (project_id, run_id, source, connector, completeness_pct, duplicate_count,
                                              missing_count, total_count, below_threshold, payload)
SELECT :project_id, :run_id, :source, r.connector, r.completeness_pct, r.duplicate_count, r.missing_count, r.total_count,
       r.below_threshold, r.payload
FROM jsonb_to_recordset(:rows) AS r(connector text, completeness_pct numeric, duplicate_count bigint, missing_count bigint,
     total_count bigint, below_threshold boolean, payload jsonb)
ON CONFLICT (project_id, run_id, connector) DO UPDATE SET completeness_pct = excluded.completeness_pct,
    duplicate_count = excluded.duplicate_count, missing_count = excluded.missing_count, total_count = excluded.total_count,
    below_threshold = excluded.below_threshold, payload = excluded.payload, captured_at = excluded.captured_at
RETURNING connector, captured_at;

-- name: latest(project_id)
SELECT DISTINCT ON (connector) connector, source, completeness_pct::float8, duplicate_count, missing_count, total_count,
       payload, captured_at
FROM sync_reconciliation_metrics WHERE project_id = :project_id
ORDER BY connector, captured_at DESC, id DESC;

-- name: by_day(project_id, days)
-- What was last known of each connector at the end of each day (UTC) on which there was a run. They are
-- levels: one that was not counted on a day keeps its value for a week.
WITH days AS (
    SELECT DISTINCT (captured_at AT TIME ZONE 'UTC')::date AS day FROM sync_reconciliation_metrics
    WHERE project_id = :project_id AND captured_at >= date_trunc('day', now(), 'UTC') - make_interval(days => :days - 1)
)
SELECT d.day::text AS point, k.connector, m.completeness_pct::float8, m.missing_count, m.duplicate_count, m.total_count
FROM days d CROSS JOIN unnest('{attio,chatwoot,linear}'::text[]) k(connector)
CROSS JOIN LATERAL (
    SELECT * FROM sync_reconciliation_metrics m
    WHERE m.project_id = :project_id AND m.connector = k.connector
      AND m.captured_at < (d.day + 1) AT TIME ZONE 'UTC' AND m.captured_at >= (d.day - 6) AT TIME ZONE 'UTC'
    ORDER BY m.captured_at DESC, m.id DESC LIMIT 1) m
ORDER BY d.day, k.connector;

-- name: diff(project_id)
-- The latest value of each connector beside the one before it: the last of an earlier day, or where there is
-- none the run before.
WITH newest AS (
    SELECT DISTINCT ON (connector) * FROM sync_reconciliation_metrics
    WHERE project_id = :project_id AND connector <> 'portfolio'
    ORDER BY connector, captured_at DESC, id DESC
)
SELECT n.connector, n.completeness_pct::float8 AS current_pct,
       coalesce(p.completeness_pct, n.completeness_pct)::float8 AS previous_pct,
       (n.completeness_pct - coalesce(p.completeness_pct, n.completeness_pct))::float8 AS delta_pct,
       n.total_count AS current_total, coalesce(p.total_count, 0) AS previous_total,
       n.total_count - coalesce(p.total_count, 0) AS delta_total,
       n.missing_count AS current_missing, coalesce(p.missing_count, 0) AS previous_missing, n.captured_at
FROM newest n LEFT JOIN LATERAL (
    SELECT * FROM sync_reconciliation_metrics p
    WHERE p.project_id = :project_id AND p.connector = n.connector AND (p.captured_at, p.id) < (n.captured_at, n.id)
    ORDER BY p.captured_at < date_trunc('day', n.captured_at, 'UTC') DESC, p.captured_at DESC, p.id DESC LIMIT 1) p ON true
ORDER BY n.connector;

-- name: purge(days)!
DELETE FROM sync_reconciliation_metrics WHERE captured_at < now() - make_interval(days => :days);
