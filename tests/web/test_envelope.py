"""What every answer has in common."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from app.db import db
from app.web.routing import Api, DeclarationError, verify
from tests.conftest import Browser


def test_success_and_failure_carry_the_request_id(owner: Browser) -> None:
    for path, ok in (("/projects", True), ("/nowhere", False)):
        answer = owner.get(path, headers={"x-request-id": "abc-1.2_3"})
        assert answer.get_json()["ok"] is ok
        assert answer.get_json()["request_id"] == answer.headers["x-request-id"] == "abc-1.2_3"


def test_a_request_id_is_cleaned_and_cut(client: Browser) -> None:
    answer = client.get(
        "/health", headers={"x-request-id": "<script>alert('1')</script>" + "x" * 90}
    )
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.get_json()["request_id"])
    assert re.fullmatch(r"[0-9a-f-]{36}", client.get("/health").get_json()["request_id"])


def test_every_path_has_a_v1_twin(owner: Browser) -> None:
    assert owner.get("/v1/projects").get_json().keys() == owner.get("/projects").get_json().keys()
    assert owner.post("/v1/auth/logout").status_code == 200
    assert owner.get("/v1/v1/health").status_code == 401  # one prefix is taken off, not two


def test_an_empty_json_body_is_an_empty_object(owner: Browser, project: dict[str, Any]) -> None:
    assert owner.post(f"/projects/{project['id']}/select").status_code == 200
    assert owner.post("/auth/logout").status_code == 200


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "1"])
def test_a_body_that_is_no_object_counts_as_empty(owner: Browser, body: str) -> None:
    answer = owner.post("/projects", data=body)
    assert answer.status_code == 400
    assert answer.get_json()["details"] == [
        {"path": "name", "message": "Missing data for required field.", "code": "required"}
    ]


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "invalid_json"),
        (r'{"name": "\ud800"}', "application/json", 400, "invalid_json"),
        ('{"name": NaN}', "application/json", 400, "invalid_json"),
        (r'{"name": "a\u0000b"}', "application/json", 400, "validation_error"),
        (r'{"extra": {"deep": ["\u0000"]}}', "application/json", 400, "validation_error"),
        ("name=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ("hello", "text/plain", 415, "unsupported_media_type"),
        ('{"name": "' + "x" * 70_000 + '"}', "application/json", 413, "payload_too_large"),
        ("[" * 5000 + "]" * 5000, "application/json", 400, "invalid_json"),
    ],
)
def test_unusable_bodies(owner: Browser, data: str, kind: str, status: int, code: str) -> None:
    answer = owner.post("/projects", data=data, headers={"content-type": kind})
    assert (answer.status_code, answer.get_json()["error"]) == (status, code)
    assert owner.get("/projects").get_json()["projects"] == []


def test_framework_errors_are_in_the_envelope(owner: Browser, client: Browser) -> None:
    assert owner.get("/nowhere").get_json()["error"] == "not_found"
    wrong = owner.post("/health")
    assert (wrong.status_code, wrong.get_json()["error"]) == (405, "method_not_allowed")


def test_unknown_paths_tell_strangers_nothing(app: Flask) -> None:
    answer = Browser(app).get("/nowhere")
    assert (answer.status_code, answer.get_json()["error"]) == (401, "unauthorized")


def test_an_unexpected_error_shows_nothing_of_itself(
    owner: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(caller: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("app.projects.service.list_accessible", fail)
    answer = owner.get("/projects")
    assert answer.status_code == 500 and answer.get_json()["error"] == "internal_error"
    assert "secret detail" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/projects?x=%00", "/projects/%00/select", "/no%00where"])
def test_nul_in_an_address_is_refused(owner: Browser, path: str) -> None:
    assert owner.get(path).status_code == 400


def test_security_headers_stand_on_successes_and_errors(owner: Browser) -> None:
    for path in ("/health", "/projects", "/nowhere"):
        headers = owner.get(path).headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Strict-Transport-Security" not in headers


def test_cors_echoes_only_listed_origins(owner: Browser) -> None:
    allowed = owner.get("/projects", headers={"Origin": "http://localhost:3000"}).headers
    assert allowed["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert allowed["Access-Control-Allow-Credentials"] == "true"
    assert "retry-after" in allowed["Access-Control-Expose-Headers"]
    for origin in ("http://evil.example", "null", ""):
        answer = owner.get("/projects", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.headers["Vary"]


def test_preflight_is_answered_204(client: Browser) -> None:
    answer = client.http.options(
        "/projects",
        headers={"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 204
    assert "x-csrf-token" in answer.headers["Access-Control-Allow-Headers"]


def test_a_route_without_a_permission_stops_the_start() -> None:
    app = Flask("forgetful")
    app.add_url_rule("/forgotten", "forgotten", lambda: "", methods=["POST"])
    with pytest.raises(DeclarationError, match="/forgotten"):
        verify(app, exempt=frozenset({"static"}))


def test_an_unknown_permission_stops_the_start() -> None:
    api = Api("strange")

    @api.post("/strange", permission="no.such.permission")
    def strange() -> None:
        """Strange."""

    app = Flask("strange", static_folder=None)
    app.register_blueprint(api)
    with pytest.raises(DeclarationError, match=r"no\.such\.permission"):
        verify(app)


def test_postgres_away_is_an_error_in_the_envelope(
    owner: Browser, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.close()
    monkeypatch.setattr(type(db), "url", "postgresql://postgres@127.0.0.1:9/none")
    answer = owner.get("/projects")
    assert (answer.status_code, answer.get_json()["error"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert owner.get("/health").status_code == 200
    assert owner.get("/health/ready").status_code == 503
    db.close()
