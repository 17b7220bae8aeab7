"""A worker killed with -9, again and again: the next one ends with the rows of an undisturbed run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from flask import Flask

from app.scheduler.service import request_run
from tests.conftest import Browser
from tests.running import Worker, eventually
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import fill
from tests.vendors.faults import Fault

MESSAGES = 300
MESSAGES_OF = "/messages$"
PATIENCE = 180.0  # seconds: a machine with much else to do starts a worker in a minute

# Everything a run writes that a person can see, without what differs by nature (row ids, times).
PICTURE = {
    "messages": "SELECT id, content, private, direction, deleted_at IS NULL, data FROM cw_messages",
    "conversations": "SELECT id, status, contact_global_id, content_hash FROM cw_conversations",
    "contacts": "SELECT id, name, content_hash FROM cw_contacts",
    "inboxes": "SELECT inbox_id, name FROM cw_inboxes_raw",
    "cursors": "SELECT stream, cursor_ts, cursor_id FROM connector_streams",
    "chunks": "SELECT source_pk, kind, chunk_index, text, context, embedding_status FROM rag_chunks",
    "vectors": "SELECT c.source_pk, c.kind, c.chunk_index, v.model_id FROM rag_vectors v "
    "JOIN rag_chunks c ON c.project_id = v.project_id AND c.id = v.chunk_id",
    "counters": "SELECT name, value FROM project_counters WHERE value <> 0",
    "told": "SELECT DISTINCT payload ->> 'job_type', payload ->> 'status' FROM events",
}


def picture(database_url: str) -> dict[str, list[Any]]:
    with psycopg.connect(database_url) as connection:
        return {
            name: sorted(map(repr, connection.execute(statement.encode()).fetchall()))
            for name, statement in PICTURE.items()
        }


def vectors(database_url: str) -> np.ndarray[Any, Any]:
    """All vectors, one a row, in the order of their texts."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT v.embedding::text FROM rag_vectors v "
            "JOIN rag_chunks c ON c.project_id = v.project_id AND c.id = v.chunk_id "
            "ORDER BY c.source_pk, c.kind, c.chunk_index"
        ).fetchall()
    return np.array([json.loads(row[0]) for row in rows])


def count(database_url: str, statement: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def studio(chatwoot: ChatwootServer) -> ChatwootServer:
    fill(chatwoot.state, chatwoot.state.accounts[1], conversations=MESSAGES // 5, messages=MESSAGES)
    return chatwoot


@pytest.fixture
def undisturbed(
    studio: ChatwootServer,
    project: dict[str, Any],
    connect: Callable[..., None],
    work: Callable[..., dict[str, Any]],
    database_url: str,
) -> tuple[dict[str, list[Any]], np.ndarray[Any, Any]]:
    """What a sync and its embedding run leave when nobody disturbs them; then all of it is removed."""
    connect(project["id"])
    assert work(project["id"], "chatwoot_sync")["status"] == "completed"
    found, encoded = picture(database_url), vectors(database_url)
    assert len(found["messages"]) == MESSAGES and len(found["vectors"]) >= MESSAGES
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE scheduled_jobs SET status = 'paused'")
        connection.execute("TRUNCATE job_runs, events, rag_chunks, connector_streams CASCADE")
        connection.execute(
            "TRUNCATE cw_messages, cw_conversations, cw_contacts, cw_inboxes_raw, cw_agents CASCADE"
        )
        connection.execute("TRUNCATE project_counters")
    return found, encoded


@pytest.fixture
def hold_after(
    studio: ChatwootServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int | None], None]:
    """Have the messages of so many conversations more be answered and then no more: whoever asks can be
    met at work in the middle of a page, however slow the machine is. None: all of them."""
    most: list[int | None] = [None]
    regular = studio.faults.take

    def take(path: str) -> Fault | None:
        last = most[0]
        if (
            last is not None
            and path.endswith("/messages")
            and studio.requests.count(MESSAGES_OF) > last
        ):
            return Fault("slow", seconds=60)
        return regular(path)

    def hold(conversations: int | None) -> None:
        asked = studio.requests.count(MESSAGES_OF)
        most[0] = None if conversations is None else asked + conversations

    monkeypatch.setattr(studio.faults, "take", take)
    return hold


# Each batch of vectors takes a while, so that a run can be met between two of them.
SLOW_VECTORS = """
    CREATE FUNCTION take_a_while() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END';
    CREATE TRIGGER take_a_while AFTER INSERT ON rag_vectors EXECUTE FUNCTION take_a_while();
"""
QUICK_VECTORS = "DROP FUNCTION take_a_while CASCADE"


@pytest.fixture
def workers(database_url: str, home: Path) -> Iterator[Callable[[], Worker]]:
    """Workers that notice a lost one within two seconds."""
    started: list[Worker] = []

    def start() -> Worker:
        worker = Worker(
            database_url,
            home,
            JOB_LEASE_SECONDS="2",
            SCHEDULER_TICK_SECONDS="1",
            JOB_MAX_ATTEMPTS="9",
            EMBED_BATCH_SIZE="20",
        )
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()


@pytest.mark.slow
@pytest.mark.timeout(900)  # its waits end when what they wait for is there
def test_a_sync_and_an_embedding_run_survive_kill_9(
    app: Flask,
    owner: Browser,
    project: dict[str, Any],
    studio: ChatwootServer,
    undisturbed: tuple[dict[str, list[Any]], np.ndarray[Any, Any]],
    hold_after: Callable[[int | None], None],
    workers: Callable[[], Worker],
    database_url: str,
) -> None:
    rows_before, vectors_before = undisturbed
    with app.app_context():
        request_run(UUID(project["id"]), "chatwoot_sync")
    # A page has 25 conversations: one and a half, and then the rest of that and a part of the last.
    for share, conversations in ((0.2, 37), (0.6, 30)):
        hold_after(conversations)
        worker = workers()
        eventually(
            lambda share=share: (
                count(database_url, "SELECT count(*) FROM cw_messages") > share * MESSAGES
            ),
            PATIENCE,
        )
        worker.kill()
    assert count(database_url, "SELECT count(*) FROM job_runs WHERE status = 'running'") > 0
    assert count(database_url, "SELECT count(*) FROM cw_messages") < MESSAGES
    hold_after(None)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM rag_vectors")
        connection.execute(SLOW_VECTORS)
        connection.execute("UPDATE rag_chunks SET embedding_status = 'pending'")
    for share in (0.1, 0.5):
        worker = workers()
        eventually(
            lambda share=share: (
                count(database_url, "SELECT count(*) FROM rag_vectors") > share * MESSAGES
            ),
            PATIENCE,
            0.01,
        )
        worker.kill()
    assert count(database_url, "SELECT count(*) FROM rag_vectors") < len(vectors_before)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(QUICK_VECTORS)
    workers()
    eventually(lambda: _all_done(database_url), PATIENCE)
    found = picture(database_url)
    for name, rows in rows_before.items():
        assert found[name] == rows, name
    # The last digits of a vector depend on the batch it was encoded in.
    likeness = (vectors(database_url) * vectors_before).sum(axis=1)
    assert likeness.min() > 0.99, np.sort(likeness)[:10]
    # Each run that a client saw ends was told of once.
    assert (
        count(
            database_url,
            "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY payload ->> 'run_id', "
            "payload ->> 'job_type' HAVING count(*) > 1) repeated",
        )
        == 0
    )


def _all_done(database_url: str) -> bool:
    open_runs = "SELECT count(*) FROM job_runs WHERE status IN ('queued', 'running')"
    waiting = "SELECT count(*) FROM rag_chunks WHERE embedding_status <> 'ready'"
    return count(database_url, open_runs) == 0 and count(database_url, waiting) == 0
