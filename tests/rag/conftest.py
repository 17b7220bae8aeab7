"""Fixtures for questions: a studio's conversation that can be asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Browser
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation, Person

Ask = Callable[..., dict[str, Any]]
Say = Callable[..., Any]


@pytest.fixture
def talk(chatwoot: ChatwootServer) -> Conversation:
    account = chatwoot.state.accounts[1]
    olga = chatwoot.state.add_contact(account, 1, "Ольга Северина", "olga@sever.example")
    chatwoot.state.add_agent(account, 90, "Артём Лосев")
    return chatwoot.state.add_conversation(account, olga)


@pytest.fixture
def say(chatwoot: ChatwootServer, talk: Conversation) -> Say:
    """Have the client, or with `team` the studio, write in the conversation."""

    def write(text: str, team: bool = False, **rest: Any) -> Any:
        agent: Person = chatwoot.state.accounts[1].agents[90]
        return chatwoot.state.add_message(talk, text, agent if team else talk.contact, **rest)

    return write


@pytest.fixture
def sync(
    project: dict[str, Any], connect: Callable[..., None], work: Callable[..., dict[str, Any]]
) -> Callable[[], None]:
    """Pull what was said and embed it."""
    connect(project["id"])

    def pull() -> None:
        assert work(project["id"], "chatwoot_sync")["status"] == "completed"

    return pull


@pytest.fixture
def ask(owner: Browser, project: dict[str, Any]) -> Ask:
    def question(query: str, **rest: Any) -> dict[str, Any]:
        answer = owner.post("/lightrag/query", {"query": query, **rest})
        assert answer.status_code == 200, answer.get_json()
        found: dict[str, Any] = answer.get_json()
        return found

    return question
