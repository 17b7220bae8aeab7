"""Chatwoot's streams: inboxes, agents, contacts, and conversations with their messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from app.connectors.breaker import Breaker
from app.connectors.chatwoot import happenings, mapping, writer
from app.connectors.chatwoot.client import CONTACTS_PER_PAGE, MESSAGES_PER_CALL, ChatwootClient
from app.connectors.chatwoot.mapping import Names, Rows
from app.connectors.connections import Connection
from app.connectors.engine import Budget, Page, Place, Stream
from app.connectors.errors import ConnectorError
from app.connectors.records import collect, moment, number
from app.db import db
from config.settings import Settings

SWEEP_EVERY = timedelta(hours=24)


class ChatwootReader:
    """An opened connection: its streams, in the order in which their rows refer to each other."""

    def __init__(self, connection: Connection, client: ChatwootClient, settings: Settings) -> None:
        names = Names(connection.project_id, int(connection.external_account_id))
        self.client = client
        self.pages = settings.chatwoot_pages_limit
        self.records = settings.chatwoot_conversations_limit
        self.streams: list[Stream] = [
            InboxStream(connection, client, names),
            AgentStream(connection, client, names),
            ContactStream(connection, client, names, settings),
            ConversationStream(connection, client, names, settings),
            SilenceStream(connection),
        ]
        if inboxes(connection) is not None:
            # The account's list of contacts knows no inboxes: they come with their conversations.
            self.streams.pop(2)

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


def inboxes(connection: Connection) -> set[int] | None:
    """The inboxes that the connection may read; None means all of the account."""
    wanted = connection.filters.get("inbox_ids")
    return {int(number) for number in wanted} if wanted else None


def verify(connection: Connection, settings: Settings) -> dict[str, Any]:
    """Whose token it is, and the account's name. Raises ConnectorError."""
    client = ChatwootClient(connection, settings)
    try:
        return {"account": client.account().get("name"), "user": client.profile().get("name")}
    finally:
        client.close()


@dataclass
class InboxStream:
    connection: Connection
    client: ChatwootClient
    names: Names
    name: str = "inboxes"
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        rows = Rows()
        collect(
            self.client.inboxes(),
            "inbox",
            partial(self._take, rows=rows),
            rows.rejected,
        )
        yield _page(self.connection, rows, Place(), len(rows.inboxes), swept=True)

    def _take(self, record: dict[str, Any], rows: Rows) -> None:
        wanted = inboxes(self.connection)
        if wanted is None or number(record["id"]) in wanted:
            rows.inboxes.append(mapping.inbox(self.names, record))


@dataclass
class AgentStream:
    """Agents give names to the team's side. Only an administrator's token may list them."""

    connection: Connection
    client: ChatwootClient
    names: Names
    name: str = "agents"
    optional: bool = True

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        rows = Rows()
        collect(
            self.client.agents(),
            "agent",
            lambda record: rows.agents.append(mapping.agent(self.names, record)),
            rows.rejected,
        )
        yield _page(self.connection, rows, Place(), len(rows.agents), swept=True)


@dataclass
class ContactStream:
    """Contacts, the most recently active first. Once a day all of them: one that was never active
    stands at the end, and an edit does not move it."""

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
                rows.rejected,
            )
            times = [moment(r.get("last_activity_at")) for r in records if isinstance(r, dict)]
            ended = window.turn(times, len(records) < CONTACTS_PER_PAGE)
            yield _page(
                self.connection,
                rows,
                window.place(place),
                len(records),
                swept=ended and window.sweeping,
            )
            if ended:
                return


@dataclass
class ConversationStream:
    """Conversations, the most recently active first, each with the messages that are new in it."""

    connection: Connection
    client: ChatwootClient
    names: Names
    settings: Settings
    name: str = "conversations"
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        window = Window.resume(place, self.settings.connector_overlap_seconds, sweeps=False)
        with ThreadPoolExecutor(self.settings.chatwoot_concurrency) as pool:
            while True:
                records = self.client.conversations(window.page)
                rows = Rows()
                collect(
                    records,
                    "conversation",
                    partial(self._take, rows=rows),
                    rows.rejected,
                )
                # One without a time says nothing about how far the list has been read.
                times = [moment(r.get("last_activity_at")) for r in records if isinstance(r, dict)]
                times = [time for time in times if time is not None]
                before = window.place(place)
                # An empty page is the end; a short one is not trusted, since the size is the server's.
                ended = window.turn(times, not records)
                yield from self._rounds(rows, pool, before, window.place(place), len(records))
                if ended:
                    return

    def _take(self, record: dict[str, Any], rows: Rows) -> None:
        wanted = inboxes(self.connection)
        if wanted is not None and record.get("inbox_id") not in wanted:
            return
        sender = (record.get("meta") or {}).get("sender") or record.get("contact")
        rows.add_contact(mapping.contact(self.names, sender))
        rows.conversations.append(mapping.conversation(self.names, record))

    def _rounds(
        self, rows: Rows, pool: ThreadPoolExecutor, before: Place, after: Place, records: int
    ) -> Iterator[Page]:
        """The messages of a page of conversations, up to 100 of each a round, each round committed.

        The window moves on with the last round only. A conversation counts as read when a round
        brought fewer messages than it could.
        """
        waiting = self._changed(rows)
        while True:
            batches = list(pool.map(lambda item: self._messages(*item), waiting.items()))
            following: dict[int, int] = {}
            for (conversation, after_id), batch in zip(waiting.items(), batches, strict=True):
                if batch is None:
                    rows.gone.append(self.names.conversation(conversation))
                    continue
                self._understand(conversation, batch, rows)
                last = _last_id(batch)
                if len(batch) >= MESSAGES_PER_CALL and last > after_id:
                    following[conversation] = last
            rows.conversations = [row for row in rows.conversations if row["id"] not in rows.gone]
            for row in rows.conversations:
                row["read"] = row["conversation_id"] not in following
            yield _page(
                self.connection, rows, before if following else after, 0 if following else records
            )
            if not following:
                return
            unfinished = [row for row in rows.conversations if not row["read"]]
            rows = Rows(conversations=unfinished)
            waiting = following

    def _messages(self, conversation: int, after_id: int) -> list[Any] | None:
        """A round of a conversation's messages; None when it has vanished since it was listed."""
        try:
            return self.client.messages_after(conversation, after_id)
        except ConnectorError as error:
            if error.kind != "not_found" or self.client.exists(conversation):
                raise
            return None

    def _changed(self, rows: Rows) -> dict[int, int]:
        """Which conversations must be read, and after which message id. Unchanged ones cost no call.

        A known one is read again from its twentieth newest message, so that edits and deletions of
        recent messages are seen.
        """
        with db.connection() as connection:
            stored = writer.stored_conversations(
                connection, self.connection.project_id, [row["id"] for row in rows.conversations]
            )
        wanted = {}
        for row in rows.conversations:
            known = stored.get(row["id"])
            if known is None or known["messages_read_to"] is None:
                wanted[row["conversation_id"]] = (known or {}).get("reread_after") or 0
            elif known["content_hash"] != row["content_hash"]:
                wanted[row["conversation_id"]] = known["reread_after"] or 0
        return wanted

    def _understand(self, conversation: int, batch: list[Any], rows: Rows) -> None:
        def take(record: dict[str, Any]) -> None:
            row, attachments, sender = mapping.message(self.names, conversation, record)
            rows.add_contact(sender)
            rows.messages.append(row)
            rows.attachments.extend(attachments)

        collect(batch, "message", take, rows.rejected)


def _last_id(batch: list[Any]) -> int:
    """The greatest id of a round, from which the next one goes on; 0 when no record has one."""
    found: list[int] = []
    collect(batch, "message", lambda record: found.append(number(record["id"])), [])
    return max(found, default=0)


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
    sweeping: bool
    done: bool = False

    @classmethod
    def resume(cls, place: Place, overlap: int, sweeps: bool = True) -> Window:
        saved = place.page_cursor
        if saved:
            return cls(
                page=max(1, saved["page"] - 1),
                top=moment(saved["top"]),
                until=moment(saved["until"]),
                sweeping=saved["sweeping"],
            )
        due = place.last_sweep_at is None or (
            datetime.now(place.last_sweep_at.tzinfo) - place.last_sweep_at > SWEEP_EVERY
        )
        whole = place.cursor_ts is None or (sweeps and due)
        until = (
            None
            if whole or place.cursor_ts is None
            else place.cursor_ts - timedelta(seconds=overlap)
        )
        return cls(page=1, top=None, until=until, sweeping=whole)

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
            "sweeping": self.sweeping,
        }
        return Place(cursor_ts=earlier.cursor_ts, page_cursor=saved)


def _page(
    connection: Connection, rows: Rows, place: Place, records: int, swept: bool = False
) -> Page:
    return Page(
        write=lambda tx: writer.write(tx, connection, rows),
        place=place,
        records=records,
        rejected=tuple(rows.rejected),
        swept=swept,
    )
