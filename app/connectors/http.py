"""Calls to vendors: deadlines that include the body, retries, pace, and a shared breaker.

Used from the plain threads of the worker. A call ends within the total deadline whatever the server
does: slow headers, a dripping body, a body that stops in the middle.
"""

from __future__ import annotations

import math
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from app import metrics
from app.connectors.addresses import may_be_called
from app.connectors.breaker import Breaker
from app.connectors.errors import TRANSIENT, ConnectorError
from app.connectors.records import read_json
from config.settings import Settings

USER_AGENT = "Lightpost/1.0 (+connector)"
LONGEST_PAUSE_IN_CALL = 20.0  # a longer Retry-After ends the run, which comes back by itself
BACKOFF_BASE = 0.4
EXCERPT_LENGTH = 200
STATUS_KINDS = {
    401: "auth_failed",
    403: "forbidden",
    404: "not_found",
    422: "schema_mismatch",
    400: "schema_mismatch",
}


class Pace:
    """A token bucket over all threads of a connection: so many calls a second for long, and a burst at
    the beginning. With 40 a second and a burst of 600 no minute has more than 3,000 calls, which is
    what a Chatwoot server allows by default."""

    def __init__(
        self,
        per_second: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause = 1.0 / per_second
        self._head_start = burst * self._pause
        self._clock = clock
        self._next = clock() - self._head_start
        self._lock = threading.Lock()
        self.sleep = sleep

    def wait(self) -> None:
        with self._lock:
            now = self._clock()
            self._next = max(self._next + self._pause, now - self._head_start)
            delay = self._next - now
        if delay > 0:
            self.sleep(delay)

    def slow_to(self, per_second: float) -> None:
        """Never more calls a second than that, from now on."""
        with self._lock:
            self._pause = max(self._pause, 1.0 / per_second)

    def hold(self, seconds: float) -> None:
        """No call before so many seconds have passed."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds - self._pause)


@dataclass(frozen=True)
class Answer:
    """A vendor's answer as it came: what its own rules read before the common ones do."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Refused(Exception):
    """A name led to an address that may not be called."""


class _Guarded(HTTPAdapter):
    """Looks at each new connection's other end before anything is sent to it."""

    def __init__(self, may_call: Callable[[str, str], bool], **options: Any) -> None:
        self._may_call = may_call
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        may_call = self._may_call

        def checked(connection: Any, new: socket.socket) -> socket.socket:
            if may_call(str(new.getpeername()[0]), connection.host):
                return new
            new.close()
            raise _Refused

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return checked(self, super()._new_conn())

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return checked(self, super()._new_conn())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


class HttpClient:
    """Asks one vendor connection for JSON. Whatever is sent may be sent again: questions, and records
    that a repeated PUT leaves as they are.

    `judge` hears every answer first: it may note its headers, and raise what a vendor's own way of
    refusing means. A `guarded` one, whose address somebody gave, sends nothing into a private network
    that is not allowed, wherever the name leads.
    """

    def __init__(
        self,
        connector: str,
        base_url: str,
        headers: dict[str, str],
        settings: Settings,
        breaker: Breaker | None = None,
        check: Callable[[], None] = lambda: None,
        judge: Callable[[Answer], None] = lambda answer: None,
        pace: Pace | None = None,
        guarded: bool = False,
    ) -> None:
        self.connector = connector
        self.base_url = base_url.rstrip("/")
        self.host = urlsplit(base_url).netloc
        self.settings = settings
        self.breaker = breaker
        self.check = check  # raises when the run must stop
        self.judge = judge
        self.calls = 0
        self._secrets = [value.split()[-1] for value in headers.values() if value.strip()]
        self._pace = pace or Pace(settings.connector_requests_per_second, settings.connector_burst)
        self._session = requests.Session()
        self._session.headers.update(
            {"User-Agent": USER_AGENT, "Accept": "application/json", **headers}
        )
        # Keeps a proxy of the environment from seeing vendor tokens.
        self._session.trust_env = False
        pool: dict[str, Any] = {"pool_connections": 2, "pool_maxsize": 16}
        adapter = _Guarded(self._may_call, **pool) if guarded else HTTPAdapter(**pool)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of an address below the base. Raises ConnectorError."""
        return self._ask("GET", path, query, None)

    def post(self, path: str, question: Any) -> Any:
        """The JSON that answers a question sent as JSON. Raises ConnectorError."""
        return self._ask("POST", path, {}, question)

    def put(self, path: str, record: Any) -> Any:
        """The JSON that answers a record sent whole; sent twice, it changes nothing more. Raises
        ConnectorError."""
        return self._ask("PUT", path, {}, record)

    def _ask(self, method: str, path: str, query: dict[str, Any], question: Any) -> Any:
        attempt = 0
        failure: ConnectorError | None = None
        while True:
            self.check()
            if self.breaker:
                self._refuse_when_open(self.breaker, failure)
            self._pace.wait()
            try:
                found = self._attempt(method, path, query, question)
            except ConnectorError as error:
                if self.breaker and error.kind in TRANSIENT:
                    self.breaker.failed()
                pause = self._pause_before_retry(error, attempt)
                if pause is None:
                    raise
                attempt += 1
                failure = error
                self._pace.sleep(pause)
                continue
            if self.breaker:
                self.breaker.succeeded()
            return found

    def close(self) -> None:
        self._session.close()

    @staticmethod
    def _refuse_when_open(breaker: Breaker, failure: ConnectorError | None) -> None:
        """A call whose own failures opened the breaker tells of them: that is what went wrong."""
        try:
            breaker.refuse_when_open()
        except ConnectorError as refusal:
            raise failure or refusal from None

    def _pause_before_retry(self, error: ConnectorError, attempt: int) -> float | None:
        """Seconds to wait before trying again; None when the error is final."""
        if attempt >= self.settings.connector_http_retries:
            return None
        if error.kind == "rate_limited":
            pause = error.retry_after if error.retry_after is not None else 2.0 * 2**attempt
            return pause if pause <= LONGEST_PAUSE_IN_CALL else None
        if error.kind in TRANSIENT:
            return random.uniform(0, BACKOFF_BASE * 2**attempt)
        return None

    def _attempt(self, method: str, path: str, query: dict[str, Any], question: Any) -> Any:
        started = time.monotonic()
        status = "error"
        self.calls += 1
        try:
            with self._session.request(
                method,
                self.base_url + path,
                params=query,
                json=question,
                stream=True,
                allow_redirects=False,
                timeout=(
                    self.settings.connector_connect_timeout_seconds,
                    self.settings.connector_read_timeout_seconds,
                ),
            ) as response:
                status = f"{response.status_code // 100}xx"
                body = self._body(response, started + self.settings.connector_total_timeout_seconds)
                return self._understand(response, body)
        except _Refused:
            raise ConnectorError(
                "config_missing",
                f"{self.host} leads into a private network; CONNECTOR_PRIVATE_HOSTS allows one",
            ) from None
        except requests.Timeout:
            raise ConnectorError("timeout", f"{self.host} did not answer in time") from None
        except (requests.RequestException, OSError) as error:
            raise ConnectorError(
                "network", f"{self.host} cannot be reached ({type(error).__name__})"
            ) from None
        finally:
            metrics.CONNECTOR_REQUESTS.labels(self.connector, status).inc()
            metrics.CONNECTOR_SECONDS.labels(self.connector).observe(time.monotonic() - started)

    def _may_call(self, address: str, host: str) -> bool:
        return may_be_called(address, host, self.settings)

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        """The whole body, within the deadline and the size that settings allow."""
        parts: list[bytes] = []
        size = 0
        while True:
            part = self._part(response)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > self.settings.connector_max_response_bytes:
                raise ConnectorError("invalid_response", f"{self.host} sent more than is allowed")
            if time.monotonic() > deadline:
                raise ConnectorError("timeout", f"{self.host} sent its answer too slowly")

    def _part(self, response: requests.Response) -> bytes:
        try:
            # read1 hands over what has arrived; read would wait for more than the deadline allows.
            return bytes(response.raw.read1(65_536, decode_content=True))
        except Exception as error:
            if "Timeout" in type(error).__name__:
                raise ConnectorError(
                    "timeout", f"{self.host} stopped in the middle of its answer"
                ) from None
            raise ConnectorError(
                "network", f"{self.host} broke off its answer ({type(error).__name__})"
            ) from None

    def _understand(self, response: requests.Response, body: bytes) -> Any:
        status = response.status_code
        self.judge(Answer(status, response.headers, body))
        if 200 <= status < 300:
            try:
                return read_json(body)
            except ValueError:
                raise self._error(
                    response, body, "invalid_response", "sent something that is not JSON"
                ) from None
        if status == 429:
            raise self._error(response, body, "rate_limited", "asks for a pause")
        if status >= 500 or status in (408, 425):
            raise self._error(response, body, "upstream_5xx", f"answered {status}")
        kind = STATUS_KINDS.get(status, "upstream_4xx")
        raise self._error(response, body, kind, f"answered {status}")

    def _error(
        self, response: requests.Response, body: bytes, kind: str, what: str
    ) -> ConnectorError:
        return ConnectorError(
            kind,
            f"{self.host} {what}",
            http_status=response.status_code,
            retry_after=retry_after(response.headers.get("Retry-After")),
            vendor_request_id=response.headers.get("X-Request-Id"),
            excerpt=self._excerpt(body),
        )

    def _excerpt(self, body: bytes) -> str:
        """The beginning of an answer, without the credentials that it may repeat."""
        text = body[: 4 * EXCERPT_LENGTH].decode("utf-8", "replace").replace("\x00", "")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:EXCERPT_LENGTH]


def retry_after(header: str | None) -> float | None:
    """Seconds from a Retry-After header in either form, clamped to 1 s to 1 h; None without one."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    if math.isnan(seconds):
        return None
    return min(max(seconds, 1.0), 3600.0)
