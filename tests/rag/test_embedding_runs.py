"""One run of embedding: as many batches as there are, and each paid for once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.db import db
from app.rag import pipeline
from tests.rag.conftest import Rows, Say
from tests.vendors.embeddings import EmbeddingsServer

STATES = "SELECT embedding_status, count(*) FROM rag_chunks GROUP BY 1 ORDER BY 1"


@pytest.fixture
def app(paid_app: Flask) -> Flask:
    object.__setattr__(paid_app.config["SETTINGS"], "embed_batch_size", 3)
    object.__setattr__(paid_app.config["SETTINGS"], "embed_concurrency", 1)
    return paid_app


@pytest.fixture
def written(say: Say) -> None:
    for number in range(10):
        say(f"Сообщение номер {number} о макетах корзины и о доставке тортов.")


def test_one_run_works_until_nothing_waits(
    written: None, pulled: Callable[[], None], provider: EmbeddingsServer, rows: Rows
) -> None:
    pulled()
    assert rows(STATES) == [("ready", 10)] and provider.requests.count() == 4
    assert rows("SELECT count(*), sum((result ->> 'processed')::int)::int FROM job_runs "
                "WHERE job_type = 'embeddings_run'") == [(1, 10)]  # fmt: skip


def test_vectors_that_cannot_be_stored_are_no_fault_of_the_provider(
    written: None,
    pulled: Callable[[], None],
    embed: Any,
    provider: EmbeddingsServer,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asking for every text alone would pay for the whole batch once more."""
    store, refused = pipeline.sql.store_vectors, 0

    def full(*arguments: Any, **named: Any) -> Any:
        nonlocal refused
        if refused == 0:
            refused += 1
            raise psycopg.errors.DiskFull("no space left")
        return store(*arguments, **named)

    monkeypatch.setattr(pipeline.sql, "store_vectors", full)
    pulled()
    first = rows("SELECT status, error_kind FROM job_runs WHERE job_type = 'embeddings_run'")
    assert first == [("failed", "internal")]
    # The batch that was refused, and the one that was being encoded beside it.
    assert provider.requests.count() <= 2 and len(provider.texts) == len(set(provider.texts))
    assert rows("SELECT max(embedding_attempts) FROM rag_chunks") == [(1,)]
    assert embed()["result"]["processed"] == 10 and rows(STATES) == [("ready", 10)]


@pytest.mark.parametrize(
    "meanwhile",
    [
        "text_hash = 'new'",
        "claim_token = gen_random_uuid()",
        "embedding_status = 'pending'",
    ],
)
def test_a_vector_is_stored_only_for_the_claimed_text(
    app: Flask,
    written: None,
    pulled: Callable[[], None],
    provider: EmbeddingsServer,
    rows: Rows,
    meanwhile: str,
) -> None:
    """Of three chunks in hand one was edited, claimed by another worker or given back meanwhile."""
    pulled()
    claim = "00000000-0000-4000-8000-000000000001"
    rows("DELETE FROM rag_vectors RETURNING 1")
    taken = rows(
        f"UPDATE rag_chunks SET embedding_status = 'processing', claim_token = '{claim}' WHERE id IN "
        "(SELECT id FROM rag_chunks LIMIT 3) RETURNING project_id, id, text_hash, embedding_model_id"
    )
    rows(f"UPDATE rag_chunks SET {meanwhile} WHERE id = '{taken[1][1]}' RETURNING 1")
    with app.app_context(), db.transaction() as tx:
        stored = pipeline.sql.store_vectors(
            tx,
            project_id=taken[0][0],
            model_id=taken[0][3],
            claim_token=claim,
            chunk_ids=[row[1] for row in taken],
            hashes=[row[2] for row in taken],
            vectors=[str([1.0] * provider.dimensions)] * 3,
            final=True,
        )
    assert stored == 2
    assert set(rows("SELECT chunk_id FROM rag_vectors")) == {(taken[0][1],), (taken[2][1],)}
