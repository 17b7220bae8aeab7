"""Chatwoot's webhooks, from the door to the rows: no poll, every change, and never backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.connectors import connections
from app.connectors.chatwoot import writer
from app.connectors.chatwoot.client import ChatwootClient
from app.connectors.chatwoot.conversations import ConversationReading
from app.connectors.chatwoot.mapping import Names
from app.db import db
from tests.conftest import Browser
from tests.connectors.webhooks import SECRETS, Door, sign, stored
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Account, Conversation
from tests.vendors.chatwoot.webhooks import contact_event, conversation_event, message_event

Work = Callable[..., dict[str, Any]]
LONG = "Макеты корзины будут готовы в четверг, пришлём ссылку на прототип."
JOB = "webhook_deliveries"


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """Deliveries are due at once, and failures come back at once."""
    yield make_app(webhook_debounce_seconds=0.0, connector_retry_base_seconds=0.0)
    db.close()


@pytest.fixture
def account(chatwoot: ChatwootServer) -> Account:
    return chatwoot.state.accounts[1]


@pytest.fixture
def talk(chatwoot: ChatwootServer, account: Account) -> Conversation:
    """A conversation of 30 messages."""
    contact = chatwoot.state.add_contact(account, 1, "Ольга", "olga@x.example")
    conversation = chatwoot.state.add_conversation(account, contact)
    for number in range(30):
        chatwoot.state.add_message(conversation, f"{LONG} Сообщение {number}.", contact)
    return conversation


@pytest.fixture
def door(app: Flask, owner: Browser, project: dict[str, Any], connect: Callable[..., None]) -> Door:
    """The project's connection to account 1, with an address and Chatwoot's secret."""
    connect(project["id"])
    found = owner.get("/connectors/connections").get_json()["connections"][0]
    answer = owner.post(
        f"/connectors/connections/{found['id']}/rotate-webhook", {"secret": SECRETS["chatwoot"]}
    )
    assert answer.status_code == 200, answer.get_json()
    return Door(app, "chatwoot", answer.get_json()["webhook"]["address"].rpartition("/")[2])


def send(door: Door, payload: dict[str, Any]) -> None:
    answer = door.send(sign("chatwoot", payload))
    assert answer.status_code == 200, answer.get_json()


def rows(app: Flask, sql: str) -> list[Any]:
    with psycopg.connect(app.config["SETTINGS"].database_url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_a_message_arrives_without_any_poll(
    app: Flask,
    door: Door,
    chatwoot: ChatwootServer,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    send(door, message_event(account, talk, talk.messages[-1]))
    run = work(project["id"], JOB)
    assert run["status"] == "completed", run["error"]
    assert run["result"]["touched_messages"] == 30 and run["result"]["changed"] is True
    assert rows(app, "SELECT count(*) FROM rag_chunks WHERE kind = 'text'") == [(30,)]
    assert stored(app, "status, attempts, object_ref") == [("done", 1, f"conversation:{talk.id}")]
    # The conversation and its messages; no list was asked for.
    assert [path.rpartition("/accounts/1")[2] for path, _ in chatwoot.requests.entries] == [
        f"/conversations/{talk.id}",
        f"/conversations/{talk.id}/messages",
    ]
    chatwoot.requests.clear()
    work(project["id"], "chatwoot_sync")
    assert chatwoot.requests.count("/messages") == 0, "the sync knows what the webhook brought"


def test_edits_and_deletions_however_old(
    app: Flask,
    door: Door,
    chatwoot: ChatwootServer,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    work(project["id"], "chatwoot_sync")
    old, recent = talk.messages[2], talk.messages[-2]
    chatwoot.state.edit_message(talk, old, "Теперь здесь совсем другой текст про оплату счёта.")
    chatwoot.state.delete_message(talk, recent)
    send(door, message_event(account, talk, old, "message_updated"))
    send(door, message_event(account, talk, recent, "message_updated"))
    run = work(project["id"], JOB)
    assert run["result"]["touched_messages"] == 2 and run["result"]["objects"] == 1
    assert rows(
        app,
        "SELECT message_id, content, deleted_at IS NOT NULL FROM cw_messages "
        f"WHERE message_id IN ({old.id}, {recent.id}) ORDER BY message_id",
    ) == [
        (old.id, "Теперь здесь совсем другой текст про оплату счёта.", False),
        (recent.id, None, True),
    ]
    assert rows(app, "SELECT count(*) FROM rag_chunks WHERE kind = 'text'") == [(29,)]
    assert rows(app, "SELECT count(*) FROM rag_chunks WHERE text LIKE 'Теперь здесь%'") == [(1,)]


def test_states_and_contacts_change(
    app: Flask,
    door: Door,
    chatwoot: ChatwootServer,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    work(project["id"], "chatwoot_sync")
    chatwoot.state.set_status(talk, "resolved")
    account.contacts[1].name = "Ольга Светлова"
    send(door, conversation_event(account, talk))
    send(door, contact_event(account, account.contacts[1]))
    assert work(project["id"], JOB)["result"]["objects"] == 2
    assert rows(app, "SELECT status FROM cw_conversations") == [("resolved",)]
    assert rows(app, "SELECT name FROM cw_contacts") == [("Ольга Светлова",)]
    # Of one that was merged into another, the vendor knows nothing any more.
    merged = contact_event(account, account.contacts.pop(1))
    send(door, merged)
    assert work(project["id"], JOB)["result"]["deleted_contacts"] == 1
    assert rows(app, "SELECT deleted_at IS NOT NULL FROM cw_contacts") == [(True,)]


def test_a_burst_about_one_conversation_is_one_reading(
    app: Flask,
    door: Door,
    chatwoot: ChatwootServer,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    for message in talk.messages:
        send(door, message_event(account, talk, message))
    run = work(project["id"], JOB)
    assert run["result"]["done"] == 30 and run["result"]["objects"] == 1
    assert chatwoot.requests.count() == 2


def test_a_reading_that_is_older_never_wins(
    app: Flask, door: Door, chatwoot: ChatwootServer, talk: Conversation, project: dict[str, Any],
    account: Account, work: Work,
) -> None:  # fmt: skip
    """A poll has read, but not yet written, while a webhook brings what is newer."""
    with app.app_context():
        connection = connections.find(UUID(project["id"]), "chatwoot")
        assert connection is not None
        client = ChatwootClient(connection, app.config["SETTINGS"])
        reading = ConversationReading(connection, client, Names(connection.project_id, 1))
        slow = reading.take(client.conversations(1))
        slow, _ = next(reading.rounds(slow, reading.places(slow, changed_only=True)))
    chatwoot.state.edit_message(talk, talk.messages[-1], "Это написано позже и должно остаться.")
    chatwoot.state.set_status(talk, "resolved")
    send(door, message_event(account, talk, talk.messages[-2], "message_updated"))
    work(project["id"], JOB)
    with app.app_context(), db.transaction() as tx:
        writer.write(tx, connection, slow)
    assert rows(app, "SELECT status FROM cw_conversations") == [("resolved",)]
    newest = "SELECT count(*) FROM cw_messages WHERE content LIKE '%должно остаться.'"
    assert rows(app, newest) == [(1,)]


def test_what_is_not_ours_is_left_alone(
    app: Flask,
    door: Door,
    chatwoot: ChatwootServer,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    foreign = message_event(account, talk, talk.messages[0])
    foreign["account"] = {"id": 2, "name": "Somebody else"}
    gone = {"event": "contact_updated", "id": 999, "account": {"id": 1}}
    send(door, {"event": "conversation_typing_on", "id": talk.id, "account": {"id": 1}})
    send(door, {"event": "inbox_created", "id": 4, "account": {"id": 1}})
    assert rows(app, "SELECT count(*) FROM job_runs") == [(0,)]
    send(door, foreign)
    assert work(project["id"], JOB)["result"]["ignored"] == 1
    assert chatwoot.requests.count() == 0
    send(door, gone)
    assert work(project["id"], JOB)["result"]["ignored"] == 1
    assert stored(app, "status, error_kind, body IS NULL") == [
        ("ignored", None, True),
        ("ignored", None, True),
        ("ignored", "wrong_account", False),
        ("ignored", "not_ours", False),
    ]
    assert rows(app, "SELECT count(*) FROM cw_messages") == [(0,)]


def test_a_conversation_that_vanished_is_taken_back(
    app: Flask,
    door: Door,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    work(project["id"], "chatwoot_sync")
    del account.conversations[talk.id]
    send(door, conversation_event(account, talk, "conversation_updated"))
    run = work(project["id"], JOB)
    assert run["result"]["done"] == 1 and run["result"]["changed"] is True
    assert rows(app, "SELECT count(*), count(content), count(deleted_at) FROM cw_messages") == [
        (30, 0, 30)
    ]
    assert rows(app, "SELECT count(*) FROM rag_chunks") == [(0,)]


def test_inboxes_that_are_not_read_stay_outside(
    app: Flask,
    door: Door,
    chatwoot: ChatwootServer,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    with psycopg.connect(app.config["SETTINGS"].database_url) as connection:
        connection.execute("UPDATE connector_connections SET filters = '{\"inbox_ids\": [12345]}'")
    send(door, message_event(account, talk, talk.messages[-1]))
    send(door, contact_event(account, account.contacts[1]))
    assert work(project["id"], JOB)["result"]["ignored"] == 2
    assert rows(app, "SELECT count(*) FROM cw_messages") == [(0,)]
    assert rows(app, "SELECT count(*) FROM cw_contacts") == [(0,)]


def test_a_vendor_that_is_away_for_days_is_a_matter_for_a_person(
    app: Flask,
    door: Door,
    owner: Browser,
    chatwoot: ChatwootServer,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    object.__setattr__(app.config["SETTINGS"], "webhook_max_attempts", 3)
    object.__setattr__(app.config["SETTINGS"], "connector_http_retries", 0)
    chatwoot.faults.add("status", status=503)
    send(door, message_event(account, talk, talk.messages[-1]))
    run = work(project["id"], JOB)
    assert run["status"] == "partial" and run["result"]["changed"] is False
    ((status, attempts),) = stored(app, "status, attempts")
    assert status == "failed" and attempts > 3  # an outage is nobody's task
    with psycopg.connect(app.config["SETTINGS"].database_url) as connection:
        connection.execute(
            "UPDATE webhook_deliveries SET received_at = now() - interval '4 days', "
            "next_attempt_at = now()"
        )
        connection.execute("DELETE FROM connector_breakers")
    work(project["id"], JOB)
    listed = owner.get("/connectors/webhooks/deliveries?status=dead_letter").get_json()
    (dead,) = listed["deliveries"]
    assert dead["error_kind"] == "upstream_5xx"
    chatwoot.faults.clear()
    answer = owner.post(f"/connectors/webhooks/deliveries/{dead['id']}/replay")
    assert answer.status_code == 202, answer.get_json()
    work(project["id"], JOB)
    assert stored(app, "status, attempts, last_error") == [("done", 1, None)]
    assert rows(app, "SELECT count(*) FROM cw_messages") == [(30,)]


def test_a_pause_that_the_vendor_asks_for_is_no_attempt(
    app: Flask,
    door: Door,
    chatwoot: ChatwootServer,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    object.__setattr__(app.config["SETTINGS"], "connector_http_retries", 0)
    chatwoot.faults.add("status", status=429, retry_after="60")
    send(door, message_event(account, talk, talk.messages[-1]))
    work(project["id"], JOB)
    ((status, attempts, seconds),) = stored(
        app, "status, attempts, extract(epoch FROM next_attempt_at - now())"
    )
    assert (status, attempts) == ("failed", 0) and 50 < seconds <= 60
    waiting = rows(
        app,
        "SELECT extract(epoch FROM not_before - now()) FROM job_runs "
        f"WHERE job_type = '{JOB}' AND status = 'queued'",
    )
    assert len(waiting) == 1 and 50 < waiting[0][0] <= 61, "the job comes back by itself"
    # Somebody else's news does not wait for that.
    send(door, contact_event(account, account.contacts[1]))
    ((soon,),) = rows(
        app,
        f"SELECT not_before <= now() FROM job_runs WHERE job_type = '{JOB}' AND status = 'queued'",
    )
    assert soon is True


def test_deliveries_of_a_run_that_is_gone_are_taken_over(
    app: Flask,
    door: Door,
    account: Account,
    talk: Conversation,
    project: dict[str, Any],
    work: Work,
) -> None:
    send(door, message_event(account, talk, talk.messages[-1]))
    with psycopg.connect(app.config["SETTINGS"].database_url) as connection:
        connection.execute(
            "UPDATE webhook_deliveries SET status = 'processing', claim = gen_random_uuid(), attempts = 1"
        )
    work(project["id"], JOB)
    assert stored(app, "status, attempts") == [("done", 2)]
