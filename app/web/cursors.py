"""Where a page of a list ended, as a text that a client sends back.

Lists are ordered by a time and an id, newest first; the cursor is the last row's pair.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from app.db import Row
from app.web.errors import invalid


def page(rows: list[Row], limit: int, at: str, key: str = "id") -> tuple[list[Row], str | None]:
    """The rows of a page, of which one more than `limit` was asked for, and the cursor to the next.

    `at` and `key` name the columns that the list is ordered by.
    """
    if len(rows) <= limit:
        return rows, None
    shown = rows[:limit]
    moment = shown[-1][at]
    # With Z for the offset: a plus in an address is a space.
    place = moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else ""
    return shown, f"{place}~{shown[-1][key]}"


def read(
    text: str | None, key: Callable[[str], Any], undated: bool = False
) -> tuple[datetime | None, Any]:
    """The time and the id of a cursor, both None without one. Raises 400 for one that we did not make.

    `undated`: the list has rows without a time, whose cursor has none.
    """
    if text is None:
        return None, None
    moment, separator, last = text.partition("~")
    try:
        if not separator:
            raise ValueError
        if undated and not moment and last:
            return None, key(last)
        return datetime.fromisoformat(moment), key(last)
    except ValueError:
        raise invalid("This cursor is not one of ours.", "cursor") from None


def bigint(text: str) -> int:
    """A row number. Raises ValueError for what is none."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise ValueError("not a row number")
    return int(text)
