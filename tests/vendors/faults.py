"""Faults that a simulated vendor can have: switched on by a test, by path and for so many times."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from flask import Response, request


@dataclass
class Fault:
    """What goes wrong. `times` None: until cleared."""

    kind: str
    path: str = ".*"
    times: int | None = None
    status: int = 503
    seconds: float = 0.0
    retry_after: str | None = None
    body: bytes = b'{"data":{"payload":['  # of "body" and "half_body"


class Faults:
    """The switchboard of one simulator."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, kind: str, **rules: Any) -> None:
        with self._lock:
            self._faults.append(Fault(kind, **rules))

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, path: str) -> Fault | None:
        """The fault that this request meets, if any."""
        with self._lock:
            for fault in self._faults:
                if re.search(fault.path, path) and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


def in_seconds(seconds: int) -> str:
    """A Retry-After in its other form: an HTTP date."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def answer(fault: Fault) -> Response | None:
    """The faulty answer; None when only time was lost and the right answer follows."""
    # The server waits for what is left of a body that nobody read, before it closes a connection.
    request.get_data()
    if fault.kind == "slow":
        time.sleep(fault.seconds)
        return None
    if fault.kind == "status":
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        return Response('{"error":"simulated"}', fault.status, headers, mimetype="application/json")
    if fault.kind == "wrong_json":
        return Response("<html>Maintenance</html>", 200, mimetype="text/html")
    if fault.kind == "not_an_object":
        return Response("42", 200, mimetype="application/json")
    if fault.kind == "body":
        return Response(fault.body, 200, mimetype="application/json")
    if fault.kind == "half_body":
        return _raw(fault.body, length=5000)
    if fault.kind == "drip":
        return Response(_drip(fault.seconds), 200, mimetype="application/json")
    if fault.kind == "disconnect":
        return _raw(b"", length=100)
    raise ValueError(f"no such fault: {fault.kind}")


def _raw(body: bytes, length: int) -> Response:
    """Less than was promised, then the connection is closed."""
    response = Response(body, 200, mimetype="application/json")
    response.headers["Content-Length"] = str(length)
    response.headers["Connection"] = "close"
    return response


def _drip(seconds: float) -> Iterator[bytes]:
    deadline = time.monotonic() + seconds
    yield b"["
    while time.monotonic() < deadline:
        yield b" "
        time.sleep(0.05)
    yield b"]"
