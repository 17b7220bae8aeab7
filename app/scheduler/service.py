"""Asking for runs, and waiting for them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import g, has_request_context
from psycopg.types.json import Jsonb

from app.db import Connection, Row, db, statements
from app.scheduler import queue
from app.scheduler.catalogue import CATALOGUE
from app.web.errors import ApiError
from config.settings import Settings

sql = statements("scheduler")

ENDED = {"completed", "partial", "failed", "cancelled", "dead"}
FIRST_LOOK, LONGEST_LOOK = 0.03, 0.25  # seconds between looks at a run that is waited for


@dataclass(frozen=True)
class Run:
    """A run that was asked for. `joined` when one was waiting or working already."""

    id: UUID
    project_id: UUID
    status: str
    joined: bool


def request_run(
    project_id: UUID,
    job_type: str,
    *,
    trigger: str = "manual",
    payload: dict[str, Any] | None = None,
) -> Run:
    """Have a job run soon; a run of that type that is alive is joined. The worker is woken."""
    with db.transaction() as tx:
        run = add_run(tx, project_id, job_type, trigger=trigger, payload=payload)
    queue.wake()
    return run


def expect_run(project_id: UUID, job_type: str, *, trigger: str, delay: float) -> None:
    """Have a job look at what has just been committed, within `delay` seconds. Call it after the
    commit, as often as one likes: while a run waits, this is one cheap look."""
    with db.connection() as connection:
        while True:
            row = sql.expect_run(
                connection, project_id=project_id, job_type=job_type, trigger=trigger, delay=delay
            )
            if row["settled"]:
                break
    if row["sooner"]:
        queue.wake(delay)


def add_run(
    tx: Connection,
    project_id: UUID,
    job_type: str,
    *,
    trigger: str,
    payload: dict[str, Any] | None = None,
    cascade_of: UUID | None = None,
    delay: float = 0.0,
) -> Run:
    """The row of a wanted run, inside the caller's transaction."""
    caller = g.get("identity") if has_request_context() else None
    while True:
        row = sql.insert_run(
            tx,
            project_id=project_id,
            job_type=job_type,
            trigger=trigger,
            requested_by=caller.user_id if caller else None,
            requested_by_name=caller.username if caller else None,
            request_id=g.get("request_id") if has_request_context() else None,
            payload=Jsonb(payload or {}),
            cascade_of=cascade_of,
            delay=delay,
        )
        joined = row is None
        if joined:
            # It may end between the two statements; then there is room for a new one.
            row = sql.join_run(
                tx,
                project_id=project_id,
                job_type=job_type,
                again=trigger in ("cascade", "webhook"),
                delay=delay,
            )
        if row is not None:
            return Run(row["id"], project_id, row["status"], joined)


def run_and_wait(
    project_id: UUID,
    job_type: str,
    settings: Settings,
    *,
    payload: dict[str, Any] | None = None,
    seconds: float | None = None,
    alone: bool = False,
    forgiving: bool = False,
) -> tuple[dict[str, Any], int]:
    """Start (or join) a run and wait a while for its end.

    Answers ({"result": ..., "job_run_id": ...}, 200), or 202 when it is still at work. Raises an
    ApiError that fits the run's error when it failed, unless `forgiving`: then its result is the
    answer. With `alone`, raises 409 `sync_in_progress` instead of joining.
    """
    run = request_run(project_id, job_type, payload=payload)
    if alone and run.joined:
        raise ApiError(
            409,
            "sync_in_progress",
            "This is at work already; its run tells how far it is.",
            {"job_run_id": str(run.id), "job_type": job_type, "status": run.status},
        )
    ended = wait_for_end(
        project_id, run.id, settings.job_wait_seconds if seconds is None else seconds
    )
    if ended is None or ended["status"] not in ENDED:
        status = ended["status"] if ended else run.status
        waiting = {"queued": True, "status": status, "job_run_id": str(run.id)}
        return {"result": waiting, "job_run_id": str(run.id)}, 202
    if ended["status"] in ("failed", "dead") and not (forgiving and ended["result"]):
        raise failure_of(ended)
    return {"result": ended["result"], "job_run_id": str(run.id)}, 200


def wait_for_end(project_id: UUID, run_id: UUID, seconds: float) -> Row | None:
    """The run when it has ended, or as it is after `seconds`. Holds no connection meanwhile."""
    deadline = time.monotonic() + seconds
    pause = FIRST_LOOK
    while True:
        with db.connection() as connection:
            row: Row | None = sql.find_run(connection, project_id=project_id, run_id=run_id)
        left = deadline - time.monotonic()
        if row is None or row["status"] in ENDED or left <= 0:
            return row
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_LOOK)


# What a failed run means to the one who asked for it: status, code, sentence.
_FAILURES = {
    "auth_failed": (502, "upstream_auth_failed", "The vendor refuses the connection's token."),
    "forbidden": (502, "upstream_auth_failed", "The vendor's token may not read this."),
    "rate_limited": (429, "upstream_rate_limited", "The vendor asks for a pause."),
    "config_missing": (409, "connector_not_configured", "The connector is not set up."),
    "sync_in_progress": (409, "sync_in_progress", "A sync of this connector is at work."),
    **dict.fromkeys(
        ("timeout", "network", "upstream_5xx", "circuit_open"),
        (503, "upstream_unavailable", "The vendor cannot be reached; it is tried again by itself."),
    ),
    "provider_unavailable": (
        503,
        "embeddings_unavailable",
        "The embeddings provider cannot be reached.",
    ),
}


def failure_of(run: Row) -> ApiError:
    """The error that a failed run is to its caller."""
    kind = run["error_kind"] or "internal"
    status, code, message = _FAILURES.get(
        kind,
        (502, "upstream_error" if "sync" in run["job_type"] else "job_failed", "The job failed."),
    )
    details = {
        "job_type": run["job_type"],
        "error_kind": kind,
        "job_run_id": str(run["id"]),
        "reason": run["error"],
    }
    job = CATALOGUE.get(run["job_type"])
    if job and job.connector:
        details["connector"] = job.connector
    if run["result"].get("running_run_id"):
        details["running_run_id"] = run["result"]["running_run_id"]
    retry_after = run["result"].get("retry_after")
    if retry_after:
        details["retry_after"] = retry_after
    headers = {"Retry-After": str(math.ceil(retry_after))} if retry_after else None
    return ApiError(status, code, message, details, headers)


def create_default_schedules(tx: Connection, project_id: UUID) -> None:
    """The schedules of a new project, in its own transaction."""
    jobs = [job for job in CATALOGUE.values() if job.cadence_seconds]
    sql.create_schedules(
        tx,
        project_id=project_id,
        job_types=[job.name for job in jobs],
        cadences=[job.cadence_seconds for job in jobs],
    )
