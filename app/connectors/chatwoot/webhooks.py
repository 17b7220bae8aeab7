"""What Chatwoot's webhooks set in motion: the named conversations and contacts are read again."""

from __future__ import annotations

from app.connectors.breaker import Breaker
from app.connectors.chatwoot import mapping, writer
from app.connectors.chatwoot.client import ChatwootClient, asked
from app.connectors.chatwoot.conversations import ConversationReading, inboxes
from app.connectors.chatwoot.mapping import Names, Rows
from app.connectors.connections import Connection
from app.connectors.engine import write_rows
from app.connectors.records import collect
from app.connectors.webhooks.model import Delivery, Effect
from app.db import db
from app.scheduler.context import RunContext

Named = dict[int, list[Delivery]]  # deliveries by the number of the conversation or contact


class ChatwootDeliveries:
    """An account opened for deliveries. What a call reads is written together, round by round."""

    def __init__(self, connection: Connection, context: RunContext) -> None:
        self.connection = connection
        self.settings = context.settings
        breaker = Breaker(
            connection.project_id, connection.id, connection.base_url, context.settings
        )
        self.client = ChatwootClient(connection, context.settings, breaker, context.check)
        self.names = Names(connection.project_id, int(connection.external_account_id))
        self.reading = ConversationReading(connection, self.client, self.names)

    def apply(self, deliveries: list[Delivery]) -> Effect:
        """Read the deliveries' conversations, with the messages that they name, and their contacts."""
        effect = Effect()
        named: dict[str, Named] = {"conversation": {}, "contact": {}}
        for delivery in deliveries:
            kind, _, number = delivery.object_ref.partition(":")
            if kind in named and number.isdecimal():
                named[kind].setdefault(int(number), []).append(delivery)
            else:
                effect.ignored[delivery.id] = "The payload names no object."
        if named["conversation"]:
            self._conversations(named["conversation"], effect)
        if named["contact"]:
            self._contacts(named["contact"], effect)
        return effect

    def close(self) -> None:
        self.client.close()

    def _conversations(self, named: Named, effect: Effect) -> None:
        records = {number: asked(self.client.conversation, number) for number in sorted(named)}
        rows = self.reading.take(record for record in records.values() if record is not None)
        understood = {row["conversation_id"] for row in rows.conversations}
        rejected = {record.source_ref for record in rows.judged.rejected}
        for number, record in records.items():
            if record is None:
                rows.gone.append(self.names.conversation(number))
            elif number not in understood and f"conversation:{number}" not in rejected:
                _ignore(effect, named[number], "It stands in an inbox that is not read.")
        places = self.reading.places(rows, changed_only=False)
        for part, _ in self.reading.rounds(rows, places):
            self._write(part, "conversations", effect)
        self._older_messages(named, places, effect)

    def _older_messages(self, named: Named, places: dict[int, int], effect: Effect) -> None:
        """Messages that were changed long after they were written, before those just read."""
        rows = Rows()
        for conversation, read_after in places.items():
            seen = 0
            for message in sorted(_messages(named[conversation])):
                if not seen < message <= read_after:
                    continue
                batch = self.client.messages_after(conversation, message - 1)
                known = len(rows.messages)
                self.reading.understand(conversation, batch, rows)
                seen = max((row["message_id"] for row in rows.messages[known:]), default=message)
        if rows.messages or rows.judged.rejected:
            self._write(rows, "conversations", effect)

    def _contacts(self, named: Named, effect: Effect) -> None:
        rows = Rows()
        for number in sorted(named):
            if inboxes(self.connection) is not None and not self._knows_contact(number):
                # A contact has no inbox: whose conversations are not read is nobody here.
                _ignore(effect, named[number], "It has no conversation in an inbox that is read.")
                continue
            record = asked(self.client.contact, number)
            if record is None:
                if self._knows_contact(number):
                    rows.gone_contacts.append(self.names.contact(number))
                else:
                    _ignore(effect, named[number], "Chatwoot has no such contact any more.")
                continue
            collect(
                [record],
                "contact",
                lambda found: rows.add_contact(mapping.contact(self.names, found)),
                rows.judged,
            )
        if rows.contacts or rows.gone_contacts or rows.judged.rejected:
            self._write(rows, "contacts", effect)

    def _knows_contact(self, number: int) -> bool:
        with db.connection() as connection:
            known: bool = writer.sql.knows_contact(
                connection, project_id=self.connection.project_id, id=self.names.contact(number)
            )
        return known

    def _write(self, rows: Rows, stream: str, effect: Effect) -> None:
        with db.transaction() as tx:
            written = write_rows(
                tx,
                self.connection,
                stream,
                lambda tx: writer.write(tx, self.connection, rows),
                rows.judged,
                self.settings,
            )
        effect.add(written)


def _messages(deliveries: list[Delivery]) -> set[int]:
    """Ids of the messages that were written, changed or deleted."""
    ids = [d.payload.get("id") for d in deliveries if d.event.startswith("message_")]
    return {found for found in ids if isinstance(found, int)}


def _ignore(effect: Effect, deliveries: list[Delivery], reason: str) -> None:
    for delivery in deliveries:
        effect.ignored[delivery.id] = reason
