"""What GET /connectors/state tells: which connector is behind, since when, why, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.connectors import words
from app.connectors.webhooks.health import health, next_poll
from app.db import Row, db, statements
from config.settings import Settings

sql = statements("connectors")

COPIED = (
    "connector", "mode", "status", "cursor_ts", "cursor_id", "page_cursor", "last_success_at",
    "last_attempt_at", "retry_count", "last_error", "last_error_kind", "meta", "updated_at", "lag_seconds",
    "open_errors", "dead_letters", "quarantined", "failing_since",
)  # fmt: skip
# Older data than this is behind, whatever the reason; webhooks may stretch the polls to nearly as long.
LONGEST_LAG = 5400.0


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
    found["connection"] = _connection(row)
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


def _breaker(row: Row) -> dict[str, Any]:
    """`open`: calls are refused until then; `half_open`: the next call is the probe."""
    until = row["breaker_until"]
    state = "closed" if until is None else "open" if until > datetime.now(UTC) else "half_open"
    return {"state": state, "failures": row["breaker_failures"] or 0, "open_until": until}


def _is_behind(row: Row) -> bool:
    return (
        row["status"] == "failed"
        or row["connection_health"] == "needs_attention"
        or (row["lag_seconds"] is not None and row["lag_seconds"] > LONGEST_LAG)
    )
