"""GET /events/stream: what jobs do, as it happens."""

from __future__ import annotations

import contextlib
import queue
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Response, current_app, request
from marshmallow import fields, validate

from app.db import db, statements
from app.events.hub import hub, visible_projects
from app.events.streams import Stream, Told, frame, told
from app.web.access import identity
from app.web.inputs import Input
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
    stream, newest_id = _stream(project_id, settings)
    seen = _last_seen(query)
    start = newest_id if seen is None else min(seen, newest_id)
    position = hub.open(stream, newest_id, settings)
    try:
        missed = _missed(stream, start) if start < max(position, newest_id) else []
    except BaseException:
        hub.leave(stream)
        raise
    body = _frames(stream, project_id, start, missed, settings.sse_heartbeat_seconds)
    response = Response(body, content_type="text/event-stream; charset=utf-8")
    # Without no-transform the UI's proxy compresses the stream and the browser sees nothing.
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(lambda: hub.leave(stream))
    return response


def _stream(project_id: UUID, settings: Settings) -> tuple[Stream, int]:
    """The caller's stream, not yet open, and the newest event there is."""
    caller = identity()
    assert caller.account_scope_id is not None  # it comes with the project
    key = (caller.session_hash, caller.account_scope_id)
    with db.connection() as connection:
        newest_id: int = sql.newest_id(connection)
        visible = visible_projects(connection, {key}, settings)
    return Stream(
        *key,
        project_ids=visible.get(key, frozenset({project_id})),
        events=queue.Queue(settings.sse_queue_size),
        disconnect=_cutter(request.environ.get("gunicorn.socket")),
    ), newest_id


def _cutter(connection: socket.socket | None) -> Callable[[], None]:
    """What ends a connection whose client no longer reads: a write that waits for it fails then."""

    def cut() -> None:
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    return cut


def _last_seen(query: dict[str, Any]) -> int | None:
    header = request.headers.get("Last-Event-ID", "")
    if header.isascii() and header.isdigit() and len(header) < 19:
        return int(header)
    seen: int | None = query["last_event_id"]
    return seen


def _missed(stream: Stream, last_id: int) -> list[Told] | None:
    """The events since `last_id`; None when they are too many or no longer kept."""
    with db.connection() as connection:
        rows = sql.read_missed(
            connection,
            project_ids=list(stream.project_ids),
            last_id=last_id,
            most=MOST_REPLAYED + 1,
        )
        oldest = sql.oldest_kept(connection)
    if len(rows) > MOST_REPLAYED or (oldest is not None and oldest > last_id + 1):
        return None
    return [told(row) for row in rows]


def _frames(
    stream: Stream, project_id: UUID, last_id: int, missed: list[Told] | None, heartbeat: float
) -> Iterator[bytes]:
    """The stream's bytes: `connected`, what was missed, then what comes, until it is closed."""
    yield b"retry: 1000\n" + frame(
        "connected",
        {"project_id": project_id, "connected": True, "server_time": datetime.now(UTC)},
    )
    if missed is None:
        yield frame("resync", {"reason": "too much was missed: read everything again"})
    for event in missed or []:
        last_id = event.id
        yield event.frame
    due = time.monotonic() + heartbeat
    while True:
        try:
            next_event = stream.events.get(timeout=max(0.01, due - time.monotonic()))
        except queue.Empty:
            if stream.closed:
                return
            # A comment for the reference, an unnamed message for the UI's watchdog.
            yield b": heartbeat\n\ndata: {}\n\n"
            due = time.monotonic() + heartbeat
            continue
        if next_event is None:
            return
        if next_event.id > last_id:
            yield next_event.frame
