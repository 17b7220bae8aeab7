"""The plans of what the routes send to Postgres."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg
from psycopg.rows import dict_row

from bench.bare import Statement
from bench.place import measure_sql


def plans(url: str, statements: Iterable[Statement]) -> Iterator[tuple[str, str]]:
    """Name and plan of each statement once, with the plans of what functions run inside of it.

    They are executed, and undone.
    """
    with psycopg.connect(url, row_factory=dict_row) as connection:
        notes: list[str] = []
        connection.add_notice_handler(lambda notice: notes.append(notice.message_primary or ""))
        measure_sql.load_auto_explain(connection)
        measure_sql.explain_everything(connection)
        seen = set()
        for statement in statements:
            if statement.name in seen:
                continue
            seen.add(statement.name)
            notes.clear()
            connection.execute(statement.text.encode())
            yield statement.name, "\n".join(_shortened(note) for note in notes)
        connection.rollback()


def _shortened(note: str) -> str:
    """A plan without the statement's text, and without what makes lines endless."""
    head, _, rest = note.partition("\n")
    lines = rest.splitlines()
    start = next((n for n, line in enumerate(lines) if "(cost=" in line), 0)
    return "\n".join([head, *(line[:160] for line in lines[start:])])
