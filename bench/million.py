"""The same database ten times as large: a copy of the measured one, multiplied by SQL and indexed anew."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import aiosql
import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from rich.progress import Progress

from app.db.statements import MeasuredAdapter
from app.rag.embeddings.local import DIMENSIONS
from bench import data
from bench.data import Loaded
from bench.place import FOLDER, Place, data_sql, measure_sql

NAME = "million"
COPIES = 9  # beside what is copied

million_sql: Any = aiosql.from_path(FOLDER / "million.sql", MeasuredAdapter)


@dataclass(frozen=True)
class Built:
    """An index made at once over all rows, by two processes at most. `seconds` to build, `bytes` on disk."""

    name: str
    seconds: float
    bytes: int


def load(place: Place, loaded: Loaded, progress: Progress) -> tuple[Loaded, list[Built]]:
    """The kept database of a million when it is of this version, else a new one."""
    made = None
    if data.stamp_of(place.server.url(NAME)) != data.stamp():
        made = _make(place, loaded, progress)
    url = place.server.url(NAME)
    app = place.application(url)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        projects, sizes = measure_sql.projects(connection), measure_sql.sizes(connection)
        built = [Built(**row) for row in million_sql.built(connection)]
    return Loaded(app, NAME, url, projects, sizes, made), built


def _make(place: Place, loaded: Loaded, progress: Progress) -> float:
    """Seconds that it took."""
    started = time.monotonic()
    place.drop(NAME)
    place.server.ensure_database(NAME, template=loaded.database)
    steps = ("conversations", "messages", "search_texts", "chunks", "vectors")
    with psycopg.connect(
        place.server.url(NAME), row_factory=dict_row, autocommit=True
    ) as connection:
        million_sql.without_triggers(connection)
        indexes = million_sql.indexes(connection)
        copying = progress.add_task("copies of everything", total=len(steps) + len(indexes))
        for index in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index["name"])))
        for step in steps:
            more = {"dimensions": DIMENSIONS} if step == "vectors" else {}
            getattr(million_sql, f"copy_{step}")(connection, copies=COPIES, **more)
            progress.advance(copying)
        built = []
        for index in indexes:
            built.append(_build(connection, index))
            progress.advance(copying)
        million_sql.multiply_counters(connection, copies=COPIES)
        million_sql.set_built(connection, built=Jsonb([asdict(one) for one in built]))
        data_sql.analyse(connection)
    return time.monotonic() - started


def _build(connection: psycopg.Connection[Any], index: dict[str, Any]) -> Built:
    started = time.monotonic()
    connection.execute(index["definition"].replace(" ON ONLY ", " ON "))
    seconds = time.monotonic() - started
    return Built(index["name"], seconds, million_sql.index_size(connection, name=index["name"]))
