"""The plans of what the routes send to Postgres."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import psycopg
from psycopg.rows import dict_row

from bench.bare import Statement
from bench.place import measure_sql

EXECUTIONS = 20  # of each statement


def plans(url: str, statements: Iterable[Statement]) -> Iterator[tuple[str, str]]:
    """Name and plan of each statement, with the plans of what functions run inside of it: the slowest
    of a few executions with different parameters. They are undone."""
    texts: dict[str, list[str]] = {}
    for statement in statements:
        texts.setdefault(statement.name, []).append(statement.text)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        notes: list[str] = []
        connection.add_notice_handler(lambda notice: notes.append(notice.message_primary or ""))
        measure_sql.load_auto_explain(connection)
        measure_sql.explain_everything(connection)
        for name, found in texts.items():
            slowest = (0.0, "")
            for text in found[:: max(1, len(found) // EXECUTIONS)]:
                notes.clear()
                started = time.perf_counter()
                connection.execute(text.encode())
                plan = "\n".join(_shortened(note) for note in notes)
                slowest = max(slowest, (time.perf_counter() - started, plan))
            yield name, slowest[1]
        connection.rollback()


def _shortened(note: str) -> str:
    """A plan without the statement's text, and without what makes lines endless."""
    head, _, rest = note.partition("\n")
    lines = rest.splitlines()
    start = next((n for n, line in enumerate(lines) if "(cost=" in line), 0)
    return "\n".join([head, *(line[:160] for line in lines[start:])])
