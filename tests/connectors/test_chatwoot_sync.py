"""Pulling a Chatwoot account whole: every state, every message, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.conftest import Browser
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Account, Conversation

Work = Callable[..., dict[str, Any]]
LONG = "Макеты корзины будут готовы в четверг, пришлём ссылку на прототип."


@pytest.fixture
def account(chatwoot: ChatwootServer) -> Account:
    return chatwoot.state.accounts[1]


@pytest.fixture
def connected(project: dict[str, Any], connect: Callable[..., None]) -> str:
    connect(project["id"])
    return str(project["id"])


def rows(database_url: str, sql: str) -> list[Any]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(sql.encode()).fetchall()


def talk(chatwoot: ChatwootServer, count: int = 1, **details: Any) -> Conversation:
    """A conversation with so many messages of its client."""
    account = chatwoot.state.accounts[1]
    number = len(account.contacts) + 1
    contact = chatwoot.state.add_contact(account, number, f"Ольга {number}", f"o{number}@x.example")
    conversation = chatwoot.state.add_conversation(account, contact, **details)
    for n in range(count):
        chatwoot.state.add_message(conversation, f"{LONG} Сообщение {n}.", contact)
    return conversation


def test_it_works(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    talk(chatwoot, 3)
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    assert run["result"]["processed_messages"] == 3 and run["result"]["inserted_chunks"] == 3
    assert owner.get("/jobs/status").get_json()["entities"] == {
        "contacts": 1,
        "conversations": 1,
        "messages": 3,
        "rag_chunks": 3,
    }
    found = rows(
        database_url, "SELECT id, direction, sender_name FROM cw_messages ORDER BY message_id"
    )
    assert found[0] == (f"cwmsg:{connected}:1:1", "inbound", "Ольга 1")


def test_conversations_of_every_state_over_several_pages(
    chatwoot: ChatwootServer, connected: str, work: Work, database_url: str
) -> None:
    for number in range(80):
        talk(chatwoot, 1, status=["open", "resolved", "pending", "snoozed"][number % 4])
    work(connected, "chatwoot_sync")
    found = rows(
        database_url, "SELECT status, count(*) FROM cw_conversations GROUP BY 1 ORDER BY 1"
    )
    assert found == [("open", 20), ("pending", 20), ("resolved", 20), ("snoozed", 20)]


def test_a_conversation_longer_than_any_page(
    chatwoot: ChatwootServer, connected: str, work: Work, database_url: str
) -> None:
    conversation = talk(chatwoot, 330)
    work(connected, "chatwoot_sync")
    assert rows(database_url, "SELECT count(*), count(DISTINCT message_id) FROM cw_messages") == [
        (330, 330)
    ]
    for n in range(150):
        chatwoot.state.add_message(
            conversation, f"Ещё одно сообщение номер {n}", conversation.contact
        )
    work(connected, "chatwoot_sync")
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(480,)]


def test_a_second_sync_with_nothing_new_costs_four_calls(
    chatwoot: ChatwootServer, connected: str, work: Work
) -> None:
    for _ in range(60):
        chatwoot.state.pass_time(600)
        talk(chatwoot, 2)
    work(connected, "chatwoot_sync")
    chatwoot.requests.clear()
    run = work(connected, "chatwoot_sync")
    assert run["result"]["changed"] is False
    # Inboxes, agents, and the first page of contacts and of conversations.
    assert chatwoot.requests.count() == 4
    assert chatwoot.requests.count("/messages") == 0


def test_edits_deletions_and_secrets_are_seen(
    chatwoot: ChatwootServer, connected: str, work: Work, database_url: str
) -> None:
    conversation = talk(chatwoot, 3)
    work(connected, "chatwoot_sync")
    first, second, third = conversation.messages
    chatwoot.state.edit_message(
        conversation, first, "Теперь здесь совсем другой текст про оплату счёта."
    )
    chatwoot.state.delete_message(conversation, second)
    chatwoot.state.set_private(conversation, third)
    work(connected, "chatwoot_sync")
    found = rows(
        database_url,
        "SELECT content, deleted_at IS NOT NULL, private FROM cw_messages ORDER BY message_id",
    )
    assert found[0] == ("Теперь здесь совсем другой текст про оплату счёта.", False, False)
    assert found[1] == (None, True, False)
    assert found[2][2] is True
    assert rows(database_url, "SELECT message_global_id, text FROM rag_chunks") == [
        (f"cwmsg:{connected}:1:1", "Теперь здесь совсем другой текст про оплату счёта.")
    ]


def test_private_notes_and_system_lines_are_stored_but_not_searchable(
    chatwoot: ChatwootServer, connected: str, work: Work, account: Account, database_url: str
) -> None:
    conversation = talk(chatwoot, 1)
    agent = chatwoot.state.add_agent(account, 7, "Вера Климова")
    chatwoot.state.add_message(conversation, f"Между нами: {LONG}", agent, private=True)
    chatwoot.state.add_message(
        conversation, "Conversation was marked resolved by Вера Климова", None
    )
    chatwoot.state.add_message(conversation, f"Ответ команды: {LONG}", agent)
    work(connected, "chatwoot_sync")
    found = rows(database_url, "SELECT direction, private FROM cw_messages ORDER BY message_id")
    assert found == [
        ("inbound", False),
        ("outbound", True),
        ("activity", False),
        ("outbound", False),
    ]
    assert rows(database_url, "SELECT count(*) FROM rag_chunks WHERE kind = 'text'") == [(2,)]


def test_a_thin_payload_never_empties_a_contact(
    chatwoot: ChatwootServer, connected: str, work: Work, account: Account, database_url: str
) -> None:
    conversation = talk(chatwoot, 1)
    work(connected, "chatwoot_sync")
    contact = account.contacts[1]
    contact.email, contact.phone = None, "+7 921 555-01-10"
    chatwoot.state.add_message(conversation, "Новое сообщение от того же человека", contact)
    work(connected, "chatwoot_sync")
    assert rows(database_url, "SELECT name, email, phone_number FROM cw_contacts") == [
        ("Ольга 1", "o1@x.example", "+7 921 555-01-10")
    ]


def test_the_assignee_comes_from_meta(
    chatwoot: ChatwootServer, connected: str, work: Work, account: Account, database_url: str
) -> None:
    agent = chatwoot.state.add_agent(account, 7, "Артём Лосев")
    talk(chatwoot, 1, assignee=agent, labels=["design"])
    work(connected, "chatwoot_sync")
    assert rows(
        database_url, "SELECT assignee_id, assignee_name, labels FROM cw_conversations"
    ) == [(7, "Артём Лосев", ["design"])]


def test_attachments_come_and_go_with_their_message(
    chatwoot: ChatwootServer, connected: str, work: Work, database_url: str
) -> None:
    conversation = talk(chatwoot, 0)
    message = chatwoot.state.add_message(
        conversation,
        LONG,
        conversation.contact,
        attachments=[{"file": "korzina_v2.fig", "size": 482133}],
    )
    work(connected, "chatwoot_sync")
    assert rows(database_url, "SELECT file_name, file_size FROM cw_attachments_raw") == [
        ("korzina_v2.fig", 482133)
    ]
    chatwoot.state.delete_message(conversation, message)
    work(connected, "chatwoot_sync")
    assert rows(database_url, "SELECT count(*) FROM cw_attachments_raw") == [(0,)]


@pytest.mark.parametrize("text", ["до\x00после", "сломанная \ud83d пара", "😀" * 700, "x" * 5000])
def test_texts_that_a_database_may_not_like(
    chatwoot: ChatwootServer, connected: str, work: Work, database_url: str, text: str
) -> None:
    conversation = talk(chatwoot, 1)
    message = chatwoot.state.add_message(conversation, "", conversation.contact)
    message.text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(2,)]


def test_one_bad_record_is_put_aside_and_the_run_goes_on(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    conversation = talk(chatwoot, 2)
    conversation.messages[0].id = 2**63
    run = work(connected, "chatwoot_sync")
    assert run["status"] in ("completed", "partial"), run["error"]
    errors = owner.get("/connectors/errors").get_json()["errors"]
    assert [e["error_kind"] for e in errors] == ["record_invalid"]
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(1,)]


def test_a_cap_delays_and_never_skips(
    chatwoot: ChatwootServer,
    project: dict[str, Any],
    connect: Callable[..., None],
    work: Work,
    app: Any,
    database_url: str,
) -> None:
    connect(project["id"])
    for _ in range(120):
        chatwoot.state.pass_time(600)
        talk(chatwoot, 1)
    object.__setattr__(app.config["SETTINGS"], "chatwoot_pages_limit", 2)
    statuses = []
    for _ in range(20):
        statuses.append(work(project["id"], "chatwoot_sync")["status"])
        if statuses[-1] == "completed":
            break
    assert statuses[0] == "partial" and statuses[-1] == "completed"
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(120,)]


def test_two_projects_cannot_have_the_same_whole_account(
    owner: Browser, connected: str, chatwoot: ChatwootServer
) -> None:
    owner.post("/projects", {"name": "Another"})
    other = owner.get("/projects").get_json()["projects"][0]["id"]
    owner.post(f"/projects/{other}/select")
    body = {
        "connector": "chatwoot",
        "base_url": chatwoot.url,
        "external_account_id": "1",
        "api_token": chatwoot.token,
    }
    refused = owner.post("/connectors/connections", body)
    assert refused.status_code == 409
    assert refused.get_json()["error"] == "chatwoot_source_binding_error"


def test_two_projects_on_one_account_see_their_own_inboxes_only(
    owner: Browser,
    project: dict[str, Any],
    chatwoot: ChatwootServer,
    account: Account,
    connect: Callable[..., None],
    work: Work,
    database_url: str,
) -> None:
    chatwoot.state.add_inbox(account, 501, "Bakery")
    chatwoot.state.add_inbox(account, 502, "Fleet")
    for number, (inbox, name) in enumerate([(501, "Olga"), (502, "James"), (501, "Pavel")], 1):
        contact = chatwoot.state.add_contact(account, 700 + number, name)
        talk = chatwoot.state.add_conversation(account, contact, inbox=inbox)
        chatwoot.state.add_message(talk, f"A message of {name}, long enough to be found.", contact)
    other = owner.post("/projects", {"name": "Fleet"}).get_json()["project"]["id"]
    for project_id, inbox in ((project["id"], 501), (other, 502)):
        connect(project_id, filters={"inbox_ids": [inbox]})
        assert work(project_id, "chatwoot_sync")["status"] == "completed"
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT project_id::text, name FROM cw_contacts ORDER BY name"
        ).fetchall()
        inboxes = connection.execute("SELECT project_id::text, name FROM cw_inboxes_raw").fetchall()
    assert found == [(other, "James"), (project["id"], "Olga"), (project["id"], "Pavel")]
    assert sorted(inboxes) == sorted([(project["id"], "Bakery"), (other, "Fleet")])
