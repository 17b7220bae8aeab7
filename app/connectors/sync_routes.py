"""Syncing connectors by hand, what went wrong with them, and what happened upstream."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app
from marshmallow import validate

from app.audit import service as audit
from app.connectors import repairs
from app.connectors.service import require_connection
from app.connectors.vendors import VENDORS
from app.contacts.service import READ_PRIVATE
from app.db import db, statements
from app.scheduler import by_hand
from app.scheduler.service import run_and_wait
from app.web import cursors
from app.web.access import identity
from app.web.errors import ApiError
from app.web.inputs import ClampedInt, Input, Moment, Whole, Word, path_number
from app.web.routing import Api

api = Api("connector_syncs")
sql = statements("connectors")


class ErrorFilter(Input):
    status = Word(50)
    connector = Word(50)
    kind = Word()
    cursor = Word()
    limit = ClampedInt(default=100, low=1, high=500)


class DeadLetters(Input):
    cursor = Word()
    limit = ClampedInt(default=50, low=1, high=500)


class Retry(Input):
    limit = Whole(load_default=20, validate=validate.Range(1, 500))


class EventFilter(Input):
    type = Word(100)
    source = Word(50)
    date_from = Moment(load_default=None, allow_none=True, data_key="from")
    date_to = Moment(load_default=None, allow_none=True, data_key="to")
    cursor = Word()
    limit = ClampedInt(default=200, low=1, high=2000)


def _declare_job(connector: str) -> None:
    """POST /jobs/<connector>/sync, which the UI's buttons call: it joins a run that is at work."""

    def start(project_id: UUID) -> tuple[dict[str, Any], int]:
        require_connection(project_id, connector)
        return by_hand.start(project_id, f"{connector}_sync", current_app.config["SETTINGS"])

    name = connector.capitalize()
    start.__name__ = f"sync_{connector}"
    start.__doc__ = f"Pull what is new from {name}. Waits up to 10 s for the end, then answers 202."
    api.post(
        f"/jobs/{connector}/sync",
        permission="connectors.run",
        reply=by_hand.RunReply,
        limit="job",
        errors=(
            "connector_not_configured",
            f"{connector}_source_binding_error",
            "upstream_unavailable",
        ),
    )(start)


for _connector in VENDORS:
    _declare_job(_connector)


@api.post(
    "/connectors/sync",
    permission="connectors.run",
    limit="job",
    errors=("sync_in_progress",),
)
def sync_all(project_id: UUID) -> tuple[dict[str, Any], int]:
    """Sync every connector of the project. Waits up to 10 s for the end, then answers 202."""
    answer = run_and_wait(
        project_id,
        "connectors_sync_cycle",
        current_app.config["SETTINGS"],
        alone=True,
        forgiving=True,
    )
    _audit(project_id, "connectors.sync_all", "connectors", answer)
    return answer


@api.post(
    "/connectors/<name>/sync",
    permission="connectors.run",
    limit="job",
    errors=("connector_not_found", "connector_not_configured", "sync_in_progress"),
)
def sync_one(project_id: UUID, name: str) -> tuple[dict[str, Any], int]:
    """Sync one connector. Waits up to 10 s for the end, then answers 202."""
    connector = name.lower()
    if connector not in VENDORS:
        raise ApiError(
            404,
            "connector_not_found",
            f"There is no such connector; known are {', '.join(VENDORS)}.",
        )
    require_connection(project_id, connector)
    try:
        answer = run_and_wait(
            project_id, f"{connector}_sync", current_app.config["SETTINGS"], alone=True
        )
    except ApiError as error:
        _audit_one(project_id, connector, "failed", {"error": error.code})
        raise
    _audit(project_id, "connectors.sync_one", connector, answer)
    return answer


@api.get("/connectors/errors", permission="project.read", query=ErrorFilter)
def list_errors(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """Errors, the most recently seen first. `next_cursor` continues the list."""
    return _errors(project_id, query, query["status"], query["connector"], query["kind"])


@api.get("/connectors/errors/dead-letter", permission="project.read", query=DeadLetters)
def list_dead_letters(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """Errors that wait for a person."""
    return _errors(project_id, query, "dead_letter", None, None)


@api.post("/connectors/errors/retry", permission="connectors.run", body=Retry, limit="job")
def retry_errors(project_id: UUID, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Sync once more the connectors whose errors are due."""
    answer = run_and_wait(
        project_id,
        "connector_errors_retry",
        current_app.config["SETTINGS"],
        payload={"limit": body["limit"]},
        forgiving=True,
    )
    _audit(project_id, "connectors.retry_errors", "connectors", answer)
    return answer


@api.post(
    "/connectors/errors/dead-letter/<number>/retry",
    permission="connectors.run",
    limit="job",
    errors=("error_not_found", "invalid_id", "error_already_open"),
)
def retry_dead_letter(project_id: UUID, number: str) -> tuple[dict[str, Any], int]:
    """Give an error that waits for a person another chance, at once."""
    error, run_id = repairs.retry_dead_letter(project_id, path_number(number))
    return {"error": error, "job_run_id": run_id}, 202


@api.get("/connectors/events", permission="project.read", query=EventFilter)
def list_events(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """What happened upstream, newest first. `next_cursor` continues the list."""
    before_at, before_id = cursors.read(query["cursor"], cursors.bigint)
    with db.connection() as connection:
        rows = sql.list_events(
            connection,
            project_id=project_id,
            event_type=query["type"],
            source=query["source"],
            since=query["date_from"],
            before=query["date_to"],
            before_at=before_at,
            before_id=before_id,
            most=query["limit"] + 1,
        )
    shown, cursor = cursors.page(rows, query["limit"], "occurred_at")
    return {"events": shown, "next_cursor": cursor, "has_more": cursor is not None}


def _errors(
    project_id: UUID,
    query: dict[str, Any],
    status: str | None,
    connector: str | None,
    kind: str | None,
) -> dict[str, Any]:
    before_at, before_id = cursors.read(query["cursor"], cursors.bigint)
    with db.connection() as connection:
        rows = sql.list_errors(
            connection,
            project_id=project_id,
            whole=identity().may(READ_PRIVATE),
            status=status.lower() if status else None,
            connector=connector.lower() if connector else None,
            error_kind=kind,
            before_at=before_at,
            before_id=before_id,
            most=query["limit"] + 1,
        )
    shown, cursor = cursors.page(rows, query["limit"], "updated_at")
    return {"errors": shown, "next_cursor": cursor, "has_more": cursor is not None}


def _audit(
    project_id: UUID, action: str, entity_id: str, answer: tuple[dict[str, Any], int]
) -> None:
    result = answer[0]["result"]
    status = "queued" if answer[1] == 202 else "partial" if result.get("failed") else "ok"
    with db.transaction() as tx:
        audit.record(
            tx,
            action,
            project_id=project_id,
            entity_type="connector",
            entity_id=entity_id,
            status=status,
            payload=result,
        )


def _audit_one(project_id: UUID, connector: str, status: str, payload: dict[str, Any]) -> None:
    with db.transaction() as tx:
        audit.record(
            tx,
            "connectors.sync_one",
            project_id=project_id,
            entity_type="connector",
            entity_id=connector,
            status=status,
            payload=payload,
        )
