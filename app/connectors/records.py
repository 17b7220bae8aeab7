"""Reading vendors' JSON: what every mapping needs. Pure functions; what cannot be understood raises
ValueError."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from app.connectors.failures import Rejected

Json = dict[str, Any]

SURROGATES = re.compile("[\ud800-\udfff]")
# One sign may stand for 18 letters (ﷺ), each of two bytes.
FINDABLE_BYTES = 250_000
SURELY_FINDABLE = FINDABLE_BYTES // 36
OLDEST_SECONDS = 86_400 * 365  # 0, empty and the first year of the epoch are no times


def collect(
    records: Iterable[Any], what: str, understand: Callable[[Json], None], rejected: list[Rejected]
) -> None:
    """Hand each record to `understand`; one that it cannot read goes into quarantine."""
    for record in records:
        try:
            if not isinstance(record, dict):
                raise ValueError(f"{what} is not an object")
            understand(record)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reference = record.get("id") if isinstance(record, dict) else None
            excerpt = clean(str(record)[:500])
            rejected.append(
                Rejected(f"{what}:{reference}", f"{what}: {error}"[:500], {"excerpt": excerpt})
            )


def clean(text: Any) -> str | None:
    """Text as Postgres can hold it: NUL removed, halves of broken pairs replaced."""
    if text is None:
        return None
    return SURROGATES.sub("\ufffd", str(text).replace("\x00", ""))


def findable(text: Any) -> str | None:
    """Text as the index of words can hold it. Postgres refuses one whose words fill more than a megabyte,
    and a compound or an address counts with its parts beside it; so what is longer than any letter loses
    its end."""
    cleaned = clean(text)
    if cleaned is None or len(cleaned) <= SURELY_FINDABLE:
        return cleaned
    room = FINDABLE_BYTES
    for position, character in enumerate(cleaned):
        room -= len(unicodedata.normalize("NFKC", character).encode())
        if room < 0:
            return cleaned[:position]
    return cleaned


def short(text: Any, limit: int) -> str | None:
    cleaned = clean(text)
    return cleaned[:limit].strip() or None if cleaned is not None else None


def moment(value: Any) -> datetime | None:
    """Seconds or milliseconds of the epoch, or ISO; nothing, zero and nonsense are None."""
    if value == "" or isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        try:
            found = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    seconds = float(value)
    if seconds >= 1e10:
        seconds /= 1000
    if seconds < OLDEST_SECONDS or seconds > 4e10:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def number(value: Any) -> int:
    """An id. Raises ValueError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"id {value!r} is not a number")
    found = int(value)
    if not 0 <= found < 2**63:
        raise ValueError("id is out of range")
    return found


def number_or_none(value: Any) -> int | None:
    """A number that a record can do without."""
    try:
        return number(value)
    except ValueError:
        return None


def sealed(row: Json) -> Json:
    """The row with the hash of its content, by which a change is told."""
    body = orjson.dumps(row, option=orjson.OPT_SORT_KEYS, default=str)
    return {**row, "content_hash": hashlib.sha256(body).hexdigest()}
