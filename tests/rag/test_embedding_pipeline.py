"""Embedding what waits, with a provider that may refuse, err and go away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask

from app.db import db, statements
from app.rag.embeddings.openai import RETRIES
from tests.conftest import Browser
from tests.rag.conftest import Ask, Rows, Say
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation
from tests.vendors.embeddings import EmbeddingsServer


@pytest.fixture
def app(paid_app: Flask) -> Flask:
    return paid_app


TEXT = "Сообщение номер {} о макетах корзины и о доставке тортов."
STATES = "SELECT embedding_status, count(*) FROM rag_chunks GROUP BY 1 ORDER BY 1"


def test_everything_is_embedded_once(
    say: Say, pulled: Callable[[], None], embed: Any, provider: EmbeddingsServer, rows: Rows
) -> None:
    for number in range(5):
        say(TEXT.format(number))
    pulled()
    assert rows(STATES) == [("ready", 5)] and len(provider.texts) == 5
    calls = provider.requests.count()
    run = embed()
    assert run["result"]["processed"] == 0 and run["result"]["status"] == "idle"
    assert provider.requests.count() == calls  # nothing waits: nobody is asked


def test_an_edit_is_embedded_again_and_a_deletion_leaves_nothing(
    say: Say,
    pulled: Callable[[], None],
    provider: EmbeddingsServer,
    chatwoot: ChatwootServer,
    talk: Conversation,
    rows: Rows,
) -> None:
    edited, deleted, _ = (say(TEXT.format(n)) for n in range(3))
    pulled()
    provider.texts.clear()
    chatwoot.state.edit_message(
        talk, edited, "Совсем другой текст, который заменил прежний целиком."
    )
    chatwoot.state.delete_message(talk, deleted)
    pulled()
    assert rows(STATES) == [("ready", 2)] and rows("SELECT count(*) FROM rag_vectors") == [(2,)]
    assert any("Совсем другой" in text for text in provider.texts)


def test_metrics_tell_what_waits_and_how_the_provider_fares(
    say: Say, pulled: Callable[[], None], provider: EmbeddingsServer, ask: Ask, owner: Browser,
    embed: Callable[[], dict[str, Any]],
) -> None:  # fmt: skip
    def told(name: str) -> float:
        text = owner.get("/metrics").get_data(as_text=True)
        return float(dict(line.rsplit(" ", 1) for line in text.splitlines()).get(name, "0"))

    names = (
        'app_answers_total{source="made"}',
        'app_answers_total{source="remembered"}',
        'app_degraded_answers_total{leg="vector"}',
        'app_embedding_provider_seconds_count{result="transient"}',
        'app_embedding_provider_seconds_count{result="ok"}',
        "app_embedding_tokens_total",
    )
    before = {name: told(name) for name in names}
    provider.faults.add("status", status=503)
    say(TEXT.format(1))
    pulled()
    assert told('app_embedding_chunks{state="pending"}') == 1
    assert told("app_embedding_oldest_pending_seconds") > 0
    assert ask("макеты корзины")["degraded"] is True
    assert ask("макеты корзины")["cached"] is True
    provider.faults.clear()
    embed()
    assert told('app_embedding_chunks{state="ready"}') == 1
    assert told("app_embedding_oldest_pending_seconds") == 0
    grown = [told(name) - was for name, was in before.items()]
    assert grown[:3] == [1, 1, 1] and grown[3] >= 2 and grown[4] == 1 and grown[5] > 10


def test_vectors_belong_to_texts_by_number_and_not_by_place(
    say: Say, pulled: Callable[[], None], provider: EmbeddingsServer, ask: Ask
) -> None:
    provider.faults.add("backwards")
    say("Макеты корзины задержались на девять дней, дизайнер болеет.")
    say("Оплату счёта переносим на следующую неделю из-за бухгалтерии.")
    pulled()
    found = ask("Макеты корзины задержались на девять дней, дизайнер болеет.", mode="vector")
    assert "Макеты" in found["evidence"][0]["snippet"]


@pytest.mark.parametrize("fault", ["half_body", "short", "wrong_json"])
def test_an_answer_that_cannot_be_read_is_asked_for_again(
    say: Say, pulled: Callable[[], None], provider: EmbeddingsServer, rows: Rows, fault: str
) -> None:
    provider.faults.add(fault, times=1)
    say(TEXT.format(1))
    pulled()
    assert rows(STATES) == [("ready", 1)]


@pytest.mark.parametrize("fault", ["long", "tiny"])
def test_vectors_of_any_length_find_their_texts(
    say: Say, pulled: Callable[[], None], provider: EmbeddingsServer, ask: Ask, fault: str
) -> None:
    """Half precision would hold neither as they come."""
    provider.faults.add(fault)
    say("Макеты корзины задержались на девять дней, дизайнер болеет.")
    say("Оплату счёта переносим на следующую неделю из-за бухгалтерии.")
    pulled()
    provider.faults.clear()
    found = ask("Макеты корзины задержались на девять дней, дизайнер болеет.", mode="vector")
    assert "Макеты" in found["evidence"][0]["snippet"] and found["chunks"][0]["distance"] < 0.01


@pytest.mark.parametrize("fault", ["zero", "texts", "endless"])
def test_a_vector_without_direction_is_never_stored(
    say: Say, pulled: Callable[[], None], provider: EmbeddingsServer, rows: Rows, fault: str
) -> None:
    provider.faults.add(fault)
    say(TEXT.format(1))
    pulled()
    assert rows(STATES) == [("pending", 1)] and rows("SELECT FROM rag_vectors") == []


def test_claims_never_overlap_and_come_back_after_their_lease(
    app: Flask, say: Say, pulled: Callable[[], None], project: dict[str, Any], rows: Rows,
    embed: Callable[[], dict[str, Any]], provider: EmbeddingsServer,
) -> None:  # fmt: skip
    for number in range(6):
        say(TEXT.format(number))
    provider.faults.add("status", status=503)
    pulled()
    provider.faults.clear()
    sql, project_id = statements("rag"), UUID(project["id"])
    (run,) = rows(
        "UPDATE job_runs SET status = 'running' WHERE job_type = 'embeddings_run' RETURNING id"
    )

    def claim(most: int) -> list[UUID]:
        with app.app_context(), db.connection() as connection:
            claimed = sql.claim_chunks(
                connection, project_id=project_id, run_id=run[0], claim_token=uuid4(),
                lease_seconds=60, most=most,
            )  # fmt: skip
        return [chunk["id"] for chunk in claimed]

    def release() -> None:
        with app.app_context(), db.connection() as connection:
            sql.release_lost_chunks(
                connection, project_id=project_id, run_id=uuid4(), max_attempts=5
            )

    first, second = claim(4), claim(4)
    assert (len(first), len(second), claim(4)) == (4, 2, []) and not set(first) & set(second)
    release()  # another worker begins: these are in hand
    assert rows(STATES) == [("processing", 6)]
    rows(f"UPDATE rag_chunks SET lease_expires_at = now() WHERE id = '{first[0]}' RETURNING 1")
    release()
    assert rows(STATES) == [("pending", 1), ("processing", 5)]
    # The worker is dead and its run given up: the next run embeds all six, each once.
    rows("UPDATE job_runs SET status = 'dead' WHERE job_type = 'embeddings_run' RETURNING 1")
    provider.texts.clear()
    assert embed()["result"]["processed"] == 6
    assert rows(STATES) == [("ready", 6)] and len(provider.texts) == len(set(provider.texts)) == 6


def test_a_provider_that_is_away_costs_no_attempt_and_heals(
    say: Say,
    pulled: Callable[[], None],
    embed: Any,
    provider: EmbeddingsServer,
    rows: Rows,
) -> None:
    for number in range(3):
        say(TEXT.format(number))
    provider.faults.add("status", status=503)
    pulled()
    calls = provider.requests.count()
    run = embed()
    assert provider.requests.count() == calls + 1 + RETRIES, "and no text is tried alone"
    assert (run["status"], run["error_kind"]) == ("failed", "provider_unavailable")
    assert rows("SELECT DISTINCT embedding_status, embedding_attempts FROM rag_chunks") == [
        ("pending", 0)
    ]
    provider.faults.clear()
    assert embed()["result"]["processed"] == 3


@pytest.mark.parametrize(
    ("fault", "rules"),
    [("status", {"status": 401}), ("narrow", {})],
    ids=["refused key", "dimension"],
)
def test_what_waiting_does_not_mend_stops_the_run_and_says_so(
    say: Say,
    pulled: Callable[[], None],
    embed: Any,
    provider: EmbeddingsServer,
    rows: Rows,
    fault: str,
    rules: dict[str, Any],
) -> None:
    say(TEXT.format(1))
    provider.faults.add(fault, **rules)
    pulled()
    calls = provider.requests.count()
    run = embed()
    assert (run["status"], run["error_kind"]) == ("failed", "provider_configuration")
    assert run["error"] and provider.requests.count() == calls + 1
    assert rows(STATES) == [("pending", 1)]


def test_one_poisonous_text_fails_alone(
    say: Say, pulled: Callable[[], None], embed: Any, provider: EmbeddingsServer, rows: Rows
) -> None:
    provider.poison = "ядовитый"
    for number in range(9):
        say(
            TEXT.format(number)
            if number != 4
            else "Этот ядовитый текст провайдер не берёт никогда."
        )
    pulled()
    assert rows("SELECT count(*) FROM rag_chunks WHERE embedding_status = 'ready'") >= [(7,)]
    for _ in range(6):
        rows("UPDATE rag_chunks SET next_attempt_at = now() RETURNING 1")
        embed()
    failed = rows(
        "SELECT bool_or(text LIKE '%ядовитый%'), max(embedding_attempts) FROM rag_chunks "
        "WHERE embedding_status = 'failed'"
    )
    assert failed == [(True, 5)]
    assert rows("SELECT count(*) FROM rag_chunks WHERE embedding_status = 'pending'") == [(0,)]
    calls = provider.requests.count()
    embed()
    assert provider.requests.count() == calls  # it is given up, and asks no more


def test_failed_ones_are_tried_again_when_asked_for(
    say: Say,
    pulled: Callable[[], None],
    embed: Any,
    provider: EmbeddingsServer,
    owner: Browser,
    rows: Rows,
) -> None:
    say(TEXT.format(1))
    pulled()
    rows("UPDATE rag_chunks SET embedding_status = 'failed', embedding_attempts = 5 RETURNING 1")
    answer = owner.post("/lightrag/refresh", {"retry_failed": True})
    assert answer.status_code == 200
    embed()
    assert rows(STATES) == [("ready", 1)]
    (kept,) = rows("SELECT payload FROM audit_events WHERE action = 'lightrag.refresh'")
    assert kept == (answer.get_json()["result"],)


def test_questions_are_answered_by_words_while_the_provider_is_away(
    say: Say, pulled: Callable[[], None], provider: EmbeddingsServer, ask: Ask
) -> None:
    say("Макеты корзины задержались на девять дней, дизайнер болеет.")
    pulled()
    provider.stop()
    answer = ask("Почему задержались макеты корзины?")
    assert answer["degraded"] is True
    (warning,) = answer["warnings"]
    assert warning.startswith("Поиск по смыслу не участвовал в ответе (")
    assert "Макеты" in answer["evidence"][0]["snippet"]
    assert answer["embedding_model"] is None
    (warning,) = ask("макеты: why were the mockups late?")["warnings"]
    assert warning.startswith("Search by meaning was left out (")
    provider.start()


@pytest.mark.parametrize(
    ("fault", "rules", "degraded"),
    [
        ("slow", {"seconds": 25.0}, True),
        ("status", {"status": 401}, True),
        ("status", {"status": 503}, True),
        ("status", {"status": 429, "retry_after": "60"}, True),
        ("narrow", {}, True),
        ("short", {}, True),
        ("wrong_json", {}, True),
        ("half_body", {}, True),
        ("backwards", {}, False),
        ("zero", {}, True),
        ("null", {}, True),
        ("texts", {}, True),
        ("base64", {}, True),
        ("endless", {}, True),
        ("long", {}, False),
        ("tiny", {}, False),
    ],
    ids=lambda value: str(value),
)
def test_a_question_is_answered_in_time_whatever_the_provider_does(
    say: Say,
    pulled: Callable[[], None],
    provider: EmbeddingsServer,
    ask: Ask,
    rows: Rows,
    fault: str,
    rules: dict[str, Any],
    degraded: bool,
) -> None:
    say("Макеты корзины задержались на девять дней, дизайнер болеет.")
    pulled()
    before = rows("SELECT chunk_id, embedding::text FROM rag_vectors")
    provider.faults.add(fault, **rules)
    began = time.monotonic()
    answer = ask("Почему задержались макеты корзины?")
    assert time.monotonic() - began < 8
    assert answer["degraded"] is degraded and answer["sufficient"] is True
    assert "Макеты" in answer["answer"] and answer["evidence"][0]["matched_by"][-1] == "keyword"
    assert rows("SELECT chunk_id, embedding::text FROM rag_vectors") == before
    assert rows(STATES) == [("ready", 1)]


def test_a_text_that_changes_while_it_is_encoded_is_encoded_again(
    say: Say,
    pulled: Callable[[], None],
    embed: Any,
    provider: EmbeddingsServer,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider.faults.add("status", status=503)
    say(TEXT.format(1))
    pulled()
    provider.faults.clear()
    answer = provider._answer

    def slow(texts: list[str], model: str, fault: str) -> Any:
        if not any("новый" in text for text in texts):
            rows(
                "UPDATE rag_chunks SET text = 'новый текст', text_hash = 'new', "
                "embedding_status = 'pending', claim_token = NULL RETURNING 1"
            )
        return answer(texts, model, fault)

    monkeypatch.setattr(provider, "_answer", slow)
    embed()
    assert rows(STATES) == [("ready", 1)]
    assert "новый" in provider.texts[-1]


def test_a_chunk_that_is_being_rewritten_holds_up_no_other(
    app: Flask, say: Say, pulled: Callable[[], None], provider: EmbeddingsServer, rows: Rows,
    database_url: str,
) -> None:  # fmt: skip
    """A sync and the embedding that wait for each other's chunks would be a deadlock."""
    for number in range(3):
        say(TEXT.format(number))
    pulled()
    claim = "00000000-0000-4000-8000-000000000001"
    taken = rows(
        f"UPDATE rag_chunks SET embedding_status = 'processing', claim_token = '{claim}' "
        "RETURNING project_id, id, text_hash, embedding_model_id"
    )
    project_id, rewritten, _, model_id = taken[0]
    with psycopg.connect(database_url) as writer, app.app_context():
        writer.execute("SELECT FROM rag_chunks WHERE id = %s FOR UPDATE", (rewritten,))
        with db.transaction() as tx:
            tx.execute("SET LOCAL lock_timeout = '2s'")
            stored = statements("rag").store_vectors(
                tx,
                project_id=project_id,
                model_id=model_id,
                claim_token=claim,
                chunk_ids=[row[1] for row in taken],
                hashes=[row[2] for row in taken],
                vectors=[str([1.0] * provider.dimensions)] * len(taken),
                final=True,
            )
    assert len(taken) >= 3 and stored == len(taken) - 1
    assert rows(STATES) == [("processing", 1), ("ready", len(taken) - 1)]
