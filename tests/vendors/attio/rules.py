"""What the real API accepts, in a schema of our own. Stricter than the server where that shows our
mistakes: an unknown key is refused instead of ignored."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any], bool]


@dataclass(frozen=True)
class Rule:
    """A call that exists: what may stand in its query or its body."""

    method: str
    path: str
    query: dict[str, Check] = field(default_factory=dict)
    body: dict[str, Check] | None = None


def _whole(low: int, high: int | None = None) -> Check:
    def check(value: Any) -> bool:
        if isinstance(value, str) and re.fullmatch(r"\d+", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return low <= value and (high is None or value <= high)

    return check


def _sorts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and item.get("direction") in ("asc", "desc")
        and ("attribute" in item) != ("path" in item)
        and set(item) <= {"direction", "attribute", "path", "field"}
        for item in value
    )


def _one_of(*words: str) -> Check:
    return lambda value: value in words


QUESTION: dict[str, Check] = {
    "filter": lambda value: isinstance(value, dict),
    "sorts": _sorts,
    "limit": _whole(1, 500),
    "offset": _whole(0),
}
ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RULES = (
    Rule("GET", r"/v2/self"),
    Rule("GET", r"/v2/objects/[^/]+"),
    Rule("GET", r"/v2/lists/[^/]+"),
    Rule("GET", rf"/v2/objects/[^/]+/records/{ID}"),
    Rule("GET", rf"/v2/lists/[^/]+/entries/{ID}"),
    Rule("GET", rf"/v2/notes/{ID}"),
    Rule("GET", rf"/v2/tasks/{ID}"),
    Rule("POST", r"/v2/objects/[^/]+/records/query", body=QUESTION),
    Rule("POST", r"/v2/lists/[^/]+/entries/query", body=QUESTION),
    Rule("GET", r"/v2/notes", {"limit": _whole(1, 50), "offset": _whole(0)}),
    Rule(
        "GET",
        r"/v2/tasks",
        {
            "limit": _whole(1, 500),
            "offset": _whole(0),
            "sort": _one_of("created_at:asc", "created_at:desc"),
        },
    ),
)


def refusal(
    method: str, path: str, query: dict[str, Any], content_type: str, body: Any
) -> tuple[int, str, str] | None:
    """Status, code and message of the refusal; None for a call that is in order."""
    rule = next((r for r in RULES if r.method == method and re.fullmatch(r.path, path)), None)
    if rule is None:
        return 404, "not_found", f"{method} {path} does not exist"
    if rule.body is not None:
        if content_type != "application/json" or not isinstance(body, dict):
            return 400, "validation_type", "The body is not a JSON object"
        return _wrong(rule.body, body)
    return _wrong(rule.query, query)


def _wrong(checks: dict[str, Check], given: dict[str, Any]) -> tuple[int, str, str] | None:
    for name, value in given.items():
        if name not in checks:
            return 400, "validation_type", f"{name} is not known here"
        if not checks[name](value):
            return 400, "validation_type", f"{name} cannot be {value!r}"
    return None
