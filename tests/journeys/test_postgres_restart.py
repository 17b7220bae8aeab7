"""Postgres goes away under load and comes back: errors in the envelope, then all is well."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from uuid import UUID

import psycopg
import pytest
import requests
from psycopg.rows import dict_row

from app import create_app
from app.auth.service import seed_owner
from app.db import db, migrations
from app.db.embedded import EmbeddedPostgres
from app.events.service import publish
from config.settings import load
from tests.running import LOGIN, PASSWORD, Stream, Web, eventually

# On a machine of its own. One that has much else to do gets as much longer as it answers slower.
HEALED_WITHIN = 5.0
ANSWERS_WITHIN = 0.04  # seconds, to four that ask at once


@pytest.fixture
def server(open_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, to be restarted."""
    postgres = EmbeddedPostgres(open_folder / "pg", shared_buffers="32MB")
    postgres.start()
    migrations.upgrade(postgres.url())
    yield postgres
    postgres.stop("immediate")


@pytest.fixture
def web(server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Web]:
    settings = load(
        {},
        database_url=server.url(),
        auth_credentials=f"{LOGIN}:{PASSWORD}",
        lightpost_home=tmp_path / "home",
    )
    with create_app(settings).app_context():
        seed_owner(settings)
    db.close()
    running = Web(server.url(), tmp_path / "home", PG_POOL_WAIT_MS="1000")
    running.start()
    running.sign_in()
    yield running
    running.kill()


@pytest.mark.slow
def test_requests_fail_in_the_envelope_and_heal(server: EmbeddedPostgres, web: Web) -> None:
    project = web.post("/projects", {"name": "Lives on"}).json()["project"]["id"]
    stream = Stream(web.http, web.url)
    eventually(lambda: stream.named("connected"))
    tell(server, project, 1)
    eventually(lambda: len(stream.named("job_completed")) == 1)
    seen: list[tuple[float, int, str]] = []
    took: list[float] = []
    done = threading.Event()

    def ask() -> None:
        http = requests.Session()
        http.cookies.update(web.http.cookies)
        while not done.is_set():
            asked = time.monotonic()
            answer = http.get(web.url + "/projects", timeout=30)
            seen.append((time.monotonic(), answer.status_code, answer.json().get("error", "")))
            took.append(seen[-1][0] - asked)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        eventually(lambda: len(seen) > 40)
        patience = HEALED_WITHIN * max(1.0, median(took) / ANSWERS_WITHIN)
        server.stop("immediate")
        time.sleep(2)
        server.start()
        back = time.monotonic()
        tell(server, project, 2)
        eventually(lambda: len(stream.named("job_completed")) == 2, patience)
        eventually(lambda: seen[-1][0] > back + patience + 2, patience + 30)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    failures = {(status, error) for _, status, error in seen if status != 200}
    assert failures == {(503, "unavailable")}
    late = [status for moment, status, _ in seen if moment > back + patience]
    assert late and set(late) == {200}
    # The same connection, and what was told while nobody listened is not lost.
    assert not stream.ended.is_set()
    assert [event["number"] for event in stream.named("job_completed")] == [1, 2]


def tell(server: EmbeddedPostgres, project: str, number: int) -> None:
    """Publish an event of the project, as a worker does."""
    with psycopg.connect(server.url(), row_factory=dict_row) as connection:
        publish(connection, UUID(project), "job_completed", {"number": number, "status": "ok"})
