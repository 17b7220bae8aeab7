"""Answers that are remembered: never older than the data, and counted like all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from app.rag import cache, service
from app.rag.retrieval import legs
from tests.conftest import Browser
from tests.rag.conftest import Ask, Rows, Say
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation

Sync = Callable[[], None]

QUESTION = "Почему задержались макеты корзины?"
LATE = "Макеты корзины задержались на девять дней, потому что Мила болела."


def test_an_answer_begun_before_a_change_is_not_given_after_it(
    say: Say, sync: Sync, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(LATE, team=True)
    sync()
    search = service.search

    def slowly(*arguments: Any) -> dict[str, Any]:
        """What changes while the answer is being made is not in it."""
        found = search(*arguments)
        say("Макеты корзины снова задержались: заболел Артём.", team=True)
        sync()
        return found

    monkeypatch.setattr(service, "search", slowly)
    old = ask(QUESTION)
    monkeypatch.undo()
    new = ask(QUESTION)
    assert "cached" not in new and "Артём" in str(new["evidence"])
    assert "заболел Артём" not in str(old["evidence"])


def test_an_answer_without_a_leg_is_soon_made_anew(
    say: Say, sync: Sync, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(LATE, team=True)
    sync()

    def too_slow(*_: Any, **__: Any) -> list[Any]:
        raise psycopg.errors.QueryCanceled

    with monkeypatch.context() as patch:
        patch.setattr(legs.sql, "nearest_chunks", too_slow)
        patch.setattr(cache, "DEGRADED_SECONDS", 0.0)
        assert ask(QUESTION)["degraded"] is True
    whole = ask(QUESTION)
    assert "cached" not in whole and whole["degraded"] is False
    assert ask(QUESTION)["cached"] is True


def test_every_change_of_what_can_be_found_ends_what_is_remembered(
    say: Say, sync: Sync, ask: Ask, chatwoot: ChatwootServer, talk: Conversation
) -> None:
    message = say(LATE, team=True)
    sync()
    for change in (
        lambda: chatwoot.state.edit_message(talk, message, f"{LATE} Вернулась в среду."),
        lambda: chatwoot.state.set_private(talk, message),
    ):
        ask(QUESTION)
        assert ask(QUESTION)["cached"] is True
        change()
        sync()
        assert "cached" not in ask(QUESTION)
    assert "болела" not in str(ask(QUESTION)["evidence"])


def test_what_managers_may_read_is_remembered_apart(
    say: Say, sync: Sync, ask: Ask, project: dict[str, Any], sign_in_as: Callable[..., Browser]
) -> None:
    say("Клиент торгуется, скидку не давать.", team=True, private=True)
    sync()
    question = "Давать ли скидку, если клиент торгуется?"
    assert "не давать" in str(ask(question, include_private=True)["evidence"])
    viewer = sign_in_as("viewer", project["id"])
    found = viewer.post("/lightrag/query", {"query": question}).get_json()
    assert "cached" not in found and "не давать" not in str(found)


def test_a_remembered_answer_is_a_search_like_any_other(
    say: Say,
    sync: Sync,
    ask: Ask,
    owner: Browser,
    project: dict[str, Any],
    sign_in_as: Callable[..., Browser],
    rows: Rows,
) -> None:
    """Each caller has a run and an event of their own, and an opinion of their own."""
    say(LATE, team=True)
    sync()
    colleague = sign_in_as("pm", project["id"])
    answers = [
        ask(QUESTION),
        ask(QUESTION),
        colleague.post("/lightrag/query", {"query": QUESTION}).get_json(),
    ]
    assert [answer.get("cached", False) for answer in answers] == [False, True, True]
    events = rows(
        "SELECT e.query_run_id::text, r.user_id = e.user_id, e.result_count FROM search_analytics e "
        "JOIN lightrag_query_runs r ON r.id = e.query_run_id ORDER BY e.query_run_id"
    )
    found = len(answers[0]["evidence"])
    assert events == [(answer["query_run_id"], True, found) for answer in answers]
    overview = owner.get("/search/analytics/summary").get_json()["overview"]
    assert (overview["total_searches"], overview["unique_users"]) == (3, 2)
