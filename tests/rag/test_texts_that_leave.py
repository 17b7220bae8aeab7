"""What goes to a paid provider of embeddings: how much, how often, and what not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from app.rag.redaction import redact
from app.scheduler import housekeeping
from tests.conftest import Browser
from tests.rag.conftest import Ask, Rows, Say
from tests.vendors.embeddings import EmbeddingsServer

LATE = "Макеты корзины задержались на девять дней, дизайнер болеет."
PERSONAL = "Пишите на olga@sever.example или звоните +7 (999) 123-45-67, карта 4111 1111 1111 1111."
USED = "SELECT purpose, calls, tokens > 0 FROM embedding_usage ORDER BY purpose"


@pytest.fixture
def app(paid_app: Flask) -> Flask:
    return paid_app


@pytest.fixture
def policy(app: Flask, project: dict[str, Any]) -> Callable[[str], None]:
    def choose(name: str) -> None:
        run = app.test_cli_runner().invoke(args=["rag", "policy", "--project", project["id"], name])
        assert run.exit_code == 0, run.output

    return choose


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("пишите: o.severina+shop@mail.sever.example!", "пишите: [email]!"),
        ("тел. +7 (999) 123-45-67, до шести", "тел. [phone], до шести"),
        ("8 999 123 45 67", "[phone]"),
        ("карта 4111 1111 1111 1111 до 10/27", "карта [card] до 10/27"),
        ("4111-1111-1111-1111", "[card]"),
        ("счёт СЧ-2041 на 150 000 ₽", "счёт СЧ-2041 на 150 000 ₽"),
        ("с 2025-10-01 2025-10-15", "с 2025-10-01 2025-10-15"),
        ("сдача 20.10.2025 14:30", "сдача 20.10.2025 14:30"),
        ("FLT-61, версия 1.12.3", "FLT-61, версия 1.12.3"),
    ],
)
def test_what_tells_of_a_person_is_left_out_and_nothing_else(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_project_may_have_its_texts_redacted(
    say: Say,
    pulled: Callable[[], None],
    policy: Callable[[str], None],
    provider: EmbeddingsServer,
    ask: Ask,
) -> None:
    policy("redacted")
    say(PERSONAL)
    pulled()
    ask("Чей телефон +7 (999) 123-45-67?")
    sent = " ".join(provider.texts)
    assert "[email]" in sent and "[card]" in sent and "[phone]?" in sent
    assert "olga" not in sent and "4111" not in sent and "123-45" not in sent
    # Here everything stands as it was written.
    assert "olga@sever.example" in ask("olga@sever.example")["evidence"][0]["snippet"]


def test_nothing_leaves_a_project_that_forbids_it(
    say: Say,
    pulled: Callable[[], None],
    policy: Callable[[str], None],
    provider: EmbeddingsServer,
    ask: Ask,
) -> None:
    policy("local_only")
    say(LATE)
    pulled()
    answer = ask("Почему задержались макеты корзины?")
    assert answer["chunks"] and answer["embedding_model"] == "use-multilingual-v3"
    assert provider.texts == [] and provider.requests.count() == 0


def test_a_project_that_forbids_it_later_asks_the_provider_no_more(
    say: Say,
    pulled: Callable[[], None],
    policy: Callable[[str], None],
    provider: EmbeddingsServer,
    embed: Any,
    ask: Ask,
    rows: Rows,
) -> None:
    say(LATE)
    pulled()
    calls = provider.requests.count()
    policy("local_only")
    assert ask("Почему задержались макеты корзины?")["evidence"]
    embed()
    embed()
    assert ask("Кто болеет?", mode="vector")["embedding_model"] == "use-multilingual-v3"
    assert provider.requests.count() == calls
    kept = rows("SELECT DISTINCT identity FROM rag_vectors JOIN embedding_models ON id = model_id")
    assert len(kept) == 1 and kept[0][0].startswith("local:")


def test_questions_are_counted_and_paid_for_once_a_day(
    say: Say,
    pulled: Callable[[], None],
    provider: EmbeddingsServer,
    app: Flask,
    ask: Ask,
    owner: Browser,
    rows: Rows,
) -> None:
    say(LATE)
    pulled()
    calls = provider.requests.count()
    ask("Почему задержались макеты?", topK=10)
    ask("  Почему  задержались макеты? ", topK=11)  # another answer, the same vector
    assert provider.requests.count() == calls + 1
    assert rows(USED) == [("chunks", 1, True), ("query", 1, True)]
    used = owner.get("/lightrag/status").get_json()["tokens_today"]
    assert [(used,)] == rows("SELECT sum(tokens)::int FROM embedding_usage")
    rows("UPDATE query_embedding_cache SET created_at = now() - interval '25 hours' RETURNING 1")
    ask("Почему задержались макеты?", topK=12)
    assert provider.requests.count() == calls + 2


def test_old_vectors_of_questions_are_thrown_away(
    say: Say, pulled: Callable[[], None], app: Flask, ask: Ask, rows: Rows
) -> None:
    say(LATE)
    pulled()
    ask("Почему задержались макеты?")
    rows("UPDATE query_embedding_cache SET created_at = now() - interval '25 hours' RETURNING 1")
    ask("Кто болеет?")
    with app.app_context():
        purged = housekeeping.purge_when_due(app.config["SETTINGS"])
    assert purged and purged["question_vectors"] == 1
    assert rows("SELECT count(*) FROM query_embedding_cache") == [(1,)]


def test_ten_equal_questions_at_once_are_one_call(
    say: Say,
    pulled: Callable[[], None],
    provider: EmbeddingsServer,
    app: Flask,
    owner: Browser,
    ask: Ask,
    rows: Rows,
) -> None:
    say(LATE)
    pulled()
    calls = provider.requests.count()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: ask("Почему задержались макеты?"), range(10)))
    assert provider.requests.count() == calls + 1
    assert len({answer["query_run_id"] for answer in answers}) == 10  # each its own run
    assert rows("SELECT count(*), count(*) FILTER (WHERE NOT cached) FROM lightrag_query_runs") == [
        (10, 1)
    ]


def test_a_day_costs_no_more_than_its_budget(
    say: Say,
    pulled: Callable[[], None],
    embed: Any,
    app: Flask,
    provider: EmbeddingsServer,
    ask: Ask,
    rows: Rows,
) -> None:
    for number in range(10):
        say(f"Сообщение {number}: " + "макеты корзины задержались, дизайнер болеет. " * 10)
    object.__setattr__(app.config["SETTINGS"], "embed_tokens_per_day", 500)
    pulled()
    (states,) = rows(
        "SELECT count(*) FILTER (WHERE embedding_status = 'ready'), "
        "count(*) FILTER (WHERE embedding_status = 'pending') FROM rag_chunks"
    )
    assert states[0] in (3, 4) and states[0] + states[1] == 10
    assert rows("SELECT sum(tokens) <= 500 FROM embedding_usage") == [(True,)]
    rows("UPDATE embedding_usage SET tokens = 500 RETURNING 1")
    calls = provider.requests.count()
    assert embed()["status"] == "partial"
    answer = ask("Почему задержались макеты корзины?")
    assert provider.requests.count() == calls
    assert answer["degraded"] and answer["evidence"]  # by words
    rows("UPDATE embedding_usage SET day = day - 1 RETURNING 1")
    assert embed()["result"]["processed"] > 0  # a new day
