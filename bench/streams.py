"""Live events: how long one takes to the last of many open streams."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from uuid import UUID

from flask import Flask

from app.db import db
from app.events.service import publish
from bench.routes import headers_of
from bench.timing import Timing, timing
from tests.running import Web

PATIENCE = 10.0  # seconds for an event to reach everybody
PAUSE = 0.05  # seconds between events


class Streams:
    """Open streams of one web server, read by one thread as they bring something."""

    def __init__(self, web: Web, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._left = ExitStack()
        self._received: dict[int, bytes] = {}
        for _ in range(count):
            self._open(web)
        self._wait_for(b"event: connected", time.perf_counter())

    def _open(self, web: Web) -> None:
        connection = self._left.enter_context(
            socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE)
        )
        lines = ["GET /events/stream HTTP/1.1", "host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in headers_of(web).items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        self._selector.register(connection, selectors.EVENT_READ)
        self._received[connection.fileno()] = b""

    def close(self) -> None:
        self._left.close()
        self._selector.close()

    def tell(self, publish_it: Callable[[], None], mark: bytes) -> float:
        """Milliseconds from before an event's transaction until every stream has brought `mark`."""
        self._received = dict.fromkeys(self._received, b"")
        started = time.perf_counter()
        publish_it()
        return self._wait_for(mark, started)

    def _wait_for(self, mark: bytes, started: float) -> float:
        waiting = set(self._received)
        while waiting:
            for key, _ in self._selector.select(PATIENCE):
                self._received[key.fd] += key.fileobj.recv(65_536)  # type: ignore[union-attr]
                if mark in self._received[key.fd]:
                    waiting.discard(key.fd)
            if time.perf_counter() - started > PATIENCE:
                raise TimeoutError(f"{len(waiting)} streams brought nothing in {PATIENCE:g} s")
        return (time.perf_counter() - started) * 1000


def last_receiver(app: Flask, streams: Streams, project_id: UUID, events: int) -> Timing:
    """Publish events one after another, each as a job's end does."""
    durations = []
    for number in range(events):

        def tell(number: int = number) -> None:
            with app.app_context(), db.transaction() as tx:
                publish(tx, project_id, "job_completed", {"number": number, "status": "ok"})

        durations.append(streams.tell(tell, b'"number":%d,' % number))
        time.sleep(PAUSE)
    return timing(durations, sum(durations) / 1000)
