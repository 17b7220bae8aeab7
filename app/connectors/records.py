"""Reading vendors' JSON: what every mapping needs. Pure functions; what cannot be understood raises
ValueError."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from app.connectors.failures import Judged, Rejected

Json = dict[str, Any]

SURROGATES = re.compile("[\ud800-\udfff]")
# One sign may stand for 18 letters (ﷺ), each of two bytes.
MOST_KEPT = 8_000  # bytes of a record in quarantine,
NAMES = ("id", "conversation_id")  # beside which these are kept of a larger one
FINDABLE_BYTES = 250_000
SURELY_FINDABLE = FINDABLE_BYTES // 36
OLDEST_SECONDS = 86_400 * 365  # 0, empty and the first year of the epoch are no times


def read_json(body: bytes) -> Any:
    """The JSON of a vendor, in texts as Postgres can hold them. Raises ValueError for what is none.

    JavaScript cuts a text in the middle of a sign and writes the half that is left, which strict readers
    refuse with the whole page that it stands on.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            found = json.loads(body, parse_constant=_no_number, parse_float=_finite)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return _cleaned(found)
    return _cleaned(found) if rb"\u0000" in body else found


def _finite(digits: str) -> float | None:
    found = float(digits)
    return found if math.isfinite(found) else None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _cleaned(found: Any) -> Any:
    if isinstance(found, str):
        return clean(found)
    if isinstance(found, list):
        return [_cleaned(item) for item in found]
    if isinstance(found, dict):
        return {clean(name): _cleaned(value) for name, value in found.items()}
    return found


def collect(
    records: Iterable[Any], what: str, understand: Callable[[Json], None], judged: Judged
) -> None:
    """Hand each record to `understand`; one that it cannot read goes into quarantine."""
    for record in records:
        reference = f"{what}:{record.get('id') if isinstance(record, dict) else None}"[:500]
        try:
            if not isinstance(record, dict):
                raise ValueError(f"{what} is not an object")
            understand(record)
            judged.understood.append(reference)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reason = f"{what}: {error}"[:500]
            judged.rejected.append(Rejected(reference, reason, _kept(record)))


def _kept(record: Any) -> Any:
    """A record as a person needs it to see what is wrong; of a large one the beginning."""
    text = json.dumps(record, ensure_ascii=False, default=str).encode()
    if len(text) <= MOST_KEPT:
        return _storable(record)
    named = {name: record.get(name) for name in NAMES} if isinstance(record, dict) else {}
    return {**_storable(named), "beginning": text[:MOST_KEPT].decode(errors="ignore")}


def _storable(found: Any) -> Any:
    """The same, with numbers as texts where no reader of ours takes them."""
    if isinstance(found, list):
        return [_storable(item) for item in found]
    if isinstance(found, dict):
        return {name: _storable(value) for name, value in found.items()}
    large = isinstance(found, int | float) and abs(found) >= 2**53
    return str(found) if large else found


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


def whole(value: Any) -> int | None:
    """A number without a fraction, as a column of integers holds it; None for what is no number. Raises
    ValueError for one that no column holds."""
    found = real(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if found is not None and abs(found) >= 2**31:
        raise ValueError("number is out of range")
    return None if found is None else int(found)


def real(value: Any, most: float = 1e15) -> float | None:
    """A number. Raises ValueError for what is none, and for one beyond `most`."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{str(value)[:50]!r} is not a number")
    if not abs(value) < most:  # nor NaN
        raise ValueError("number is out of range")
    return float(value)


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
