"""The `flask` commands."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.cli.demo import load_workspace
from app.cli.run import _vendors_port
from app.db.embedded import DATABASE, EmbeddedPostgres
from config.settings import Settings
from tests.conftest import OWNER_LOGIN, Browser


def test_help_lists_every_group_with_a_sentence(app: Flask) -> None:
    from app.cli import GROUPS

    output = app.test_cli_runner().invoke(args=["--help"]).output
    for name in GROUPS:
        line = next(line for line in output.splitlines() if line.split()[:1] == [name])
        assert len(line.split()) > 3, line


def test_database_commands(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    assert "Nothing to do" in run(args=["db", "upgrade"]).output
    assert "applied" in run(args=["db", "status"]).output
    assert run(args=["db", "check"]).exit_code == 0


def test_beside_make_run_they_use_its_database(
    settings_for: Callable[..., Settings], postgres: EmbeddedPostgres, home: Path
) -> None:
    home.mkdir()
    (home / "postgres").symlink_to(postgres.folder)
    postgres.ensure_database(DATABASE, template="migrated")
    run = create_app(settings_for(database_url=None)).test_cli_runner().invoke
    assert "Here" in run(args=["projects", "create", "Here"]).output
    assert "applied" in run(args=["db", "status"]).output
    assert "Here" in run(args=["projects", "list"]).output


@pytest.mark.parametrize("address", [None, "postgresql://nobody@/nothing?host=/nowhere"])
def test_without_a_database_it_says_so_in_one_line(
    settings_for: Callable[..., Settings], address: str | None
) -> None:
    app = create_app(settings_for(database_url=address, pg_pool_wait_ms=500))
    for command in (["db", "status"], ["users", "list"]):
        result = app.test_cli_runner().invoke(args=command)
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit), command
        assert result.output.startswith("Error: The database cannot be used"), command


def test_the_owner_can_be_seeded_twice(app: Flask, owner: Browser) -> None:
    run = app.test_cli_runner().invoke
    for _ in range(2):
        assert OWNER_LOGIN in run(args=["users", "seed-owner"]).output
    assert owner.get("/auth/me").get_json()["authenticated"] is True


def test_a_new_password_ends_every_session(app: Flask, owner: Browser) -> None:
    run = app.test_cli_runner().invoke
    result = run(args=["users", "set-password", OWNER_LOGIN, "--password", "brand new password"])
    assert result.exit_code == 0, result.output
    assert owner.get("/auth/me").get_json()["authenticated"] is False
    assert owner.sign_in(password="brand new password").status_code == 200


def test_unknown_users_and_short_passwords_are_refused(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    unknown = run(args=["users", "set-password", "nobody", "--password", "long enough"])
    assert unknown.exit_code == 1 and "flask users list" in unknown.output
    short = run(args=["users", "set-password", OWNER_LOGIN, "--password", "short"])
    assert short.exit_code == 1


def test_a_hash_made_here_can_be_configured(app: Flask) -> None:
    from app.auth import passwords

    result = app.test_cli_runner().invoke(args=["users", "hash-password", "--password", "secret!"])
    assert passwords.verify("secret!", result.output.strip().splitlines()[-1])


def test_projects_can_be_made_and_listed(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    assert "Новый проект" in run(args=["projects", "create", "Новый проект"]).output
    assert "Новый проект" in run(args=["projects", "list"]).output
    twin = run(args=["projects", "create", "новый ПРОЕКТ"])
    assert twin.exit_code == 1 and "already" in twin.output


def test_settings_are_shown_without_their_secrets(app: Flask) -> None:
    output = app.test_cli_runner().invoke(args=["config", "show"]).output
    assert "SESSION_COOKIE_NAME" in output and "lp_session" in output
    assert "a good long password" not in output


def test_the_demos_vendors_take_another_port_where_theirs_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        monkeypatch.setattr("app.cli.demo.SIMULATOR_PORT", taken)
        assert _vendors_port() not in (taken, 0)
    assert _vendors_port() == taken


def test_the_demo_leaves_a_project_to_the_account_that_somebody_connected(
    app: Flask, owner: Browser
) -> None:
    with app.app_context():
        load_workspace("http://127.0.0.1:9", report=lambda line: None)
    project = owner.get("/projects").get_json()["projects"][0]["id"]
    owner.post(f"/projects/{project}/select")
    found = owner.get("/connectors/connections").get_json()["connections"]
    theirs = next(one for one in found if one["connector"] == "chatwoot")
    owner.post(f"/connectors/connections/{theirs['id']}/disable")
    body = {
        "connector": "chatwoot", "base_url": "http://127.0.0.1:10", "external_account_id": "77",
        "api_token": "their own", "verify": False,
    }  # fmt: skip
    assert owner.post("/connectors/connections", body).status_code == 201
    with app.app_context():
        load_workspace("http://127.0.0.1:11", report=lambda line: None)
    found = owner.get("/connectors/connections").get_json()["connections"]
    assert {
        (one["external_account_id"], one["enabled"])
        for one in found
        if one["connector"] == "chatwoot"
    } == {("77", True), (theirs["external_account_id"], False)}
    assert {
        one["base_url"].partition("/linear")[0] for one in found if one["connector"] == "linear"
    } == {"http://127.0.0.1:11"}
