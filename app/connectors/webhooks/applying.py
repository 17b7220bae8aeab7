"""Applying the deliveries of one object: are they ours, what does the vendor say, how did it end."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import psycopg
import structlog

from app import metrics
from app.connectors import connections
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.connectors.failures import LONGEST_DELAY
from app.connectors.webhooks.handlers import HANDLERS
from app.connectors.webhooks.model import Delivery, Ignored
from app.connectors.webhooks.signatures import SCHEMES
from app.crypto import SecretUnreadable
from app.db import Row, Unavailable, db, statements
from app.scheduler.context import RunContext, RunStopped

log = structlog.get_logger(__name__)
sql = statements("webhooks")


@dataclass(frozen=True)
class Applied:
    """How the deliveries of one object ended, and what their vendor's handler counted."""

    connector: str
    ends: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def apply(context: RunContext, claim: UUID, rows: list[Row]) -> Applied:
    """Apply the claimed deliveries of one object, and write how it ended.

    Raises RunStopped, and Unavailable while Postgres is away; nothing else.
    """
    context.check()
    work = _Work(context, claim, rows)
    try:
        found = _connection(context.project_id, rows[0]["connection_id"])
        mine = [row for row in rows if _names_our_account(found, row)]
        others = [row for row in rows if row not in mine]
        if others:
            work.end(others, "ignored", "wrong_account", "The payload names another account.")
        if mine:
            work.counts.update(_hand_over(found, context, _load(context.project_id, mine)))
            work.end(mine, "done")
    except Ignored as reason:
        work.end(work.open, "ignored", "not_ours", str(reason))
    except ConnectorError as error:
        work.fail(error)
    except (RunStopped, Unavailable):
        raise
    except Exception as error:
        log.error("delivery_failed", error_type=type(error).__name__, exc_info=error)
        kind = "db_error" if isinstance(error, psycopg.Error) else "internal"
        work.fail(ConnectorError(kind, type(error).__name__))
    return Applied(rows[0]["connector"], dict(work.ends), dict(work.counts))


def _connection(project_id: UUID, connection_id: UUID) -> Connection:
    try:
        found = connections.find_by_id(project_id, connection_id)
    except SecretUnreadable as error:
        raise ConnectorError("config_missing", str(error)) from None
    if found is None:
        raise Ignored("The connection is switched off.")
    return found


def _names_our_account(connection: Connection, row: Row) -> bool:
    """Whether the payload's account is the connection's. Some vendors may leave it out."""
    if row["tenant"] is None:
        return not SCHEMES[connection.connector].names_account
    return bool(row["tenant"] == connection.external_account_id)


def _load(project_id: UUID, rows: list[Row]) -> list[Delivery]:
    with db.connection() as connection:
        found: list[Row] = sql.read_deliveries(
            connection, project_id=project_id, ids=[row["id"] for row in rows]
        )
    return [
        Delivery(
            id=row["id"],
            delivery_id=row["delivery_id"],
            event=row["event"],
            object_ref=row["object_ref"],
            payload=orjson.loads(row["body"]) if row["body"] else {},
            received_at=row["received_at"],
            attempts=row["attempts"],
        )
        for row in found
    ]


def _hand_over(
    connection: Connection, context: RunContext, deliveries: list[Delivery]
) -> dict[str, int]:
    handler = HANDLERS.get(connection.connector)
    if handler is None:
        raise Ignored(f"Nothing here depends on deliveries of {connection.connector}.")
    return handler(connection, context, deliveries)


class _Work:
    """The deliveries in hand: which are still open, and how the others ended."""

    def __init__(self, context: RunContext, claim: UUID, rows: list[Row]) -> None:
        self.open = rows
        self.ends: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._context = context
        self._claim = claim
        self._started = time.monotonic()

    @property
    def _place(self) -> dict[str, object]:
        return {
            "project_id": self._context.project_id,
            "claim": self._claim,
            "milliseconds": round((time.monotonic() - self._started) * 1000),
        }

    def end(
        self, rows: list[Row], status: str, kind: str | None = None, error: str | None = None
    ) -> None:
        """No more is to be done for these."""
        with db.connection() as connection:
            ended = sql.end_deliveries(
                connection,
                ids=[row["id"] for row in rows],
                status=status,
                error_kind=kind,
                error=error,
                **self._place,
            )
        self.open = [row for row in self.open if row not in rows]
        self._count(rows[0]["connector"], status, ended)

    def fail(self, error: ConnectorError) -> None:
        """Those that are still open are tried again, or were tried often enough."""
        settings = self._context.settings
        with db.connection() as connection:
            failed: list[Row] = sql.fail_deliveries(
                connection,
                ids=[row["id"] for row in self.open],
                error_kind=error.kind,
                error=error.message,
                # A vendor's wish for a pause is no failed attempt.
                counts=error.kind != "rate_limited",
                delay=error.retry_after,
                base_seconds=settings.connector_retry_base_seconds,
                cap_seconds=LONGEST_DELAY,
                jitter=random.uniform(0.8, 1.2),
                max_attempts=settings.webhook_max_attempts,
                **self._place,
            )
        for row in failed:
            self._count(self.open[0]["connector"], row["status"], 1)
        log.warning("delivery_postponed", object=self.open[0]["object_ref"], kind=error.kind)

    def _count(self, connector: str, status: str, number: int) -> None:
        self.ends[status] += number
        metrics.WEBHOOK_DELIVERIES.labels(connector, status).inc(number)
