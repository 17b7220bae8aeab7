"""Questions over what clients wrote: answers with evidence, or an honest nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.rag.retrieval import legs
from tests.conftest import Browser
from tests.rag.conftest import Ask, Say
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation

Sync = Callable[[], None]

LATE = "Макеты корзины задержались на девять дней, потому что Мила болела."
BILL = "Остаток по счёту СЧ-2041 заплатим двадцатого октября, release_date не меняем."


@pytest.fixture
def told(say: Say, sync: Sync) -> dict[str, Any]:
    made = {
        "late": say(LATE, team=True),
        "bill": say(BILL),
        "cakes": say("Доставка тортов работает по субботам с десяти утра до шести вечера."),
        "secret": say(
            "Клиент платёжеспособен, но торгуется; скидку не давать.", team=True, private=True
        ),
    }
    sync()
    return made


def first(answer: dict[str, Any]) -> str:
    return str(answer["evidence"][0]["source_pk"])


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("Почему задержались макеты корзины?", "late"),
        ("Why are the cart mockups late?", "late"),
        ("Когда заплатят по счету СЧ-2041?", "bill"),  # счет without its dots
        ("СЧ-2041", "bill"),
        ("release_date", "bill"),
        ("когда доставляют торты", "cakes"),
    ],
)
def test_the_right_message_comes_first_and_is_cited(
    told: dict[str, Any], ask: Ask, chatwoot: ChatwootServer, question: str, message: str
) -> None:
    answer = ask(question)
    assert first(answer).endswith(f":{told[message].id}"), answer["evidence"]
    (citation, *_) = answer["citations"]
    assert citation["document_ref"] == first(answer) and "[1]" in answer["answer"]
    assert citation["source_url"] == (
        f"{chatwoot.url}/app/accounts/1/conversations/1?messageId={told[message].id}"
    )


def test_an_answer_speaks_the_language_of_its_question(told: dict[str, Any], ask: Ask) -> None:
    assert "Источники" in ask("Почему задержались макеты?")["answer"]
    assert "Sources" in ask("Why are the mockups of the cart late?")["answer"]


@pytest.mark.parametrize(
    "question", ["Сколько планет у Альфы Центавра?", "Who won the chess championship in 1972?"]
)
def test_what_nobody_wrote_about_is_not_answered(
    told: dict[str, Any], ask: Ask, question: str
) -> None:
    answer = ask(question)
    assert answer["sufficient"] is False and answer["quality_score"] == 0
    assert answer["citations"] == [] and answer["confidence"] < 0.5
    assert "Недостаточно" in answer["answer"] or "not enough evidence" in answer["answer"]


@pytest.mark.parametrize("question", ["%", "%%%", "_", "__", "\\", "и в на", "😀" * 900, "'\";--"])
def test_what_says_nothing_matches_nothing(told: dict[str, Any], ask: Ask, question: str) -> None:
    assert ask(question, mode="keyword")["evidence"] == []
    whole = ask(question)
    assert (whole["evidence"], whole["chunks"], whole["sufficient"]) == ([], [], False)
    assert set(whole["stats"].values()) == {0}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": "   "},
        {"query": "x\x00y"},
        {"query": "a" * 4001},
        {"query": ["a"]},
        {"query": "a", "topK": 0},
        {"query": "a", "topK": 51},
        {"query": "a", "topK": 2.5},
        {"query": "a", "sourceLimit": 26},
        {"query": "a", "limit": 0},
        {"query": "a", "mode": "psychic"},
        {"query": "a", "include_private": "perhaps"},
        {"query": "a", "sourceFilter": ["messages", "telegram"]},
        {"query": "a", "sourceFilter": "messages"},
        {"query": "a", "date_from": ""},
        {"query": "a", "date_from": True},
        {"query": "a", "date_to": 1},
        {"query": "a", "date_to": "9999-12-31"},
        {"query": "a", "sourceFilter": ["telegram"]},
        {"query": "a", "date_from": "2026-02-30"},
        {"query": "a", "date_from": "2026-10-02", "date_to": "2026-10-01"},
    ],
)
def test_questions_that_cannot_be_asked(
    owner: Browser, project: dict[str, Any], body: dict[str, Any]
) -> None:
    answer = owner.post("/lightrag/query", body)
    assert 400 <= answer.status_code < 500 and answer.get_json()["ok"] is False


def test_lone_surrogates_are_refused(owner: Browser, project: dict[str, Any]) -> None:
    answer = owner.post(
        "/lightrag/query",
        data=rb'{"query": "\ud800 macets"}',
        headers={"content-type": "application/json"},
    )
    assert 400 <= answer.status_code < 500


def test_private_notes_are_never_evidence(told: dict[str, Any], ask: Ask) -> None:
    answer = ask("Давать ли клиенту скидку, если он торгуется?")
    assert all(not e["source_pk"].endswith(f":{told['secret'].id}") for e in answer["evidence"])
    assert "торгуется; скидку" not in answer["answer"]


def test_a_message_is_one_item_whatever_found_it(say: Say, sync: Sync, ask: Ask) -> None:
    long = " ".join(
        f"Пункт {n}: макеты корзины и кабинета пересмотрены ещё раз." for n in range(60)
    )
    say(long, team=True)
    sync()
    answer = ask("макеты корзины и кабинета")
    sources = [e["source_pk"] for e in answer["evidence"]]
    assert len(sources) == len(set(sources)) == 1
    assert set(answer["evidence"][0]["matched_by"]) == {"vector", "keyword"}


def test_a_deleted_message_is_no_longer_found(
    told: dict[str, Any], ask: Ask, sync: Sync, chatwoot: ChatwootServer, talk: Conversation
) -> None:
    chatwoot.state.delete_message(talk, told["late"])
    sync()
    answer = ask("Почему задержались макеты корзины?")
    assert all(not e["source_pk"].endswith(f":{told['late'].id}") for e in answer["evidence"])


def test_an_edit_changes_what_is_found(
    told: dict[str, Any], ask: Ask, sync: Sync, chatwoot: ChatwootServer, talk: Conversation
) -> None:
    assert ask("виноградная улитка")["evidence"] == []
    chatwoot.state.edit_message(
        talk, told["late"], "Виноградная улитка выиграла конкурс логотипов."
    )
    sync()
    assert first(ask("виноградная улитка")).endswith(f":{told['late'].id}")


def test_an_answer_is_remembered_until_the_data_changes(
    told: dict[str, Any], ask: Ask, say: Say, sync: Sync
) -> None:
    once, again = ask("Почему задержались макеты?"), ask("почему  задержались МАКЕТЫ?")
    assert "cached" not in once and again["cached"] is True
    assert again["evidence"] == once["evidence"]
    assert again["query_run_id"] != once["query_run_id"]
    say("Макеты задержались снова: теперь заболел Артём, и макеты будут позже.", team=True)
    sync()
    fresh = ask("Почему задержались макеты?")
    assert "cached" not in fresh and len(fresh["evidence"]) > len(once["evidence"])


def test_dates_bound_both_legs(say: Say, sync: Sync, ask: Ask) -> None:
    say("Макеты корзины готовы к проверке, ждём правок.", at=1_757_930_400)  # 15 September 2025
    say("Макеты корзины снова готовы к проверке, ждём правок.", at=1_760_522_400)  # 15 October
    sync()
    for mode in ("hybrid", "vector", "keyword"):
        found = ask(
            "макеты корзины готовы", date_from="2025-10-01", date_to="2025-10-15", mode=mode
        )
        assert [e["created_at"][:10] for e in found["evidence"]] == ["2025-10-15"], mode


@pytest.mark.parametrize(
    ("statement", "by_the_other", "warning"),
    [
        ("nearest_chunks", "keyword", "Поиск по смыслу не участвовал в ответе (QueryCanceled)."),
        ("sources_with_words", "vector", "Поиск по словам не участвовал в ответе (QueryCanceled)."),
    ],
)
def test_a_leg_that_takes_too_long_is_left_out(
    told: dict[str, Any],
    app: Flask,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    by_the_other: str,
    warning: str,
) -> None:
    def asleep(connection: Any, **_: Any) -> list[Any]:
        return list(connection.execute("SELECT pg_sleep(20)").fetchall())

    monkeypatch.setattr(legs.sql, statement, asleep)
    began = time.monotonic()
    answer = ask(LATE)
    assert time.monotonic() - began < 5
    assert (answer["degraded"], answer["warnings"]) == (True, [warning])
    assert by_the_other in answer["evidence"][0]["matched_by"]
    assert first(answer).endswith(f":{told['late'].id}")


def test_words_stay_as_typed_where_looking_for_mistyped_ones_takes_too_long(
    told: dict[str, Any], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asleep(connection: Any, **_: Any) -> list[Any]:
        return list(connection.execute("SELECT pg_sleep(20)").fetchall())

    monkeypatch.setattr(legs.sql, "spelled_alike", asleep)
    answer = ask("почему задержались макеты корзыны")
    assert answer["warnings"] == ["Опечатки не проверены (QueryCanceled)."]
    assert "keyword" in answer["evidence"][0]["matched_by"]


def test_a_source_that_is_not_wanted_is_not_searched(told: dict[str, Any], ask: Ask) -> None:
    assert ask("макеты корзины", sourceFilter=["messages"])["evidence"]
    assert ask("макеты корзины", sourceFilter=["issues"])["evidence"] == []
    assert ask("макеты корзины", sourceFilter=[])["evidence"]


def test_another_projects_words_are_not_found(
    told: dict[str, Any], owner: Browser, ask: Ask
) -> None:
    other = owner.post("/projects", {"name": "Other"}).get_json()["project"]["id"]
    owner.post(f"/projects/{other}/select")
    assert ask("Почему задержались макеты корзины?")["evidence"] == []


def test_feedback_is_given_to_runs_of_the_own_project(
    told: dict[str, Any], owner: Browser, ask: Ask, project: dict[str, Any]
) -> None:
    run = ask("Почему задержались макеты?")["query_run_id"]
    good = owner.post("/lightrag/feedback", {"query_run_id": run, "rating": 1, "comment": "точно"})
    assert good.status_code == 200 and good.get_json()["rating"] == 1
    last = owner.post("/lightrag/feedback", {"query_run_id": run, "rating": -1})
    assert last.get_json()["id"] == good.get_json()["id"]
    missing = owner.post("/lightrag/feedback", {"query_run_id": 10**15, "rating": 1})
    assert (missing.status_code, missing.get_json()["error"]) == (404, "query_run_not_found")
    other = owner.post("/projects", {"name": "Other"}).get_json()["project"]["id"]
    owner.post(f"/projects/{other}/select")
    foreign = owner.post("/lightrag/feedback", {"query_run_id": run, "rating": 1})
    assert foreign.status_code == 404
    assert owner.get(f"/lightrag/runs/{run}").status_code == 404


@pytest.mark.parametrize("given", ["", " ", None, 0.5, -0.5, 2, True, [], "good"])
def test_an_opinion_is_one_of_three(
    told: dict[str, Any], owner: Browser, ask: Ask, given: Any
) -> None:
    run = ask("Почему задержались макеты?")["query_run_id"]
    assert (
        owner.post("/lightrag/feedback", {"query_run_id": run, "rating": given}).status_code == 400
    )
    fine = owner.post("/lightrag/feedback", {"query_run_id": run, "rating": "0", "comment": None})
    assert (fine.status_code, fine.get_json()["comment"]) == (200, None)


def test_no_filter_and_empty_filters_are_one_answer_and_each_call_is_a_run(
    told: dict[str, Any], ask: Ask, owner: Browser
) -> None:
    question = "Почему задержались макеты?"
    answers = [
        ask(question),
        ask(question, sourceFilter=None),
        ask(question, sourceFilter=[]),
        ask("  почему  ЗАДЕРЖАЛИСЬ макеты?", sourceFilter=["chunks", "messages"]),
    ]
    assert [answer.get("cached") for answer in answers] == [None, True, True, True]
    numbers = [answer["query_run_id"] for answer in answers]
    runs = owner.get("/lightrag/runs").get_json()["runs"]
    assert [run["id"] for run in runs] == sorted(numbers, key=int, reverse=True)
    assert [run["cached"] for run in runs] == [True, True, True, False]
    for run in runs:
        assert run["quality_score"] == answers[0]["quality_score"] > 0
        assert run["source_diversity"] == answers[0]["source_diversity"] == 1
    assert {answer["answer"] for answer in answers} == {answers[0]["answer"]}
    assert answers[3]["query"] == "почему  ЗАДЕРЖАЛИСЬ макеты?"
    assert ask(question, sourceLimit=9).get("cached") is None
    assert ask(question, sourceFilter=["messages"]).get("cached") is None


def test_the_older_route_answers_the_same(told: dict[str, Any], owner: Browser, ask: Ask) -> None:
    """The same function: filters, ranking, the cache and the record of it included."""
    asked = ask("Почему задержались макеты?")
    answer = owner.post("/search", {"query": "Почему задержались макеты?"}).get_json()
    assert answer["results"] == asked["chunks"] and answer["mode"] == "lightrag"
    new = {"results", "mode", "cached", "query_run_id", "duration_ms", "request_id"}
    assert {k: v for k, v in answer.items() if k not in new} == {
        k: v for k, v in asked.items() if k not in new
    }
    assert answer["cached"] is True and answer["query_run_id"] != asked["query_run_id"]
    other = owner.post(
        "/search", {"query": "Почему задержались макеты?", "sourceFilter": ["deals"]}
    )
    assert other.get_json()["evidence"] == []


def test_short_answers_are_found_with_what_they_answer(say: Say, sync: Sync, ask: Ask) -> None:
    question = say("Артём, скидку в пятнадцать процентов на продление подтверждаете?")
    say("да", team=True)
    say("до пятницы", team=True)
    sync()
    answer = ask("Подтвердили ли скидку на продление?")
    assert first(answer).endswith(f":{question.id}") or "до пятницы" in str(answer["evidence"][0])


def test_status_counts_what_waits_and_what_is_ready(
    app: Flask, told: dict[str, Any], owner: Browser
) -> None:
    status = owner.get("/lightrag/status").get_json()
    assert status["embeddings"]["ready"] >= 3 and status["embeddings"]["pending"] == 0
    assert status["sources"]["messages_total"] == 4
    assert status["embedding_model"] and status["embedding_dim"] > 0
    assert status["provider_configured"] is True and status["stale_model_chunks"] == 0
    assert (status["oldest_pending_at"], status["next_retry_at"]) == (None, None)
    assert (status["failed_sample"], status["tokens_today"]) == ([], 0)
    last = status["last_run"]
    assert (last["status"], last["failed"]) == ("completed", 0) and last["processed"] >= 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", last["finished_at"])
