"""What GET /connectors/state tells: which connector is behind, since when, why, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.connectors import words
from app.connectors.errors import SOFT
from app.connectors.webhooks.health import health, next_poll
from app.db import Row, db, statements
from app.scheduler.runner import heartbeat_seconds
from app.web.access import Identity
from config.settings import Settings

sql = statements("connectors")
projects_sql = statements("projects")

COPIED = (
    "connector", "mode", "status", "cursor_ts", "cursor_id", "page_cursor", "last_success_at",
    "last_attempt_at", "retry_count", "last_error", "last_error_kind", "meta", "updated_at", "lag_seconds",
    "open_errors", "dead_letters", "quarantined", "failing_since",
)  # fmt: skip
# Seconds: older data is behind, whatever the reason; webhooks may stretch the polls to nearly as long.
LONGEST_LAG = 5400.0
MISSED_BEATS = 3  # of a worker's heart, until it counts as lost


def overview(caller: Identity, project_id: UUID, settings: Settings) -> dict[str, Any]:
    """The active project's connectors, those that are behind in others, and all of it in a sentence."""
    with db.connection() as connection:
        rows: list[Row] = sql.behind_elsewhere(
            connection,
            user_id=caller.user_id,
            role=caller.role,
            project_id=project_id,
            soft=sorted(SOFT),
            longest_lag=LONGEST_LAG,
        )
        name = projects_sql.name_of(connection, project_id=project_id)
    states = connector_states(project_id, settings)
    now = datetime.now(UTC)
    elsewhere = [_elsewhere(row, now) for row in rows]
    return {
        "project": {"id": project_id, "name": name},
        "summary": words.summary(name, states, elsewhere, now),
        "connectors": states,
        "elsewhere": elsewhere,
    }


def _elsewhere(row: Row, now: datetime) -> dict[str, Any]:
    told = {
        **row,
        "behind": True,
        "connection": {"enabled": True, "health": row["connection_health"]},
    }
    since = words.since(told)
    return {
        **{name: row[name] for name in ("project_id", "project_name", "connector", "status")},
        "since": since,
        "message": f"{row['project_name']}: {words.sentence(told, now)}",
    }


def connector_states(project_id: UUID, settings: Settings) -> list[dict[str, Any]]:
    """Every connector of the project, those that never ran included."""
    with db.connection() as connection:
        rows: list[Row] = sql.states(connection, project_id=project_id)
    return [_state(row, settings) for row in rows]


def _state(row: Row, settings: Settings) -> dict[str, Any]:
    connected = row["connection_id"] is not None and row["enabled"]
    found = {name: row[name] for name in COPIED}
    if row["was_running"] and row["status"] == "failed":
        found["last_error_kind"], found["last_error"] = "lease_expired", None
    found["next_run_at"] = next_poll(row, settings) if connected else None
    found["webhook_health"] = health(row, settings) if connected else None
    found["connected_at"] = row["connected_at"]
    found["connection"] = _connection(row)
    found["lost_worker"] = _lost_worker(row, settings)
    found["breaker"] = _breaker(row) if connected else None
    found["behind"] = connected and _is_behind(row)
    now = datetime.now(UTC)
    found["what_next"] = words.what_next(found, now)
    found["message"] = words.message(found, now)
    return found


def _connection(row: Row) -> dict[str, Any] | None:
    if row["connection_id"] is None:
        return None
    return {
        "id": row["connection_id"],
        "base_url": row["base_url"],
        "external_account_id": row["external_account_id"],
        "enabled": row["enabled"],
        "health": row["connection_health"],
        "health_reason": row["health_reason"],
    }


def _lost_worker(row: Row, settings: Settings) -> dict[str, datetime] | None:
    """When the worker that reads was last heard of, and from when on another may take its run over; None
    while it is heard."""
    if row["run_status"] is None or row["heartbeat_at"] is None:
        return None
    silent_since: datetime = row["heartbeat_at"]
    silent = (datetime.now(UTC) - silent_since).total_seconds()
    waits = row["run_status"] == "queued"  # its lease has ended, and a tick has put it back
    if not waits and silent < MISSED_BEATS * heartbeat_seconds(settings):
        return None
    lease = timedelta(seconds=settings.job_lease_seconds)
    return {"lost_at": silent_since, "taken_over_at": row["lease_until"] or silent_since + lease}


def _breaker(row: Row) -> dict[str, Any]:
    """`open`: calls are refused until then; `half_open`: the next call is the probe."""
    until = row["breaker_until"]
    state = "closed" if until is None else "open" if until > datetime.now(UTC) else "half_open"
    return {"state": state, "failures": row["breaker_failures"] or 0, "open_until": until}


def _is_behind(row: Row) -> bool:
    return (
        row["status"] == "failed"
        # One that failed and is being tried again is not well yet.
        or (row["status"] == "running" and row["last_error_kind"] not in (None, *SOFT))
        or row["connection_health"] == "needs_attention"
        or _age(row) > LONGEST_LAG
    )


def _age(row: Row) -> float:
    """Seconds since it was read, or since it was connected when it never was."""
    read_at: datetime = row["last_success_at"] or row["connected_at"]
    return (datetime.now(UTC) - read_at).total_seconds()
