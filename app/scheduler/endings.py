"""How a run ends: its row, its schedule, what follows, the live event, all in one transaction."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from app.db import Connection, Row, statements
from app.events import service as events
from app.scheduler import service
from app.scheduler.catalogue import CATALOGUE
from app.scheduler.context import PASSING, JobResult
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("scheduler")


def finish(tx: Connection, run: Row, result: JobResult, settings: Settings) -> int:
    """Write the end of a run that its worker tells.

    Answers how many runs now wait because of it. Does nothing when the lease was lost.
    """
    ended = sql.finish(
        tx,
        project_id=run["project_id"],
        run_id=run["id"],
        claim_token=run["claim_token"],
        status=result.status,
        processed_count=result.processed_count,
        result=Jsonb({**result.result, "changed": result.changed}),
        error_kind=result.error_kind,
        error=result.error,
    )
    if ended is None:
        log.warning("finish_refused", reason="the lease was lost")
        return 0
    return _settle(tx, ended, result, settings)


def bury_lost(tx: Connection, settings: Settings) -> int:
    """End the runs whose workers were lost too often. Answers how many there were."""
    buried: list[Row] = sql.bury_lost_runs(tx, max_attempts=settings.job_max_attempts)
    for run in buried:
        log.error("job_dead", job_type=run["job_type"], job_run_id=str(run["id"]))
        result = JobResult("failed", error_kind="lease_expired", error=run["error"])
        _settle(tx, run, result, settings)
    return len(buried)


def cancel(tx: Connection, project_id: UUID, run_id: UUID, settings: Settings) -> Row | None:
    """End a waiting run, or ask a working one to stop at its next step. None when it is neither."""
    run: Row | None = sql.request_cancel(tx, project_id=project_id, run_id=run_id)
    if run is not None and run["status"] == "cancelled":
        _settle(tx, run, JobResult("cancelled"), settings)
    return run


def _settle(tx: Connection, ended: Row, result: JobResult, settings: Settings) -> int:
    succeeded = result.status in ("completed", "partial")
    if result.status != "cancelled":
        _reschedule(tx, ended, result, succeeded, settings)
    # An attempt that was lost may have changed what this one found done.
    changed = result.changed or ended["attempt"] > 1
    following = _follow(tx, ended, succeeded and changed, result.again_after)
    _tell(tx, ended, result.status, changed)
    return following


def _reschedule(
    tx: Connection, ended: Row, result: JobResult, succeeded: bool, settings: Settings
) -> None:
    job = CATALOGUE.get(ended["job_type"])
    # What passes by itself is tried for as long as it takes.
    lasting = result.error_kind in PASSING or (job is not None and not job.suspends)
    sql.reschedule(
        tx,
        project_id=ended["project_id"],
        job_type=ended["job_type"],
        succeeded=succeeded,
        status=result.status,
        error=result.error,
        base_seconds=settings.job_retry_backoff_base_seconds,
        cap_seconds=settings.job_retry_backoff_cap_seconds,
        retry_after=result.retry_after,
        jitter=random.uniform(0.85, 1.15),
        max_failures=None if lasting else settings.job_max_retries,
    )


def _follow(tx: Connection, ended: Row, changed: bool, again_after: float | None) -> int:
    job = CATALOGUE.get(ended["job_type"])
    wanted = dict.fromkeys(job.cascades, 0.0) if job and changed else {}
    if again_after is not None:
        wanted[ended["job_type"]] = again_after
    elif ended["run_again"]:
        wanted[ended["job_type"]] = 0.0
    for job_type, delay in wanted.items():
        service.add_run(
            tx,
            ended["project_id"],
            job_type,
            trigger="cascade",
            cascade_of=ended["id"],
            delay=delay,
        )
    return len(wanted)


def _tell(tx: Connection, ended: Row, status: str, changed: bool) -> None:
    job = CATALOGUE.get(ended["job_type"])
    names = [ended["job_type"]]
    if job and job.also_tells and changed:
        names.append(job.also_tells)
    for name in names:
        payload: dict[str, Any] = {
            "job_type": name,
            "project_id": ended["project_id"],
            "account_scope_id": ended["account_scope_id"],
            "status": "ok" if status == "completed" else status,
            "at": ended["finished_at"],
            "run_id": ended["id"],
            "duration_ms": ended["duration_ms"],
        }
        events.publish(tx, ended["project_id"], "job_completed", payload)
