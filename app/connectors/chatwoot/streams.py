"""Chatwoot's streams: inboxes, agents, contacts, and conversations with their messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.connectors.breaker import Breaker
from app.connectors.chatwoot import happenings, mapping, writer
from app.connectors.chatwoot.client import CONTACTS_PER_PAGE, ChatwootClient
from app.connectors.chatwoot.conversations import ConversationReading, inboxes
from app.connectors.chatwoot.mapping import Names, Rows
from app.connectors.chatwoot.sweep import ContactSweep, ConversationSweep
from app.connectors.connections import Connection
from app.connectors.engine import Budget, Page, Place, Stream
from app.connectors.errors import ConnectorError
from app.connectors.records import collect, moment, number_or_none
from app.connectors.sweeps import forget_confirmation, refuse_too_many
from app.db import Connection as Tx
from app.db import Row, db
from config.settings import Settings


class ChatwootReader:
    """An opened connection: its streams, in the order in which their rows refer to each other."""

    def __init__(self, connection: Connection, client: ChatwootClient, settings: Settings) -> None:
        names = Names(connection.project_id, int(connection.external_account_id))
        self.connection = connection
        self.client = client
        self.pages = settings.chatwoot_pages_limit
        self.records = settings.chatwoot_conversations_limit
        self.streams: list[Stream] = [
            InboxStream(connection, client, names),
            AgentStream(connection, client, names),
            ContactStream(connection, client, names, settings),
            ConversationStream(connection, client, names, settings),
            SilenceStream(connection),
            ConversationSweep(connection, client, names),
            ContactSweep(connection, client, names),
        ]
        if inboxes(connection) is not None:
            # The account's list of contacts knows no inboxes: they come with their conversations.
            self.streams = [found for found in self.streams if not found.name.startswith("contact")]

    @classmethod
    def open(
        cls,
        connection: Connection,
        settings: Settings,
        breaker: Breaker,
        check: Callable[[], None],
    ) -> ChatwootReader:
        return cls(connection, ChatwootClient(connection, settings, breaker, check), settings)

    def close(self) -> None:
        self.client.close()


def verify(connection: Connection, settings: Settings) -> dict[str, Any]:
    """Whose token it is, and the account's name. Raises ConnectorError."""
    client = ChatwootClient(connection, settings)
    try:
        return {"account": client.account().get("name"), "user": client.profile().get("name")}
    finally:
        client.close()


@dataclass
class InboxStream:
    """Inboxes, all in one answer: what it does not name is gone."""

    connection: Connection
    client: ChatwootClient
    names: Names
    name: str = "inboxes"
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        wanted = inboxes(self.connection)
        records = self.client.inboxes()
        if wanted is not None:
            records = [found for found in records if _number(found) in wanted]
        rows = Rows()
        collect(
            records,
            "inbox",
            lambda record: rows.inboxes.append(mapping.inbox(self.names, record)),
            rows.judged,
        )
        unlisted = writer.sql.unlisted_inboxes
        yield from _whole(self, rows, rows.gone_inboxes, records, unlisted)


@dataclass
class AgentStream:
    """Agents give names to the team's side, all in one answer. Only an administrator's token may list
    them."""

    connection: Connection
    client: ChatwootClient
    names: Names
    name: str = "agents"
    optional: bool = True

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        records = self.client.agents()
        rows = Rows()
        collect(
            records,
            "agent",
            lambda record: rows.agents.append(mapping.agent(self.names, record)),
            rows.judged,
        )
        unlisted = writer.sql.unlisted_agents
        yield from _whole(self, rows, rows.gone_agents, records, unlisted)


def _whole(
    stream: InboxStream | AgentStream,
    rows: Rows,
    gone: list[str],
    records: list[Any],
    unlisted: Callable[..., Row],
) -> Iterator[Page]:
    """The rows of a list that has everything, with what is not in it any more as `gone`. Raises
    ConnectorError `sweep_guard` after the rows when that is too much to be believed."""
    # One that cannot be understood is there all the same.
    named = [found for found in map(_number, records) if found is not None]
    with db.connection() as c:
        found = unlisted(
            c,
            project_id=stream.connection.project_id,
            account=stream.names.account,
            numbers=named,
        )
    missing = len(found["ids"])
    try:
        refuse_too_many(stream.connection, stream.name, stream.name, missing, found["stored"])
    except ConnectorError:
        yield _page(stream.connection, rows, Place(page_cursor={"refused": True}), len(records))
        raise
    gone += found["ids"]

    def write(tx: Tx) -> dict[str, int]:
        forget_confirmation(tx, stream.connection, stream.name)
        return writer.write(tx, stream.connection, rows)

    yield Page(write=write, place=Place(), records=len(records), judged=rows.judged, swept=True)


def _number(record: Any) -> int | None:
    """The id of a record; None for what is none."""
    return number_or_none(record.get("id")) if isinstance(record, dict) else None


@dataclass
class ContactStream:
    """Contacts, the most recently active first. One that was never active stands at the end, and an edit
    does not move it: those are the daily sweep's."""

    connection: Connection
    client: ChatwootClient
    names: Names
    settings: Settings
    name: str = "contacts"
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        window = Window.resume(place, self.settings.connector_overlap_seconds)
        while True:
            records = self.client.contacts(window.page)
            rows = Rows()
            collect(
                records,
                "contact",
                lambda record: rows.add_contact(mapping.contact(self.names, record)),  # noqa: B023
                rows.judged,
            )
            times = [moment(r.get("last_activity_at")) for r in records if isinstance(r, dict)]
            ended = window.turn(times, len(records) < CONTACTS_PER_PAGE)
            yield _page(
                self.connection,
                rows,
                window.place(place),
                len(records),
            )
            if ended:
                return


@dataclass
class ConversationStream:
    """Conversations, the most recently active first, each with the messages that are new in it.

    The window moves on with the last round of a page's messages only.
    """

    connection: Connection
    client: ChatwootClient
    names: Names
    settings: Settings
    name: str = "conversations"
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        window = Window.resume(place, self.settings.connector_overlap_seconds)
        reading = ConversationReading(self.connection, self.client, self.names)
        with ThreadPoolExecutor(self.settings.chatwoot_concurrency) as pool:
            while True:
                records = self.client.conversations(window.page)
                rows = reading.take(records)
                places = reading.places(rows, changed_only=True)
                # One without a time says nothing about how far the list has been read.
                times = [moment(r.get("last_activity_at")) for r in records if isinstance(r, dict)]
                times = [time for time in times if time is not None]
                before = window.place(place)
                # An empty page is the end; a short one is not trusted, since the size is the server's.
                ended = window.turn(times, not records)
                after = window.place(place)
                for part, more in reading.rounds(rows, places, pool.map):
                    yield _page(
                        self.connection,
                        part,
                        before if more else after,
                        0 if more else len(records),
                    )
                if ended:
                    return


@dataclass
class SilenceStream:
    """Nothing is read: what has been read says which clients have fallen silent."""

    connection: Connection
    name: str = "silences"
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        yield Page(
            write=lambda tx: {"silences": happenings.record_silences(tx, self.connection)},
            place=Place(),
            records=0,
        )


@dataclass
class Window:
    """A newest-first list, read page by page down to what is known already.

    `top` is the newest activity seen when the window began; the cursor moves there only when the
    window is read to its end. Interrupted, it goes on one page earlier, since pages may have shifted.
    """

    page: int
    top: datetime | None
    until: datetime | None  # None: to the very end
    done: bool = False

    @classmethod
    def resume(cls, place: Place, overlap: int) -> Window:
        saved = place.page_cursor
        if saved:
            return cls(
                page=max(1, saved["page"] - 1),
                top=moment(saved["top"]),
                until=moment(saved["until"]),
            )
        known = place.cursor_ts
        return cls(page=1, top=None, until=known - timedelta(seconds=overlap) if known else None)

    def turn(self, times: list[datetime | None], last: bool) -> bool:
        """Note a page's activity times and move to the next one; True when the window is done."""
        known = [time for time in times if time is not None]
        if known and (self.top is None or max(known) > self.top):
            # Later pages cannot raise it: what moved up meanwhile belongs to the next window.
            self.top = max(known) if self.page == 1 or self.top is None else self.top
        below = (
            self.until is not None
            and bool(times)
            and any(time is None or time < self.until for time in times)
        )
        self.page += 1
        self.done = last or below
        return self.done

    def place(self, earlier: Place) -> Place:
        """The stream's place as things stand now."""
        if self.done:
            return Place(cursor_ts=self.top or earlier.cursor_ts)
        saved = {
            "page": self.page,
            "top": self.top.isoformat() if self.top else None,
            "until": self.until.isoformat() if self.until else None,
        }
        return Place(cursor_ts=earlier.cursor_ts, page_cursor=saved)


def _page(connection: Connection, rows: Rows, place: Place, records: int) -> Page:
    return Page(
        write=lambda tx: writer.write(tx, connection, rows),
        place=place,
        records=records,
        judged=rows.judged,
    )
