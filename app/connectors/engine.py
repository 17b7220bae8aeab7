"""The engine that reads vendors: streams of pages, each page committed with its checkpoint.

It knows nothing of any vendor. A vendor gives a `Reader` with its streams; a stream yields `Page`s.
A page's rows and the stream's place are one short transaction, so a worker killed anywhere resumes
where it was: what was committed is not read again, what was not is. Budgets end a run early and never
skip: the place is kept, and the next run goes on from it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import psycopg
import structlog
from psycopg.types.json import Jsonb

from app import metrics
from app.connectors import failures
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.connectors.failures import Judged
from app.db import Connection as Tx
from app.db import Unavailable, db, statements
from app.scheduler.context import RunContext, RunStopped
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("connectors")


@dataclass(frozen=True)
class Place:
    """How far a stream has been read. `page_cursor` holds an unfinished window, as the stream left it."""

    cursor_ts: datetime | None = None
    cursor_id: str | None = None
    page_cursor: dict[str, Any] | None = None
    last_sweep_at: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Some records: how to write them, and the stream's place once they are written."""

    write: Callable[[Tx], dict[str, int]]
    place: Place
    records: int
    judged: Judged = field(default_factory=Judged)
    swept: bool = False  # this page completed a reading of everything there is


class Stream(Protocol):
    """One kind of record of a vendor. An optional one may be missing there without failing the run."""

    name: str
    optional: bool

    def read(self, place: Place, budget: Budget) -> Iterator[Page]: ...


class Reader(Protocol):
    """A vendor's connection, opened for one run. `pages` and `records` are the most that one run reads
    of each stream; the next run goes on from there."""

    streams: list[Stream]
    pages: int
    records: int

    def close(self) -> None: ...


@dataclass
class Budget:
    """What one run may use. A stream asks before it reads on."""

    pages: int
    records: int
    deadline: float  # time.monotonic()

    @property
    def spent(self) -> bool:
        return self.pages <= 0 or self.records <= 0 or time.monotonic() > self.deadline


@dataclass
class Outcome:
    """What a run did: counts by name, the streams that were read without a fault (to the end or not),
    and those that ended early or failed. A failure of the run itself is under the name ""."""

    counts: dict[str, int] = field(default_factory=dict)
    sound: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    failed: dict[str, ConnectorError] = field(default_factory=dict)

    def add(self, counts: dict[str, int]) -> None:
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + number

    @property
    def status(self) -> str:
        hard = [error for error in self.failed.values() if not error.soft]
        if hard:
            return "failed"
        return "partial" if self.unfinished or self.failed else "completed"

    @property
    def first_error(self) -> ConnectorError | None:
        return next(iter(self.failed.values()), None)


def pull(
    connection: Connection,
    reader: Reader,
    context: RunContext,
    on_page: Callable[[dict[str, int]], None] = lambda counts: None,
) -> Outcome:
    """Read every stream of a connection on from its place. `on_page` hears the counts of each page
    once it is committed."""
    settings = context.settings
    outcome = Outcome()
    deadline = time.monotonic() + settings.connector_run_seconds
    for stream in reader.streams:
        budget = Budget(reader.pages, reader.records, deadline)
        try:
            _pull_stream(connection, stream, budget, context, outcome, on_page)
            outcome.sound.append(stream.name)
        except RunStopped:
            raise
        except Exception as fault:
            error = _failure(stream, fault)
            outcome.failed[stream.name] = error
            log.warning("stream_failed", stream=stream.name, kind=error.kind)
            if not stream.optional and not error.soft:
                break  # the streams behind it stand on its rows
    return outcome


def _failure(stream: Stream, fault: Exception) -> ConnectorError:
    """What ended a stream, as an error of a known kind."""
    if not isinstance(fault, ConnectorError):
        log.error("stream_broken", stream=stream.name, exc_info=fault)
        away = isinstance(fault, psycopg.Error | Unavailable)
        kind = "db_error" if away else "internal"
        return ConnectorError(kind, f"a page could not be processed ({type(fault).__name__})")
    if stream.optional and fault.kind in ("not_found", "forbidden"):
        return ConnectorError(
            "stream_unavailable",
            f"{stream.name} cannot be read: {fault.message}",
            http_status=fault.http_status,
        )
    if fault.kind == "not_found":
        return ConnectorError(
            "upstream_not_found",
            f"{stream.name} is not found there: {fault.message}",
            http_status=fault.http_status,
            vendor_request_id=fault.vendor_request_id,
            excerpt=fault.excerpt,
        )
    return fault


def _pull_stream(
    connection: Connection,
    stream: Stream,
    budget: Budget,
    context: RunContext,
    outcome: Outcome,
    on_page: Callable[[dict[str, int]], None],
) -> None:
    place = _load_place(connection, stream.name)
    pages = stream.read(place, budget)
    # Where a window goes on, its first page may be one that was read before: it is not counted, or the
    # smallest budget would read nothing else.
    counted = place.page_cursor is None
    while True:
        # Asked before reading, so that the page in hand is always written.
        if budget.spent:
            outcome.unfinished.append(stream.name)
            return
        page = next(pages, None)
        if page is None:
            return
        finished = page.place.page_cursor is None
        counts = commit_page(connection, stream.name, page, context.settings)
        if counted:
            budget.pages -= 1
            budget.records -= page.records
        counted = True
        outcome.add(counts)
        on_page(counts)
        _count(connection.connector, stream.name, page, counts)
        context.progress(
            outcome.counts.get("processed_messages", 0), stream=stream.name, **outcome.counts
        )
        if finished:
            return


def commit_page(
    connection: Connection, stream: str, page: Page, settings: Settings
) -> dict[str, int]:
    """A page's rows, its rejected records and the stream's place, in one transaction."""
    with db.transaction() as tx:
        counts = write_rows(tx, connection, stream, page.write, page.judged, settings)
        sql.save_place(
            tx,
            project_id=connection.project_id,
            connection_id=connection.id,
            stream=stream,
            cursor_ts=page.place.cursor_ts,
            cursor_id=page.place.cursor_id,
            page_cursor=Jsonb(page.place.page_cursor) if page.place.page_cursor else None,
            records=page.records,
            finished=page.place.page_cursor is None,
            swept=page.swept,
        )
    return counts


def write_rows(
    tx: Tx,
    connection: Connection,
    stream: str,
    write: Callable[[Tx], dict[str, int]],
    judged: Judged,
    settings: Settings,
) -> dict[str, int]:
    """Rows that were read, and into quarantine what could not be understood among them; what was there
    and is understood now comes out."""
    counts = write(tx)
    failures.settle(tx, connection.project_id, connection.connector, judged.understood)
    for record in judged.rejected:
        failures.quarantine(
            tx, connection.project_id, connection.connector, stream, record, settings
        )
    return counts


def _load_place(connection: Connection, stream: str) -> Place:
    with db.connection() as c:
        row = sql.load_place(
            c, project_id=connection.project_id, connection_id=connection.id, stream=stream
        )
    if row is None:
        return Place()
    return Place(row["cursor_ts"], row["cursor_id"], row["page_cursor"], row["last_sweep_at"])


def _count(connector: str, stream: str, page: Page, counts: dict[str, int]) -> None:
    metrics.CONNECTOR_RECORDS.labels(connector, stream, "read").inc(page.records)
    if page.judged.rejected:
        rejected = metrics.CONNECTOR_RECORDS.labels(connector, stream, "rejected")
        rejected.inc(len(page.judged.rejected))


class SyncLock:
    """One sync of a connector in a project at a time, over all machines: a lock of the session."""

    def __init__(self, project_id: Any, connector: str) -> None:
        self._key = f"sync:{project_id}:{connector}"
        self._session: psycopg.Connection[Any] | None = None

    def __enter__(self) -> bool:
        """True when the lock is ours."""
        try:
            self._session = psycopg.connect(db.listen_url, autocommit=True, connect_timeout=5)
            row = self._session.execute(
                "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (self._key,)
            ).fetchone()
        except psycopg.OperationalError:
            self.__exit__()
            raise
        return bool(row and row[0])

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            # Asked for, since a server notices the end of a session a moment after it: who comes next
            # would be told that this sync is still at work. A session that is gone holds nothing.
            with contextlib.suppress(psycopg.Error):
                self._session.execute("SELECT pg_advisory_unlock_all()")
            self._session.close()
            self._session = None
