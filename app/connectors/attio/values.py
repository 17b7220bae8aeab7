"""Attio's typed values: `values[slug]` is a list of objects whose `attribute_type` says where the value
stands. Pure functions; `active_from` is a time about a value and never the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from app.connectors.records import Json, clean, moment

Value = str | bool | Decimal | date | datetime | Json | None

LOCATION_PARTS = ("line_1", "line_2", "line_3", "line_4", "locality", "region", "postcode")
LARGEST = Decimal(10) ** 15
UNIT = r"(?:[A-Z]{3}|[$€£¥₽₴₸₹%]|руб\.?|р\.)?"
WRITTEN = re.compile(
    rf"{UNIT}\s*(?P<number>-?(?:\d{{1,3}}(?:[\s'’]\d{{3}})+|\d[\d.,]*)(?:[.,]\d+)?)\s*{UNIT}"
)


def active(values: Json, slug: str) -> list[Json]:
    """The values that a slug has now, in their order; what was replaced stays behind."""
    found = values.get(slug)
    return [
        value
        for value in (found if isinstance(found, list) else [])
        if isinstance(value, dict) and value.get("active_until") is None
    ]


def read(value: Json) -> Value:
    """One value by its type. None for a type that we do not know: guessing would invent data."""
    reader = READERS.get(str(value.get("attribute_type")))
    return reader(value) if reader else None


def first(values: Json, slugs: Iterable[str]) -> Json | None:
    """The first value, as Attio wrote it, of the first slug that has one. Zero and no are values."""
    for slug in slugs:
        for value in active(values, slug):
            if read(value) not in (None, ""):
                return value
    return None


def text(values: Json, slugs: Iterable[str]) -> str | None:
    found = first(values, slugs)
    return as_text(read(found)) if found else None


def texts(values: Json, slugs: Iterable[str]) -> list[str]:
    """Every value of every slug, in order and once."""
    found = [as_text(read(value)) for slug in slugs for value in active(values, slug)]
    return list(dict.fromkeys(item for item in found if item))


def as_text(value: Value) -> str | None:
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    return value.strip() or None


def number(values: Json, slugs: Iterable[str]) -> Decimal | None:
    """An exact number; a text that holds one is read too. Raises ValueError for one out of range."""
    found = first(values, slugs)
    value = read(found) if found else None
    if isinstance(value, str):
        value = written_number(value)
    if not isinstance(value, Decimal):
        return None
    if not -LARGEST < value < LARGEST:
        raise ValueError("number is out of range")
    return value


def day(values: Json, slugs: Iterable[str]) -> date | None:
    found = first(values, slugs)
    value = read(found) if found else None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, str):
        return _date(value)
    return value if isinstance(value, date) else None


def reference(values: Json, slugs: Iterable[str]) -> str | None:
    """The id of the record that is referred to."""
    return next(iter(references(values, slugs)), None)


def references(values: Json, slugs: Iterable[str]) -> list[str]:
    found = [
        str(value["target_record_id"])
        for slug in slugs
        for value in active(values, slug)
        if value.get("attribute_type") == "record-reference" and value.get("target_record_id")
    ]
    return list(dict.fromkeys(found))


def newest_change(values: Json) -> datetime | None:
    """When anything of a record was last changed: records have no time of change of their own."""
    times = [moment(value.get("active_from")) for slug in values for value in active(values, slug)]
    return max((time for time in times if time), default=None)


def written_number(text: str) -> Decimal | None:
    """A number as a person writes it: `1,234.50`, `1.234,50`, `€ 1 234,5`. None when it is unclear."""
    matched = WRITTEN.fullmatch(text.strip())
    if matched is None:
        return None
    found = re.sub(r"[\s'’]", "", matched["number"])
    comma, dot = found.rfind(","), found.rfind(".")
    if comma >= 0 and dot >= 0:
        thousands = "," if dot > comma else "."
        found = found.replace(thousands, "").replace(",", ".")
    elif comma >= 0:
        grouped = re.fullmatch(r"-?\d{1,3}(,\d{3})+", found)
        found = found.replace(",", "" if grouped else ".")
    elif found.count(".") > 1:
        found = found.replace(".", "")
    return _decimal(found)


def _decimal(value: Any) -> Decimal | None:
    """Exact: the shortest digits that make a JSON number are the digits that were sent."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _at(key: str) -> Callable[[Json], Value]:
    def read_text(value: Json) -> Value:
        found = value.get(key)
        return clean(found) if isinstance(found, str) else None

    return read_text


def _titled(key: str) -> Callable[[Json], Value]:
    """The title of a status or option; a bare id stands for itself, so that it can be configured."""

    def read_title(value: Json) -> Value:
        found = value.get(key)
        return clean(found.get("title") if isinstance(found, dict) else found)

    return read_title


def _name(value: Json) -> Value:
    full = clean(value.get("full_name"))
    parts = (clean(value.get("first_name")), clean(value.get("last_name")))
    return (full or "").strip() or " ".join(part for part in parts if part).strip() or None


def _location(value: Json) -> Value:
    parts = [clean(value.get(part)) for part in (*LOCATION_PARTS, "country_code")]
    return ", ".join(part for part in parts if part) or None


def _checkbox(value: Json) -> Value:
    found = value.get("value")
    return found if isinstance(found, bool) else None


READERS: dict[str, Callable[[Json], Value]] = {
    "text": _at("value"),
    "number": lambda value: _decimal(value.get("value")),
    "rating": lambda value: _decimal(value.get("value")),
    "currency": lambda value: _decimal(value.get("currency_value")),
    "checkbox": _checkbox,
    "date": lambda value: _date(value.get("value")),
    "timestamp": lambda value: moment(value.get("value")),
    "status": _titled("status"),
    "select": _titled("option"),
    "domain": _at("domain"),
    "email-address": _at("email_address"),
    "phone-number": _at("phone_number"),
    "personal-name": _name,
    "record-reference": _at("target_record_id"),
    "actor-reference": _at("referenced_actor_id"),
    "interaction": lambda value: moment(value.get("interacted_at")),
    "location": _location,
}
