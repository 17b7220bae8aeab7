"""How the webhooks of a connector are doing, and how often it must be polled beside them.

Polling is the safety net: it is stretched while deliveries arrive and are applied, and as dense as ever
as soon as they stop or fail. Pure functions over a row of `states` in sql/connectors.sql.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from app.db import Row
from config.settings import Settings

LEFT_BEHIND = 300.0  # seconds that a delivery may wait; retries of a failed one begin sooner


def health(row: Row, settings: Settings) -> dict[str, Any]:
    """What GET /connectors/state shows: `status` is none, healthy, quiet or failing; `polling` is
    stretched or normal, and `poll_seconds` the longest pause that means."""
    stretched = is_stretched(row, settings)
    return {
        "status": _status(row, settings),
        "last_applied_at": row["applied_at"],
        "waiting_seconds": row["waiting_seconds"],
        "failed_deliveries": row["failed"] or 0,
        "given_up_at": row["given_up_at"],
        "polling": "stretched" if stretched else "normal",
        "poll_seconds": settings.webhook_poll_seconds if stretched else row["cadence_seconds"],
    }


def is_stretched(row: Row, settings: Settings) -> bool:
    """Whether the connector may go without the next polls. Not one that failed, is unfinished, or has
    an error open: webhooks bring what changes, not what was missed."""
    return (
        settings.webhook_poll_seconds > 0
        and row["status"] in ("ok", "running")
        and row["connection_health"] == "ok"
        and row["last_success_at"] is not None
        and row["failing_since"] is None
        and _status(row, settings) == "healthy"
    )


def may_skip(row: Row, settings: Settings, now: datetime | None = None) -> bool:
    """Whether this poll may be left out, because the one after it still comes in time."""
    if not is_stretched(row, settings):
        return False
    following = (now or datetime.now(UTC)) + timedelta(seconds=row["cadence_seconds"] or 0)
    return following < _latest(row, settings)


def next_poll(row: Row, settings: Settings) -> datetime | None:
    """When it is polled: of the coming cycles the first that may not be left out."""
    due: datetime | None = row["next_run_at"]
    cadence = row["cadence_seconds"]
    if due is None or not cadence or not is_stretched(row, settings):
        return due
    left = (_latest(row, settings) - due).total_seconds()
    skipped = max(0, math.ceil(left / cadence) - 1)
    return due + timedelta(seconds=skipped * cadence)


def _latest(row: Row, settings: Settings) -> datetime:
    last: datetime = row["last_success_at"]
    return last + timedelta(seconds=settings.webhook_poll_seconds)


def _status(row: Row, settings: Settings) -> str:
    if not row["has_door"]:
        return "none"
    synced, given_up = row["last_success_at"], row["given_up_at"]
    # What was given up is made up for by the next poll that reads everything.
    if given_up is not None and (synced is None or synced < given_up):
        return "failing"
    if row["failed"] or (row["waiting_seconds"] or 0) > LEFT_BEHIND:
        return "failing"
    age = row["applied_seconds"]
    return "healthy" if age is not None and age <= settings.webhook_healthy_seconds else "quiet"
