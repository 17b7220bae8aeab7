"""What clients send, checked before anything else sees it.

Bodies and query strings are validated by marshmallow schemas derived from `Input`: unknown keys are
dropped, every mistake is reported at once as `{path, message, code}`. Text that Postgres cannot hold
(NUL) is refused for the whole request, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from flask import request
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from app.web import cursors
from app.web.errors import ApiError, invalid


class Input(Schema):
    """Base of all request schemas: unknown keys are dropped."""

    class Meta:
        unknown = EXCLUDE


class Text(fields.String):
    """A string, trimmed before its length is checked. `blank_as_none` turns blank into null."""

    def __init__(self, *, blank_as_none: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blank_as_none = blank_as_none

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        return None if self.blank_as_none and not text else text

    def _validate(self, value: Any) -> None:
        if value is not None:
            super()._validate(value)


class Moment(fields.Field[datetime]):
    """An ISO date or time; a date alone is midnight UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not re.match(r"^\d{4}-\d{2}-\d{2}", value):
            raise ValidationError("Give an ISO date or time, like 2026-11-23.")
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            raise ValidationError("There is no such date.") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if not 1970 <= moment.year <= 9000:  # a day is added to some of them
            raise ValidationError("There is no such date here.")
        return moment


class Whole(fields.Integer):
    """A whole number, also as text; a fraction is refused and not cut."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, float) and not value.is_integer():
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class ClampedInt(fields.Integer):
    """`limit` and `offset` as the contract reads them: leading digits count, nonsense means the
    default, and values outside the bounds are moved to them instead of being refused."""

    def __init__(self, *, default: int, low: int, high: int, **kwargs: Any) -> None:
        kwargs.setdefault("metadata", {"description": f"{low} to {high}, default {default}"})
        super().__init__(load_default=default, **kwargs)
        self.fallback, self.low, self.high = default, low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        text = str(value).strip()
        sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
        leading = ""
        for character in digits:
            if character not in "0123456789":
                break
            leading += character
        if not leading:
            return self.fallback
        return min(max(sign * int(leading[:12]), self.low), self.high)


class Word(Text):
    """An optional filter by an exact word."""

    def __init__(self, most: int = 200) -> None:
        super().__init__(
            load_default=None,
            allow_none=True,
            blank_as_none=True,
            validate=validate.Length(max=most),
        )


def period(
    since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """From when and before when: the last day is meant whole, from the moment that names it.

    Raises 400 `invalid_date_range` when it ends before it begins.
    """
    if since and until and since > until:
        raise ApiError(400, "invalid_date_range", "The period ends before it begins.")
    return since, until + timedelta(hours=24) if until else None


def load_body(schema: Schema) -> dict[str, Any]:
    """The request's JSON body through a schema. An empty body is `{}`, whatever its content type.

    Raises 415 for a body that is not JSON, 400 `invalid_json`, 400 `validation_error`.
    """
    return load(schema, json_body())


def json_body() -> dict[str, Any]:
    raw = request.get_data(cache=True)
    if not raw.strip():
        return {}
    if request.mimetype != "application/json":
        raise ApiError(
            415,
            "unsupported_media_type",
            f"Send JSON (content-type: application/json), not {request.mimetype or 'untyped data'}.",
        )
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "invalid_json", f"The body is not valid JSON: {error}.") from None
    refuse_nul(body)
    return body if isinstance(body, dict) else {}


def load_query(schema: Schema) -> dict[str, Any]:
    """The query string through a schema. A parameter given twice is refused unless it is a list."""
    data: dict[str, Any] = {}
    for name in request.args:
        values = request.args.getlist(name)
        if isinstance(schema.fields.get(name), fields.List):
            data[name] = values
        elif len(values) > 1:
            raise invalid(f"{name} was given {len(values)} times.", name, "repeated")
        else:
            data[name] = values[0]
    return load(schema, data)


def load(schema: Schema, data: dict[str, Any]) -> dict[str, Any]:
    """`data` through a schema. Raises 400 `validation_error` naming every mistake."""
    try:
        return schema.load(data)
    except ValidationError as error:
        details = list(_mistakes(error.messages, schema))
        first = details[0]
        raise ApiError(
            400,
            "validation_error",
            f"{first['path']}: {first['message']}" if first["path"] else first["message"],
            details,
        ) from None


def _mistakes(messages: Any, schema: Schema) -> Iterator[dict[str, str]]:
    def walk(node: Any, path: tuple[str, ...]) -> Iterator[dict[str, str]]:
        if isinstance(node, dict):
            for key, value in node.items():
                # `_schema` marks a mistake of the whole object; it is no place in the input.
                yield from walk(value, path if key == "_schema" else (*path, str(key)))
        else:
            for message in node if isinstance(node, list) else [node]:
                yield {
                    "path": ".".join(path),
                    "message": str(message),
                    "code": _code(schema, path, str(message)),
                }

    return walk(messages, ())


def _code(schema: Schema, path: tuple[str, ...], message: str) -> str:
    """The machine code of a marshmallow message: the key under which its field keeps that text."""
    field = schema.fields.get(path[0]) if path else None
    if field is not None:
        for key, text in field.error_messages.items():
            if text == message:
                return "required" if key == "null" else key
    return "constraint"


def refuse_nul(value: Any) -> None:
    """Raise 400 when a NUL character stands anywhere in a JSON value. Iterative: depth is hostile."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\x00" in item:
                raise invalid("Text must not contain NUL characters.", code="control_character")
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def parse_uuid(text: str) -> UUID:
    """A path's id. Any canonical 8-4-4-4-12 form is one. Raises 400 `invalid_uuid`."""
    try:
        if len(text) == 36:
            return UUID(text)
    except ValueError:
        pass
    raise ApiError(400, "invalid_uuid", "The id in the path is not a UUID.")


def path_number(text: str) -> int:
    """A path's id where ids are numbers. Raises 400 `invalid_id`."""
    try:
        return cursors.bigint(text)
    except ValueError:
        raise ApiError(400, "invalid_id", "The id in the path is not a number.") from None
