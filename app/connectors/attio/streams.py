"""Attio's streams. None of them can be asked for what changed, so each reading is a whole sweep, and a
change is told by the hash of a row's content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from app.connectors.attio import writer
from app.connectors.attio.client import NOTES_PER_CALL, RECORDS_PER_CALL, AttioClient
from app.connectors.attio.configured import Configured
from app.connectors.attio.mapping import Mapper, external_id
from app.connectors.attio.writer import Table, Writer
from app.connectors.breaker import Breaker
from app.connectors.connections import Connection
from app.connectors.engine import Budget, Page, Place, Stream
from app.connectors.errors import ConnectorError
from app.connectors.failures import Judged
from app.connectors.records import Json, collect, moment
from app.db import db
from config.settings import Settings

Fetch = Callable[[int, int], list[Any]]
One = Callable[[str], Json | None]
Understand = Callable[[Json], Json]


class AttioReader:
    """An opened workspace: its streams, in the order in which their rows refer to each other."""

    def __init__(self, connection: Connection, client: AttioClient, settings: Settings) -> None:
        self.client = client
        self.pages = settings.attio_sync_max_pages
        self.records = self.pages * RECORDS_PER_CALL
        self.configured = Configured.of(connection.mapping, connection.filters)
        rows = Mapper(client.workspace_id, self.configured, client.require_workspace)
        self.writer = Writer(connection, self.configured.vendor_wins)
        size = max(2, min(settings.attio_sync_limit, RECORDS_PER_CALL))
        pause = timedelta(seconds=settings.attio_sweep_seconds)

        def sweep(name: str, table: Table, fetch: Fetch, one: One, row: Understand) -> SweepStream:
            most = NOTES_PER_CALL if name == "notes" else size
            return SweepStream(name, table, self.writer, fetch, one, row, min(size, most), pause)

        kinds: dict[str, tuple[Table, Understand]] = {
            "companies": (writer.COMPANIES, rows.company),
            "people": (writer.PEOPLE, rows.person),
            "deals": (writer.DEALS, rows.deal),
        }
        self.kinds = [
            sweep(
                name,
                kinds[name][0],
                partial(client.records, slug),
                partial(client.record, slug),
                kinds[name][1],
            )
            for name, slug in self.configured.objects.items()
        ]
        if self.configured.everything:
            self.kinds += [
                sweep("notes", writer.NOTES, client.notes, client.note, rows.note),
                sweep("tasks", writer.TASKS, client.tasks, client.task, rows.task),
            ]
        for slug in self.configured.lists:
            fetch, one = partial(client.entries, slug), partial(client.entry, slug)
            row = partial(rows.entry, slug)
            self.kinds.append(sweep(f"list:{slug}", writer.entries(slug), fetch, one, row))
        left_out = [
            table for name, (table, _) in kinds.items() if name not in self.configured.objects
        ]
        if not self.configured.everything:
            left_out += [writer.NOTES, writer.TASKS]
        unread = UnreadStream(self.writer, left_out, list(self.configured.lists))
        self.streams: list[Stream] = [*self.kinds, unread, CrmStream(self.writer)]

    @classmethod
    def open(
        cls,
        connection: Connection,
        settings: Settings,
        breaker: Breaker,
        check: Callable[[], None],
    ) -> AttioReader:
        """Raises ConnectorError: `binding_conflict` when the token is of another workspace, whose rows
        must not end up in this project; `config_missing` for a mapping that cannot be used."""
        client = AttioClient(connection, settings, breaker, check)
        try:
            client.identify()
            return cls(connection, client, settings)
        except BaseException:
            client.close()
            raise

    def close(self) -> None:
        self.client.close()


def verify(connection: Connection, settings: Settings) -> dict[str, Any]:
    """The workspace's name and what the token may do. Raises ConnectorError."""
    Configured.of(connection.mapping, connection.filters)
    client = AttioClient(connection, settings)
    try:
        found = client.identify()
    finally:
        client.close()
    return {"account": found.get("workspace_name"), "scopes": str(found.get("scope") or "").split()}


@dataclass
class SweepStream:
    """Everything of one kind, page by page, oldest first; then what was not there is gone.

    A kind that the workspace has not enabled, or the token may not read, is missing without failing the
    others.
    """

    name: str
    table: Table
    writer: Writer
    fetch: Fetch
    one: One  # a record by its id
    understand: Understand
    size: int
    pause: timedelta
    optional: bool = True

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        now = datetime.now(UTC)
        last = place.last_sweep_at
        if place.page_cursor is None and last is not None and now - last < self.pause:
            return
        sweep = Sweep.resume(place, self.size)
        while not sweep.complete:
            read_at = datetime.now(UTC)
            records = self.fetch(sweep.size, sweep.offset)
            if not sweep.follows(records):
                sweep.step_back()
                yield _nothing(sweep.place())
                continue
            sweep.turn(records)
            yield self._page(records, sweep, read_at)
        yield from self._end(sweep, now)

    def _end(self, sweep: Sweep, now: datetime) -> Iterator[Page]:
        read_at = datetime.now(UTC)
        try:
            with db.connection() as connection:
                gone = self.writer.unseen(connection, self.table, sweep.id, sweep.began, self.name)
        except ConnectorError:
            # What was read stays; the next run reads it all again instead of asking this again.
            yield _nothing(Place(page_cursor={"refused": True}))
            raise
        yield Page(
            write=lambda tx: self.writer.sweep_out(tx, self.table, gone, read_at, self.name),
            place=Place(cursor_ts=now),
            records=0,
            swept=True,
        )

    def _page(self, records: list[Any], sweep: Sweep, read_at: datetime) -> Page:
        rows, seen, judged = self.understood(records)
        return Page(
            write=lambda tx: self.writer.write(tx, self.table, rows, seen, read_at, sweep.id),
            place=sweep.place(),
            records=len(records),
            judged=judged,
        )

    def understood(self, records: list[Any]) -> tuple[list[Json], list[str], Judged]:
        """Records as rows; the ids of all that were named; what could not be understood."""
        rows: list[Json] = []
        judged = Judged()
        collect(records, self.name, lambda record: rows.append(self.understand(record)), judged)
        # One that cannot be understood is there all the same.
        return rows, [found for found in map(external_id, records) if found], judged


@dataclass
class Sweep:
    """A reading of everything by offsets, over as many runs as it takes.

    Offsets shift when something before them is deleted, and what moved up would never be read. So each
    page begins with the last record of the one before it: `trail` has that of every page. Where it is
    not found again, the sweep goes back a page until it is.
    """

    id: str
    size: int
    trail: list[str]
    complete: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def resume(cls, place: Place, size: int) -> Sweep:
        saved = place.page_cursor
        if saved is None or "refused" in saved:
            return cls(str(uuid4()), size, [])
        began = moment(saved.get("began")) or datetime.now(UTC)
        return cls(saved["sweep"], saved["size"], list(saved["trail"]), saved["complete"], began)

    @property
    def offset(self) -> int:
        return len(self.trail) * (self.size - 1)

    def follows(self, records: list[Any]) -> bool:
        """Whether this page goes on where the last one ended."""
        return not self.trail or (bool(records) and _id(records[0]) == self.trail[-1])

    def step_back(self) -> None:
        self.trail.pop()

    def turn(self, records: list[Any]) -> None:
        self.complete = len(records) < self.size
        if not self.complete:
            self.trail.append(_id(records[-1]))

    def place(self) -> Place:
        return Place(
            page_cursor={
                "sweep": self.id,
                "offset": self.offset,
                "size": self.size,
                "trail": self.trail,
                "complete": self.complete,
                "began": self.began.isoformat(),
            }
        )


def _nothing(place: Place) -> Page:
    """No rows, but another place."""
    return Page(write=lambda tx: {}, place=place, records=0)


def _id(record: Any) -> str:
    return external_id(record) or ""


@dataclass
class UnreadStream:
    """No reading either: of the kinds that filters leave out, and of lists that are not named any more,
    nothing stays here."""

    writer: Writer
    tables: list[Table]
    lists: list[str]  # those that are read
    name: str = "unread"
    optional: bool = True

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        now = datetime.now(UTC)
        yield Page(
            write=lambda tx: (
                self.writer.drop(tx, self.tables, now) | self.writer.drop_lists(tx, self.lists, now)
            ),
            place=Place(),
            records=0,
        )


@dataclass
class CrmStream:
    """No reading, but the end of each run: what waits for the CRM, and how complete that is."""

    writer: Writer
    name: str = "crm"
    optional: bool = True

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        yield Page(write=self.writer.finish, place=Place(), records=0)
