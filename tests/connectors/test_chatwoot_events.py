"""What Chatwoot's messages say happened, told once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from app.connectors.chatwoot.happenings import APPROVAL, SCOPE_CHANGE
from tests.conftest import Browser
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation, Person

Events = Callable[..., list[dict[str, Any]]]
DAY = 86_400


@pytest.fixture
def people(chatwoot: ChatwootServer) -> tuple[Person, Person]:
    account = chatwoot.state.accounts[1]
    return (
        chatwoot.state.add_contact(account, 1, "Ольга"),
        chatwoot.state.add_agent(account, 90, "Артём"),
    )


@pytest.fixture
def talk(chatwoot: ChatwootServer, people: tuple[Person, Person]) -> Conversation:
    return chatwoot.state.add_conversation(chatwoot.state.accounts[1], people[0])


@pytest.fixture
def sync(
    project: dict[str, Any], connect: Callable[..., None], work: Callable[..., dict[str, Any]]
) -> Callable[[], dict[str, Any]]:
    connect(project["id"])
    return lambda: work(project["id"], "chatwoot_sync")


@pytest.fixture
def events(owner: Browser) -> Events:
    """The events of a type, oldest first."""
    return lambda kind: owner.get(f"/connectors/events?type={kind}").get_json()["events"][::-1]


def test_every_message_is_told_once_by_whom_it_was_sent(
    chatwoot: ChatwootServer, people: Any, talk: Conversation, sync: Any, events: Events
) -> None:
    olga, artem = people
    chatwoot.state.add_message(talk, "Когда будут макеты?", olga)
    chatwoot.state.add_message(talk, "Она нервничает, аккуратнее.", artem, private=True)
    edited = chatwoot.state.add_message(talk, "В пятницу.", artem)
    sync()
    chatwoot.state.edit_message(talk, edited, "В пятницу к 18:00.")
    sync()
    sync()
    told = events("message_sent")
    assert [(e["actor"], e["payload_json"]["snippet"]) for e in told] == [
        ("client", "Когда будут макеты?"),
        ("team", "В пятницу."),
    ]
    assert told[0]["source_url"].endswith(f"/conversations/{talk.id}?messageId=1")


def test_a_deleted_message_leaves_no_text_in_the_log(
    chatwoot: ChatwootServer, people: Any, talk: Conversation, sync: Any, events: Events
) -> None:
    message = chatwoot.state.add_message(talk, "Мой пароль: hunter2", people[0])
    sync()
    chatwoot.state.delete_message(talk, message)
    sync()
    (told,) = events("message_sent")
    assert "snippet" not in told["payload_json"]


@pytest.mark.parametrize(
    ("text", "approval", "scope"),
    [
        ("Согласуйте, пожалуйста, макет", True, False),
        ("Please approve the estimate", True, False),
        ("Мы не согласуем это никогда", False, False),
        ("I can't say, it is not approved yet", False, False),
        ("A disapproval rating", False, False),
        ("Нужна доработка корзины", False, True),
        ("This is a change request, I know", False, True),
        ("Дополнительно хотим витрину", False, True),
        ("It is not out of scope", False, False),
        ("Просто спасибо", False, False),
    ],
)
def test_words_of_clients_are_read_whole_and_with_their_negation(
    text: str, approval: bool, scope: bool
) -> None:
    assert (bool(APPROVAL.search(text)), bool(SCOPE_CHANGE.search(text))) == (approval, scope)


def test_what_the_team_writes_is_no_request(
    chatwoot: ChatwootServer, people: Any, talk: Conversation, sync: Any, events: Events
) -> None:
    olga, artem = people
    chatwoot.state.add_message(talk, "Согласуйте, пожалуйста, макет до среды.", artem)
    chatwoot.state.add_message(talk, "Подтвердите смету, и нужна доработка.", olga)
    sync()
    assert [e["actor"] for e in events("approval_requested")] == ["client"]
    assert [e["actor"] for e in events("scope_change_detected")] == ["client"]


def test_a_silence_is_told_once_and_ends_with_the_clients_next_word(
    chatwoot: ChatwootServer, people: Any, talk: Conversation, sync: Any, events: Events
) -> None:
    olga, artem = people
    now = int(time.time())
    chatwoot.state.add_message(talk, "Сколько стоит поддержка?", olga, at=now - 6 * DAY)
    chatwoot.state.add_message(talk, "40 000 в месяц. Что скажете?", artem, at=now - 5 * DAY)
    chatwoot.state.add_message(talk, "Молчит.", artem, private=True, at=now - DAY)
    sync()
    sync()
    (silence,) = events("client_silent_started")
    assert silence["payload_json"]["conversation_global_id"] == silence["source_ref"]
    assert events("client_silent_ended") == []
    chatwoot.state.add_message(talk, "Простите, болела. Берём.", olga, at=now)
    sync()
    sync()
    assert len(events("client_silent_ended")) == 1
    assert len(events("client_silent_started")) == 1
