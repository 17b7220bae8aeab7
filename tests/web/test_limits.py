"""Request limits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flask import Flask

from app.db import db
from tests.conftest import Browser


def test_a_session_has_a_budget_of_its_own(make_app: Callable[..., Flask]) -> None:
    app = make_app(rate_limit_session_per_minute=5)
    first, second = Browser(app), Browser(app)
    first.sign_in()
    second.sign_in()
    statuses = [first.get("/projects").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert second.get("/projects").status_code == 200
    db.close()


def test_what_is_expensive_is_counted_by_person(make_app: Callable[..., Flask]) -> None:
    """A second session is no second budget; another route has its own."""
    app = make_app(rate_limit_query_per_minute=3)
    first, second = Browser(app), Browser(app)
    first.sign_in()
    second.sign_in()
    first.post("/projects", {"name": "Limits"})
    asked = [
        browser.post("/lightrag/query", {"query": "макеты"}).status_code
        for browser in (first, second, first, second)
    ]
    assert asked == [200, 200, 200, 429]
    assert second.post("/search", {"query": "макеты"}).status_code == 200
    db.close()


def test_a_refusal_says_when_to_come_back(make_app: Callable[..., Flask]) -> None:
    app = make_app(rate_limit_session_per_minute=2)
    browser = Browser(app)
    browser.sign_in()
    left = [browser.get("/projects").headers["X-RateLimit-Remaining"] for _ in range(2)]
    assert left == ["1", "0"]
    refused = browser.get("/projects")
    assert refused.get_json()["error"] == "rate_limited"
    assert refused.headers["X-RateLimit-Limit"] == "2"
    assert 1 <= int(refused.headers["Retry-After"]) <= 30
    db.close()


def test_strangers_share_a_budget_by_address(make_app: Callable[..., Flask]) -> None:
    app = make_app(rate_limit_anonymous_per_minute=3)
    statuses = [Browser(app).get("/projects").status_code for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    signed_in = Browser(app)
    signed_in.sign_in()
    assert signed_in.get("/projects").status_code == 200  # colleagues behind the address work on
    db.close()


def test_asking_who_i_am_does_not_use_up_sign_ins(make_app: Callable[..., Flask]) -> None:
    app = make_app(rate_limit_login_per_minute=2)
    browser = Browser(app)
    for _ in range(5):
        assert browser.get("/auth/me").status_code == 200
    assert browser.sign_in().status_code == 200
    db.close()


def test_health_is_never_limited(make_app: Callable[..., Flask]) -> None:
    app = make_app(rate_limit_anonymous_per_minute=1)
    assert {Browser(app).get("/health").status_code for _ in range(5)} == {200}
    db.close()


def test_the_switch_turns_all_of_them_off(make_app: Callable[..., Flask]) -> None:
    app = make_app(rate_limit_enabled=False, rate_limit_session_per_minute=1)
    browser = Browser(app)
    browser.sign_in()
    assert {browser.get("/projects").status_code for _ in range(4)} == {200}
    db.close()


def test_parallel_requests_cannot_pass_together(make_app: Callable[..., Flask]) -> None:
    app = make_app(rate_limit_session_per_minute=7)
    browser = Browser(app)
    browser.sign_in()
    cookie = browser.http.get_cookie("lp_session")
    assert cookie is not None
    statuses: list[int] = []

    def ask() -> None:
        client = app.test_client()
        client.set_cookie("lp_session", cookie.value)
        statuses.append(client.get("/projects").status_code)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 7 and statuses.count(429) == 13
    db.close()
