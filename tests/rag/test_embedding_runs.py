"""One run of embedding: as many batches as there are, and each paid for once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask

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
