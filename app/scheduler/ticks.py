"""The steady pulse: lost runs are put back, due schedules become runs, workers are woken."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from app.db import Row, db, statements
from app.scheduler import endings, queue
from app.scheduler.service import ENDED, wait_for_end
from config.settings import Settings

sql = statements("scheduler")


def tick(settings: Settings, project_id: UUID | None = None, most: int = 100) -> list[Row]:
    """Put lost runs back, turn due schedules into runs, wake the workers. Safe on many machines.

    Answers the runs that were made.
    """
    if project_id is None:
        with db.transaction() as tx:
            endings.bury_lost(tx, settings)
    with db.transaction() as tx:
        if project_id is None:
            sql.requeue_lost_runs(tx)
        made: list[Row] = sql.queue_due(tx, project_id=project_id, most=most)
        waiting = sql.count_claimable(tx)
    for _ in range(min(waiting, settings.worker_threads)):
        queue.wake()
    return made


def tick_and_wait(project_id: UUID, most: int, settings: Settings) -> dict[str, Any]:
    """The tick of one project, by hand: what was due, and how each run went within the wait."""
    made = tick(settings, project_id, most)
    deadline = time.monotonic() + settings.job_wait_seconds
    details = []
    for row in made:
        run = wait_for_end(project_id, row["id"], max(0.0, deadline - time.monotonic()))
        details.append(_detail(row, run))
    return {
        "processed": len(details),
        "ok": sum(d["status"] in ("completed", "partial") for d in details),
        "failed": sum(d["status"] in ("failed", "dead") for d in details),
        "details": details,
    }


def _detail(row: Row, run: Row | None) -> dict[str, Any]:
    detail = {"job_type": row["job_type"], "job_run_id": str(row["id"]), "status": "queued"}
    if run is not None:
        ended = run["status"] in ENDED
        detail |= {
            "status": run["status"] if ended else "queued",
            "duration_ms": run["duration_ms"],
        }
        detail |= {"error": run["error"]} if run["error"] else {"details": run["result"]}
    return detail
