"""A studio's inbox that has been pulled: what is in it is told by the simulated Chatwoot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Browser
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Account, Conversation, Person


@dataclass
class Inbox:
    """An account of the simulated Chatwoot, and the project that it is pulled into."""

    server: ChatwootServer
    account: Account
    project_id: str
    pull: Callable[[], dict[str, Any]]

    def contact(self, name: str, email: str | None = None, phone: str | None = None) -> Person:
        number = max(self.account.contacts, default=0) + 1
        return self.server.state.add_contact(self.account, number, name, email, phone)

    def talk(self, contact: Person, *texts: str, **rest: Any) -> Conversation:
        conversation = self.server.state.add_conversation(self.account, contact, **rest)
        for text in texts:
            self.server.state.add_message(conversation, text, contact)
        return conversation

    def say(self, conversation: Conversation, text: str, who: Person, **rest: Any) -> Any:
        return self.server.state.add_message(conversation, text, who, **rest)

    def agent(self, name: str = "Артём Лосев") -> Person:
        return self.server.state.add_agent(self.account, 90, name)

    def ref(self, kind: str, number: int) -> str:
        return f"{kind}:{self.project_id}:{self.account.id}:{number}"


@pytest.fixture
def inbox(
    project: dict[str, Any],
    chatwoot: ChatwootServer,
    connect: Callable[..., None],
    work: Callable[..., dict[str, Any]],
) -> Inbox:
    connect(project["id"])

    def pull() -> dict[str, Any]:
        run = work(project["id"], "chatwoot_sync")
        assert run["status"] == "completed", run
        return run

    return Inbox(chatwoot, chatwoot.state.accounts[1], project["id"], pull)


@pytest.fixture
def second_inbox(
    owner: Browser,
    project: dict[str, Any],
    chatwoot: ChatwootServer,
    connect: Callable[..., None],
    work: Callable[..., dict[str, Any]],
) -> Inbox:
    """Another client's project with an inbox of its own; the session stays in the first."""
    other = owner.post("/projects", {"name": "Вторая студия"}).get_json()["project"]
    owner.post(f"/projects/{project['id']}/select")
    account = chatwoot.state.add_account(2, "Second")
    connect(other["id"], account=2)

    def pull() -> dict[str, Any]:
        return work(other["id"], "chatwoot_sync")

    return Inbox(chatwoot, account, other["id"], pull)


@pytest.fixture
def pages() -> Callable[..., Iterator[list[dict[str, Any]]]]:
    """Page after page of a list, as a client reads it."""

    def read(
        browser: Browser, path: str, name: str, **query: Any
    ) -> Iterator[list[dict[str, Any]]]:
        cursor = None
        while True:
            given = {**query, **({"cursor": cursor} if cursor else {})}
            answer = browser.get(path, query_string=given)
            assert answer.status_code == 200, answer.get_json()
            body = answer.get_json()
            yield body[name]
            cursor = body["next_cursor"]
            assert body["has_more"] == (cursor is not None)
            if cursor is None:
                return

    return read
