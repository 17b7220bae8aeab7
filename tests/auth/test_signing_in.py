"""Signing in and out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.auth import passwords
from app.db import db
from tests.conftest import OWNER_LOGIN, OWNER_PASSWORD, Browser


def test_it_works(client: Browser) -> None:
    answer = client.sign_in()
    body = answer.get_json()
    assert answer.status_code == 200
    assert body["username"] == OWNER_LOGIN and body["role"] == "owner"
    assert body["csrf_token"] and body["csrf_cookie_name"] == "csrf_token"
    cookies = {c.split("=")[0]: c for c in answer.headers.getlist("Set-Cookie")}
    assert "HttpOnly" in cookies["lp_session"] and "SameSite=Lax" in cookies["lp_session"]
    assert "Max-Age=1209600" in cookies["lp_session"]
    assert "HttpOnly" not in cookies["csrf_token"]


def test_it_tells_who_is_signed_in(owner: Browser) -> None:
    body = owner.get("/auth/me").get_json()
    assert body["authenticated"] is True and body["username"] == OWNER_LOGIN
    assert body["created_at"].endswith("Z") and len(body["created_at"]) == 24


def test_it_tells_when_nobody_is_signed_in(client: Browser) -> None:
    answer = client.get("/auth/me")
    assert answer.status_code == 200 and answer.get_json()["authenticated"] is False


def test_it_answers_the_same_for_unknown_login_and_wrong_password(client: Browser) -> None:
    wrong = client.sign_in(password="nope").get_json()
    unknown = client.sign_in(login="nobody").get_json()
    assert wrong["error"] == unknown["error"] == "invalid_credentials"
    assert wrong["message"] == unknown["message"]


def test_it_checks_one_password_of_the_same_cost_for_unknown_logins(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    real = passwords.verify
    monkeypatch.setattr(
        passwords,
        "verify",
        lambda password, stored: checked.append(stored) or real(password, stored),
    )
    client.sign_in(login="nobody")
    client.sign_in(password="nope")
    assert len(checked) == 2
    cost = [stored.rsplit("$", 2)[0] for stored in checked]
    assert cost[0] == cost[1]


def test_it_signs_out_and_the_cookie_is_worthless_afterwards(owner: Browser) -> None:
    stolen = owner.http.get_cookie("lp_session")
    assert stolen is not None
    assert owner.post("/auth/logout").status_code == 200
    assert owner.http.get_cookie("lp_session") is None
    owner.http.set_cookie("lp_session", stolen.value)
    assert owner.get("/projects").status_code == 401


def test_it_signs_out_without_a_session_too(client: Browser) -> None:
    assert client.post("/auth/logout").status_code == 200


def test_it_stores_no_usable_token(owner: Browser, database_url: str) -> None:
    cookie = owner.http.get_cookie("lp_session")
    assert cookie is not None
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT to_jsonb(s)::text FROM sessions s").fetchall()
        audit = connection.execute("SELECT to_jsonb(a)::text FROM audit_events a").fetchall()
    assert cookie.value not in str(rows) + str(audit)


def test_it_refuses_a_change_without_the_csrf_token(owner: Browser) -> None:
    owner.csrf = None
    refused = owner.post("/projects", {"name": "Without a token"})
    assert refused.status_code == 403 and refused.get_json()["error"] == "csrf_invalid"


def test_it_refuses_the_csrf_token_of_another_session(app: Flask, owner: Browser) -> None:
    other = Browser(app)
    other.sign_in()
    owner.csrf = other.csrf
    assert owner.post("/projects", {"name": "Wrong token"}).status_code == 403


@pytest.mark.parametrize(
    ("column", "age"), [("last_seen_at", "15 days"), ("expires_at", "1 second")]
)
def test_it_ends_idle_and_old_sessions(
    owner: Browser, database_url: str, column: str, age: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"UPDATE sessions SET {column} = now() - interval '{age}'")
    assert owner.get("/projects").status_code == 401
    assert owner.get("/auth/me").get_json()["authenticated"] is False


def test_it_lets_exactly_ten_of_28_parallel_guesses_reach_the_hash(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(rate_limit_enabled=False)
    reached: list[int] = []
    real = passwords.verify

    def counting(password: str, stored: str) -> bool:
        reached.append(1)
        return real(password, stored)

    monkeypatch.setattr(passwords, "verify", counting)
    statuses: list[int] = []

    def guess() -> None:
        answer = Browser(app).sign_in(password="wrong")
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=guess) for _ in range(28)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reached) == 10
    assert sorted(statuses) == [401] * 10 + [429] * 18
    db.close()


def test_it_says_when_to_try_again(make_app: Callable[..., Flask]) -> None:
    client = Browser(make_app(login_rate_limit_max_attempts=3))
    for _ in range(3):
        client.sign_in(password="wrong")
    refused = client.sign_in()
    assert refused.status_code == 429 and refused.get_json()["error"] == "login_rate_limited"
    assert 800 < int(refused.headers["Retry-After"]) <= 900


def test_it_forgets_failures_after_a_success(make_app: Callable[..., Flask]) -> None:
    client = Browser(make_app(login_rate_limit_max_attempts=3))
    for _ in range(3):
        client.sign_in(password="wrong")
        client.sign_in(password="wrong")
        assert client.sign_in().status_code == 200


def test_it_accepts_a_configured_bcrypt_hash_and_renews_it(
    make_app: Callable[..., Flask], database_url: str
) -> None:
    import bcrypt

    stored = bcrypt.hashpw(OWNER_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    client = Browser(make_app(auth_credentials=f"boss:{stored}"))
    assert client.sign_in("boss").status_code == 200
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT password_hash FROM app_users").fetchone()
    assert row is not None and row[0].startswith("$argon2id$")
    make_app(auth_credentials=f"boss:{stored}")  # a restart with the same settings
    assert client.get("/auth/me").get_json()["authenticated"] is True


def test_a_changed_owner_password_ends_the_owners_sessions(
    owner: Browser, make_app: Callable[..., Flask]
) -> None:
    make_app(auth_credentials=f"{OWNER_LOGIN}:another long password")
    assert owner.get("/auth/me").get_json()["authenticated"] is False


def test_it_lists_and_ends_ones_own_sessions(app: Flask, owner: Browser) -> None:
    other = Browser(app)
    other.sign_in()
    sessions = owner.get("/auth/sessions").get_json()["sessions"]
    assert [s["current"] for s in sessions].count(True) == 1 and len(sessions) == 2
    elsewhere = next(s["id"] for s in sessions if not s["current"])
    assert owner.post(f"/auth/sessions/{elsewhere}/revoke").status_code == 200
    assert other.get("/projects").status_code == 401
    assert owner.post(f"/auth/sessions/{elsewhere}/revoke").status_code == 404


def test_it_records_sign_ins_that_fail_and_succeed(owner: Browser, database_url: str) -> None:
    owner.sign_in(login="someone", password="wrong")
    with psycopg.connect(database_url) as connection:
        rows: list[Any] = connection.execute(
            "SELECT action, actor_username, status, project_id FROM audit_events ORDER BY id"
        ).fetchall()
    assert [row[:3] for row in rows] == [
        ("auth.login", "owner", "ok"),
        ("auth.login_failed", "someone", "failed"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/auth/signup/status", "signup_disabled"),
        ("POST", "/auth/signup/start", "signup_disabled"),
        ("POST", "/auth/signup/confirm", "signup_disabled"),
        ("POST", "/auth/telegram/webhook", "telegram_disabled"),
    ],
)
def test_signing_up_is_gone(client: Browser, method: str, path: str, code: str) -> None:
    answer = client.get(path) if method == "GET" else client.post(path)
    assert answer.status_code == 410 and answer.get_json()["error"] == code
