"""Pushes to Loops: asked for by a person, by the schedule, by a command."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.audit import service as audit
from app.connectors.loops import contacts, push
from app.connectors.loops.client import LoopsClient
from app.connectors.loops.push import Audience, Outcome, PushInProgress
from app.connectors.service import refusal
from app.db import Row, db, statements
from app.projects import service as projects
from app.scheduler import service as scheduler
from app.scheduler.catalogue import CATALOGUE
from app.scheduler.context import JobResult, RunContext
from app.web.access import Identity
from app.web.errors import ApiError
from config.settings import Settings

sql = statements("loops")

JOB = "loops_contacts_sync"
OFF = "LOOPS_SECRET_KEY is not configured"
MOST_IN_A_REQUEST = 50  # more are pushed by the worker
MOST_ERRORS = 20
TURN = 0.9  # of the cadence: schedules of one scope do not keep exact time


def sync(
    caller: Identity, asked: list[UUID], limit: int, settings: Settings
) -> tuple[dict[str, Any], int]:
    """What POST /loops/sync answers: the reply and its status.

    Projects that the caller may not see count as not asked for. Raises 409 `account_scope_required`,
    409 `sync_in_progress`, and what a vendor's refusal is.
    """
    if caller.account_scope_id is None or caller.project_id is None:
        raise ApiError(409, "account_scope_required", "Choose a project first.")
    if not settings.loops_secret_key:
        return {"loops": {"enabled": False, "reason": OFF, **_nothing()}}, 200
    visible = [
        row["id"]
        for row in projects.list_accessible(caller)
        if row["account_scope_id"] == caller.account_scope_id
    ]
    selected = [found for found in visible if not asked or found in asked]
    if not selected:
        return {"loops": _reply(selected, _nothing())}, 200
    audience = Audience(caller.account_scope_id, selected, visible, limit)
    found, _ = push.survey(audience, settings)
    if min(found.waiting, limit) > MOST_IN_A_REQUEST:
        return _push_by_job(caller.project_id, audience, found, settings)
    return _push_now(caller.project_id, audience, settings), 200


def _push_now(project_id: UUID, audience: Audience, settings: Settings) -> dict[str, Any]:
    started = datetime.now(UTC)
    try:
        outcome = push_and_audit(project_id, audience, settings)
    except PushInProgress:
        raise ApiError(
            409, "sync_in_progress", "Another push of these contacts is at work."
        ) from None
    if outcome.error and not outcome.processed:
        raise refusal("loops", outcome.error)
    counters = outcome.counters()
    if outcome.error:
        counters["stopped_by"] = outcome.error.kind
    return {"loops": _reply(audience.project_ids, counters, _errors(audience, started))}


def _push_by_job(
    project_id: UUID, audience: Audience, found: Outcome, settings: Settings
) -> tuple[dict[str, Any], int]:
    """Have the worker push, and wait a while for its end."""
    started = datetime.now(UTC)
    payload = {
        "project_ids": [str(found) for found in audience.project_ids],
        "visible_ids": [str(found) for found in audience.visible_ids],
        "limit": audience.limit,
    }
    answer, status = scheduler.run_and_wait(project_id, JOB, settings, payload=payload)
    counters = found.counters()
    if status == 200:
        counters.update((name, answer["result"].get(name, counters[name])) for name in counters)
    extra = {"queued": status == 202, "job_run_id": answer["job_run_id"]}
    reply = _reply(audience.project_ids, counters, _errors(audience, started))
    return {"loops": {**reply, **extra}}, status


def push_and_audit(
    project_id: UUID | None,
    audience: Audience,
    settings: Settings,
    context: RunContext | None = None,
) -> Outcome:
    """Push, and write one audit row: for what a person asked for always, for a schedule's run when it
    did something. Raises PushInProgress."""
    client = LoopsClient(settings, check=context.check if context else lambda: None)
    try:
        outcome = push.push(audience, settings, client, _tell(context))
    finally:
        client.close()
    if outcome.processed or context is None or context.trigger != "schedule":
        with db.transaction() as tx:
            audit.record(
                tx,
                "loops.contacts_sync",
                project_id=project_id,
                entity_type="integration",
                entity_id="loops",
                status=outcome.status,
                payload={
                    "account_scope_id": str(audience.account_scope_id),
                    "selected_project_ids": [str(found) for found in audience.project_ids],
                    **outcome.counters(),
                },
            )
    return outcome


def _tell(context: RunContext | None) -> Any:
    if context is None:
        return lambda outcome: None
    return lambda outcome: context.progress(outcome.processed, remaining=outcome.remaining)


def run_contacts_sync(context: RunContext) -> JobResult:
    """The job: a scope's contacts, or those that the one who asked may see.

    Every project has the schedule, and a push serves its whole scope: the first of them that is due
    does it, the others find nothing to do until the next hour.
    """
    settings = context.settings
    if not settings.loops_secret_key:
        return JobResult(result={"enabled": False, "reason": OFF})
    with db.connection() as connection:
        scope_id = sql.scope_of(connection, project_id=context.project_id)
        turn = {"account_scope_id": scope_id, "run_id": context.run_id}
        scheduled = context.trigger == "schedule"
        cadence = CATALOGUE[JOB].cadence_seconds or 0
        if scheduled and not sql.take_turn(connection, **turn, seconds=cadence * TURN):
            return JobResult(result={"enabled": True, "reason": "another project's run did it"})
    done = False
    try:
        audience = _audience_of(context, scope_id)
        outcome = push_and_audit(context.project_id, audience, settings, context)
        done = not (outcome.remaining or outcome.error)
        return _result(outcome)
    except PushInProgress:
        reason = "another push of this scope is at work"
        if scheduled:
            return JobResult(result={"enabled": True, "reason": reason})
        return JobResult("failed", error_kind="sync_in_progress", error=reason)
    finally:
        if scheduled and not done:
            with db.connection() as connection:
                sql.give_turn_back(connection, **turn)


def _audience_of(context: RunContext, scope_id: UUID) -> Audience:
    payload = context.payload
    if "project_ids" in payload:
        return Audience(
            scope_id,
            [UUID(found) for found in payload["project_ids"]],
            [UUID(found) for found in payload["visible_ids"]],
            payload["limit"],
        )
    return whole_scope(scope_id, context.settings.loops_contacts_limit)


def whole_scope(scope_id: UUID, limit: int) -> Audience:
    with db.connection() as connection:
        ids = [row["id"] for row in sql.scope_projects(connection, account_scope_id=scope_id)]
    return Audience(scope_id, ids, ids, limit)


def _result(outcome: Outcome) -> JobResult:
    """What everybody of the project may read: numbers, no address, no other project."""
    error = outcome.error
    unfinished = outcome.remaining or outcome.failed or error
    return JobResult(
        status="failed"
        if error and outcome.status == "failed"
        else "partial"
        if unfinished
        else "completed",
        processed_count=outcome.processed,
        result={"enabled": True, **outcome.counters()},
        error_kind=error.kind if error else None,
        error=error.message if error else None,
        retry_after=error.retry_after if error else None,
    )


def _errors(audience: Audience, since: datetime) -> list[Row]:
    """Contacts that were not taken, their addresses masked."""
    with db.connection() as connection:
        failures = sql.recent_failures(
            connection,
            account_scope_id=audience.account_scope_id,
            project_ids=audience.project_ids,
            since=since,
            most=MOST_ERRORS,
        )
    words = {"rejected": "Loops refuses this contact.", "failed": "Loops could not be reached."}
    return [
        {
            "email": contacts.masked(row["email"]),
            "code": row["code"],
            "message": words[row["status"]],
        }
        for row in failures
    ]


def _reply(
    selected: list[UUID], counters: dict[str, Any], errors: list[Row] | None = None
) -> dict[str, Any]:
    return {
        "enabled": True,
        "selected_project_ids": selected,
        **counters,
        "errors": errors or [],
    }


def _nothing() -> dict[str, Any]:
    return {**Outcome().counters(), "errors": []}
