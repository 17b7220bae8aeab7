"""Live events inside one web process: one LISTEN connection, many streams.

The hub starts with the first stream. It reads events in the order of their ids, so a lost connection
loses nothing: after reconnecting it reads on from the last one. Each stream has a bounded queue; a
client too slow for it is closed and catches up by replay when it comes back.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import dict_row

from app import metrics
from app.db import Row, Unavailable, db, statements
from app.web.errors import ApiError
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("events")

BATCH = 500
LONGEST_PAUSE = 5.0


@dataclass(eq=False)
class Stream:
    """One client. `events` holds rows of the table `events`; None asks it to end."""

    session_hash: bytes
    project_ids: set[UUID]
    events: queue.Queue[Row | None]
    closed: bool = field(default=False)

    def close(self) -> None:
        self.closed = True
        # A client that is behind ends when it has drained what it has.
        with contextlib.suppress(queue.Full):
            self.events.put_nowait(None)


class Hub:
    """All streams of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._listener: threading.Thread | None = None
        self._stopping = threading.Event()
        self._listeners: list[Callable[[Row], None]] = []
        self._last_id: int | None = None
        self._settings: Settings | None = None

    def subscribe(self, callback: Callable[[Row], None]) -> None:
        """Have every event of every project passed to a function of this process."""
        self._listeners.append(callback)

    def open(self, session_hash: bytes, project_ids: set[UUID], settings: Settings) -> Stream:
        """A new stream. Raises 503 `sse_capacity` when a cap is reached."""
        stream = Stream(session_hash, project_ids, queue.Queue(settings.sse_queue_size))
        with self._lock:
            self._refuse_over_cap(stream, settings)
            self._streams.add(stream)
            self._settings = settings
            if self._listener is None or not self._listener.is_alive():
                self._stopping.clear()
                self._listener = threading.Thread(target=self._run, name="events", daemon=True)
                self._listener.start()
        self._show()
        return stream

    def leave(self, stream: Stream) -> None:
        with self._lock:
            self._streams.discard(stream)
        self._show()

    def close(self) -> None:
        """End every stream and the listener: the process is stopping."""
        self._stopping.set()
        for stream in self._all():
            stream.close()

    def _refuse_over_cap(self, stream: Stream, settings: Settings) -> None:
        same_session = sum(s.session_hash == stream.session_hash for s in self._streams)
        busiest = max(
            (sum(p in s.project_ids for s in self._streams) for p in stream.project_ids), default=0
        )
        if (
            len(self._streams) >= settings.sse_max_per_process
            or same_session >= settings.sse_max_per_session
            or busiest >= settings.sse_max_per_project
        ):
            raise ApiError(
                503,
                "sse_capacity",
                "Too many live streams are open; close one, or read by polling.",
                headers={"Retry-After": "30"},
            )

    def _all(self) -> list[Stream]:
        with self._lock:
            return list(self._streams)

    def _show(self) -> None:
        streams = self._all()
        metrics.SSE_CONNECTIONS.set(len(streams))
        metrics.SSE_PROJECTS.set(len(set().union(*(s.project_ids for s in streams))))

    def _run(self) -> None:
        pause = 0.2
        while not self._stopping.is_set():
            try:
                self._listen()
                pause = 0.2
            except (psycopg.Error, Unavailable, OSError) as error:
                log.warning("listen_lost", error_type=type(error).__name__, again_in=pause)
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _listen(self) -> None:
        settings = self._settings
        assert settings is not None
        with psycopg.connect(
            db.listen_url, autocommit=True, row_factory=dict_row, connect_timeout=5
        ) as connection:
            connection.execute("LISTEN lightpost_events")
            connection.execute("LISTEN lightpost_sessions")
            if self._last_id is None:
                self._last_id = sql.newest_id(connection)
            self._read_on(connection)
            checked = time.monotonic()
            while not self._stopping.is_set():
                ended = set()
                told = False
                for notify in connection.notifies(timeout=1.0, stop_after=1):
                    if notify.channel == "lightpost_sessions":
                        ended.add(bytes.fromhex(notify.payload))
                    told = told or notify.channel == "lightpost_events"
                if told:
                    self._read_on(connection)
                for stream in self._all():
                    if stream.session_hash in ended:
                        stream.close()
                if time.monotonic() - checked > settings.sse_heartbeat_seconds:
                    self._check_access(connection, settings)
                    checked = time.monotonic()

    def _read_on(self, connection: psycopg.Connection[Row]) -> None:
        while True:
            rows = sql.read_after(connection, last_id=self._last_id, most=BATCH)
            for row in rows:
                self._last_id = row["id"]
                self._hand_out(row)
            if len(rows) < BATCH:
                return

    def _hand_out(self, row: Row) -> None:
        for callback in self._listeners:
            callback(row)
        for stream in self._all():
            if row["project_id"] in stream.project_ids and not stream.closed:
                try:
                    stream.events.put_nowait(row)
                except queue.Full:
                    log.info("slow_stream_closed")
                    stream.close()

    def _check_access(self, connection: psycopg.Connection[Row], settings: Settings) -> None:
        """One statement for all streams: who may still see what. Access that ended ends here."""
        streams = self._all()
        hashes = list({stream.session_hash for stream in streams})
        rows: list[dict[str, Any]] = sql.visible_projects(
            connection, session_hashes=hashes, idle_days=settings.session_idle_days
        )
        visible = {bytes(row["token_hash"]): set(row["project_ids"]) for row in rows}
        for stream in streams:
            if stream.session_hash in visible:
                stream.project_ids = visible[stream.session_hash]
            else:
                stream.close()
        self._show()


hub = Hub()
