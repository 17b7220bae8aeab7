"""Linear's GraphQL API: named questions from files, its own ways of refusing, and its two quotas."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from app import metrics
from app.connectors.breaker import Breaker
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.connectors.http import LONGEST_PAUSE_IN_CALL, Answer, HttpClient, retry_after
from config.settings import Settings

QUERIES = Path(__file__).parent / "queries"
MOST_PER_PAGE = 250

# Linear tells its errors in the body, under whatever status.
KINDS = {
    "AUTHENTICATION_ERROR": "auth_failed",
    "FORBIDDEN": "forbidden",
    "RATELIMITED": "rate_limited",
    "INVALID_INPUT": "schema_mismatch",
    "INPUT_ERROR": "schema_mismatch",
    "GRAPHQL_VALIDATION_FAILED": "schema_mismatch",
    "GRAPHQL_PARSE_FAILED": "schema_mismatch",
    "ENTITY_NOT_FOUND": "not_found",
    "INTERNAL_SERVER_ERROR": "upstream_5xx",
}


@cache
def query(name: str) -> str:
    """The text of a question, by the name of its file."""
    return (QUERIES / f"{name}.graphql").read_text()


class Quota:
    """What is left of the hour's requests and of its complexity points, as the last answer told."""

    def __init__(self) -> None:
        self._left: dict[str, float] = {}
        self._reset: dict[str, float] = {}
        self._cost = 0.0

    def note(self, headers: Mapping[str, str]) -> None:
        for kind in ("requests", "complexity"):
            left = _number(headers.get(f"x-ratelimit-{kind}-remaining"))
            reset = _number(headers.get(f"x-ratelimit-{kind}-reset"))
            if left is not None and reset is not None:
                self._left[kind], self._reset[kind] = left, reset / 1000
                metrics.CONNECTOR_QUOTA.labels("linear", kind).set(left)
        self._cost = max(self._cost, _number(headers.get("x-complexity")) or 0.0)

    def pause(self) -> float:
        """Seconds until the next call may be made, so that it is not made only to be refused."""
        needed = {"requests": 1.0, "complexity": self._cost}
        waits = [
            self._reset[kind] - time.time()
            for kind, left in self._left.items()
            if left < needed[kind]
        ]
        return max([0.0, *waits])


class LinearClient:
    """Asks one workspace."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        breaker: Breaker | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.quota = Quota()
        self.http = HttpClient(
            "linear",
            connection.base_url,
            {"Authorization": authorization(connection.token)},
            settings,
            breaker,
            check,
            self._judge,
            guarded=not connection.from_settings,
        )

    def ask(self, name: str, **variables: Any) -> dict[str, Any]:
        """The data that answers a question. Raises ConnectorError."""
        pause = self.quota.pause()
        if pause > LONGEST_PAUSE_IN_CALL:
            raise ConnectorError(
                "rate_limited", "Linear's quota of this hour is used up", retry_after=pause
            )
        time.sleep(pause)
        answer = self.http.post("", {"query": query(name), "variables": variables})
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise ConnectorError("invalid_response", "Linear answered without data")
        return data

    def page(self, name: str, field: str, **variables: Any) -> tuple[list[Any], str | None]:
        """One page of a list, and the cursor that continues it."""
        return nodes(self.ask(name, **variables).get(field))

    def close(self) -> None:
        self.http.close()

    def _judge(self, answer: Answer) -> None:
        """Note the quota, and raise what Linear's errors mean: a limit may come as a 400."""
        self.quota.note(answer.headers)
        try:
            errors = orjson.loads(answer.body).get("errors")
        except (orjson.JSONDecodeError, AttributeError):
            return
        if not errors:
            return
        first = errors[0] if isinstance(errors[0], dict) else {}
        extensions = first.get("extensions") or {}
        code = str(extensions.get("code") or extensions.get("type") or "").upper()
        default = "upstream_5xx" if answer.status >= 500 else "upstream_error"
        kind = (
            "rate_limited" if answer.status == 429 else KINDS.get(code.replace(" ", "_"), default)
        )
        raise ConnectorError(
            kind,
            f"Linear refused: {str(first.get('message') or code or 'no reason given')[:200]}",
            http_status=answer.status,
            retry_after=self._retry_after(answer) if kind == "rate_limited" else None,
            vendor_request_id=answer.headers.get("x-request-id"),
        )

    def _retry_after(self, answer: Answer) -> float | None:
        told = retry_after(answer.headers.get("Retry-After"))
        return told if told is not None else (self.quota.pause() or None)


def authorization(token: str) -> str:
    """Personal keys stand alone in the header, tokens of an OAuth application are bearers."""
    return token if token.startswith("lin_api_") else f"Bearer {token}"


def nodes(connection: Any) -> tuple[list[Any], str | None]:
    """The nodes of a Relay connection, and the cursor when there are more."""
    if not isinstance(connection, dict) or not isinstance(connection.get("nodes"), list):
        raise ConnectorError(
            "invalid_response", "Linear answered without the list it was asked for"
        )
    info = connection.get("pageInfo") or {}
    return connection["nodes"], info.get("endCursor") if info.get("hasNextPage") else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
