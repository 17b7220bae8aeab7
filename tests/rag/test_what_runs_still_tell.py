"""A question of the past, read again: what was deleted or made private since is not told by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.db import db
from app.rag import documents
from app.rag.documents import Document
from tests.conftest import Browser
from tests.rag.conftest import Ask, Rows, Say
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation

Sync = Callable[[], None]

QUESTION = "Почему задержались макеты корзины?"
LATE = "Макеты корзины задержались на девять дней, потому что Мила болела."


def run_of(reader: Browser, answer: dict[str, Any]) -> dict[str, Any]:
    found = reader.get(f"/lightrag/runs/{answer['query_run_id']}")
    assert found.status_code == 200, found.get_json()
    run: dict[str, Any] = found.get_json()["run"]
    return run


def told(run: dict[str, Any]) -> list[str]:
    return [evidence["source_ref"] for evidence in run["evidence"]]


def test_a_run_tells_what_was_answered(say: Say, sync: Sync, ask: Ask, owner: Browser) -> None:
    say(LATE, team=True)
    for n in range(3):
        say(f"Макеты каталога номер {n} готовы. " + "Правки внесены, ждём проверки. " * 60)
    say("да")
    say("до пятницы, не позже", team=True)
    sync()
    for question in (QUESTION, "макеты каталога, правки внесены", "до пятницы?"):
        answer = ask(question)
        run = run_of(owner, answer)
        assert run["evidence"] == answer["evidence"] != []
        assert (run["answer"], run["evidence_withheld"]) == (answer["answer"], 0)
        assert f":{answer['embedding_model']}:" in run["embedding_model"]
    assert run_of(owner, ask(QUESTION, mode="keyword"))["embedding_model"] is None


def test_what_was_deleted_since_is_left_out_with_the_answer_that_quotes_it(
    say: Say, sync: Sync, ask: Ask, owner: Browser, chatwoot: ChatwootServer, talk: Conversation
) -> None:
    late = say(LATE, team=True)
    other = say("Доставка тортов и макеты витрины обсуждаем в субботу.")
    sync()
    answer = ask(QUESTION)
    cited = [e["source_ref"] for e in answer["evidence"] if e["cited"]]
    assert str(late.id) in cited and str(other.id) not in cited
    chatwoot.state.delete_message(talk, other)
    sync()
    run = run_of(owner, answer)
    assert str(other.id) not in told(run) and run["evidence_withheld"] == 1
    assert run["answer"] == answer["answer"], "what it does not quote takes nothing from the answer"
    chatwoot.state.delete_message(talk, late)
    sync()
    run = run_of(owner, answer)
    assert (told(run), run["evidence_withheld"], run["answer"]) == ([], 2, "")


def test_what_was_edited_since_is_not_told_as_it_was(
    say: Say, sync: Sync, ask: Ask, owner: Browser, chatwoot: ChatwootServer, talk: Conversation
) -> None:
    late = say(LATE, team=True)
    sync()
    answer = ask(QUESTION)
    chatwoot.state.edit_message(talk, late, "Макеты корзины задержались на девять дней.")
    sync()
    run = run_of(owner, answer)
    assert (told(run), run["answer"]) == ([], "")


def test_what_became_private_is_for_those_who_may_read_notes(
    say: Say,
    sync: Sync,
    ask: Ask,
    owner: Browser,
    chatwoot: ChatwootServer,
    talk: Conversation,
    project: dict[str, Any],
    sign_in_as: Callable[..., Browser],
) -> None:
    late = say(LATE, team=True)
    sync()
    executor = sign_in_as("executor", project["id"])
    answer = executor.post("/lightrag/query", {"query": QUESTION}).get_json()
    assert told(run_of(executor, answer)) == [str(late.id)]
    chatwoot.state.set_private(talk, late)
    sync()
    run = run_of(executor, answer)
    assert (told(run), run["evidence_withheld"], run["answer"]) == ([], 1, "")
    assert "болела" not in str(run)
    run = run_of(owner, answer)
    assert (told(run), run["answer"]) == ([str(late.id)], answer["answer"])


def test_who_may_read_notes_no_more_reads_none_in_own_old_runs(
    say: Say, sync: Sync, project: dict[str, Any], sign_in_as: Callable[..., Browser], rows: Rows
) -> None:
    note = say("Клиент торгуется, скидку не давать.", team=True, private=True)
    sync()
    lead = sign_in_as("delivery_lead", project["id"], login="lead")
    asked = {"query": "Давать ли скидку, если клиент торгуется?", "include_private": True}
    answer = lead.post("/lightrag/query", asked).get_json()
    assert told(run_of(lead, answer)) == [str(note.id)]
    rows("UPDATE app_users SET role = 'executor' WHERE username = 'lead' RETURNING 1")
    run = run_of(lead, answer)
    assert (told(run), run["answer"]) == ([], "") and "торгуется, скидку" not in str(run)


@pytest.mark.parametrize("change", ["delete_message", "set_private"])
def test_a_window_of_short_messages_tells_none_that_is_gone(
    say: Say,
    sync: Sync,
    ask: Ask,
    chatwoot: ChatwootServer,
    talk: Conversation,
    project: dict[str, Any],
    sign_in_as: Callable[..., Browser],
    change: str,
) -> None:
    """The message that the window begins with is still there; its neighbour in it is not."""
    first = say("скидку подтверждаете?")
    secret = say("да, пароль 4711", team=True)
    sync()
    executor = sign_in_as("executor", project["id"])
    answer = executor.post("/lightrag/query", {"query": "Подтвердили ли скидку?"}).get_json()
    (window,) = [e for e in answer["evidence"] if e["source_ref"] == str(first.id)]
    assert "4711" in window["snippet"]
    getattr(chatwoot.state, change)(talk, secret)
    sync()
    assert "4711" not in str(run_of(executor, answer))


def test_what_is_gone_of_other_sources_is_left_out_too(
    app: Flask, project: dict[str, Any], ask: Ask, owner: Browser
) -> None:
    body = "James wants a discount of seven percent for a yearly contract."
    note = Document("attionote:w:n-1", "attio_note", "Call · Fleetline", body)
    with app.app_context(), db.transaction() as tx:
        documents.store(tx, UUID(project["id"]), [note])
    answer = ask("What discount does James want?", mode="keyword")
    assert told(run_of(owner, answer)) == ["n-1"]
    with app.app_context(), db.transaction() as tx:
        documents.remove(tx, UUID(project["id"]), note.source_type, [note.id])
    run = run_of(owner, answer)
    assert (told(run), run["evidence_withheld"], run["answer"]) == ([], 1, "")
