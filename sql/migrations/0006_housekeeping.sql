-- Housekeeping belongs to the installation and is done by the workers' ticker, not once in each project.
DELETE FROM scheduled_jobs WHERE job_type = 'housekeeping';
UPDATE job_runs SET status = 'cancelled', finished_at = now(), lease_until = NULL, claim_token = NULL
WHERE job_type = 'housekeeping' AND status IN ('queued', 'running');
DELETE FROM job_latest WHERE job_type = 'housekeeping';
