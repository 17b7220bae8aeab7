"""Two thousand deliveries in ten seconds: every one answered, every one applied, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.connectors import burst
from tests.running import Web, Worker, eventually, free_port

CONVERSATIONS = 600
MESSAGES = 2000
PER_SECOND = 200.0
# Twice what comes. On a machine that stood still for seconds, what was due comes at once.
LIMITS = {
    "RATE_LIMIT_ENABLED": "1",
    "WEBHOOK_RATE_PER_SECOND": "400",
    "WEBHOOK_BURST": str(MESSAGES),
}
pytestmark = pytest.mark.slow


@pytest.fixture
def vendor_url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    process = burst.vendor(tmp_path / "vendor", port, CONVERSATIONS)
    process.start()
    yield f"http://127.0.0.1:{port}"
    process.kill()


@pytest.fixture
def web(app: Flask, database_url: str, home: Path) -> Iterator[Web]:
    server, worker = Web(database_url, home, **LIMITS), Worker(database_url, home)
    server.start()
    worker.start()
    server.sign_in()
    yield server
    server.kill()
    worker.kill()


def rows(database_url: str, sql: str) -> list[Any]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_a_burst_is_answered_and_applied_once(web: Web, vendor_url: str, database_url: str) -> None:
    account = burst.same_account(CONVERSATIONS)
    address = burst.open_door(web, vendor_url)
    sent = burst.deliveries(account, MESSAGES)
    answers = burst.burst(web, address, [*sent, *sent[:50]], PER_SECOND)
    assert set(answers.codes) == {200} and len(answers.codes) == MESSAGES + 50
    assert answers.duplicates == 50

    def settled() -> Any:
        found = rows(
            database_url,
            "SELECT status, count(*), max(attempts) FROM webhook_deliveries GROUP BY 1",
        )
        return found == [("done", MESSAGES, 1)] and found

    eventually(settled, 180, 0.5)
    assert rows(database_url, "SELECT count(*), count(DISTINCT message_id) FROM cw_messages") == [
        (MESSAGES, MESSAGES)
    ]
