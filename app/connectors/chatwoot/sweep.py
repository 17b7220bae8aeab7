"""Once a day everything that a Chatwoot account lists: a conversation that was deleted while nobody spoke
in it is noticed by nothing else.

The list may shift while it is read, so what it does not name is only a suspicion: each such conversation
is asked for by its number before it counts as gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.connectors.chatwoot import writer
from app.connectors.chatwoot.client import ChatwootClient
from app.connectors.chatwoot.conversations import ConversationReading, inboxes
from app.connectors.chatwoot.mapping import Names, Rows
from app.connectors.connections import Connection
from app.connectors.engine import Budget, Page, Place
from app.connectors.errors import ConnectorError
from app.connectors.records import moment
from app.connectors.sweeps import CONFIRMED, forget_confirmation, refuse_too_many
from app.db import Connection as Tx
from app.db import Row, db

EVERY = timedelta(hours=24)
ASKED_AT_ONCE = 25


@dataclass(frozen=True)
class Progress:
    """How far a sweep has come. `refused` is why it stopped, when it would have removed too much."""

    began: datetime
    page: int = 1
    listed: bool = False
    refused: str | None = None

    @classmethod
    def of(cls, saved: dict[str, Any]) -> Progress:
        began = moment(saved.get("began")) or datetime.now(UTC)
        return cls(began, saved.get("page", 1), saved.get("listed", False), saved.get("refused"))

    def place(self) -> Place:
        return Place(page_cursor={**vars(self), "began": self.began.isoformat()})


@dataclass
class ConversationSweep:
    """Reads on in conversations that the syncs between missed, and takes back those that are gone."""

    connection: Connection
    client: ChatwootClient
    names: Names
    name: str = "conversation_sweep"
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        now = datetime.now(UTC)
        if place.page_cursor is None and place.last_sweep_at is None:
            # A new connection: its first reading names everything there is.
            yield Page(write=lambda tx: {}, place=Place(), records=0, swept=True)
            return
        if place.page_cursor is None and now - (place.last_sweep_at or now) < EVERY:
            return
        progress = Progress.of(place.page_cursor) if place.page_cursor else Progress(now)
        if progress.refused:
            if now - progress.began < EVERY and not self.connection.options.get(CONFIRMED):
                raise ConnectorError("sweep_guard", progress.refused)
            progress = Progress(now)
        if not progress.listed:
            # Deletions move the list up: the page before is read again, and the rest is asked for.
            yield from self._list(replace(progress, page=max(1, progress.page - 1)))
        yield from self._take_back(replace(progress, listed=True))

    def _list(self, progress: Progress) -> Iterator[Page]:
        reading = ConversationReading(self.connection, self.client, self.names)
        while True:
            records = self.client.conversations_by_age(progress.page)
            rows = reading.take(records)
            named = [row["conversation_id"] for row in rows.conversations]
            places = reading.places(rows, changed_only=True)
            after = replace(progress, page=progress.page + 1, listed=not records)
            for part, more in reading.rounds(rows, places):
                place = progress if more else after
                yield self._page(part, [] if more else named, place, 0 if more else len(places))
            if after.listed:
                return
            progress = after

    def _take_back(self, progress: Progress) -> Iterator[Page]:
        while True:
            try:
                suspects = self._suspects(progress.began)
            except ConnectorError as refusal:
                yield self._page(Rows(), [], replace(progress, refused=refusal.message), 0)
                raise
            if not suspects:
                break
            gone = [number for number in suspects if self._is_gone(number)]
            rows = Rows(gone=[self.names.conversation(number) for number in gone])
            there = sorted(set(suspects) - set(gone))
            yield self._page(rows, there, progress, len(suspects))
        yield Page(write=self._end, place=Place(), records=0, swept=True)

    def _suspects(self, began: datetime) -> list[int]:
        """Some of those that the list did not name. Raises ConnectorError `sweep_guard`."""
        with db.connection() as connection:
            row: Row = writer.sql.unseen_conversations(
                connection,
                project_id=self.connection.project_id,
                account=self.names.account,
                began=began,
                most=ASKED_AT_ONCE,
            )
        refuse_too_many(self.connection, "conversations", row["missing"], row["stored"])
        found: list[int] = row["numbers"]
        return found

    def _is_gone(self, number: int) -> bool:
        """Whether the vendor has it no more, or has it in an inbox that is not read."""
        try:
            record = self.client.conversation(number)
        except ConnectorError as error:
            if error.kind != "not_found":
                raise
            return True
        wanted = inboxes(self.connection)
        return wanted is not None and record.get("inbox_id") not in wanted

    def _page(self, rows: Rows, named: list[int], progress: Progress, records: int) -> Page:
        def write(tx: Tx) -> dict[str, int]:
            counts = writer.write(tx, self.connection, rows)
            writer.see(tx, self.connection, self.names.account, named, progress.began)
            return counts

        return Page(
            write=write,
            place=progress.place(),
            records=records,
            judged=rows.judged,
        )

    def _end(self, tx: Tx) -> dict[str, int]:
        forget_confirmation(tx, self.connection)
        return {}
