"""Applying the deliveries of some objects: are they ours, what does the vendor say, how did it end."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import structlog

from app import metrics
from app.connectors.connections import Connection
from app.connectors.errors import NO_ATTEMPT, ConnectorError, patience
from app.connectors.failures import LONGEST_DELAY
from app.connectors.records import read_json
from app.connectors.webhooks.model import Delivery, Ignored
from app.connectors.webhooks.opened import Openings
from app.connectors.webhooks.signatures import SCHEMES
from app.db import Row, Unavailable, db, statements
from app.scheduler.context import RunContext, RunStopped

log = structlog.get_logger(__name__)
sql = statements("webhooks")


@dataclass(frozen=True)
class Applied:
    """How the deliveries of some objects ended, and what applying them counted."""

    connector: str
    connection_id: UUID
    objects: int
    ends: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def apply(context: RunContext, openings: Openings, claim: UUID, rows: list[Row]) -> Applied:
    """Apply claimed deliveries of one connection, and write how it ended.

    Raises RunStopped, and Unavailable while Postgres is away; nothing else.
    """
    context.check()
    work = _Work(context, claim, rows)
    try:
        opened = openings.get(rows[0]["connection_id"])
        others = [row for row in rows if not _names_our_account(opened.connection, row)]
        work.end(others, "ignored", "wrong_account", "The payload names another account.")
        if work.open:
            effect = opened.applier.apply(_load(context.project_id, work.open))
            work.counts.update(effect.counts)
            work.ignore(effect.ignored)
            work.end(work.open, "done")
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
    objects = len({row["object_ref"] for row in rows})
    return Applied(
        rows[0]["connector"],
        rows[0]["connection_id"],
        objects,
        dict(work.ends),
        dict(work.counts),
    )


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
            payload=read_json(row["body"]) if row["body"] else {},
            received_at=row["received_at"],
            attempts=row["attempts"],
        )
        for row in found
    ]


class _Work:
    """The deliveries in hand: which are still open, and how the others ended."""

    def __init__(self, context: RunContext, claim: UUID, rows: list[Row]) -> None:
        self.open = rows
        self.ends: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._connector = rows[0]["connector"]
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

    def ignore(self, reasons: dict[int, str]) -> None:
        """These were of nothing that the connection reads."""
        for reason in sorted(set(reasons.values())):
            rows = [row for row in self.open if reasons.get(row["id"]) == reason]
            self.end(rows, "ignored", "not_ours", reason)

    def end(
        self, rows: list[Row], status: str, kind: str | None = None, error: str | None = None
    ) -> None:
        """No more is to be done for these."""
        if not rows:
            return
        ids = {row["id"] for row in rows}
        with db.connection() as connection:
            ended = sql.end_deliveries(
                connection,
                ids=sorted(ids),
                status=status,
                error_kind=kind,
                error=error,
                **self._place,
            )
        self.open = [row for row in self.open if row["id"] not in ids]
        self._count(status, ended)

    def fail(self, error: ConnectorError) -> None:
        """Those that are still open are tried again, or were tried often enough."""
        settings = self._context.settings
        with db.connection() as connection:
            failed: list[Row] = sql.fail_deliveries(
                connection,
                ids=[row["id"] for row in self.open],
                error_kind=error.kind,
                error=error.message,
                counts=error.kind not in NO_ATTEMPT,
                patience=patience(error.kind),
                delay=error.retry_after,
                base_seconds=settings.connector_retry_base_seconds,
                cap_seconds=LONGEST_DELAY,
                jitter=random.uniform(0.8, 1.2),
                max_attempts=settings.webhook_max_attempts,
                **self._place,
            )
        for row in failed:
            self._count(row["status"], 1)
        log.warning("delivery_postponed", deliveries=len(failed), kind=error.kind)

    def _count(self, status: str, number: int) -> None:
        self.ends[status] += number
        metrics.WEBHOOK_DELIVERIES.labels(self._connector, status).inc(number)
