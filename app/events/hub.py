"""Live events inside one web process: one LISTEN connection, many streams.

The hub starts with the first stream. It reads events in the order of their ids, so a lost connection
loses nothing: after reconnecting it reads on from the last one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import dict_row

from app.db import Row, Unavailable, db, statements
from app.events.streams import Stream, Streams, told
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("events")

BATCH = 500
LONGEST_PAUSE = 5.0


class Hub:
    """The listener of this process, and its streams."""

    def __init__(self) -> None:
        self.streams = Streams()
        self._lock = threading.Lock()
        self._listener: threading.Thread | None = None
        self._stopping = threading.Event()
        self._listeners: list[Callable[[Row], None]] = []
        self._last_id: int | None = None
        self._settings: Settings | None = None

    def subscribe(self, callback: Callable[[Row], None]) -> None:
        """Have every event of every project passed to a function of this process."""
        self._listeners.append(callback)

    def open(self, stream: Stream, newest_id: int, settings: Settings) -> int:
        """Take a stream in, and answer the id after which it is given events: what happened up to
        then is for the caller to read. `newest_id` is where a hub that has not listened yet begins.

        Raises 503 `sse_capacity` when a cap is reached.
        """
        self.streams.add(stream, settings)
        with self._lock:
            if self._last_id is None:
                self._last_id = newest_id
            position = self._last_id
            self._settings = settings
            if self._listener is None or not self._listener.is_alive():
                self._stopping.clear()
                self._listener = threading.Thread(target=self._run, name="events", daemon=True)
                self._listener.start()
        return position

    def leave(self, stream: Stream) -> None:
        self.streams.remove(stream)

    def close(self) -> None:
        """End every stream and the listener: the process is stopping."""
        self._stopping.set()
        for stream in self.streams.all():
            stream.close()

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
            except (
                Exception
            ):  # whatever else it is, every stream of this process hangs on this thread
                log.exception("listen_broke", again_in=LONGEST_PAUSE)
                self._stopping.wait(LONGEST_PAUSE)

    def _listen(self) -> None:
        settings = self._settings
        assert settings is not None
        with psycopg.connect(
            db.listen_url, autocommit=True, row_factory=dict_row, connect_timeout=5
        ) as connection:
            connection.execute("LISTEN lightpost_events")
            connection.execute("LISTEN lightpost_sessions")
            self._read_on(connection)
            checked = time.monotonic()
            while not self._stopping.is_set():
                ended = set()
                news = False
                for notify in connection.notifies(timeout=1.0, stop_after=1):
                    if notify.channel == "lightpost_sessions":
                        ended.add(bytes.fromhex(notify.payload))
                    news = news or notify.channel == "lightpost_events"
                if news:
                    self._read_on(connection)
                for stream in self.streams.all() if ended else ():
                    if stream.session_hash in ended:
                        stream.close()
                if time.monotonic() - checked > settings.sse_heartbeat_seconds:
                    self._check_access(connection, settings)
                    checked = time.monotonic()

    def _read_on(self, connection: psycopg.Connection[Row]) -> None:
        while True:
            rows = sql.read_after(connection, last_id=self._last_id, most=BATCH)
            for row in rows:
                event = told(row)
                with self._lock:  # whoever opens a stream sees a position that is handed out whole
                    self._last_id = row["id"]
                    for stream in self.streams.all():
                        stream.give(event)
                for callback in self._listeners:
                    callback(row)
            if len(rows) < BATCH:
                return

    def _check_access(self, connection: psycopg.Connection[Row], settings: Settings) -> None:
        """One statement for all streams: who may still see what. Access that ended ends here, and a
        client that did not read its own end is cut off."""
        streams = self.streams.all()
        if not streams:
            return
        visible = visible_projects(connection, {stream.key for stream in streams}, settings)
        for stream in streams:
            if stream.closed:
                stream.disconnect()
            elif stream.key in visible:
                self.streams.show(stream, visible[stream.key])
            else:
                stream.close()


def visible_projects(
    connection: psycopg.Connection[Any], keys: set[tuple[bytes, UUID]], settings: Settings
) -> dict[tuple[bytes, UUID], frozenset[UUID]]:
    """The projects that each living session may see in an account scope."""
    rows: list[Row] = sql.visible_projects(
        connection,
        session_hashes=[key[0] for key in keys],
        scope_ids=[key[1] for key in keys],
        idle_days=settings.session_idle_days,
    )
    return {
        (bytes(row["token_hash"]), row["account_scope_id"]): frozenset(row["project_ids"])
        for row in rows
    }


hub = Hub()
