"""What GET /connectors/state tells: which connector is behind, since when, why, and what comes next."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from app.connectors.webhooks.health import health, next_poll
from app.db import Row, db, statements
from app.web.responses import iso
from config.settings import Settings

sql = statements("connectors")

REASONS = {
    "auth_failed": "the token is refused",
    "forbidden": "the token may not read everything",
    "config_missing": "the connection is not complete",
    "binding_conflict": "the account belongs to another project",
    "timeout": "it does not answer in time",
    "network": "it cannot be reached",
    "upstream_5xx": "it answers with errors",
    "circuit_open": "it failed several times in a row",
    "rate_limited": "it asks for a pause",
    "invalid_response": "it answers something that cannot be read",
}


def connector_states(project_id: UUID, settings: Settings) -> list[dict[str, Any]]:
    """Every connector of the project, those that never ran included."""
    with db.connection() as connection:
        rows: list[Row] = sql.states(connection, project_id=project_id)
    return [_state(row, settings) for row in rows]


def _state(row: Row, settings: Settings) -> dict[str, Any]:
    connected = row["connection_id"] is not None
    lost = row["was_running"] and row["status"] == "failed"
    found = {
        name: row[name]
        for name in (
            "connector", "mode", "status", "cursor_ts", "cursor_id", "page_cursor", "last_success_at",
            "last_attempt_at", "retry_count", "last_error", "last_error_kind", "meta", "updated_at",
            "lag_seconds", "open_errors", "dead_letters",
        )
    }  # fmt: skip
    if lost:
        found["last_error_kind"], found["last_error"] = "lease_expired", "the worker was lost"
    found["next_run_at"] = next_poll(row, settings) if connected else None
    found["webhook_health"] = health(row, settings) if connected else None
    found["failing_since"] = row["failing_since"]
    found["connection"] = (
        {
            "id": row["connection_id"],
            "base_url": row["base_url"],
            "external_account_id": row["external_account_id"],
            "health": row["connection_health"],
            "health_reason": row["health_reason"],
        }
        if connected
        else None
    )
    found["message"] = _message(found, connected)
    return found


def _message(state: dict[str, Any], connected: bool) -> str:
    """The state in one sentence."""
    name = str(state["connector"]).capitalize()
    if not connected:
        return f"{name} is not connected to this project."
    if state["status"] == "idle":
        return f"{name} is connected and has not been read yet; first sync {_at(state['next_run_at'])}."
    if state["status"] == "running":
        return f"{name} is being read."
    if state["status"] == "partial" and _lacks_a_part(state):
        last, following = _clock(state["last_success_at"]), _at(state["next_run_at"])
        return f"{name} is current as of {last}, but {state['last_error']}; next sync {following}."
    if state["status"] == "partial":
        return f"{name} is being read in parts; the rest follows {_at(state['next_run_at'])}."
    if state["status"] == "ok":
        last, following = _clock(state["last_success_at"]), _at(state["next_run_at"])
        if state["webhook_health"]["polling"] == "stretched":
            applied = _clock(state["webhook_health"]["last_applied_at"])
            return f"{name} is kept current by its webhooks, the last at {applied}; next sync {following}."
        return f"{name} is current as of {last}; next sync {following}."
    reason = REASONS.get(
        str(state["last_error_kind"]), state["last_error"] or "the last sync failed"
    )
    since = _clock(state["failing_since"] or state["last_attempt_at"])
    if state["connection"]["health"] == "needs_attention":
        return (
            f"{name} needs attention since {since}: {reason}. Store the connection again to go on."
        )
    return f"{name} fails since {since}: {reason}. Next try {_at(state['next_run_at'])}."


def _lacks_a_part(state: dict[str, Any]) -> bool:
    """Everything was read but a stream that the vendor does not have for us."""
    return state["last_error_kind"] == "stream_unavailable" and not state["meta"].get("unfinished")


def _at(moment: datetime | None) -> str:
    return f"at {_clock(moment)}" if moment else "when asked for"


def _clock(moment: datetime | None) -> str:
    return iso(moment) if moment else "its first sync"
