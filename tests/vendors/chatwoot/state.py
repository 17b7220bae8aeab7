"""What a Chatwoot server holds, and how it changes. Thread-safe by one lock."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Any

INCOMING, OUTGOING, ACTIVITY, TEMPLATE = 0, 1, 2, 3
DELETED_TEXT = "This message was deleted"


@dataclass
class Person:
    """A contact or an agent."""

    id: int
    name: str
    email: str | None = None
    phone: str | None = None
    kind: str = "contact"
    created_at: int = 0
    last_activity_at: int | None = None


@dataclass
class Message:
    id: int
    conversation_id: int
    text: str | None
    type: int
    created_at: int
    sender: Person | None
    private: bool = False
    deleted: bool = False
    attachments: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Conversation:
    id: int
    inbox_id: int
    contact: Person
    status: str
    created_at: int
    last_activity_at: int
    updated_at: float
    assignee: Person | None = None
    labels: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


@dataclass
class Account:
    id: int
    name: str
    inboxes: dict[int, dict[str, Any]] = field(default_factory=dict)
    agents: dict[int, Person] = field(default_factory=dict)
    contacts: dict[int, Person] = field(default_factory=dict)
    conversations: dict[int, Conversation] = field(default_factory=dict)


class State:
    """All accounts of a server. Message ids ascend over all of them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.accounts: dict[int, Account] = {}
        self._last_message = 0
        self._clock = 1_760_000_000.0

    def tick(self) -> float:
        """A time of change later than every one before."""
        self._clock += 1.25
        return self._clock

    def pass_time(self, seconds: float) -> None:
        """What happens next happens so much later."""
        self._clock += seconds

    def add_account(self, number: int, name: str = "Studio") -> Account:
        account = self.accounts.setdefault(number, Account(number, name))
        self.add_inbox(account, number * 10 + 1, "Website")
        return account

    def add_inbox(
        self, account: Account, number: int, name: str, channel: str = "Channel::Api"
    ) -> None:
        account.inboxes[number] = {"id": number, "name": name, "channel_type": channel}

    def add_agent(
        self, account: Account, number: int, name: str, email: str | None = None
    ) -> Person:
        agent = Person(number, name, email, kind="user")
        account.agents[number] = agent
        return agent

    def add_contact(
        self, account: Account, number: int, name: str, email: str | None = None, phone: str | None = None,
        at: int | None = None,
    ) -> Person:  # fmt: skip
        contact = Person(
            number, name, email, phone, created_at=at or int(self._clock), last_activity_at=at
        )
        with self.lock:
            account.contacts[number] = contact
        return contact

    def add_conversation(
        self, account: Account, contact: Person, *, number: int | None = None, inbox: int | None = None,
        status: str = "open", at: int | None = None, assignee: Person | None = None,
        labels: list[str] | None = None,
    ) -> Conversation:  # fmt: skip
        with self.lock:
            number = number or max(account.conversations, default=0) + 1
            moment = at or int(self.tick())
            found = Conversation(
                number, inbox or next(iter(account.inboxes)), contact, status, moment, moment,
                float(moment), assignee, labels or [],
            )  # fmt: skip
            account.conversations[number] = found
            return found

    def add_message(
        self, conversation: Conversation, text: str | None, sender: Person | None, *, at: int | None = None,
        private: bool = False, type: int | None = None, attachments: list[dict[str, Any]] | None = None,
    ) -> Message:  # fmt: skip
        with self.lock:
            self._last_message += 1
            if type is None:
                type = (
                    ACTIVITY
                    if sender is None
                    else INCOMING
                    if sender.kind == "contact"
                    else OUTGOING
                )
            moment = at or int(self.tick())
            message = Message(
                self._last_message, conversation.id, text, type, moment, sender, private,
                attachments=attachments or [],
            )  # fmt: skip
            conversation.messages.append(message)
            conversation.last_activity_at = max(conversation.last_activity_at, moment)
            conversation.updated_at = max(self.tick(), float(moment))
            if sender is not None and sender.kind == "contact":
                sender.last_activity_at = max(sender.last_activity_at or 0, moment)
            return message

    def edit_message(self, conversation: Conversation, message: Message, text: str) -> None:
        """An edit touches the conversation, but is no activity."""
        with self.lock:
            message.text = text
            conversation.updated_at = self.tick()

    def delete_message(self, conversation: Conversation, message: Message) -> None:
        with self.lock:
            message.deleted = True
            conversation.updated_at = self.tick()

    def set_private(self, conversation: Conversation, message: Message) -> None:
        with self.lock:
            message.private = True
            conversation.updated_at = self.tick()

    def set_status(self, conversation: Conversation, status: str) -> None:
        with self.lock:
            conversation.status = status
            self.add_message(conversation, f"Conversation was marked {status}", None)


OPENERS = [
    "Добрый день!", "Коллеги,", "Привет,", "Hi team,", "Hello,", "Подскажите, пожалуйста:", "Quick update:",
    "Смотрите,", "По вчерашнему созвону:", "As discussed,",
]  # fmt: skip
SUBJECTS = [
    "макет корзины", "оплата счёта", "интеграция с 1С", "the checkout page", "the push notifications",
    "карточка товара", "выгрузка остатков", "the delivery report", "личный кабинет", "the loyalty programme",
    "форма возврата", "the staging server", "печать этикеток", "the API key", "договор поддержки",
]  # fmt: skip
VERBS = [
    "готов к проверке", "ещё не работает", "needs one more review", "переносится на четверг",
    "was approved today",
    "падает с ошибкой", "is blocked by the vendor", "выложен на тестовый стенд",
    "ждёт ваших правок", "looks good now",
]  # fmt: skip


def fill(
    state: State, account: Account, conversations: int = 600, messages: int = 2000, seed: int = 1
) -> None:
    """Many readable conversations, the same for the same seed; every text distinct, lengths uneven."""
    dice = random.Random(seed)
    agent = state.add_agent(account, 900, "Артём Лосев", "artem@mayak.example")
    base = 1_750_000_000
    made = [
        state.add_conversation(
            account,
            state.add_contact(
                account, 5000 + n, f"Клиент {n}", f"client{n}@example.com", at=base + n * 60
            ),
            at=base + n * 60,
            status=dice.choice(["open", "resolved", "pending", "snoozed"]),
        )
        for n in range(conversations)
    ]
    for number in range(messages):
        conversation = made[number] if number < conversations else dice.choice(made)
        sentences = [
            f"{dice.choice(SUBJECTS)} {dice.choice(VERBS)}"
            for _ in range(dice.choice([1, 1, 2, 3, 6]))
        ]
        text = f"{dice.choice(OPENERS)} {'. '.join(sentences)}. Номер {number}."
        sender = conversation.contact if dice.random() < 0.6 else agent
        state.add_message(conversation, text, sender, at=base + 40_000 + number * 30)
