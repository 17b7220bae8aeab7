"""Whatever a client sends: a 4xx in the envelope, and nothing written. Walks every route there is."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.web.inputs import Moment
from app.web.operation import PUBLIC, Operation
from app.web.routing import operations
from tests.conftest import Browser

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
STRANGE_TEXTS = ["\x00", "%", "_", "\\", "😀" * 4000, "a" * 5000, "' OR 1=1 --", "\u202e"]
STRANGE_DAYS = [
    "9999-12-31",
    "0001-01-01",
    "9999-12-31T23:59:59+14:00",
    "2026-02-30",
    "2026-11-26T25:00",
]
NO_TEXTS = ["%00", "%ED%A0%80", "%FF%FE", "%"]  # NUL, half a surrogate pair, no UTF-8 at all
STRANGE_IDS = ["x", "1" * 40, UNKNOWN_ID, "%25", "_", "%F0%9F%98%80", "%00", "%ED%A0%80", "%FF"]
STRANGE_BODIES: list[tuple[str, str]] = [
    ("{", "application/json"),
    ('{"a": ', "application/json"),
    (r'{"name": "\ud800", "query": "\udfff"}', "application/json"),
    (r'{"name": "\u0000", "query": "x\u0000"}', "application/json"),
    ('{"a": "' + "x" * 70_000 + '"}', "application/json"),
    ("a=b", "application/x-www-form-urlencoded"),
    ("<a/>", "text/xml"),
]
WRONG_VALUES: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "\u0000",
    [],
    {},
    ["x"],
    {"x": 1},
    "😀" * 5000,
]


@pytest.fixture
def quiet(make_app: Any) -> Flask:
    """Limits off, so that each request meets its own checks; jobs are not waited for."""
    app: Flask = make_app(rate_limit_enabled=False, job_wait_seconds=0.0)
    return app


@pytest.fixture
def insider(quiet: Flask) -> Browser:
    browser = Browser(quiet)
    browser.sign_in()
    browser.post("/projects", {"name": "Bad input"})
    return browser


def address(operation: Operation, value: str) -> str:
    return re.sub(r"<[^>]+>", value, operation.path)


def routes(app: Flask, method: str) -> list[Operation]:
    return [
        o
        for o in operations(app).values()
        if o.method == method and o.path not in ("/events/stream", "/auth/logout")
    ]


# What a refused request may leave behind: counters of attempts, and that somebody was here.
SILENT = ("rate_limits", "login_attempts", "sessions", "process_heartbeats")
TABLES = """
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
  AND relname <> ALL (%s)
"""
CONTENT = (
    "SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM {} t WHERE {}"
)


def written(database_url: str) -> dict[str, str]:
    """A fingerprint of every row of every table that a refused request must not touch."""
    with psycopg.connect(database_url) as connection:
        tables = [row[0] for row in connection.execute(TABLES, (list(SILENT),))]
        assert len(tables) > 50 and "projects" in tables and "search_texts" in tables
        found = {}
        for table in tables:
            rows = "action NOT LIKE 'auth.%'" if table == "audit_events" else "true"
            row = connection.execute(CONTENT.format(f'"{table}"', rows).encode()).fetchone()
            assert row is not None
            found[table] = row[0]
    return found


def check(answer: Any, what: str) -> None:
    body = answer.get_json(silent=True)
    assert answer.status_code < 500, (what, answer.get_data(as_text=True)[:300])
    if answer.status_code >= 400:
        assert body is not None, what
        assert body["ok"] is False and re.fullmatch(r"[a-z0-9_]+", body["error"]), what
        assert body["message"] and body["request_id"], what


def test_unusable_bodies_are_refused_everywhere(
    quiet: Flask, insider: Browser, database_url: str
) -> None:
    before = written(database_url)
    for operation in routes(quiet, "POST"):
        for data, kind in STRANGE_BODIES:
            answer = insider.post(
                address(operation, UNKNOWN_ID), data=data, headers={"content-type": kind}
            )
            check(answer, f"{operation.path} {data[:30]!r}")
            assert 400 <= answer.status_code < 500, (operation.path, data[:30], answer.status_code)
    assert written(database_url) == before


def test_wrong_types_in_every_field_are_refused(
    quiet: Flask, insider: Browser, database_url: str
) -> None:
    before = written(database_url)
    for operation in routes(quiet, "POST"):
        if operation.body is None:
            continue
        fields = operation.body().fields
        required = [name for name, field in fields.items() if field.required]
        for name, field in fields.items():
            days = STRANGE_DAYS if isinstance(field, Moment) else []
            for value in [*WRONG_VALUES, *days]:
                answer = insider.post(address(operation, UNKNOWN_ID), {name: value})
                check(answer, f"{operation.path} {name}={str(value)[:20]!r}")
                if required and (set(required) - {name} or value in (None, "", [], {})):
                    assert answer.status_code >= 400, (operation.path, name, value)
    # Requests whose only known field was usable have done what they ask for.
    allowed = {
        "lightrag_query_runs",
        "search_analytics",
        "job_runs",
        "job_latest",
        "embedding_models",
        "connector_connections",
        "audit_events",  # that they did
    }
    after = written(database_url)
    assert {t for t in after if after[t] != before[t]} <= allowed


def test_strange_ids_are_refused(quiet: Flask, insider: Browser, database_url: str) -> None:
    before = written(database_url)
    for method in ("GET", "POST"):
        for operation in routes(quiet, method):
            if "<" not in operation.path:
                continue
            for value in STRANGE_IDS:
                path = address(operation, value)
                answer = insider.get(path) if method == "GET" else insider.post(path)
                check(answer, path)
                assert 400 <= answer.status_code < 500, (path, answer.status_code)
    assert written(database_url) == before


def test_strange_queries_never_fail(quiet: Flask, insider: Browser, database_url: str) -> None:
    before = written(database_url)
    for operation in routes(quiet, "GET"):
        names = list(operation.query().fields) if operation.query else ["q", "limit"]
        for name in names:
            for value in [*STRANGE_TEXTS, *STRANGE_DAYS, "-1", "1e9", "9" * 400, "true", "[]"]:
                answer = insider.get(
                    address(operation, UNKNOWN_ID), query_string={name: value[:3000]}
                )
                check(answer, f"{operation.path}?{name}={value[:20]!r}")
        for raw in NO_TEXTS:
            path = f"{address(operation, UNKNOWN_ID)}?{next(iter(names), 'q')}={raw}"
            check(insider.get(path), path)
    assert written(database_url) == before


def test_strangers_get_401_from_every_route_that_is_not_public(quiet: Flask) -> None:
    stranger = Browser(quiet)
    for operation in operations(quiet).values():
        if operation.permission == PUBLIC:
            continue
        path = address(operation, UNKNOWN_ID)
        answer = stranger.get(path) if operation.method == "GET" else stranger.post(path)
        assert (answer.status_code, answer.get_json()["error"]) == (401, "unauthorized"), path


def test_roles_without_the_permission_get_403(
    quiet: Flask, insider: Browser, sign_in_as: Any
) -> None:
    from app.web.access import PERMISSIONS

    project_id = insider.get("/projects").get_json()["active_project_id"]
    for role in ("pm", "delivery_lead", "executor", "viewer"):
        person = sign_in_as(role, project_id)
        for operation in operations(quiet).values():
            if operation.permission == PUBLIC or role in PERMISSIONS[operation.permission]:
                continue
            path = address(operation, UNKNOWN_ID)
            answer = person.get(path) if operation.method == "GET" else person.post(path)
            assert (answer.status_code, answer.get_json()["error"]) == (403, "forbidden"), path
