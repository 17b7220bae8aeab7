"""The x-idempotency-key header."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.conftest import Browser

KEY = {"x-idempotency-key": "create-once"}
# The same key, taken by somebody whose request has another body.
TAKE = """
INSERT INTO idempotency_keys (scope, actor, route, key, request_hash, locked_until)
SELECT '', id::text, 'POST /projects', 'create-once', '\\x00', now() + interval '1 min' FROM app_users
"""
WAITING = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def count_projects(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM projects").fetchone()
    assert row is not None
    return int(row[0])


def test_the_same_request_twice_is_one_deed(owner: Browser, database_url: str) -> None:
    first = owner.post("/projects", {"name": "Once"}, headers=KEY)
    again = owner.post("/projects", {"name": "Once"}, headers=KEY)
    assert first.status_code == again.status_code == 201
    assert again.get_json()["project"] == first.get_json()["project"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.get_json()["request_id"] == again.headers["x-request-id"]
    assert again.get_json()["request_id"] != first.get_json()["request_id"]
    assert count_projects(database_url) == 1


def test_another_body_under_the_same_key_is_refused(owner: Browser) -> None:
    owner.post("/projects", {"name": "First"}, headers=KEY)
    refused = owner.post("/projects", {"name": "Second"}, headers=KEY)
    assert (refused.status_code, refused.get_json()["error"]) == (422, "idempotency_key_reused")


def test_a_failed_request_frees_its_key(owner: Browser) -> None:
    assert owner.post("/projects", {"name": "x"}, headers=KEY).status_code == 400
    owner.post("/projects", {"name": "Taken"})
    assert owner.post("/projects", {"name": "Taken"}, headers=KEY).status_code == 409
    assert owner.post("/projects", {"name": "Free"}, headers=KEY).status_code == 201


def test_a_key_belongs_to_the_user_not_to_the_session(app: Flask, owner: Browser) -> None:
    owner.post("/projects", {"name": "Mine"}, headers=KEY)
    elsewhere = Browser(app)
    elsewhere.sign_in()
    again = elsewhere.post("/projects", {"name": "Mine"}, headers=KEY)
    assert again.status_code == 201 and again.headers["Idempotency-Replayed"] == "true"


def test_a_key_used_on_one_route_is_free_on_another(owner: Browser) -> None:
    created = owner.post("/projects", {"name": "Mine"}, headers=KEY).get_json()["project"]
    selected = owner.post(f"/projects/{created['id']}/select", headers=KEY)
    assert "Idempotency-Replayed" not in selected.headers


@pytest.mark.parametrize("key", ["", "   ", "x" * 257])
def test_an_unusable_key_is_ignored(owner: Browser, key: str) -> None:
    answer = owner.post("/projects", {"name": "Keyless"}, headers={"x-idempotency-key": key})
    assert answer.status_code == 201


def test_parallel_requests_make_one_project(app: Flask, owner: Browser, database_url: str) -> None:
    cookie = owner.http.get_cookie("lp_session")
    assert cookie is not None
    statuses: list[int] = []

    def create() -> None:
        client = app.test_client()
        client.set_cookie("lp_session", cookie.value)
        answer = client.post(
            "/projects",
            json={"name": "Together"},
            headers={**KEY, "x-csrf-token": owner.csrf or ""},
        )
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 409} and 201 in statuses
    assert count_projects(database_url) == 1


def test_a_key_that_another_request_takes_at_the_same_moment_is_that_requests(
    app: Flask, owner: Browser, database_url: str
) -> None:
    answers: list[Any] = []

    def create() -> None:
        answers.append(owner.post("/projects", {"name": "Late"}, headers=KEY))

    with psycopg.connect(database_url) as other:
        other.execute(TAKE)
        late = threading.Thread(target=create)
        late.start()
        with psycopg.connect(database_url, autocommit=True) as watching:
            while not watching.execute(WAITING).fetchone():
                time.sleep(0.01)
    late.join()
    (answer,) = answers
    assert (answer.status_code, answer.get_json()["error"]) == (422, "idempotency_key_reused")
    assert count_projects(database_url) == 0


def test_a_key_left_behind_by_a_dead_process_is_free_after_its_lock(
    owner: Browser, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(TAKE)
        answer = owner.post("/projects", {"name": "After"}, headers=KEY)
        assert answer.status_code in (409, 422)
        connection.execute("UPDATE idempotency_keys SET locked_until = now() - interval '1 s'")
    assert owner.post("/projects", {"name": "After"}, headers=KEY).status_code == 201
