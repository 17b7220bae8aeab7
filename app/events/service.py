"""Live events: written in the transaction of the deed they tell of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from app.db import Connection, statements
from app.web.responses import dump_json

sql = statements("events")


def publish(tx: Connection, project_id: UUID, event_type: str, payload: dict[str, Any]) -> None:
    """Tell every stream of the project when `tx` commits. Call it last in the transaction: events
    are numbered in the order of their commits, so the next publisher waits for this one."""
    # Through our own JSON first, so that times look in events as they do in answers.
    plain = orjson.loads(dump_json(payload))
    sql.publish(tx, project_id=project_id, event_type=event_type, payload=Jsonb(plain))


def session_ended(tx: Connection, session_hash: bytes) -> None:
    """Close the streams of a session when `tx` commits."""
    sql.end_session(tx, session_hash=session_hash.hex())
