"""Forgetting a contact: nothing of it is left, it does not come back, and nobody else loses anything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.audit import service as audit
from app.contacts import erasure
from app.db import db, statements
from app.evidence.refs import EvidenceRef
from tests.conftest import Browser
from tests.contacts.conftest import Inbox
from tests.vendors.chatwoot import api
from tests.vendors.chatwoot.state import Conversation, Person


@pytest.fixture
def olga(inbox: Inbox) -> Person:
    return inbox.contact("Ольга Северина", "olga@sever.example", "+7 999 123-45-67")


@pytest.fixture
def talk(inbox: Inbox, olga: Person) -> Conversation:
    """What Olga said, and beside it another client's conversation."""
    found = inbox.talk(olga, "Секретный рецепт ржаного каравая лежит в сейфе", "да, до пятницы")
    inbox.say(found, "Ольга, рецепт каравая получили, спасибо", inbox.agent())
    inbox.talk(inbox.contact("Пётр", "petr@les.example"), "Макет лесопилки готов к проверке")
    return found


@pytest.fixture
def erase(owner: Browser, inbox: Inbox, olga: Person) -> Callable[[], dict[str, Any]]:
    def forget() -> dict[str, Any]:
        answer = owner.post(f"/contacts/{inbox.ref('cwc', olga.id)}/erase")
        assert answer.status_code == 200, answer.get_json()
        found: dict[str, Any] = answer.get_json()["erased"]
        return found

    return forget


def traces(database_url: str, *secrets: str) -> dict[str, int]:
    """Rows of every table in which one of these texts stands, wherever."""
    found = {}
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            row = connection.execute(
                f"SELECT count(*) FROM {table} t WHERE t::text ~* ANY(%s)",  # type: ignore[arg-type]
                (list(secrets),),
            ).fetchone()
            assert row is not None
            if row[0]:
                found[table] = row[0]
    return found


SECRETS = ("Северин", "olga@sever", "123-45-67", "9991234567", "карава", "до пятницы")


def test_nothing_of_the_contact_is_left_anywhere(
    owner: Browser,
    inbox: Inbox,
    olga: Person,
    talk: Conversation,
    app: Flask,
    database_url: str,
    work: Callable[..., Any],
    erase: Callable[[], dict[str, Any]],
) -> None:
    inbox.pull()
    work(inbox.project_id, "embeddings_run")
    first = talk.messages[0]
    with app.app_context(), db.transaction() as tx:
        audit.record(
            tx,
            "offer.create",
            project_id=UUID(inbox.project_id),
            evidence_refs=[
                EvidenceRef("chatwoot", inbox.ref("cwmsg", first.id), "рецепт каравая"),
                EvidenceRef("chatwoot", inbox.ref("cwc", olga.id), "Северина"),
            ],
        )
        statements("loops").remember_pushed(
            tx,
            account_scope_id=tx.execute("SELECT id FROM account_scopes").fetchone()["id"],  # type: ignore[index]
            email="olga@sever.example",
            loops_id="l1",
            payload_hash="00",
            project_ids=[UUID(inbox.project_id)],
        )
    answer = owner.post("/lightrag/query", {"query": "Где лежит рецепт каравая?"}).get_json()
    assert answer["evidence"] and "карава" in answer["answer"]
    for query in (
        "что писала Ольга Северина",
        "письма Ольги Севериной",
        "olga@sever.example",
        "89991234567",
    ):
        owner.post("/lightrag/query", {"query": query})
    owner.post("/lightrag/query", {"query": "Готов ли макет лесопилки?"})
    before = traces(database_url, *SECRETS)
    assert {"cw_messages", "cw_contacts", "rag_chunks", "search_texts", "lightrag_query_runs",
            "search_analytics", "evidence_items", "loops_contact_state"} <= set(before)  # fmt: skip

    told = erase()
    assert (told["messages"], told["conversations"], told["evidence"]) == (3, 1, 2)
    assert told["chunks"] > 0 and told["answers"] > 0 and told["questions"] == 4
    # The question itself names nobody and stays; what it quoted is gone.
    left = traces(database_url, *SECRETS)
    assert set(left) <= {"lightrag_query_runs", "search_analytics"}, left
    assert traces(database_url, *[s for s in SECRETS if s != "карава"]) == {}
    runs = owner.get("/lightrag/runs").get_json()["runs"]
    assert {run["query_text"] for run in runs} == {
        "Где лежит рецепт каравая?",
        "Готов ли макет лесопилки?",
    }
    asked = next(run for run in runs if "каравая" in run["query_text"])
    whole = owner.get(f"/lightrag/runs/{asked['id']}").get_json()["run"]
    assert whole["answer"] == "" and all(
        "карава" not in (e["snippet"] or "") for e in whole["evidence"]
    )
    again = owner.post("/lightrag/query", {"query": "Где лежит рецепт каравая?"}).get_json()
    assert not any("карава" in (e["snippet"] or "") for e in again["evidence"])


def test_nobody_else_loses_anything(
    owner: Browser, inbox: Inbox, talk: Conversation, erase: Callable[[], dict[str, Any]]
) -> None:
    inbox.pull()
    erase()
    (contact,) = owner.get("/contacts").get_json()["contacts"]
    (message,) = owner.get("/messages").get_json()["messages"]
    assert contact["name"] == "Пётр" and message["content_snippet"].startswith("Макет лесопилки")


def test_a_sync_does_not_bring_the_person_back(
    owner: Browser,
    inbox: Inbox,
    olga: Person,
    talk: Conversation,
    database_url: str,
    erase: Callable[[], dict[str, Any]],
) -> None:
    inbox.pull()
    erase()
    inbox.say(talk, "А рецепт каравая ещё у вас?", olga)
    later = inbox.talk(olga, "Новый разговор о каравае")
    inbox.say(
        later,
        "И ещё о каравае",
        olga,
        attachments=[{"id": 7, "type": "file", "file": "k.pdf", "size": 3}],
    )
    inbox.pull()
    inbox.pull()
    assert traces(database_url, *SECRETS) == {}
    assert len(owner.get("/conversations").get_json()["conversations"]) == 1
    assert len(owner.get("/contacts").get_json()["contacts"]) == 1


def test_a_second_time_there_is_nothing_to_do(
    owner: Browser, inbox: Inbox, talk: Conversation, erase: Callable[[], dict[str, Any]]
) -> None:
    inbox.pull()
    assert erase()["already"] is False
    assert erase()["already"] is True
    unknown = owner.post(f"/contacts/{inbox.ref('cwc', 77)}/erase")
    assert (unknown.status_code, unknown.get_json()["error"]) == (404, "contact_not_found")


def test_only_the_owner_erases_and_it_is_told_without_a_name(
    owner: Browser,
    inbox: Inbox,
    olga: Person,
    talk: Conversation,
    database_url: str,
    sign_in_as: Callable[..., Browser],
    erase: Callable[[], dict[str, Any]],
) -> None:
    inbox.pull()
    manager = sign_in_as("pm", inbox.project_id)
    assert manager.post(f"/contacts/{inbox.ref('cwc', olga.id)}/erase").status_code == 403
    erase()
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT actor_username, entity_id, payload FROM audit_events WHERE action = 'contact.erase'"
        ).fetchall()
    assert [(actor, entity) for actor, entity, _ in rows] == [("owner", inbox.ref("cwc", olga.id))]
    assert rows[0][2]["messages"] == 3


def test_another_project_keeps_its_own_and_is_named(
    owner: Browser,
    inbox: Inbox,
    second_inbox: Inbox,
    olga: Person,
    talk: Conversation,
    database_url: str,
    erase: Callable[[], dict[str, Any]],
) -> None:
    second_inbox.talk(second_inbox.contact("Ольга Северина", "olga@sever.example"), "Другой проект")
    inbox.pull()
    second_inbox.pull()
    foreign = owner.post(f"/contacts/{second_inbox.ref('cwc', 1)}/erase")
    assert foreign.status_code == 404, "only in the project one works in"
    elsewhere = erase()["elsewhere"]
    assert [c["project_id"] for c in elsewhere["contacts"]] == [second_inbox.project_id]
    assert traces(database_url, "Другой проект")["cw_messages"] == 1


def test_who_is_forgotten_is_not_written_to(
    inbox: Inbox, talk: Conversation, database_url: str, erase: Callable[[], dict[str, Any]]
) -> None:
    inbox.pull()
    erase()
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT value, channel, reason, value_hash = sha256('olga@sever.example') FROM suppressions"
        ).fetchall()
    assert rows == [(None, "all", "do_not_contact", True)]


def test_what_a_client_said_in_anothers_conversation_goes_too(
    owner: Browser,
    inbox: Inbox,
    olga: Person,
    database_url: str,
    erase: Callable[[], dict[str, Any]],
) -> None:
    petr = inbox.contact("Пётр")
    group = inbox.talk(petr, "Когда созвон?")
    inbox.say(group, "рецепт каравая у меня", olga)
    inbox.say(group, "хорошо, жду вас обоих", petr)
    inbox.pull()
    erase()
    assert traces(database_url, *SECRETS) == {}
    shown = [m["content_snippet"] for m in owner.get("/messages?order=asc").get_json()["messages"]]
    assert shown == ["Когда созвон?", "хорошо, жду вас обоих"]


def test_an_answer_that_quotes_another_together_with_the_client_forgets_both(
    owner: Browser,
    inbox: Inbox,
    olga: Person,
    database_url: str,
    erase: Callable[[], dict[str, Any]],
    work: Callable[..., Any],
) -> None:
    """Short messages are read together: what Petr said is quoted with what Olga said after it."""
    petr = inbox.contact("Пётр")
    group = inbox.talk(petr, "Когда созвон?")
    inbox.say(group, "рецепт каравая у меня", olga)
    inbox.say(group, "хорошо, жду вас обоих", petr)
    elsewhere = inbox.talk(petr, "Созвон о макете лесопилки перенесли на среду, на десять утра")
    inbox.pull()
    work(inbox.project_id, "embeddings_run")
    answer = owner.post("/lightrag/query", {"query": "Когда созвон?"}).get_json()
    refs = inbox.ref("cwmsg", group.messages[0].id), inbox.ref("cwmsg", elsewhere.messages[0].id)
    quoted = {e["source_pk"]: e["snippet"] for e in answer["evidence"]}
    assert "карава" in quoted[refs[0]] and refs[1] in quoted
    erase()
    assert traces(database_url, *SECRETS) == {}
    run = owner.get(f"/lightrag/runs/{answer['query_run_id']}").get_json()["run"]
    left = [e["source_pk"] for e in run["evidence"]]
    assert refs[0] not in left and refs[1] in left and run["answer"] == ""


def test_a_sync_at_work_comes_to_an_end_before_an_erasure(
    app: Flask, inbox: Inbox, olga: Person, talk: Conversation, database_url: str
) -> None:
    """Whoever has asked what was erased writes first; the erasure then finds that too."""
    inbox.pull()
    project_id, ref = UUID(inbox.project_id), inbox.ref("cwc", olga.id)
    done = threading.Event()

    def forget() -> None:
        with app.app_context():
            erasure.erase(project_id, ref)
        done.set()

    thread = threading.Thread(target=forget)
    with app.app_context(), db.transaction() as tx:
        assert erasure.erased_among(tx, project_id, [ref]) == set()
        thread.start()
        assert not done.wait(0.3)
        tx.execute(
            "UPDATE cw_messages SET content = 'о каравае, только что' WHERE project_id = %s AND id = %s",
            (project_id, inbox.ref("cwmsg", talk.messages[0].id)),
        )
    thread.join(10)
    assert done.is_set() and traces(database_url, *SECRETS) == {}


def test_what_was_erased_is_not_missing(
    inbox: Inbox,
    talk: Conversation,
    erase: Callable[[], dict[str, Any]],
    work: Callable[..., dict[str, Any]],
) -> None:
    inbox.pull()
    erase()
    run = work(inbox.project_id, "connectors_reconciliation_daily")
    (found,) = [m for m in run["result"]["metrics"] if m["connector"] == "chatwoot"]
    assert found["completeness_pct"] == 100
    assert [kind["upstream"] for kind in found["payload"]["kinds"]] == [1, 1]


@pytest.mark.parametrize("length", [1, 2000])
def test_a_message_in_quarantine_is_forgotten_too(
    inbox: Inbox,
    talk: Conversation,
    database_url: str,
    erase: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    length: int,
) -> None:
    """It is stored nowhere else, under no contact; only its conversation tells whose it is."""
    odd, regular = talk.messages[1].id, api._message

    def view(message: Any, *rest: Any) -> Any:
        sent = regular(message, *rest)
        text = "да, до пятницы. " * length
        return {**sent, "id": "x", "content": text} if message.id == odd else sent

    monkeypatch.setattr(api, "_message", view)
    inbox.pull()
    assert traces(database_url, "до пятницы") == {"connector_errors": 1}
    erase()
    assert traces(database_url, "до пятницы") == {}
