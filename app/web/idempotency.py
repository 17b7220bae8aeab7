"""The `x-idempotency-key` header: the same request twice is one deed and two equal answers.

The key is reserved before the work, tied to the caller, the route and the body. A second request
meets 409 while the first works, the stored answer afterwards, and 422 when its body differs. A
reservation whose process died is free again after its lock ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from flask import Response, g, request

from app.db import db, statements
from app.web.access import identity
from app.web.errors import ApiError
from app.web.operation import Operation
from app.web.responses import ok

HEADER = "x-idempotency-key"
LONGEST_KEY = 256
sql = statements("idempotency")


def run_once(operation: Operation, work: Callable[[], Response]) -> Response:
    """Do the work once per key. Without a (usable) key, simply do it.

    Raises 409 `idempotency_in_progress`, 422 `idempotency_key_reused`.
    """
    key = request.headers.get(HEADER, "").strip()
    if not key or len(key) > LONGEST_KEY:
        return work()
    caller = identity()
    place = {
        "scope": str(caller.project_id) if operation.project else "",
        "actor": str(caller.user_id),
        "route": f"{operation.method} {request.path}",
        "key": key,
    }
    request_hash = hashlib.sha256(request.get_data(cache=True)).digest()
    held = _reserve(place, request_hash)
    if not held["reserved"]:
        return _earlier_answer(held, request_hash)
    try:
        # The deed and its stored answer are one transaction: a crash leaves both or neither.
        with db.transaction() as tx:
            response = work()
            sql.store(
                tx,
                status_code=response.status_code,
                response=response.get_data(as_text=True),
                **place,
            )
    except BaseException:
        _release(place)
        raise
    return response


def _reserve(place: dict[str, str], request_hash: bytes) -> dict[str, object]:
    """Takes the key, or tells what is known of it. A statement that lost it to another request in this very
    moment does not see the other's row; the next one does, or takes what was released."""
    with db.connection() as connection:
        while True:
            held: dict[str, object] = sql.reserve(connection, request_hash=request_hash, **place)
            if held["reserved"] or held["request_hash"] is not None:
                return held


def _release(place: dict[str, str]) -> None:
    with db.connection() as connection:
        sql.release(connection, **place)


def _earlier_answer(held: dict[str, object], request_hash: bytes) -> Response:
    if bytes(held["request_hash"]) != request_hash:  # type: ignore[call-overload]
        raise ApiError(
            422, "idempotency_key_reused", "This idempotency key was used with another body."
        )
    if held["state"] != "done":
        raise ApiError(
            409,
            "idempotency_in_progress",
            "The first request with this key is still at work.",
            headers={"Retry-After": "1"},
        )
    stored = held["response"]
    assert isinstance(stored, dict)
    payload = {name: value for name, value in stored.items() if name not in ("ok", "request_id")}
    status = held["status_code"]
    assert isinstance(status, int)
    response = ok(payload, status)
    response.headers["Idempotency-Replayed"] = "true"
    g.idempotency_replayed = True
    return response
