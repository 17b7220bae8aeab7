"""The envelope, and JSON as the contract wants it.

Times leave as ISO-8601 UTC with milliseconds and `Z`, dates as `YYYY-MM-DD`, decimals as numbers.
Ids that are bigint in the database leave as strings because the SQL casts them.
"""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
from flask import Response, g

from app.web.errors import ApiError

OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


def iso(moment: datetime) -> str:
    """A moment as every answer and event writes it: `2026-11-23T03:17:16.144Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def dump_json(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=OPTIONS)


def ok(payload: dict[str, Any], status: int = 200) -> Response:
    """A success: the payload's fields at the top level, between `ok` and `request_id`."""
    return _json({"ok": True, **payload, "request_id": g.request_id}, status)


def failure(error: ApiError) -> Response:
    """An error in the envelope; `details` only when there are any."""
    body: dict[str, Any] = {
        "ok": False,
        "error": error.code,
        "message": error.message,
        "request_id": g.request_id,
    }
    if error.details is not None:
        body["details"] = error.details
    response = _json(body, error.status)
    response.headers.update(error.headers)
    return response


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(dump_json(body), status=status, content_type="application/json; charset=utf-8")
