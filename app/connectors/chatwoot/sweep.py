"""Once a day everything that a Chatwoot account lists: a conversation that was deleted while nobody spoke
in it, and a contact that was deleted or merged into another, are noticed by nothing else.

The list may shift while it is read, so what it does not name is only a suspicion: each such record is asked
for by its number before it counts as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from app.connectors.chatwoot import mapping, writer
from app.connectors.chatwoot.client import ChatwootClient, asked
from app.connectors.chatwoot.conversations import ConversationReading, inboxes
from app.connectors.chatwoot.mapping import Names, Rows
from app.connectors.connections import Connection
from app.connectors.engine import Budget, Page, Place
from app.connectors.errors import ConnectorError
from app.connectors.records import collect, moment
from app.connectors.sweeps import confirmed, forget_confirmation, refuse_too_many
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
class Sweep:
    """The course of a sweep; what it lists and asks for is its kind's."""

    connection: Connection
    client: ChatwootClient
    names: Names
    name: str = ""
    what: str = ""
    see: ClassVar[Callable[..., int]]  # statements: what was named is here,
    unseen: ClassVar[Callable[..., Row]]  # and what was not
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
            if now - progress.began < EVERY and not confirmed(self.connection, self.name):
                raise ConnectorError("sweep_guard", progress.refused)
            progress = Progress(now)
        if not progress.listed:
            # Deletions move the list up: the page before is read again, and the rest is asked for.
            yield from self._list(replace(progress, page=max(1, progress.page - 1)))
        yield from self._take_back(replace(progress, listed=True))

    def _list(self, progress: Progress) -> Iterator[Page]:
        raise NotImplementedError

    def _ask(self, number: int) -> dict[str, Any] | None:
        """The record as it is now; None when it is gone, or is none of those that are read."""
        raise NotImplementedError

    def _gone(self, numbers: list[int]) -> Rows:
        raise NotImplementedError

    def _take_back(self, progress: Progress) -> Iterator[Page]:
        while True:
            try:
                suspects = self._suspects(progress.began)
            except ConnectorError as refusal:
                yield self._page(Rows(), [], replace(progress, refused=refusal.message), 0)
                raise
            if not suspects:
                break
            gone = [number for number in suspects if self._ask(number) is None]
            there = sorted(set(suspects) - set(gone))
            yield self._page(self._gone(gone), there, progress, len(suspects))
        yield Page(write=self._end, place=Place(), records=0, swept=True)

    def _suspects(self, began: datetime) -> list[int]:
        """Some of those that the list did not name. Raises ConnectorError `sweep_guard`."""
        with db.connection() as connection:
            row = type(self).unseen(
                connection,
                project_id=self.connection.project_id,
                account=self.names.account,
                began=began,
                most=ASKED_AT_ONCE,
            )
        refuse_too_many(self.connection, self.name, self.what, row["missing"], row["stored"])
        found: list[int] = row["numbers"]
        return found

    def _page(self, rows: Rows, named: list[int], progress: Progress, records: int) -> Page:
        def write(tx: Tx) -> dict[str, int]:
            counts = writer.write(tx, self.connection, rows)
            if named:
                type(self).see(
                    tx,
                    project_id=self.connection.project_id,
                    account=self.names.account,
                    numbers=named,
                    began=progress.began,
                )
            return counts

        return Page(
            write=write,
            place=progress.place(),
            records=records,
            judged=rows.judged,
        )

    def _end(self, tx: Tx) -> dict[str, int]:
        forget_confirmation(tx, self.connection, self.name)
        return {}


@dataclass
class ConversationSweep(Sweep):
    """Reads on in conversations that the syncs between missed, and takes back those that are gone."""

    name: str = "conversation_sweep"
    what: str = "conversations"
    see = writer.sql.see_conversations
    unseen = writer.sql.unseen_conversations

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

    def _ask(self, number: int) -> dict[str, Any] | None:
        record = asked(self.client.conversation, number)
        wanted = inboxes(self.connection)
        elsewhere = record and wanted is not None and record.get("inbox_id") not in wanted
        return None if elsewhere else record

    def _end(self, tx: Tx) -> dict[str, int]:
        gone = 0
        if inboxes(self.connection) is not None:
            # Contacts come with their conversations then, and go with them.
            gone = writer.sql.bury_strangers(
                tx, project_id=self.connection.project_id, account=self.names.account
            )
        return {**super()._end(tx), "deleted_contacts": gone}

    def _gone(self, numbers: list[int]) -> Rows:
        return Rows(gone=[self.names.conversation(number) for number in numbers])


@dataclass
class ContactSweep(Sweep):
    """Reads all contacts, since an edit does not move one that was never active, and takes back those
    that are gone. Visitors of whom nothing is known are in no list, and are not missed in it."""

    name: str = "contact_sweep"
    what: str = "contacts"
    see = writer.sql.see_contacts
    unseen = writer.sql.unseen_contacts

    def _list(self, progress: Progress) -> Iterator[Page]:
        while True:
            records = self.client.contacts(progress.page)
            rows = Rows()
            collect(
                records,
                "contact",
                lambda record: rows.add_contact(mapping.contact(self.names, record)),  # noqa: B023
                rows.judged,
            )
            named = [row["contact_id"] for row in rows.contacts.values()]
            progress = replace(progress, page=progress.page + 1, listed=not records)
            yield self._page(rows, named, progress, len(records))
            if progress.listed:
                return

    def _ask(self, number: int) -> dict[str, Any] | None:
        return asked(self.client.contact, number)

    def _gone(self, numbers: list[int]) -> Rows:
        return Rows(gone_contacts=[self.names.contact(number) for number in numbers])
