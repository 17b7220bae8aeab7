"""`flask connectors`: for every connector, for people and for scripts."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from rich.console import Console

from app.cli import connections as connection_commands
from app.cli import connectors as commands
from app.connectors import connections
from app.scheduler.runner import Runner
from jobs.handlers import HANDLERS
from tests.conftest import Browser
from tests.connectors.upstream import talks
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.linear import LinearServer

Flasks = Callable[..., Result]


@pytest.fixture
def flask(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flasks:
    """`flask connectors …`, on a terminal wide enough for whole sentences."""
    for module in (commands, connection_commands):
        monkeypatch.setattr(module, "console", Console(width=300))
    return lambda *words, **more: app.test_cli_runner().invoke(args=["connectors", *words], **more)


@pytest.fixture
def worker(app: Flask) -> Iterator[None]:
    """Somebody who works off what waits."""
    runner = Runner()
    runner.bind(app, HANDLERS)
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.05):
            runner.work()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.fixture
def two(
    app: Flask, project: dict[str, Any], chatwoot: ChatwootServer, linear: LinearServer,
    connect: Callable[..., None],
) -> dict[str, Any]:  # fmt: skip
    """A project with Chatwoot and Linear, each with a little in it."""
    talks(chatwoot, 3)
    team = linear.workspace.add_team("FLT", "Fleetline")
    linear.workspace.add_issue(team, "An issue")
    connect(project["id"])
    with app.app_context():
        connections.store(
            uuid.UUID(project["id"]),
            connector="linear",
            base_url=linear.graphql_url,
            external_account_id=linear.workspace.organization["id"],
            api_token=linear.token,
        )
    return project


def test_help_tells_each_command_and_the_exit_codes(flask: Flasks) -> None:
    told = flask("--help").output
    for name in (
        "connect", "list", "pause", "resume", "rotate", "remove",
        "sync", "state", "errors", "retry", "test", "reconcile",
    ):  # fmt: skip
        line = next(line for line in told.splitlines() if line.split()[:1] == [name])
        assert len(line.split()) > 4, line
        assert "--project" in flask(name, "--help").output
    assert "Exit codes: 0 it came off, 1 it failed, 2 wrong usage, 3 it is still at work" in told


def test_everything_that_is_connected_is_synced(flask: Flasks, two: Any, worker: None) -> None:
    result = flask("sync", "--json", "--wait", "60")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {name: run["status"] for name, run in found.items()} == {
        "chatwoot": "completed", "linear": "completed",
    }  # fmt: skip
    assert found["chatwoot"]["result"]["processed_messages"] == 6
    people = flask("sync", "linear", "--project", two["name"].upper(), "--wait", "60")
    assert people.exit_code == 0 and "linear     completed in" in people.stdout
    assert "chatwoot" not in people.stdout


def test_a_sync_that_fails_and_one_that_waits_have_codes_of_their_own(
    flask: Flasks, two: Any, chatwoot: ChatwootServer, request: pytest.FixtureRequest
) -> None:
    result = flask("sync", "chatwoot", "--wait", "0")
    assert result.exit_code == 3 and "is `python -m jobs` running?" in result.stdout
    chatwoot.faults.add("status", status=401)
    request.getfixturevalue("worker")
    result = flask("sync", "--wait", "60")
    assert result.exit_code == 1
    assert "chatwoot   failed" in result.stdout and "answered 401" in result.stdout
    assert "linear     completed" in result.stdout


def test_state_in_words_and_for_monitors(
    flask: Flasks, two: Any, chatwoot: ChatwootServer, worker: None
) -> None:
    assert "Attio is not connected to this project." in flask("state").output
    assert flask("state", "--check").exit_code == 0
    chatwoot.faults.add("status", status=401)
    flask("sync", "chatwoot", "--wait", "60")
    result = flask("state", "--check")
    assert result.exit_code == 1 and "Give the connection a new token" in result.output
    found = json.loads(flask("state", "--json").output)
    assert [one["behind"] for one in found] == [False, True, False]


def test_a_dead_letter_is_listed_and_retried(
    flask: Flasks, two: Any, chatwoot: ChatwootServer, worker: None
) -> None:
    chatwoot.faults.add("status", status=401)
    flask("sync", "chatwoot", "--wait", "60")
    (dead,) = json.loads(flask("errors", "--status", "dead_letter", "--json").output)
    assert dead["error_kind"] == "auth_failed"
    assert "auth_failed" in flask("errors", "--connector", "chatwoot").output
    assert flask("errors", "--connector", "linear").output.strip() == "None."
    chatwoot.faults.clear()
    result = flask("retry", dead["id"], "--wait", "60")
    assert result.exit_code == 0, result.output
    again = flask("retry", dead["id"])
    assert again.exit_code == 1 and "only dead letters" in again.output
    assert flask("retry", "999999").exit_code == 1
    assert flask("retry", "--json", "--wait", "60").exit_code == 0


def test_connections_are_tested(flask: Flasks, two: Any, chatwoot: ChatwootServer) -> None:
    result = flask("test")
    assert result.exit_code == 0 and "account: Studio, user: Administrator" in result.output
    chatwoot.faults.add("status", status=401)
    result = flask("test", "--json")
    assert result.exit_code == 1
    assert [(one["connector"], one["ok"]) for one in json.loads(result.output)] == [
        ("chatwoot", False), ("linear", True),
    ]  # fmt: skip
    assert flask("test", "attio").exit_code == 1


def test_reconciling(flask: Flasks, two: Any, chatwoot: ChatwootServer, worker: None) -> None:
    flask("sync", "--wait", "60")
    result = flask("reconcile", "--wait", "60")
    assert result.exit_code == 0 and "All together: 100 %" in result.output
    chatwoot.stop()
    result = flask("reconcile", "--json", "--wait", "60")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["status"]) == (0, "partial")
    assert [one["connector"] for one in found["result"]["skipped"]] == ["chatwoot"]
    chatwoot.start()


def test_connecting_asks_the_vendor_first(
    flask: Flasks, project: dict[str, Any], linear: LinearServer, chatwoot: ChatwootServer
) -> None:
    account = str(linear.workspace.organization["id"])
    place = ("connect", "linear", "--base-url", linear.graphql_url, "--account", account)
    refused = flask(*place, "--token", "lin_api_wrong")
    assert refused.exit_code == 1 and "lin_api_wrong" not in refused.output
    assert "Connected" in flask(*place, input=f"{linear.token}\n").output
    wrong = flask("connect", "chatwoot", "--account", "1", "--token", "abcd")
    assert wrong.exit_code == 2 and "needs --base-url" in wrong.output
    assert flask("connect", "attio", "--account", "x", "--token", "abcd").exit_code == 2


def test_a_project_is_named_when_there_are_several(
    flask: Flasks, project: dict[str, Any], owner: Browser
) -> None:
    owner.post("/projects", {"name": "Other"})
    result = flask("errors")
    assert result.exit_code == 2 and "Other" in result.output and project["name"] in result.output
    for command in ("errors", "state"):
        assert flask(command, "--project", "nobody").exit_code == 2
        assert flask(command, "--project", "other").exit_code == 0
        assert flask(command, "--project", project["id"]).exit_code == 0


def test_state_shows_every_project_and_first_what_is_behind(
    flask: Flasks, two: Any, owner: Browser, chatwoot: ChatwootServer, worker: None
) -> None:
    other = owner.post("/projects", {"name": "Other"}).get_json()["project"]["id"]
    chatwoot.state.add_account(2, "Another")
    place = ("--base-url", chatwoot.url, "--account", "2", "--token", chatwoot.token)
    flask("connect", "chatwoot", *place, "--project", "Other")
    for name in (two["name"], "Other"):
        flask("sync", "--project", name, "--wait", "60")
    assert flask("state", "--check").exit_code == 0
    chatwoot.faults.add("status", path="/accounts/2/", status=401)
    flask("sync", "chatwoot", "--project", "Other", "--wait", "60")
    result = flask("state", "--check")
    lines = [line.split()[0] for line in result.output.splitlines() if " chatwoot " in line]
    assert result.exit_code == 1 and lines == ["Other", two["name"].split()[0]]
    found = json.loads(flask("state", "--json").output)
    assert [one["project_id"] for one in found if one["behind"]] == [other]
    assert "attio" not in {one["connector"] for one in found}  # nobody asked for it


def test_nothing_is_connected_yet(flask: Flasks, project: dict[str, Any]) -> None:
    for command in ("sync", "test"):
        result = flask(command)
        assert result.exit_code == 1 and "flask connectors connect" in result.output


def test_a_connection_is_listed_paused_rotated_and_removed(
    flask: Flasks, two: Any, owner: Browser, chatwoot: ChatwootServer
) -> None:
    listed = json.loads(flask("list", "--json").output)
    assert [one["connector"] for one in listed] == ["chatwoot", "linear"]
    assert chatwoot.token not in flask("list").output and chatwoot.url in flask("list").output

    assert json.loads(flask("pause", "chatwoot", "--json").output)["enabled"] is False
    assert "is switched off" in flask("state").output
    assert flask("test", "chatwoot").exit_code == 1
    assert "On again" in flask("resume", "chatwoot").output
    assert flask("test", "chatwoot").exit_code == 0

    made = json.loads(flask("rotate", "chatwoot", "--make-secret", "--json").output)
    assert made["address"].startswith("/webhooks/chatwoot/") and len(made["secret"]) == 64
    assert owner.post(made["address"]).status_code == 401  # a door, and nothing signed
    again = flask("rotate", "chatwoot", "--address")
    assert "address: /webhooks/chatwoot/" in again.output and made["address"] not in again.output
    assert owner.post(made["address"]).status_code == 404
    told = flask("rotate", "chatwoot", "--secret", "the vendor's own secret")
    assert "The secret before is valid until" in told.output and "own secret" not in told.output
    assert "/webhooks/loops/" in flask("rotate", "loops").output

    assert flask("remove", "chatwoot", input="n\n").exit_code == 1
    assert (
        json.loads(flask("remove", "chatwoot", "--yes", "--json").output)["connector"] == "chatwoot"
    )
    assert flask("remove", "chatwoot", "--yes").exit_code == 1
    assert flask("pause", "attio").exit_code == 1


def test_a_part_of_an_account_is_connected(
    flask: Flasks, project: dict[str, Any], chatwoot: ChatwootServer
) -> None:
    place = (
        "connect",
        "chatwoot",
        "--base-url",
        chatwoot.url,
        "--account",
        "1",
        "--token",
        chatwoot.token,
    )
    for wrong in ("inbox_ids=x", "nothing=1", "team_ids=a"):
        assert flask(*place, "--only", wrong).exit_code != 0, wrong
    made = flask(*place, "--only", "inbox_ids=12,11", "--json")
    assert json.loads(made.output)["filters"] == {"inbox_ids": [11, 12]}
    assert "inbox_ids=11,12" in flask("list").output
