"""The job that applies what webhooks brought: a few objects at a time, until nothing is due."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

import psycopg
import structlog
from flask import Flask, current_app

from app.connectors.vendors import VENDORS
from app.connectors.webhooks import applying
from app.connectors.webhooks.applying import Applied
from app.connectors.webhooks.handlers import HANDLERS
from app.connectors.webhooks.opened import Openings
from app.db import Row, Unavailable, db, statements
from app.scheduler.context import JobResult, RunContext

log = structlog.get_logger(__name__)
sql = statements("webhooks")

OBJECTS_AT_ONCE = 60
MOST_AT_ONCE = 1000
# What befalls every delivery of a vendor alike; None: it has not failed yet.
NOT_ITS_FAULT = frozenset(
    {None, "timeout", "network", "upstream_5xx", "rate_limited", "circuit_open", "auth_failed"}
)
SOONEST = 0.05  # seconds, so that a run which found nothing due does not spin


def run_deliveries(context: RunContext) -> JobResult:
    """Apply every delivery of the project whose time has come; come back for the others."""
    claim = uuid4()
    deadline = time.monotonic() + context.settings.connector_run_seconds
    applied: list[Applied] = []
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    openings = Openings(context)
    apply = partial(_apply_in_thread, app, context, openings, claim)
    try:
        with ThreadPoolExecutor(context.settings.webhook_concurrency) as pool:
            while time.monotonic() < deadline:
                parcels = _claim(context.project_id, claim, context.settings.webhook_concurrency)
                if not parcels:
                    break
                openings.look_again()
                for outcome in pool.map(apply, parcels):
                    applied.append(outcome)
                    context.progress(sum(sum(a.ends.values()) for a in applied))
    finally:
        openings.close()
        _release(context.project_id, claim)
    _note_health(context.project_id, applied)
    return _result(applied, _seconds_until_due(context.project_id))


def _apply_in_thread(
    app: Flask, context: RunContext, openings: Openings, claim: UUID, rows: list[Row]
) -> Applied:
    with app.app_context():
        return applying.apply(context, openings, claim, rows)


def _claim(project_id: UUID, claim: UUID, threads: int) -> list[list[Row]]:
    """Deliveries that are now this run's, in parcels that are applied by one call each."""
    with db.connection() as connection:
        rows: list[Row] = sql.claim_deliveries(
            connection,
            project_id=project_id,
            claim=claim,
            objects=OBJECTS_AT_ONCE,
            most=MOST_AT_ONCE,
        )
    return _parcels(rows, threads)


def _parcels(rows: list[Row], threads: int) -> list[list[Row]]:
    """Deliveries by connection and as many objects as a call takes, each object's oldest first. One that
    failed in a way that may be its own fault is tried alone, so that it cannot hold up others."""

    def place(row: Row) -> tuple[str, str, str]:
        alone = "" if row["error_kind"] in NOT_ITS_FAULT else row["object_ref"]
        return str(row["connection_id"]), alone, row["object_ref"]

    rows.sort(key=lambda row: (*place(row), row["id"]))
    parcels = []
    for _, parcel in groupby(rows, key=lambda row: place(row)[:2]):
        objects = [list(one) for _, one in groupby(parcel, key=lambda row: row["object_ref"])]
        handler = HANDLERS.get(objects[0][0]["connector"])
        size = handler.share(len(objects), threads) if handler else 1
        for first in range(0, len(objects), size):
            parcels.append([row for one in objects[first : first + size] for row in one])
    return parcels


def _release(project_id: UUID, claim: UUID) -> None:
    """Give back what was claimed and not ended. If Postgres is away, the next run finds it."""
    try:
        with db.connection() as connection:
            sql.release_deliveries(connection, project_id=project_id, claim=claim)
    except (Unavailable, psycopg.Error) as error:
        log.warning("deliveries_not_released", error_type=type(error).__name__)


def _note_health(project_id: UUID, applied: list[Applied]) -> None:
    """What decides how often a connection must be polled."""
    done = {one.connection_id for one in applied if one.ends.get("done")}
    given_up = {one.connection_id for one in applied if one.ends.get("dead_letter")}
    if done or given_up:
        with db.connection() as connection:
            sql.note_health(
                connection, project_id=project_id, applied=list(done), given_up=list(given_up)
            )


def _seconds_until_due(project_id: UUID) -> float | None:
    with db.connection() as connection:
        seconds: float | None = sql.seconds_until_due(connection, project_id=project_id)
    return None if seconds is None else max(SOONEST, seconds)


def _result(applied: list[Applied], again_after: float | None) -> JobResult:
    ends: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    changed = False
    for one in applied:
        ends.update(one.ends)
        counts.update(one.counts)
        vendor = VENDORS.get(one.connector)
        changed |= any(one.counts.get(name) for name in (vendor.changes if vendor else one.counts))
    result: dict[str, Any] = {"objects": sum(one.objects for one in applied), **ends, **counts}
    return JobResult(
        # A delivery that failed has its own time and its own end: the run did what it could.
        status="partial" if ends["failed"] or ends["dead_letter"] else "completed",
        processed_count=sum(ends.values()),
        result=result,
        changed=changed,
        again_after=again_after,
    )
