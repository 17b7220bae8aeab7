"""What happened upstream, as rows: written with the change that shows it, told once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from app.db import Connection, statements
from app.web.responses import dump_json

sql = statements("connectors")


@dataclass(frozen=True)
class Event:
    """One transition. `change` tells the same transition at different times apart: old and new value."""

    event_type: str
    source: str
    source_ref: str
    actor: str = "system"  # client | team | system
    occurred_at: datetime | None = None  # unset: now
    source_url: str | None = None
    change: str = ""
    payload: dict[str, Any] = field(default_factory=dict)


def record(tx: Connection, project_id: UUID, events: list[Event]) -> int:
    """Write events; those that are known already are left alone. Answers how many were new."""
    if not events:
        return 0
    rows = [_row(event) for event in events]
    written: int = sql.insert_events(tx, project_id=project_id, rows=Jsonb(rows, dumps=dump_json))
    return written


def _row(event: Event) -> dict[str, Any]:
    occurred_at = event.occurred_at or datetime.now(UTC)
    told = (event.source, event.event_type, event.source_ref, occurred_at.isoformat(), event.change)
    return {
        **vars(event),
        "occurred_at": occurred_at,
        "dedupe_key": hashlib.sha256("\0".join(told).encode()).hexdigest(),
    }
