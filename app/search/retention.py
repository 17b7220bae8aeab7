"""Forgetting in time: what was searched for is kept for as long as the settings say, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from app import metrics
from app.db import Connection, db, statements
from app.scheduler.context import JobResult, RunContext
from config.settings import Settings

sql = statements("search")

RUN_SECONDS = 120.0  # what is left after this waits for the next run
AGAIN_SECONDS = 60.0

Purge = Callable[[Connection], int]


def run_cleanup(context: RunContext) -> JobResult:
    """Delete what is too old, the oldest first and a batch at a time, until nothing is or time is up."""
    deadline = min(context.deadline, time.monotonic() + RUN_SECONDS)
    deleted: dict[str, int] = {}
    for table, purge in _purges(context).items():
        deleted[table] = _until_done(context, purge, deadline)
    lag = _lag(context)
    late = [table for table, days in lag.items() if days > 0]
    total = sum(deleted.values())
    _measure(total, lag, late)
    return JobResult(
        status="partial" if late else "completed",
        processed_count=total,
        result={
            "deleted_rows": {**deleted, "total": total},
            "overdue_lag_days": lag,
            "warnings": [f"{table}: older rows are left for the next run" for table in late],
        },
        again_after=AGAIN_SECONDS if late else None,
    )


def _purges(context: RunContext) -> dict[str, Purge]:
    settings = context.settings
    scope: dict[str, Any] = {
        "project_id": context.project_id,
        "batch": settings.analytics_retention_batch_size,
    }
    events, runs, usage = _days(settings)
    return {
        "search_analytics": lambda c: sql.purge_events(c, **scope, days=events),
        "lightrag_query_runs": lambda c: sql.purge_runs(c, **scope, days=runs)["deleted"],
        "embedding_usage": lambda c: sql.purge_usage(c, **scope, days=usage),
    }


def _until_done(context: RunContext, purge: Purge, deadline: float) -> int:
    """Batch after batch, each its own transaction, until one is not full. Answers how many rows went."""
    total = 0
    while time.monotonic() < deadline:
        with db.connection() as connection:
            gone = purge(connection)
        total += gone
        context.progress(context.processed_count + gone)
        if gone < context.settings.analytics_retention_batch_size:
            break
    return total


def _measure(total: int, lag: dict[str, float], late: list[str]) -> None:
    metrics.RETENTION_RUNS.inc()
    metrics.RETENTION_DELETED.inc(total)
    metrics.RETENTION_WARNINGS.inc(len(late))
    metrics.RETENTION_LAST.set(total)
    for table, days in lag.items():
        metrics.RETENTION_LAG.labels(table).set(days)


def _lag(context: RunContext) -> dict[str, float]:
    events, runs, usage = _days(context.settings)
    with db.connection() as connection:
        row = sql.overdue(
            connection,
            project_id=context.project_id,
            events_days=events,
            runs_days=runs,
            usage_days=usage,
        )
    return {table: round(max(0.0, float(days or 0)), 2) for table, days in row.items()}


def _days(settings: Settings) -> tuple[int, int, int]:
    return (
        settings.search_analytics_retention_days,
        settings.lightrag_query_runs_retention_days,
        settings.embedding_usage_retention_days,
    )
