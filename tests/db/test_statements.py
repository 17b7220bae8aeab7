"""What every statement in `sql/` has to keep to, read from the files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.db.statements import FOLDER

NAMED = re.compile(r"^-- name: (\w+)", re.M)
CAST = re.compile(r"(?:\w+\.)?(\w+)::text(?!\[)(?:\s*,|\s+FROM\b)")
# Their columns are UUIDs or names: any order that never changes will do.
NO_NUMBERS = {"entities.known_names", "search.palette", "system.partitions"}
ORDER = re.compile(r"ORDER BY ([^\n;]*)")


def statements() -> Iterator[tuple[str, str]]:
    for path in sorted(FOLDER.glob("*.sql")):
        _, *parts = NAMED.split(path.read_text())
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            yield f"{path.stem}.{name}", text


def by_their_texts(statement: str) -> set[str]:
    """Columns that are answered as texts and sorted by. Postgres takes the bare name in ORDER BY for what
    is answered, and a text 9 comes after 83."""
    return {
        column
        for column in CAST.findall(statement)
        for terms in ORDER.findall(statement)
        if re.search(rf"(?<![\w.]){column}(?!\w)", terms)
    }


def test_numbers_that_are_answered_as_texts_are_sorted_as_numbers() -> None:
    assert by_their_texts("SELECT id::text, a FROM t\nORDER BY id DESC LIMIT 5;") == {"id"}
    assert not by_their_texts("SELECT id::text, a FROM t\nORDER BY t.id DESC LIMIT 5;")
    assert {name for name, text in statements() if by_their_texts(text)} == NO_NUMBERS
