"""The database that is measured: 100,000 messages in ten uneven projects, made once and kept."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
from flask import Flask
from rich.progress import Progress

from app.connectors import connections
from app.db import db, migrations
from app.projects.service import make
from app.rag.embeddings.local import LocalProvider
from app.rag.indexing import messages_changed
from app.rag.pipeline import run_embeddings
from app.scheduler.context import RunContext
from bench.place import LONGEST_RUN, Place, data_sql, measure_sql
from bench.rows import SEED, Rows

SIZES = (40_000, 20_000, 12_000, 8_000, 6_000, 5_000, 4_000, 3_000, 1_500, 500)
QUICK_DIVISOR = 10
INDEX_BATCH = 1000  # messages indexed in one transaction
RUNS_KEPT = 400  # job runs of each type in each project


@dataclass(frozen=True)
class Loaded:
    """The measured database. `projects` as dictionaries of id, name, messages and chunks, largest first."""

    app: Flask
    database: str
    url: str
    projects: list[dict[str, Any]]
    sizes: dict[str, Any]
    made_seconds: float | None  # None when it was kept from an earlier run

    @property
    def largest(self) -> dict[str, Any]:
        return self.projects[0]

    @property
    def largest_scanned(self) -> dict[str, Any]:
        """The largest project whose vectors are read one by one, without the index."""
        below = self.app.config["SETTINGS"].search_exact_below
        return next(project for project in self.projects if project["chunks"] < below)

    @property
    def smallest(self) -> dict[str, Any]:
        return self.projects[-1]


def load(place: Place, quick: bool, progress: Progress) -> Loaded:
    """The kept database when it is of this version, else a new one."""
    name = "quick" if quick else "full"
    url = place.server.ensure_database(name)
    seconds = None
    if stamp_of(url) != stamp():
        place.drop(name)
        started = time.monotonic()
        app = place.application(place.server.ensure_database(name))
        sizes = [size // QUICK_DIVISOR if quick else size for size in SIZES]
        with app.app_context():
            _fill(sizes, progress)
        seconds = time.monotonic() - started
    else:
        app = place.application(url)
    with app.app_context(), db.connection() as connection:
        measure_sql.forget_questions(connection)
        projects, sizes = measure_sql.projects(connection), measure_sql.sizes(connection)
    return Loaded(app, name, url, projects, sizes, seconds)


def stamp() -> str:
    """What the database depends on: the generator, the migrations and the encoder."""
    here = Path(__file__).parent
    own = [here / name for name in ("rows.py", "data.sql", "texts.py", "phrases.yaml")]
    parts = [path.read_text() for path in own]
    parts += [migration.checksum for migration in migrations.files()]
    parts.append(LocalProvider.identity)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def stamp_of(url: str) -> str | None:
    try:
        with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
            found: str | None = data_sql.stamp(connection)
    except psycopg.errors.UndefinedTable:
        return None
    return found


def _fill(sizes: list[int], progress: Progress) -> None:
    total = sum(sizes)
    writing = progress.add_task("messages", total=total)
    cutting = progress.add_task("chunks of messages", total=total)
    embedding = progress.add_task("embedded chunks", total=None)
    project_ids = []
    for number, size in enumerate(sizes, 1):
        project_id = _project(number, size)
        project_ids.append(project_id)
        progress.advance(writing, size)
        _index(project_id, lambda done: progress.advance(cutting, done))
    with db.connection() as connection:
        waiting = data_sql.count_pending(connection)
    progress.update(embedding, total=waiting)
    for project_id in project_ids:
        _embed(project_id, lambda done: progress.advance(embedding, done))
    with db.connection() as connection:
        data_sql.hold_schedules(connection)
        data_sql.set_stamp(connection, stamp=stamp())
        data_sql.analyse(connection)


def _project(number: int, size: int) -> UUID:
    """A project with its connection, its rows and a year of job runs."""
    with db.transaction() as tx:
        project_id: UUID = make(tx, f"Bench {number:02d}", "bench", "Bench")["id"]
    connections.store(
        project_id,
        connector="chatwoot",
        base_url="http://127.0.0.1:9",
        external_account_id=str(number),
        api_token="bench-token",
    )
    with db.transaction() as tx:
        connection_id = data_sql.find_connection(tx, project_id=project_id)
        rows = Rows(project_id, connection_id, number, Random(SEED + number))
        rows.compose(size)
        for name in ("inboxes", "contacts", "conversations", "messages"):
            statement = getattr(data_sql, f"copy_{name}").sql
            with tx.cursor().copy(statement) as copy:
                for row in getattr(rows, name):
                    copy.write_row(row)
        data_sql.add_run_history(tx, project_id=project_id, runs=RUNS_KEPT)
        data_sql.add_sync_state(
            tx, project_id=project_id, connection_id=connection_id, records=size
        )
    return project_id


def _index(project_id: UUID, done: Any) -> None:
    """Chunks as the sync makes them, by the application's own code."""
    with db.connection() as connection:
        ids = [row["id"] for row in data_sql.message_ids(connection, project_id=project_id)]
    for start in range(0, len(ids), INDEX_BATCH):
        batch = ids[start : start + INDEX_BATCH]
        with db.transaction() as tx:
            messages_changed(tx, project_id, batch)
        done(len(batch))


class Watched(RunContext):
    """A run whose progress is shown here."""

    done: Any = None

    def progress(self, processed_count: int | None = None, **fields: Any) -> None:
        if processed_count is not None and self.done:
            self.done(processed_count - self.processed_count)
        super().progress(processed_count, **fields)


def _embed(project_id: UUID, done: Any) -> None:
    """Vectors as the worker makes them, by the application's own job."""
    context = Watched(
        project_id=project_id,
        run_id=uuid4(),
        payload={},
        trigger="manual",
        attempt=1,
        settings=connections.settings(),
        deadline=time.monotonic() + LONGEST_RUN,
    )
    context.done = done
    result = run_embeddings(context)
    done(result.processed_count - context.processed_count)
    if result.status != "completed":
        raise RuntimeError(f"embedding ended as {result.status}: {result.error or result.result}")
