"""A simulated vendor on a real socket: in a thread for tests, or as a program."""

from __future__ import annotations

import logging
import re
import threading
import weakref
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.ports import LOOPBACK, port_of, reserve
from tests.vendors.faults import Faults

logging.getLogger("werkzeug").setLevel(logging.ERROR)


class RequestLog:
    """Every request that came, so that tests can count calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.entries: list[tuple[str, str]] = []

    def note(self, path: str, query: str) -> None:
        with self._lock:
            self.entries.append((path, query))

    def count(self, pattern: str = ".*") -> int:
        with self._lock:
            return sum(bool(re.search(pattern, path)) for path, _ in self.entries)

    def clear(self) -> None:
        with self._lock:
            self.entries.clear()


class KeepAlive(WSGIRequestHandler):
    """HTTP/1.1, so that a client's connection serves many requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def make_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().make_environ()
        # Werkzeug leaves out names with an underscore; Chatwoot's token header has two.
        environ["HTTP_API_ACCESS_TOKEN"] = self.headers.get("api_access_token", "")
        return environ

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Tests count requests in the request log."""


class SimulatedVendor:
    """Start, stop and start again on the same port; `faults` and `requests` are for tests."""

    def __init__(self, token: str, port: int = 0) -> None:
        self.faults = Faults()
        self.requests = RequestLog()
        self.token = token
        self.port = port or self._own_port()
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    def _own_port(self) -> int:
        held = reserve()
        weakref.finalize(self, held.close)
        return port_of(held)

    def make_api(self) -> Flask:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = make_server(
            LOOPBACK, self.port, self.make_api(), threaded=True, request_handler=KeepAlive
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self, announce: str = "") -> None:
        """Serve in this thread until the process is told to stop; `announce` is printed when it does."""
        self.start()
        print(announce, end="", flush=True)
        assert self._thread is not None
        self._thread.join()
