"""What is thrown away: expired keys, old events, sessions long ended, runs nobody looks at."""

from __future__ import annotations

from app.db import db, statements
from app.scheduler.context import JobResult, RunContext

RUNS_KEPT_DAYS = 90


def run_housekeeping(context: RunContext) -> JobResult:
    """Purge what the whole installation no longer needs; every step is its own statement."""
    settings = context.settings
    steps = {
        "idempotency_keys": lambda c: statements("idempotency").purge_expired(c),
        "limits": lambda c: statements("limits").purge_limits(c),
        "sessions": lambda c: statements("auth").purge_sessions(
            c, idle_days=settings.session_idle_days
        ),
        "events": lambda c: statements("events").purge(c, hours=settings.events_retention_hours),
        "job_runs": lambda c: statements("scheduler").purge_runs(c, days=RUNS_KEPT_DAYS),
        "processes": lambda c: statements("scheduler").purge_processes(c),
    }
    deleted = {}
    for name, step in steps.items():
        with db.connection() as connection:
            deleted[name] = step(connection)
        context.progress(sum(deleted.values()))
    return JobResult(processed_count=sum(deleted.values()), result={"deleted_rows": deleted})
