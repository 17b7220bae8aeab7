-- What was searched for: how it is told, suggested, kept and forgotten.

-- Searches and their clicks meet by the run.
CREATE INDEX search_analytics_run ON search_analytics (project_id, query_run_id) WHERE query_run_id IS NOT NULL;
-- Whose search a click follows, whose history is suggested, and what a person may have erased.
CREATE INDEX search_analytics_user ON search_analytics (user_id, created_at DESC) WHERE user_id IS NOT NULL;
CREATE INDEX search_analytics_query ON search_analytics USING gin (project_id, query_norm gin_trgm_ops)
    WHERE event_type = 'search';
CREATE INDEX search_analytics_age ON search_analytics (project_id, created_at);
CREATE INDEX lightrag_query_runs_user ON lightrag_query_runs (user_id) WHERE user_id IS NOT NULL;

-- What people thought of answers whose runs are gone: by day, and by how good the answer took itself for.
CREATE TABLE lightrag_feedback_days (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    day date NOT NULL,
    score_band smallint NOT NULL CHECK (score_band IN (0, 25, 50, 75)),
    up integer NOT NULL DEFAULT 0,
    neutral integer NOT NULL DEFAULT 0,
    down integer NOT NULL DEFAULT 0,
    PRIMARY KEY (project_id, day, score_band)
);

-- Twice a day each project forgets what is old enough.
INSERT INTO scheduled_jobs (project_id, job_type, cadence_seconds, next_run_at)
SELECT id, 'analytics_retention_cleanup', 43200, now() + make_interval(secs => 43200 * random()) FROM projects
ON CONFLICT (project_id, job_type) DO NOTHING;
