"""What Chatwoot's webhooks set in motion: the named conversation or contact is read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.connectors.breaker import Breaker
from app.connectors.chatwoot import mapping, writer
from app.connectors.chatwoot.client import ChatwootClient
from app.connectors.chatwoot.conversations import ConversationReading, inboxes
from app.connectors.chatwoot.mapping import Names, Rows
from app.connectors.connections import Connection
from app.connectors.engine import write_rows
from app.connectors.errors import ConnectorError
from app.connectors.records import collect
from app.connectors.webhooks.model import Delivery, Effect, Ignored
from app.db import db
from app.scheduler.context import RunContext
from config.settings import Settings


class ChatwootDeliveries:
    """A connection opened for deliveries; each call is about one conversation or one contact."""

    def __init__(self, connection: Connection, context: RunContext) -> None:
        self.connection = connection
        self.settings = context.settings
        breaker = Breaker(
            connection.project_id, connection.id, connection.base_url, context.settings
        )
        self.client = ChatwootClient(connection, context.settings, breaker, context.check)

    def apply(self, deliveries: list[Delivery]) -> Effect:
        """Read the deliveries' conversation, with the messages that they name, or their contact."""
        kind, _, number = deliveries[0].object_ref.partition(":")
        if not number.isdecimal():
            raise Ignored("The payload names no object.")
        reader = _Reader(self.connection, self.client, self.settings)
        if kind == "contact":
            return Effect(reader.contact(int(number)))
        return Effect(reader.conversation(int(number), _named_messages(deliveries)))

    def close(self) -> None:
        self.client.close()


def _named_messages(deliveries: list[Delivery]) -> set[int]:
    """Ids of the messages that were written, changed or deleted."""
    ids = [d.payload.get("id") for d in deliveries if d.event.startswith("message_")]
    return {found for found in ids if isinstance(found, int)}


class _Reader:
    def __init__(self, connection: Connection, client: ChatwootClient, settings: Settings) -> None:
        self.connection = connection
        self.client = client
        self.settings = settings
        self.names = Names(connection.project_id, int(connection.external_account_id))
        self.reading = ConversationReading(connection, client, self.names)

    def conversation(self, number: int, messages: set[int]) -> dict[str, int]:
        counts: dict[str, int] = {}
        record = self._asked(self.client.conversation, number)
        if record is None:
            self._write(Rows(gone=[self.names.conversation(number)]), "conversations", counts)
            return counts
        rows = self.reading.take([record])
        if not rows.conversations and not rows.rejected:
            raise Ignored("The conversation stands in an inbox that is not read.")
        places = self.reading.places(rows, changed_only=False)
        for part, _ in self.reading.rounds(rows, places):
            self._write(part, "conversations", counts)
        self._older_messages(number, messages, places.get(number, 0), counts)
        return counts

    def _older_messages(
        self, conversation: int, messages: set[int], read_after: int, counts: dict[str, int]
    ) -> None:
        """Messages that were changed long after they were written, before those just read."""
        seen = 0
        for message in sorted(found for found in messages if found <= read_after):
            if message <= seen:
                continue
            rows = Rows()
            batch = self.client.messages_after(conversation, message - 1)
            self.reading.understand(conversation, batch, rows)
            seen = max((row["message_id"] for row in rows.messages), default=message)
            self._write(rows, "conversations", counts)

    def contact(self, number: int) -> dict[str, int]:
        if inboxes(self.connection) is not None and not self._knows_contact(number):
            # A contact has no inbox: whose conversations are not read is nobody here.
            raise Ignored("The contact has no conversation in the inboxes that are read.")
        record = self._asked(self.client.contact, number)
        if record is None:
            raise Ignored("Chatwoot has no such contact any more.")
        rows = Rows()
        collect(
            [record],
            "contact",
            lambda found: rows.add_contact(mapping.contact(self.names, found)),
            rows.rejected,
        )
        counts: dict[str, int] = {}
        self._write(rows, "contacts", counts)
        return counts

    def _asked(self, ask: Callable[[int], dict[str, Any]], number: int) -> dict[str, Any] | None:
        """The vendor's answer; None when it has no such thing any more."""
        try:
            return ask(number)
        except ConnectorError as error:
            if error.kind != "not_found":
                raise
            return None

    def _knows_contact(self, number: int) -> bool:
        with db.connection() as connection:
            known: bool = writer.sql.knows_contact(
                connection, project_id=self.connection.project_id, id=self.names.contact(number)
            )
        return known

    def _write(self, rows: Rows, stream: str, counts: dict[str, Any]) -> None:
        with db.transaction() as tx:
            written = write_rows(
                tx,
                self.connection,
                stream,
                lambda tx: writer.write(tx, self.connection, rows),
                rows.rejected,
                self.settings,
            )
        for name, found in written.items():
            counts[name] = counts.get(name, 0) + found
