"""Errors of connectors as rows: one open row a fault, retried while waiting helps, then a person's."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from app.connectors.errors import HELD, NO_ATTEMPT, ConnectorError, patience
from app.db import Connection, statements
from config.settings import Settings

sql = statements("connectors")

LONGEST_DELAY = 6 * 3600
FEW_ATTEMPTS = {"db_error": 3, "lease_expired": 3, "internal": 3}


@dataclass(frozen=True)
class Rejected:
    """A record that could not be understood; the run goes on without it. `payload` is the record, or the
    beginning of a large one."""

    source_ref: str
    reason: str
    payload: Any


@dataclass
class Judged:
    """Records that were read: those that could not be understood, and the names of all others."""

    rejected: list[Rejected] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)


def register(
    tx: Connection,
    project_id: UUID,
    connector: str,
    stream: str | None,
    error: ConnectorError,
    settings: Settings,
) -> None:
    """Note a failure. A known one counts on; a permanent one waits for a person at once, and one of a
    vendor that is away only when it has been away for days."""
    missing = error.kind == "stream_unavailable"
    _write(
        tx,
        project_id,
        connector,
        stream,
        kind=error.kind,
        message=error.message,
        source_ref=None,
        payload=error.details(),
        max_attempts=FEW_ATTEMPTS.get(error.kind, settings.connector_max_retries),
        permanent=error.permanent or error.kind in HELD,
        counts=error.kind not in NO_ATTEMPT,
        patience=patience(error.kind),
        # Every sync looks whether the stream is there; none is made for it alone.
        delay=LONGEST_DELAY if missing else error.retry_after,
        settings=settings,
    )


def quarantine(
    tx: Connection,
    project_id: UUID,
    connector: str,
    stream: str,
    record: Rejected,
    settings: Settings,
) -> None:
    """Keep a record that does not parse, with its payload, for a person to look at."""
    _write(
        tx,
        project_id,
        connector,
        stream,
        kind="record_invalid",
        message=record.reason,
        source_ref=record.source_ref[:500],
        payload={"record": record.payload},
        max_attempts=1,
        permanent=True,
        counts=True,
        patience=None,
        delay=None,
        settings=settings,
    )


def settle(tx: Connection, project_id: UUID, connector: str, understood: list[str]) -> None:
    """Records that could be understood this time are nobody's task any more."""
    if understood:
        sql.settle_records(tx, project_id=project_id, connector=connector, refs=understood)


def _write(
    tx: Connection,
    project_id: UUID,
    connector: str,
    stream: str | None,
    *,
    kind: str,
    message: str,
    source_ref: str | None,
    payload: dict[str, Any],
    max_attempts: int,
    permanent: bool,
    counts: bool,
    patience: float | None,
    delay: float | None,
    settings: Settings,
) -> None:
    place = "|".join((connector, stream or "", kind, source_ref or ""))
    sql.register_error(
        tx,
        project_id=project_id,
        connector=connector,
        stream=stream,
        error_kind=kind,
        error_message=message[:4000],
        source_ref=source_ref,
        payload=Jsonb(payload),
        dedupe_key=hashlib.sha256(place.encode()).hexdigest(),
        max_attempts=max_attempts,
        permanent=permanent,
        counts=counts,
        patience=patience,
        delay=delay,
        base_seconds=settings.connector_retry_base_seconds,
        cap_seconds=LONGEST_DELAY,
        jitter=random.uniform(0.8, 1.2),
    )
