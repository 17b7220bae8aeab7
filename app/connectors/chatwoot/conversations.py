"""Reading conversations with their messages, however one came to know of them: from a list, or from a
webhook that named one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.connectors.chatwoot import mapping, writer
from app.connectors.chatwoot.client import MESSAGES_PER_CALL, ChatwootClient
from app.connectors.chatwoot.mapping import Names, Rows
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.connectors.failures import Judged
from app.connectors.records import collect, number
from app.db import db

Batch = list[Any] | None
Map = Callable[[Callable[[tuple[int, int]], Batch], Iterable[tuple[int, int]]], Iterable[Batch]]


def inboxes(connection: Connection) -> set[int] | None:
    """The inboxes that the connection may read; None means all of the account."""
    wanted = connection.filters.get("inbox_ids")
    return {int(number) for number in wanted} if wanted else None


@dataclass(frozen=True)
class ConversationReading:
    """How a connection's conversations become rows."""

    connection: Connection
    client: ChatwootClient
    names: Names

    def take(self, records: Iterable[Any]) -> Rows:
        """Conversations of the inboxes that may be read and their contacts, without messages yet."""
        rows = Rows()
        wanted = inboxes(self.connection)

        def understand(record: dict[str, Any]) -> None:
            if wanted is not None and record.get("inbox_id") not in wanted:
                return
            sender = (record.get("meta") or {}).get("sender") or record.get("contact")
            rows.add_contact(mapping.contact(self.names, sender))
            rows.conversations.append(mapping.conversation(self.names, record))

        collect(records, "conversation", understand, rows.judged)
        return rows

    def places(self, rows: Rows, *, changed_only: bool) -> dict[int, int]:
        """After which message id each conversation must be read; unchanged ones may be left out.

        A known one is read again from its twentieth newest message, so that edits and deletions of
        recent messages are seen.
        """
        with db.connection() as connection:
            stored = writer.stored_conversations(
                connection, self.connection.project_id, [row["id"] for row in rows.conversations]
            )
        wanted = {}
        for row in rows.conversations:
            known = stored.get(row["id"]) or {}
            unread = known.get("messages_read_to") is None
            if unread or not changed_only or known["content_hash"] != row["content_hash"]:
                wanted[row["conversation_id"]] = known.get("reread_after") or 0
        return wanted

    def rounds(
        self, rows: Rows, places: dict[int, int], ask_all: Map = map
    ) -> Iterator[tuple[Rows, bool]]:
        """The messages of the conversations, up to 100 of each a round, and whether more follow.

        A conversation counts as read when a round brought fewer messages than it could.
        """
        while True:
            rows.read_at = datetime.now(UTC)
            batches = ask_all(self._messages, places.items())
            following: dict[int, int] = {}
            for (conversation, after), batch in zip(places.items(), batches, strict=True):
                if batch is None:
                    rows.gone.append(self.names.conversation(conversation))
                    continue
                self.understand(conversation, batch, rows)
                last = _last_id(batch)
                if len(batch) >= MESSAGES_PER_CALL and last > after:
                    following[conversation] = last
            rows.conversations = [row for row in rows.conversations if row["id"] not in rows.gone]
            for row in rows.conversations:
                row["read"] = row["conversation_id"] not in following
            yield rows, bool(following)
            if not following:
                return
            rows = Rows(conversations=[row for row in rows.conversations if not row["read"]])
            places = following

    def _messages(self, place: tuple[int, int]) -> Batch:
        """A round of a conversation's messages; None when it has vanished since it was seen."""
        conversation, after = place
        try:
            return self.client.messages_after(conversation, after)
        except ConnectorError as error:
            if error.kind != "not_found" or self.client.exists(conversation):
                raise
            return None

    def understand(self, conversation: int, batch: list[Any], rows: Rows) -> None:
        """Messages of one conversation into rows."""

        def take(record: dict[str, Any]) -> None:
            row, attachments, sender = mapping.message(self.names, conversation, record)
            rows.add_contact(sender)
            rows.messages.append(row)
            rows.attachments.extend(attachments)

        collect(batch, "message", take, rows.judged)


def _last_id(batch: list[Any]) -> int:
    """The greatest id of a round, from which the next one goes on; 0 when no record has one."""
    found: list[int] = []
    collect(batch, "message", lambda record: found.append(number(record["id"])), Judged())
    return max(found, default=0)
