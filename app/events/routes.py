"""GET /events/stream: what jobs do, as it happens."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Response, current_app, request
from marshmallow import fields, validate

from app.db import Row, db, statements
from app.events.hub import Stream, hub
from app.web.access import identity
from app.web.inputs import Input
from app.web.responses import dump_json
from app.web.routing import Api
from config.settings import Settings

api = Api("events")
sql = statements("events")

MOST_REPLAYED = 1000


class From(Input):
    last_event_id = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(0, 2**62)
    )


@api.get("/events/stream", permission="events.read", query=From, errors=("sse_capacity",))
def stream_events(project_id: UUID, query: dict[str, Any]) -> Response:
    """Server-sent events of every project of the account scope that the caller may see.

    `Last-Event-ID` (header or `last_event_id`) replays what was missed in the last 24 hours.
    """
    settings: Settings = current_app.config["SETTINGS"]
    caller = identity()
    with db.connection() as connection:
        rows = sql.visible_projects(
            connection,
            session_hashes=[caller.session_hash],
            idle_days=settings.session_idle_days,
        )
    project_ids = set(rows[0]["project_ids"]) if rows else {project_id}
    stream = hub.open(caller.session_hash, project_ids, settings)
    try:
        missed = _missed(project_ids, _last_seen(query))
    except BaseException:
        hub.leave(stream)
        raise
    body = _frames(stream, project_id, missed, settings.sse_heartbeat_seconds)
    response = Response(body, content_type="text/event-stream; charset=utf-8")
    # Without no-transform the UI's proxy compresses the stream and the browser sees nothing.
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(lambda: hub.leave(stream))
    return response


def _last_seen(query: dict[str, Any]) -> int | None:
    header = request.headers.get("Last-Event-ID", "")
    if header.isascii() and header.isdigit() and len(header) < 19:
        return int(header)
    seen: int | None = query["last_event_id"]
    return seen


def _missed(project_ids: set[UUID], last_id: int | None) -> list[Row] | None:
    """The events since `last_id`; None when they are too many or no longer kept."""
    if last_id is None:
        return []
    with db.connection() as connection:
        rows: list[Row] = sql.read_missed(
            connection, project_ids=list(project_ids), last_id=last_id, most=MOST_REPLAYED + 1
        )
        oldest = sql.oldest_kept(connection)
    if len(rows) > MOST_REPLAYED or (oldest is not None and oldest > last_id + 1):
        return None
    return rows


def _frames(
    stream: Stream, project_id: UUID, missed: list[Row] | None, heartbeat: float
) -> Iterator[bytes]:
    """The stream's bytes: `connected`, what was missed, then what comes, until it is closed."""
    yield b"retry: 1000\n" + _frame(
        "connected",
        {"project_id": project_id, "connected": True, "server_time": datetime.now(UTC)},
    )
    last_id = 0
    if missed is None:
        yield _frame("resync", {"reason": "too much was missed: read everything again"})
    for row in missed or []:
        last_id = row["id"]
        yield _event(row)
    due = time.monotonic() + heartbeat
    while True:
        try:
            row_or_end = stream.events.get(timeout=max(0.01, due - time.monotonic()))
        except queue.Empty:
            if stream.closed:
                return
            # A comment for the reference, an unnamed message for the UI's watchdog.
            yield b": heartbeat\n\ndata: {}\n\n"
            due = time.monotonic() + heartbeat
            continue
        if row_or_end is None:
            return
        if row_or_end["id"] > last_id:
            yield _event(row_or_end)


def _event(row: Row) -> bytes:
    return b"id: %d\n" % row["id"] + _frame(row["event_type"], row["payload"])


def _frame(name: str, payload: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + dump_json(payload) + b"\n\n"
