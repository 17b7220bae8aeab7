"""The open streams of one process: who they are for, how many there may be, what waits for each."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from app import metrics
from app.db import Row
from app.web.errors import ApiError
from app.web.responses import dump_json
from config.settings import Settings

Key = TypeVar("Key")


@dataclass(frozen=True)
class Told:
    """An event as it goes out: written once for however many streams."""

    id: int
    project_id: UUID
    frame: bytes


def told(row: Row) -> Told:
    """A row of the table `events` as the bytes a stream sends."""
    text = b"id: %d\n" % row["id"] + frame(row["event_type"], row["payload"])
    return Told(row["id"], row["project_id"], text)


def frame(name: str, payload: object) -> bytes:
    """A named server-sent event."""
    return b"event: " + name.encode() + b"\ndata: " + dump_json(payload) + b"\n\n"


@dataclass(eq=False)
class Stream:
    """One client. `events` holds what it has not been sent yet; None asks it to end. `disconnect`
    cuts its connection, for a client that no longer reads."""

    session_hash: bytes
    account_scope_id: UUID
    project_ids: frozenset[UUID]
    events: queue.Queue[Told | None]
    disconnect: Callable[[], None] = field(default=lambda: None)
    closed: bool = field(default=False)

    @property
    def key(self) -> tuple[bytes, UUID]:
        """What decides which projects it sees."""
        return self.session_hash, self.account_scope_id

    def give(self, event: Told) -> None:
        """Queue an event. A client too slow for the queue is cut off; replay heals it."""
        if self.closed or event.project_id not in self.project_ids:
            return
        try:
            self.events.put_nowait(event)
        except queue.Full:
            self.closed = True
            self.disconnect()

    def close(self) -> None:
        """Ask it to end once it has sent what waits."""
        self.closed = True
        with contextlib.suppress(queue.Full):
            self.events.put_nowait(None)


class Streams:
    """A set of streams that counts by session and by project as it changes, so that opening the
    thousandth costs what opening the first did."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: set[Stream] = set()
        self._of_session: Counter[bytes] = Counter()
        self._of_project: Counter[UUID] = Counter()

    def all(self) -> list[Stream]:
        with self._lock:
            return list(self._all)

    def add(self, stream: Stream, settings: Settings) -> None:
        """Raises 503 `sse_capacity` when a cap is reached."""
        with self._lock:
            busiest = max((self._of_project[p] for p in stream.project_ids), default=0)
            if (
                len(self._all) >= settings.sse_max_per_process
                or self._of_session[stream.session_hash] >= settings.sse_max_per_session
                or busiest >= settings.sse_max_per_project
            ):
                raise ApiError(
                    503,
                    "sse_capacity",
                    "Too many live streams are open; close one, or read by polling.",
                    headers={"Retry-After": "30"},
                )
            self._all.add(stream)
            self._count(stream, 1)

    def remove(self, stream: Stream) -> None:
        with self._lock:
            if stream in self._all:
                self._all.remove(stream)
                self._count(stream, -1)

    def show(self, stream: Stream, project_ids: frozenset[UUID]) -> None:
        """Let a stream see these projects from now on."""
        with self._lock:
            if stream in self._all and stream.project_ids != project_ids:
                self._count(stream, -1)
                stream.project_ids = project_ids
                self._count(stream, 1)

    def _count(self, stream: Stream, step: int) -> None:
        _add(self._of_session, [stream.session_hash], step)
        _add(self._of_project, stream.project_ids, step)
        metrics.SSE_CONNECTIONS.set(len(self._all))
        metrics.SSE_PROJECTS.set(len(self._of_project))


def _add(counter: Counter[Key], keys: Iterable[Key], step: int) -> None:
    for key in keys:
        counter[key] += step
        if not counter[key]:
            del counter[key]
