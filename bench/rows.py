"""The rows of a project as COPY takes them: conversations of a team and its clients."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from app.connectors.chatwoot.mapping import Names
from bench.texts import Speaker, language

SEED = 20_261_101
LAST_DAY = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 400
IN_CONVERSATION = range(3, 18)  # messages, 10 on average
PRIVATE_SHARE, ACTIVITY_SHARE = 0.04, 0.03
STATUSES = ("open", "resolved", "pending", "snoozed")


class Rows:
    """The rows of one project as COPY takes them."""

    def __init__(self, project_id: UUID, connection_id: UUID, account: int, dice: Random) -> None:
        self.names = Names(project_id, account)
        self.dice = dice
        self.start = (project_id, connection_id, account)
        self.inboxes: list[tuple[Any, ...]] = []
        self.contacts: list[tuple[Any, ...]] = []
        self.conversations: list[tuple[Any, ...]] = []
        self.messages: list[tuple[Any, ...]] = []

    def compose(self, messages: int) -> None:
        """Conversations, oldest first, until there are so many messages."""
        self.inboxes.append(self._row("inbox", 1, 1, "Website", "Channel::WebWidget", b""))
        first = LAST_DAY - timedelta(days=DAYS)
        step = timedelta(days=DAYS) * 10 / messages
        moment = first
        while len(self.messages) < messages:
            wanted = min(self.dice.choice(IN_CONVERSATION), messages - len(self.messages))
            self._conversation(moment, wanted)
            moment = min(LAST_DAY, moment + step)

    def _row(self, kind: str, number: int, *values: Any) -> tuple[Any, ...]:
        project_id, connection_id, account = self.start
        return (project_id, getattr(self.names, kind)(number), connection_id, account, *values)

    def _conversation(self, begun: datetime, count: int) -> None:
        number = len(self.conversations) + 1
        speaker = Speaker(self.dice, language(self.dice), begun)
        # One contact has about three conversations.
        if number % 3 == 1:
            contact = self._contact(speaker, begun)
        else:
            contact = self.dice.randrange(1, len(self.contacts) + 1)
        moment = begun
        for turn in range(count):
            moment += timedelta(minutes=self.dice.randrange(1, 300))
            self._message(number, contact, speaker, turn, moment)
        self.conversations.append(
            self._row(
                "conversation", number, number, self.names.contact(contact), 1,
                self.dice.choice(STATUSES), [], b"", moment, moment, len(self.messages), begun,
                moment, moment,
            )
        )  # fmt: skip

    def _contact(self, speaker: Speaker, moment: datetime) -> int:
        number = len(self.contacts) + 1
        name = f"{speaker.pick('clients')} {speaker.slot('brand')}"
        email = f"client{number}@example.com"
        self.contacts.append(
            self._row("contact", number, number, name, email, b"", moment, moment, moment)
        )
        return number

    def _message(
        self, conversation: int, contact: int, speaker: Speaker, turn: int, moment: datetime
    ) -> None:
        number = len(self.messages) + 1
        asks = turn == 0 or self.dice.random() < 0.5
        luck = self.dice.random()
        private = not asks and luck < 2 * PRIVATE_SHARE
        activity = turn > 0 and luck > 1 - ACTIVITY_SHARE
        kind, word = (2, "activity") if activity else (0, "inbound") if asks else (1, "outbound")
        text = "Conversation was marked resolved" if activity else speaker.message(asks)
        sender = self.contacts[contact - 1][5] if asks else speaker.pick("agents")
        self.messages.append(
            self._row(
                "message", number, number, conversation, self.names.conversation(conversation),
                self.names.contact(contact), "contact" if asks else "user", contact if asks else 900,
                sender, private, kind, word, text, hashlib.sha256(text.encode()).digest(),
                moment, moment, moment, moment,
            )
        )  # fmt: skip
