"""Every source answers: messages where they stand, issues, deals, notes, people and companies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.db import db
from app.rag import documents
from app.rag.documents import Document
from tests.conftest import Browser
from tests.rag.conftest import Ask, Say

Sync = Callable[[], None]
NOW = datetime.now(UTC)
DOCUMENTS = [
    Document(
        "linissue:w:i-61",
        "linear_issue",
        "FLT-61 Перепланирование маршрутов",
        "State: In Progress. Assignee: Костя Бреднев\n\nДиспетчер выбирает остановки и раздаёт их "
        "соседним машинам.\n\nКостя Бреднев: оценка 80 часов, без учёта приложения водителя.",
        facts={"identifier": "FLT-61", "state": "In Progress"},
        occurred_at=NOW - timedelta(days=3),
    ),
    Document(
        "attiodeal:w:d-1",
        "attio_opportunity",
        "Tallinn pilot · Fleetline",
        "Stage: Proposal\nAmount: 12,400 GBP\nNext step: call Kadri about the start date",
        facts={"stage": "Proposal", "amount": 12400},
        occurred_at=NOW - timedelta(days=40),
    ),
    Document(
        "attionote:w:n-1",
        "attio_note",
        "Call · Fleetline",
        "James wants a discount of seven percent for a yearly contract.",
        occurred_at=NOW - timedelta(days=5),
    ),
    Document(
        "attioperson:w:p-1",
        "attio_person",
        "Kadri Tamm · Fleetline",
        "Role: Head of operations in Tallinn\nPhone: +372 555 0208",
        occurred_at=NOW,
    ),
]


@pytest.fixture
def tracked(
    app: Flask, project: dict[str, Any], work: Callable[..., dict[str, Any]]
) -> list[Document]:
    """Documents of other sources, embedded."""
    with app.app_context(), db.transaction() as tx:
        documents.store(tx, UUID(project["id"]), DOCUMENTS)
    assert work(project["id"], "embeddings_run")["status"] == "completed"
    return DOCUMENTS


def kinds(answer: dict[str, Any]) -> list[str]:
    return [evidence["source_type"] for evidence in answer["evidence"]]


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("На сколько часов Костя оценил перепланирование маршрутов?", "linear_issue"),
        ("FLT-61", "linear_issue"),
        ("What is the amount of the Tallinn pilot deal?", "attio_opportunity"),
        ("Какую скидку хочет James за годовой контракт?", "attio_note"),
        ("What is Kadri's phone number?", "attio_person"),
    ],
)
def test_every_source_can_come_first(
    tracked: list[Document], ask: Ask, question: str, source: str
) -> None:
    first = ask(question)["evidence"][0]
    assert first["source_type"] == source
    assert first["title"] and first["source_ref"] == first["source_pk"].rsplit(":", 1)[1]


def test_two_projects_with_the_same_words_never_cross(
    app: Flask,
    tracked: list[Document],
    owner: Browser,
    project: dict[str, Any],
    work: Callable[..., dict[str, Any]],
) -> None:
    """The same texts in both, under other keys: each sees its own, by every way of asking."""
    other = owner.post("/projects", {"name": "Другая"}).get_json()["project"]
    theirs = [replace(d, id=d.id.replace(":w:", ":v:")) for d in DOCUMENTS]
    with app.app_context(), db.transaction() as tx:
        documents.store(tx, UUID(other["id"]), theirs)
    work(other["id"], "embeddings_run")
    own = {project["id"]: ":w:", other["id"]: ":v:"}
    runs: dict[str, str] = {}
    for project_id, mark in own.items():
        owner.post(f"/projects/{project_id}/select")
        for path in ("/lightrag/query", "/search"):
            for mode in ("hybrid", "vector", "keyword"):
                question = {"query": "Tallinn pilot, FLT-61, discount of James", "mode": mode}
                answer = owner.post(path, question).get_json()
                assert answer["evidence"] and answer.get("cached") is (
                    True if path == "/search" else None
                )
                found = [e["source_pk"] for e in [*answer["evidence"], *answer["chunks"]]]
                found += [c["document_ref"] for c in answer["citations"]]
                assert all(mark in key for key in found), (project_id, path, mode, found)
        runs[project_id] = answer["query_run_id"]
    for project_id in own:
        owner.post(f"/projects/{project_id}/select")
        for of, run in runs.items():
            expected = 200 if of == project_id else 404
            assert owner.get(f"/lightrag/runs/{run}").status_code == expected
            told = owner.post("/lightrag/feedback", {"query_run_id": run, "rating": 1})
            assert told.status_code == expected


def test_entities_and_counts_follow_the_source(tracked: list[Document], ask: Ask) -> None:
    answer = ask("What is the amount of the Tallinn pilot deal?")
    (deal,) = [row for row in answer["entities"]["opportunities"] if row["source_ref"] == "d-1"]
    assert deal["metadata"]["amount"] == 12400 and answer["stats"]["opportunities"] == 1


@pytest.mark.parametrize(
    ("wanted", "only"),
    [
        (["issues"], {"linear_issue"}),
        (["deals"], {"attio_opportunity", "attio_note"}),
        (["people"], {"attio_person"}),
        (["messages"], set()),
    ],
)
def test_a_filter_bounds_both_legs(
    tracked: list[Document], ask: Ask, wanted: list[str], only: set[str]
) -> None:
    for mode in ("hybrid", "vector", "keyword"):
        answer = ask("Tallinn Kadri FLT-61 discount", sourceFilter=wanted, mode=mode)
        assert set(kinds(answer)) <= only
        assert all(chunk["source_type"] in only for chunk in answer["chunks"])


@pytest.mark.parametrize("chosen", [["messages"], ["messages", "issues", "deals"]])
def test_who_chooses_messages_finds_them_by_meaning_too(
    say: Say, sync: Sync, ask: Ask, chosen: list[str]
) -> None:
    """The page never asks for chunks by name."""
    told = say("Макеты корзины задержались на девять дней, потому что Мила болела.")
    sync()
    found = ask("Why are the cart mockups late?", mode="vector", sourceFilter=chosen)
    assert [e["source_ref"] for e in found["evidence"]] == [str(told.id)]
    assert found["evidence"][0]["matched_by"] == ["vector"] and found["stats"]["chunks"] == 1


def test_no_answer_among_what_was_chosen_does_not_speak_for_the_project(
    tracked: list[Document], ask: Ask, owner: Browser
) -> None:
    question = "Какую скидку хочет James за годовой контракт?"
    assert ask(question)["sufficient"] is True
    for chosen in ({"sourceFilter": ["issues"]}, {"date_to": "2020-01-01"}):
        assert "среди выбранных источников и дат не нашлось" in ask(question, **chosen)["answer"]
    run = ask("Why is that so?", date_from="2019-12-31", date_to="2020-01-01")
    assert "among the chosen sources and dates" in run["answer"]
    filters = owner.get(f"/lightrag/runs/{run['query_run_id']}").get_json()["run"]["filters"]
    assert (filters["dateFrom"][:10], filters["dateTo"][:10]) == ("2019-12-31", "2020-01-01")
    assert "в проекте не нашлось" in ask("Сколько планет у Альфы Центавра?")["answer"]


def test_dates_bound_every_source(tracked: list[Document], ask: Ask) -> None:
    since = (NOW - timedelta(days=10)).isoformat()
    assert "attio_opportunity" not in kinds(ask("Tallinn pilot amount", date_from=since))
    before = (NOW - timedelta(days=20)).isoformat()
    assert set(kinds(ask("Tallinn pilot amount", date_to=before))) == {"attio_opportunity"}


def test_a_document_of_another_day_is_found_there_by_meaning_too(
    app: Flask, project: dict[str, Any], tracked: list[Document], ask: Ask
) -> None:
    """Its text is the same, and is not embedded anew."""
    deal = next(d for d in tracked if d.source_type == "attio_opportunity")
    with app.app_context(), db.transaction() as tx:
        counts = documents.store(tx, UUID(project["id"]), [replace(deal, occurred_at=NOW)])
    assert (counts.inserted, counts.updated, counts.deleted) == (0, 0, 0)
    since = (NOW - timedelta(days=1)).isoformat()
    for mode in ("vector", "keyword"):
        found = ask("What is the amount of the Tallinn pilot deal?", date_from=since, mode=mode)
        assert "attio_opportunity" in kinds(found), mode
    until = (NOW - timedelta(days=30)).isoformat()
    assert "attio_opportunity" not in kinds(ask("Tallinn pilot", date_to=until))


def test_a_reply_is_found_by_what_it_replies_to(say: Say, sync: Sync, ask: Ask) -> None:
    question = say("Когда переедем на новый сервер?")
    reply = say("В четверг ночью, часа на два.", team=True)
    say("Отдельно: логотип поправили, он в облаке.", team=True)
    sync()
    found = ask("Когда переезд на новый сервер?")["evidence"]
    assert found[0]["source_ref"] == str(reply.id)
    assert str(question.id) in [e["source_ref"] for e in found]


def test_more_words_beat_a_newer_message_with_one(say: Say, sync: Sync, ask: Ask) -> None:
    told = say("Партнёрская программа магазина: ставка двенадцать процентов, выплаты ежемесячно.")
    for n in range(12):
        say(f"Магазин открыт, заказ {n} собран.")
    sync()
    answer = ask("ставка выплаты партнёрская магазин", mode="keyword")
    assert answer["evidence"][0]["source_ref"] == str(told.id)


def test_many_common_words_together_are_found(
    app: Flask, project: dict[str, Any], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each word stands in more sources than are looked at; one source has them all."""
    monkeypatch.setattr("app.rag.retrieval.legs.MATCHES_PER_WORD", 5)
    words = ("доставка", "витрина", "каталог")
    crowd = [
        Document(f"linissue:w:{n:03}", "linear_issue", f"PEK-{n} {words[n % 3]}", "Text.")
        for n in range(60)
    ]
    every = Document("linissue:w:all", "linear_issue", f"PEK-900 {' '.join(words)}", "Text.")
    with app.app_context(), db.transaction() as tx:
        documents.store(tx, UUID(project["id"]), [*crowd, every])
    assert ask(" ".join(words), mode="keyword")["evidence"][0]["source_ref"] == "all"


def test_a_rare_word_is_found_inside_a_longer_one(say: Say, sync: Sync, ask: Ask) -> None:
    told = say("По договору предоплата тридцать процентов.")
    sync()
    assert ask("оплата по договору", mode="keyword")["evidence"][0]["source_ref"] == str(told.id)


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("договору", "Договор подписан, ждём первую поставку."),
        ("договор", "Работаем по договорам прошлого года."),
        ("счет", "Выставили счёт за сентябрь."),
        ("СЧЁТОМ", "Счета за сентябрь потеряны."),
        ("release_date", "Please move RELEASE_DATE to Friday."),
        ("invoices", "The invoice is due on Friday."),
        ("v2", "Версия v2 уже на стенде."),
        ("QA", "Отдали в QA вчера."),
    ],
)
def test_a_word_is_found_in_its_other_forms(
    say: Say, sync: Sync, ask: Ask, typed: str, written: str
) -> None:
    told = say(written)
    say("Доставка тортов работает по субботам с десяти утра до шести вечера.")
    sync()
    found, *neighbours = ask(typed, mode="keyword")["evidence"]
    assert (found["source_ref"], found["matched_by"]) == (str(told.id), ["keyword"])
    assert all("keyword" not in e["matched_by"] for e in neighbours)
    # An exact hit is as good as what is near in meaning, and not just recent.
    assert found["_scoreBreakdown"]["semantic"] > 0.4


@pytest.mark.parametrize(
    ("typed", "meant", "written"),
    [
        ("догавор", "договор", "Договор подписан, скан в почте."),
        ("где мокеты карзины", "где макеты корзины", "Макеты корзины лежат в общей папке."),
        ("the recieved invoce", "the received invoice", "The invoice was received on Monday."),
        ("презинтация", "презентацию", "Презентацию покажем инвесторам."),
    ],
)
def test_mistyped_words_are_taken_for_what_was_meant(
    say: Say, sync: Sync, ask: Ask, typed: str, meant: str, written: str
) -> None:
    told = say(written)
    say("Доставка тортов работает по субботам с десяти утра до шести вечера.")
    sync()
    for mode in ("keyword", "hybrid"):
        found = ask(typed, mode=mode)["evidence"][0]
        assert found["source_ref"] == str(told.id) and "keyword" in found["matched_by"]
    # The vectors too are asked for what was meant.
    assert ask(typed)["confidence"] == pytest.approx(ask(meant)["confidence"], abs=0.05)


@pytest.mark.parametrize(
    "typed",
    [
        "что писал Маркин",  # a name that nobody wrote
        "задача горит",  # a word of its own
        "КИТ-72",  # a number of something else
    ],
)
def test_other_words_are_not_taken_for_mistyped_ones(
    say: Say, sync: Sync, ask: Ask, typed: str
) -> None:
    say("Маркиз на даче, сдача в пятницу по КИТ-71.")
    sync()
    assert ask(typed, mode="keyword")["evidence"] == []


def test_private_words_mend_no_question_of_those_who_may_not_read_them(
    say: Say, sync: Sync, ask: Ask
) -> None:
    say("Презентация для инвесторов.", team=True, private=True)
    say("Презентацыя готова.")
    sync()
    found = ask("презинтацыя", mode="keyword")["evidence"]
    assert [e["snippet"] for e in found] == ["Презентацыя готова."]


def test_names_of_writer_and_client_find_a_message(say: Say, sync: Sync, ask: Ask) -> None:
    told = say("Пришлю смету завтра утром.", team=True)
    sync()
    found = ask("смета Артём Лосев", mode="keyword")["evidence"]
    assert found[0]["source_ref"] == str(told.id)


def test_private_notes_only_for_who_may_read_them(
    say: Say, sync: Sync, ask: Ask, project: dict[str, Any], sign_in_as: Callable[..., Browser]
) -> None:
    note = say("Клиент торгуется, скидку не давать.", team=True, private=True)
    sync()
    question = {"query": "Давать ли скидку, если клиент торгуется?"}
    assert str(note.id) not in [e["source_ref"] for e in ask(question["query"])["evidence"]]
    found = ask(question["query"], include_private=True)["evidence"]
    assert found[0]["source_ref"] == str(note.id) and found[0]["metadata"]["private"] is True
    assert str(note.id) not in [e["source_ref"] for e in ask(question["query"])["evidence"]]
    viewer = sign_in_as("viewer", project["id"])
    viewer.post(f"/projects/{project['id']}/select")
    refused = viewer.post("/lightrag/query", {**question, "include_private": True})
    assert (refused.status_code, refused.get_json()["error"]) == (403, "forbidden")


def test_evidence_comes_in_pages_to_who_asks_for_them(say: Say, sync: Sync, ask: Ask) -> None:
    for n in range(6):
        say(f"Смета номер {n}: доработка каталога и фильтров.")
    sync()
    whole = ask("смета на доработку каталога")
    assert "evidence_total" not in whole
    page = ask("смета на доработку каталога", offset=2, limit=3)
    assert page["evidence"] == whole["evidence"][2:5]
    assert (page["evidence_total"], page["evidence_offset"], page["evidence_limit"]) == (
        len(whole["evidence"]),
        2,
        3,
    )
    assert ask("смета на доработку каталога", offset=9000)["evidence"] == []


def test_a_limit_bounds_each_source_of_words(say: Say, sync: Sync, ask: Ask) -> None:
    for n in range(12):
        say(f"Смета номер {n}: доработка каталога и фильтров.")
    sync()
    question = {"query": "смета на доработку каталога", "mode": "keyword"}
    for limit, listed in ((1, 1), (3, 3), (25, 12), (None, 8)):
        found = ask(**question, **({"sourceLimit": limit} if limit else {}))
        assert found["stats"]["messages"] == len(found["evidence"]) == listed


def test_evidence_is_fifty_items_at_most_the_best_first(
    ask: Ask, owner: Browser, say: Say, sync: Sync
) -> None:
    for n in range(70):
        say(f"Смета номер {n}: доработка каталога и фильтров.")
    sync()
    answer = ask("смета на доработку каталога", topK=50, sourceLimit=25)
    scores = [e["_score"] for e in answer["evidence"]]
    assert len(scores) == 50 and scores == sorted(scores, reverse=True)
    assert len({e["source_pk"] for e in answer["evidence"]}) == 50
    stored = owner.get(f"/lightrag/runs/{answer['query_run_id']}").get_json()["run"]
    assert stored["evidence"] == answer["evidence"]


def test_evidence_names_what_the_project_knows(say: Say, sync: Sync, ask: Ask) -> None:
    """The contact by an inflected name, an agent, and what money, days and issues are spoken of."""
    told = say(
        "Ольге Севериной ответил Артём: 120 тыс. руб. до 15 октября 2026 за PEK-12.", team=True
    )
    sync()
    answer = ask("Сколько платить за PEK-12?")
    entities = answer["entities"]
    known = {(person["name"], person["known_as"]) for person in entities["people"]}
    assert known == {("Артём Лосев", "agent"), ("Ольга Северина", "contact")}
    (source,) = [e["source_pk"] for e in answer["evidence"]]
    assert source.endswith(f":{told.id}")
    assert entities["issue_keys"] == [{"key": "PEK-12", "evidence": [source]}]
    assert [(a["value"], a["currency"]) for a in entities["amounts"]] == [(120_000, "RUB")]
    assert [d["date"] for d in entities["dates"]] == ["2026-10-15"]
