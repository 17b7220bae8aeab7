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
from app.connectors.records import collect, number
from app.db import db

Ask = Callable[[tuple[int, int]], list[Any]]
Map = Callable[[Ask, Iterable[tuple[int, int]]], Iterable[list[Any]]]


@dataclass(frozen=True)
class ConversationReading:
    """How a connection's conversations become rows."""

    connection: Connection
    client: ChatwootClient
    names: Names

    def take(self, records: Iterable[Any]) -> Rows:
        """Conversations and their contacts, without messages yet."""
        rows = Rows()

        def understand(record: dict[str, Any]) -> None:
            sender = (record.get("meta") or {}).get("sender") or record.get("contact")
            rows.add_contact(mapping.contact(self.names, sender))
            rows.conversations.append(mapping.conversation(self.names, record))

        collect(records, "conversation", understand, rows.rejected)
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
            batches = ask_all(
                lambda place: self.client.messages_after(place[0], place[1]), places.items()
            )
            following: dict[int, int] = {}
            for conversation, batch in zip(list(places), batches, strict=True):
                self.understand(conversation, batch, rows)
                if len(batch) >= MESSAGES_PER_CALL:
                    following[conversation] = max(number(record["id"]) for record in batch)
            for row in rows.conversations:
                row["read"] = row["conversation_id"] not in following
            yield rows, bool(following)
            if not following:
                return
            rows = Rows(conversations=[row for row in rows.conversations if not row["read"]])
            places = following

    def understand(self, conversation: int, batch: list[Any], rows: Rows) -> None:
        """Messages of one conversation into rows."""

        def take(record: dict[str, Any]) -> None:
            row, attachments, sender = mapping.message(self.names, conversation, record)
            rows.add_contact(sender)
            rows.messages.append(row)
            rows.attachments.extend(attachments)

        collect(batch, "message", take, rows.rejected)
