"""The simulated server on a real socket: in a thread for tests, or as a program."""

from __future__ import annotations

import logging
import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.vendors.chatwoot.api import RequestLog, make_api
from tests.vendors.chatwoot.state import State
from tests.vendors.faults import Faults

logging.getLogger("werkzeug").setLevel(logging.ERROR)


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


class ChatwootServer:
    """Start, stop and start again on the same port; `state`, `faults` and `requests` for tests."""

    def __init__(
        self, state: State | None = None, token: str = "chatwoot-token", port: int = 0
    ) -> None:
        self.state = state or State()
        self.faults = Faults()
        self.requests = RequestLog()
        self.token = token
        self.port = port
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        app = make_api(self.state, self.token, self.faults, self.requests)
        self._server = make_server(
            "127.0.0.1", self.port, app, threaded=True, request_handler=KeepAlive
        )
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self) -> None:
        """Serve in this thread until the process is told to stop."""
        self.start()
        assert self._thread is not None
        self._thread.join()
