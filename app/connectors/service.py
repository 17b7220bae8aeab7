"""Syncs of connectors as jobs, and what a connection needs before one."""

from __future__ import annotations

import math
import time
from typing import Any
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from app.connectors import connections, engine, failures
from app.connectors.breaker import Breaker
from app.connectors.connections import Connection
from app.connectors.engine import Outcome, SyncLock
from app.connectors.errors import ConnectorError
from app.connectors.loops import client as loops
from app.connectors.vendors import VENDORS
from app.connectors.webhooks.health import may_skip
from app.connectors.words import REASONS
from app.crypto import SecretUnreadable
from app.db import Row, db, statements
from app.scheduler.context import Handler, JobResult, RunContext, RunStopped
from app.scheduler.service import request_run
from app.web.errors import ApiError, invalid

log = structlog.get_logger(__name__)
sql = statements("connectors")

RETRIED_AT_ONCE = 20  # errors, when nobody says how many


def require_connection(project_id: UUID, connector: str) -> Connection:
    """The connection that a sync would use. Raises 409 `connector_not_configured`,
    `connector_disabled`, `<connector>_source_binding_error`."""
    try:
        found = connections.find(project_id, connector)
    except ConnectorError as error:
        raise connections.binding_error(connector, error) from None
    except SecretUnreadable as error:
        raise ApiError(409, "connector_not_configured", f"{error}.") from None
    if found is None and connections.is_off(project_id, connector):
        raise ApiError(
            409,
            "connector_disabled",
            f"The {connector} connection of this project is switched off.",
            {"connector": connector, "error_kind": "config_missing"},
        )
    if found is None:
        raise ApiError(
            409,
            "connector_not_configured",
            f"This project has no {connector} connection: POST /connectors/connections makes one.",
            {"connector": connector, "error_kind": "config_missing"},
        )
    return found


def sync_of(connector: str) -> Handler:
    """The job that pulls what is new from one vendor of the project."""
    return lambda context: sync(context, connector)


def run_sync_cycle(context: RunContext) -> JobResult:
    """All connectors of the project, each for itself; failed when all of them failed."""
    results: list[dict[str, Any]] = []
    pauses: list[float | None] = []  # of those that failed
    changed = False
    current = _kept_current(context)
    for connector in VENDORS:
        if connector in current or not _ready(context.project_id, connector):
            continue
        result = sync(context, connector)
        changed = changed or result.changed
        failed = result.status == "failed"
        if failed:
            pauses.append(result.retry_after)
        results.append(
            {
                "connector": connector,
                "status": "failed" if failed else "ok",
                "mode": "http",
                **(
                    {"error": result.error, "error_kind": result.error_kind}
                    if failed
                    else {"result": result.result}
                ),
            }
        )
    failures_count = len(pauses)
    named = [pause for pause in pauses if pause is not None]
    return JobResult(
        status="failed"
        if results and failures_count == len(results)
        else "partial"
        if failures_count
        else "completed",
        processed_count=len(results),
        result={
            "total": len(results),
            "ok": len(results) - failures_count,
            "failed": failures_count,
            "results": results,
            "kept_current_by_webhooks": current,
        },
        changed=changed,
        error_kind=next(
            (item.get("error_kind") for item in results if item.get("error_kind")), None
        ),
        error=next((item.get("error") for item in results if item.get("error")), None),
        # Until the first vendor wants to be asked again, when all of them named a time.
        retry_after=min(named) if named and len(named) == len(pauses) else None,
    )


def run_error_retry(context: RunContext) -> JobResult:
    """Sync once more each connector that has errors whose time has come: one sync serves all of them."""
    with db.connection() as connection:
        due: list[Row] = sql.due_errors(
            connection,
            project_id=context.project_id,
            most=context.payload.get("limit", RETRIED_AT_ONCE),
        )
    results = {
        connector: sync(context, connector)
        for connector in dict.fromkeys(row["connector"] for row in due)
        if connector in VENDORS
    }
    retried = [
        {**row, **_how_it_went(results[row["connector"]])}
        for row in due
        if row["connector"] in results
    ]
    failed = sum(item["status"] == "failed" for item in retried)
    return JobResult(
        # A vendor that is still away is no fault of this job: its own row keeps the pace.
        status="partial" if failed else "completed",
        processed_count=len(retried),
        result={
            "due": len(due),
            "succeeded": len(retried) - failed,
            "failed": failed,
            "retried": retried,
        },
        changed=any(result.changed for result in results.values()),
    )


def _how_it_went(result: JobResult) -> dict[str, Any]:
    failed = result.status == "failed"
    return {
        "status": "failed" if failed else "resolved",
        **({"error": result.error} if result.error else {}),
    }


def _kept_current(context: RunContext) -> list[str]:
    """Connectors that this cycle may leave out. Who asks for one by hand gets all of them."""
    if context.trigger != "schedule":
        return []
    with db.connection() as connection:
        rows: list[Row] = sql.states(connection, project_id=context.project_id)
    return [row["connector"] for row in rows if may_skip(row, context.settings)]


def _ready(project_id: UUID, connector: str) -> bool:
    """Whether a cycle should call this connector: it has a connection that nobody must mend first."""
    try:
        found = connections.find(project_id, connector)
    except (ConnectorError, SecretUnreadable) as error:
        log.info("connector_skipped", connector=connector, reason=type(error).__name__)
        return False
    return found is not None and found.health != "needs_attention"


def sync(context: RunContext, connector: str) -> JobResult:
    """One sync of one connector: state, streams, errors, state."""
    with SyncLock(context.project_id, connector) as mine:
        if not mine:
            return _in_progress(context, connector)
        started = time.monotonic()
        with db.connection() as connection:
            sql.begin_state(
                connection,
                project_id=context.project_id,
                connector=connector,
                run_id=context.run_id,
            )
        found: Connection | None = None
        try:
            found = connections.find(context.project_id, connector)
            if found is None:
                raise ConnectorError("config_missing", f"the project has no {connector} connection")
            outcome = _pull(found, context)
        except ConnectorError as error:
            outcome = Outcome(failed={"": error})
        except SecretUnreadable as error:
            outcome = Outcome(failed={"": ConnectorError("config_missing", str(error))})
        except RunStopped:
            # What it did not get to is neither well nor worse than before.
            with db.connection() as connection:
                sql.stop_state(connection, project_id=context.project_id, connector=connector)
            raise
        result = _end(context, connector, found, outcome)
        log.info(
            "sync_ended",
            connector=connector,
            status=outcome.status,
            seconds=round(time.monotonic() - started, 1),
            **outcome.counts,
        )
        return result


def _in_progress(context: RunContext, connector: str) -> JobResult:
    with db.connection() as connection:
        run_id = sql.state_run(connection, project_id=context.project_id, connector=connector)
    return JobResult(
        "failed",
        result={"running_run_id": str(run_id) if run_id else None},
        error_kind="sync_in_progress",
        error=f"another sync of {connector} is at work",
    )


class EarlyEmbedding:
    """Has chunks embedded while the sync still reads: the first ones need not wait for the last."""

    def __init__(self, context: RunContext) -> None:
        self._project_id = context.project_id
        self._asked = False

    def __call__(self, counts: dict[str, int]) -> None:
        if counts.get("inserted_chunks") and not self._asked:
            self._asked = True
            request_run(self._project_id, "embeddings_run", trigger="cascade")


def _pull(connection: Connection, context: RunContext) -> Outcome:
    breaker = Breaker(connection.project_id, connection.id, connection.base_url, context.settings)
    vendor = VENDORS[connection.connector]
    reader = vendor.open(connection, context.settings, breaker, context.check)
    try:
        return engine.pull(connection, reader, context, EarlyEmbedding(context))
    finally:
        reader.close()


def _end(
    context: RunContext, connector: str, connection: Connection | None, outcome: Outcome
) -> JobResult:
    """Write how it went: errors opened and resolved, the connection's health, the connector's state."""
    error = outcome.first_error
    vendor = VENDORS[connector]
    counts = {name: outcome.counts.get(name, 0) for name in vendor.shown}
    with db.transaction() as tx:
        for stream, failure in outcome.failed.items():
            failures.register(
                tx, context.project_id, connector, stream or None, failure, context.settings
            )
        cursor = None
        if connection is not None:
            sql.resolve_errors(
                tx,
                project_id=context.project_id,
                connector=connector,
                streams=outcome.sound,
                finished=[name for name in outcome.sound if name not in outcome.unfinished],
                whole="" not in outcome.failed,
            )
            health, reason = _health(outcome)
            sql.set_health(
                tx,
                project_id=context.project_id,
                connection_id=connection.id,
                health=health,
                reason=reason,
            )
            cursor = sql.newest_cursor(
                tx, project_id=context.project_id, connection_id=connection.id
            )
        cursor = cursor or {"cursor_ts": None, "cursor_id": None}
        result = {
            "source": f"{connector}:{connection.external_account_id}" if connection else connector,
            "project_id": str(context.project_id),
            **counts,
            "cursor_ts": cursor["cursor_ts"].isoformat() if cursor["cursor_ts"] else None,
            "cursor_id": cursor["cursor_id"],
            "unfinished": outcome.unfinished,
        }
        if error is not None and error.retry_after is not None:
            result["retry_after"] = error.retry_after
        sql.end_state(
            tx,
            project_id=context.project_id,
            connector=connector,
            status={"completed": "ok"}.get(outcome.status, outcome.status),
            error_kind=error.kind if error else None,
            error=error.message if error else None,
            meta=Jsonb(result),
            **cursor,
        )
    return JobResult(
        status=outcome.status,
        processed_count=sum(counts[name] for name in vendor.processed),
        result=result,
        changed=any(outcome.counts.get(name) for name in vendor.changes),
        error_kind=error.kind if error else None,
        error=error.message if error else None,
        # A breaker's pause is our own: the schedule's grow from failure to failure.
        retry_after=error.retry_after if error and error.kind == "rate_limited" else None,
    )


def _health(outcome: Outcome) -> tuple[str, str | None]:
    error = outcome.first_error
    if error is None or error.soft:
        return "ok", None
    if error.permanent:
        return "needs_attention", error.message
    return "degraded", error.message


_REFUSALS = {
    "config_missing": (400, "validation_error"),
    "auth_failed": (502, "upstream_auth_failed"),
    "forbidden": (502, "upstream_auth_failed"),
    "rate_limited": (429, "upstream_rate_limited"),
    **dict.fromkeys(
        ("timeout", "network", "upstream_5xx", "circuit_open"), (503, "upstream_unavailable")
    ),
}


def refusal(connector: str, error: ConnectorError) -> ApiError:
    """What a vendor's refusal is to the one who asked: 502 `upstream_auth_failed`, 502
    `upstream_error`, 503 `upstream_unavailable`, 429 `upstream_rate_limited`."""
    status, code = _REFUSALS.get(error.kind, (502, "upstream_error"))
    known = REASONS.get(error.kind)
    told = f"{known[0].upper()}{known[1:]}: {error.message}." if known else f"{error.message}."
    details: dict[str, Any] = {"connector": connector, "error_kind": error.kind}
    if error.retry_after is not None:
        details["retry_after"] = math.ceil(error.retry_after)
    return ApiError(status, code, told, details)


def check_mapping(connector: str, mapping: dict[str, Any], filters: dict[str, Any]) -> None:
    """Raise 400 `validation_error` for a mapping that no sync could use, or filters of another vendor: they
    would narrow nothing, and let several projects read the whole account."""
    vendor = VENDORS[connector]
    foreign = sorted(set(filters) - vendor.filters)
    if foreign:
        known = ", ".join(sorted(vendor.filters))
        raise invalid(f"{connector.capitalize()} is narrowed by {known}.", f"filters.{foreign[0]}")
    try:
        vendor.check_mapping(mapping, filters)
    except ConnectorError as error:
        raise invalid(f"{error.message}.", "mapping") from None


def verify(connection: Connection) -> dict[str, Any]:
    """Ask the vendor whether the connection works: who the token is, and the account.

    Raises 502 `upstream_auth_failed`, 502 `upstream_error`, 503 `upstream_unavailable`.
    """
    settings = connections.settings()
    try:
        found = (
            {"account": loops.team_name(settings)}  # its key is the installation's
            if connection.connector == "loops"
            else VENDORS[connection.connector].verify(connection, settings)
        )
    except ConnectorError as error:
        raise refusal(connection.connector, error) from None
    with db.connection() as c:
        sql.mark_verified(c, project_id=connection.project_id, connection_id=connection.id)
    return found
