"""What tests of the push have in common."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
from flask import Flask

from app.connectors.loops import push, service
from app.db import db
from tests.conftest import Browser

PUT = "PUT /api/v1/contacts/update"


class Clock:
    """Time that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def sync(browser: Browser, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = browser.post("/loops/sync", body)
    assert answer.status_code == status, answer.get_json()
    found: dict[str, Any] = answer.get_json()["loops"]
    return found


def people(count: int) -> dict[str, str | None]:
    return {f"client{n:04d}@x.example": f"Ольга Петрова {n}" for n in range(count)}


def rows(database_url: str, sql: str) -> list[Any]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(sql.encode()).fetchall()


def whole(app: Flask, project_id: str, limit: int = 5000) -> push.Audience:
    with db.connection() as connection:
        scope = service.sql.scope_of(connection, project_id=UUID(project_id))
    return service.whole_scope(scope, limit)
