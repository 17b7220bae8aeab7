"""One model replaces another while search goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.db import db, statements
from tests.conftest import Browser
from tests.rag.conftest import Ask, Rows, Say
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation
from tests.vendors.embeddings import EmbeddingsServer

LATE = "Макеты корзины задержались на девять дней, дизайнер болеет."
BILL = "Оплату счёта переносим на следующую неделю из-за бухгалтерии."
MODELS = (
    "SELECT split_part(identity, ':', 2), count(*) FROM rag_vectors JOIN embedding_models ON id = model_id "
    "GROUP BY 1 ORDER BY 1"
)
INDEXES = (
    "SELECT count(*) FROM embedding_models WHERE to_regclass('rag_vectors_hnsw_' || id) IS NOT NULL"
)


@pytest.fixture
def app(paid_app: Flask) -> Flask:
    return paid_app


@pytest.fixture
def change_model(app: Flask) -> Callable[[str], None]:
    def change(name: str) -> None:
        object.__setattr__(app.config["SETTINGS"], "embedding_model", name)

    return change


@pytest.fixture
def embedded(say: Say, pulled: Callable[[], None]) -> None:
    say(LATE)
    say(BILL)
    pulled()


def by_meaning(ask: Ask, question: str = LATE) -> str:
    answer = ask(question, mode="vector")
    assert not answer["degraded"]
    return str(answer["embedding_model"]) if answer["evidence"] else "nothing found"


def test_questions_go_to_the_former_model_until_the_new_one_is_complete(
    embedded: None,
    change_model: Callable[[str], None],
    provider: EmbeddingsServer,
    owner: Browser,
    ask: Ask,
    embed: Any,
    rows: Rows,
) -> None:
    assert by_meaning(ask) == "test-model"
    change_model("new-model")
    assert by_meaning(ask) == "test-model"
    status = owner.get("/lightrag/status").get_json()
    assert status["stale_model_chunks"] == 2 and ":test-model:" in status["search_model"]
    provider.poison = "бухгалтерии"  # half of the work fails for now
    embed()
    assert rows(MODELS) == [("new-model", 1), ("test-model", 2)]
    assert by_meaning(ask, "Макеты корзины задержались, дизайнер болеет?") == "test-model"
    assert owner.get("/lightrag/status").get_json()["stale_model_chunks"] == 1
    provider.poison = None
    rows("UPDATE rag_chunks SET next_attempt_at = now() RETURNING 1")
    embed()
    assert by_meaning(ask) == "new-model"
    status = owner.get("/lightrag/status").get_json()
    assert status["stale_model_chunks"] == 0 and ":new-model:" in status["search_model"]


def test_former_vectors_and_their_index_are_thrown_away_after_the_change(
    embedded: None,
    change_model: Callable[[str], None],
    app: Flask,
    embed: Any,
    ask: Ask,
    rows: Rows,
) -> None:
    change_model("new-model")
    run = embed()
    assert run["result"]["processed"] == 2
    assert rows(MODELS) == [("new-model", 2), ("test-model", 2)]  # for questions still under way
    embed()
    assert rows(MODELS) == [("new-model", 2)] and rows(INDEXES) == [(2,)]
    assert _drop_unused(app) == 0  # just made models may be about to be used
    rows("UPDATE embedding_models SET created_at = now() - interval '2 hours' RETURNING 1")
    assert _drop_unused(app) == 1 and rows(INDEXES) == [(1,)]
    change_model("test-model")  # back again: the index comes back with it
    embed()
    assert rows(INDEXES) == [(2,)] and by_meaning(ask) == "test-model"


def _drop_unused(app: Flask) -> int:
    with app.app_context(), db.connection() as connection:
        dropped: int = statements("rag").drop_unused_indexes(
            connection, wanted=["openai:new-model:64:chunker-1"]
        )
    return dropped


def test_what_is_written_in_between_is_found_by_meaning_at_once(
    embedded: None,
    change_model: Callable[[str], None],
    provider: EmbeddingsServer,
    say: Say,
    pulled: Callable[[], None],
    ask: Ask,
    rows: Rows,
) -> None:
    change_model("new-model")
    provider.refused_models.add("new-model")  # nothing gets a vector of the new one
    say("Тестовый стенд переехал на другой сервер, адрес пришлю завтра утром.")
    pulled()
    assert rows(MODELS) == [("test-model", 3)]
    assert by_meaning(ask, "Тестовый стенд переехал на другой сервер") == "test-model"


def test_a_former_model_that_the_provider_no_longer_has_holds_nothing_up(
    embedded: None,
    change_model: Callable[[str], None],
    provider: EmbeddingsServer,
    say: Say,
    pulled: Callable[[], None],
    ask: Ask,
) -> None:
    change_model("new-model")
    provider.refused_models.add("test-model")
    say("Тестовый стенд переехал на другой сервер, адрес пришлю завтра утром.")
    pulled()
    assert by_meaning(ask, "Тестовый стенд переехал на другой сервер") == "new-model"


def test_a_text_edited_in_between_is_never_found_by_what_it_said_before(
    say: Say,
    pulled: Callable[[], None],
    change_model: Callable[[str], None],
    chatwoot: ChatwootServer,
    talk: Conversation,
    rows: Rows,
) -> None:
    edited = say(LATE)
    pulled()
    change_model("new-model")
    chatwoot.state.edit_message(talk, edited, "Совсем другой текст, который заменил прежний.")
    pulled()
    stale = rows(
        "SELECT count(*) FROM rag_vectors v JOIN rag_chunks c ON c.id = v.chunk_id "
        "WHERE c.text NOT LIKE 'Совсем другой%'"
    )
    assert stale == [(0,)] and rows("SELECT count(*) FROM rag_vectors") != [(0,)]


def test_what_the_new_model_refuses_does_not_keep_the_former_one(
    embedded: None,
    change_model: Callable[[str], None],
    provider: EmbeddingsServer,
    embed: Any,
    ask: Ask,
    app: Flask,
    owner: Browser,
    rows: Rows,
) -> None:
    change_model("new-model")
    provider.poison = "бухгалтерии"
    for _ in range(12):
        rows("UPDATE rag_chunks SET next_attempt_at = now() RETURNING 1")
        embed()
    failed = "SELECT count(*) FROM rag_chunks WHERE embedding_status = 'failed'"
    assert rows(failed) == [(1,)] and by_meaning(ask) == "new-model"
    assert rows(MODELS) == [("new-model", 1)]
    assert owner.get("/lightrag/status").get_json()["stale_model_chunks"] == 0
    # By its words it is found all the same.
    assert "бухгалтерии" in ask("оплату счёта", mode="keyword")["evidence"][0]["snippet"]


def test_the_command_starts_what_is_to_be_embedded_anew(
    embedded: None,
    change_model: Callable[[str], None],
    app: Flask,
    project: dict[str, Any],
) -> None:
    run = app.test_cli_runner().invoke
    assert "nothing to do" in run(args=["rag", "reembed"]).output
    change_model("new-model")
    shown = run(args=["rag", "reembed", "--project", project["id"]])
    assert shown.exit_code == 0 and "2 chunks" in shown.output
    unknown = run(args=["rag", "reembed", "--project", "00000000-0000-0000-0000-000000000000"])
    assert unknown.exit_code != 0 and "There is no project" in unknown.output
