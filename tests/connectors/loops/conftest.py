"""An application that knows a simulated Loops team."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from flask import Flask

from app.db import db
from tests.conftest import Browser
from tests.vendors.loops import LoopsServer


@pytest.fixture
def loops() -> Iterator[LoopsServer]:
    """A team whose quota nobody reaches."""
    server = LoopsServer()
    server.team.quota.per_second = 100_000
    server.start()
    yield server
    server.stop()


@pytest.fixture
def app(make_app: Callable[..., Flask], loops: LoopsServer) -> Iterator[Flask]:
    yield make_app(
        loops_secret_key=loops.token,
        loops_api_base_url=loops.api_url,
        loops_requests_per_second=5000.0,
        connector_read_timeout_seconds=2.0,
        loops_internal_domains=("studio.example",),
        rate_limit_enabled=False,
    )
    db.close()


@pytest.fixture
def add(database_url: str) -> Callable[..., None]:
    """Contacts of a project, given as address to name."""

    def make(project_id: str, people: dict[str, str | None]) -> None:
        with psycopg.connect(database_url) as connection:
            last = connection.execute("SELECT count(*) FROM cw_contacts").fetchone()
            assert last is not None
            connection.cursor().executemany(
                "INSERT INTO cw_contacts (project_id, id, account_id, contact_id, email, name, "
                "content_hash) VALUES (%s, %s, 1, %s, %s, %s, '')",
                [
                    (project_id, f"cwc:{project_id}:1:{n}", n, email, name)
                    for n, (email, name) in enumerate(people.items(), last[0] + 1)
                ],
            )

    return make


@pytest.fixture
def two(owner: Browser) -> tuple[str, str]:
    """Two projects of the scope."""
    made = [
        owner.post("/projects", {"name": name}).get_json()["project"] for name in ("Alpha", "Beta")
    ]
    return made[0]["id"], made[1]["id"]
