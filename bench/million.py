"""`python -m bench --million`: the same database ten times as large, and what that does to a question.

The larger one is a copy of the measured one, multiplied by SQL and indexed anew: each of the ten projects has
ten times as much, texts as they are, vectors perturbed.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import aiosql
import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from rich.progress import Progress

from app.db.statements import MeasuredAdapter
from app.rag.embeddings.local import DIMENSIONS
from bench import data, routes
from bench.data import Loaded
from bench.place import FOLDER, Place, data_sql, measure_sql
from bench.processor import used
from bench.recall import Recall, recall
from bench.routes import Route
from bench.timing import Timing
from tests.running import Web

NAME = "million"
COPIES = 9  # beside what is copied
ROUNDS = 5

million_sql: Any = aiosql.from_path(FOLDER / "million.sql", MeasuredAdapter)


@dataclass(frozen=True)
class Built:
    """An index made at once over all rows, by three processes. `seconds` to build, `bytes` on disk."""

    name: str
    seconds: float
    bytes: int


@dataclass
class Asked:
    """Questions to one project of one database, over all rounds. `cpu` in milliseconds a question."""

    chunks: int
    timings: list[Timing] = field(default_factory=list)
    web_cpu: list[float] = field(default_factory=list)
    postgres_cpu: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return statistics.median(timing.p50 for timing in self.timings)

    @property
    def p95(self) -> float:
        return statistics.median(timing.p95 for timing in self.timings)

    @property
    def cpu(self) -> float:
        return statistics.median(map(sum, zip(self.web_cpu, self.postgres_cpu, strict=True)))


@dataclass
class Compared:
    """`asked` in pairs: a project, and the one that is ten times as large."""

    built: list[Built]
    asked: list[tuple[Asked, Asked]]
    recall: list[Recall]


def load(place: Place, loaded: Loaded, progress: Progress) -> tuple[Loaded, list[Built]]:
    """The kept database of a million when it is of this version, else a new one."""
    made = None
    url = place.server.ensure_database(NAME)
    if data.stamp_of(url) != data.stamp():
        made = _make(place, loaded, progress)
    app = place.application(url)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        measure_sql.forget_questions(connection)
        projects, sizes = measure_sql.projects(connection), measure_sql.sizes(connection)
        built = [Built(**row) for row in million_sql.built(connection)]
    return Loaded(app, NAME, url, projects, sizes, made), built


def compare(
    smaller: tuple[Web, Loaded], larger: tuple[Web, Loaded], place: Place, seconds: float
) -> list[tuple[Asked, Asked]]:
    """Ask the largest and the smallest project of both databases in turn, so that whatever else the
    machine does meets both alike."""
    fresh = routes.new_questions(ROUNDS * 20_000)
    found = []
    for number in (0, -1):
        pair = tuple(Asked(loaded.projects[number]["chunks"]) for _, loaded in (smaller, larger))
        for _ in range(ROUNDS):
            for asked, (web, loaded) in zip(pair, (smaller, larger), strict=True):
                project = loaded.projects[number]
                routes.enter(web, project)
                _ask(
                    web, Route("question", "/lightrag/query", project, fresh), place, seconds, asked
                )
        found.append((pair[0], pair[1]))
    return found


def _ask(web: Web, route: Route, place: Place, seconds: float, asked: Asked) -> None:
    with used(place, web) as processor:
        timing = routes.drive(web, route, 1, seconds)
    questions = timing.count + routes.WARM_UP
    asked.timings.append(timing)
    asked.web_cpu.append(1000 * processor.web / questions)
    asked.postgres_cpu.append(1000 * processor.postgres / questions)


def recalls(loaded: Loaded, questions: int) -> list[Recall]:
    return [recall(loaded.app, p, questions) for p in (loaded.largest, loaded.smallest)]


def _make(place: Place, loaded: Loaded, progress: Progress) -> float:
    """Seconds that it took."""
    started = time.monotonic()
    place.drop(NAME)
    place.server.ensure_database(NAME, template=loaded.database)
    steps = ("conversations", "messages", "search_texts", "chunks", "vectors")
    with psycopg.connect(
        place.server.url(NAME), row_factory=dict_row, autocommit=True
    ) as connection:
        million_sql.forget_stamp(connection)
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
        data_sql.set_stamp(connection, stamp=data.stamp())
        data_sql.analyse(connection)
    return time.monotonic() - started


def _build(connection: psycopg.Connection[Any], index: dict[str, Any]) -> Built:
    started = time.monotonic()
    connection.execute(index["definition"].replace(" ON ONLY ", " ON "))
    seconds = time.monotonic() - started
    return Built(index["name"], seconds, million_sql.index_size(connection, name=index["name"]))
