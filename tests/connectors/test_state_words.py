"""The state of a connector as somebody reads it who knows nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.connectors import words
from app.scheduler.service import request_run
from tests.conftest import Browser
from tests.connectors.upstream import Work, rows, state_of, talks
from tests.running import Worker, eventually
from tests.vendors.chatwoot import ChatwootServer

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def state(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "connector": "chatwoot", "status": "ok", "last_success_at": ago(minutes=3),
        "last_attempt_at": ago(minutes=3), "last_error": None,
        "last_error_kind": None, "meta": {}, "next_run_at": NOW + timedelta(minutes=12),
        "failing_since": None, "quarantined": 0, "behind": False, "connected_at": ago(days=9),
        "webhook_health": {"status": "none", "polling": "normal", "last_applied_at": None},
        "connection": {"id": "c-1", "enabled": True, "health": "ok"},
    }  # fmt: skip
    return {**found, **changes}


FAILED = {
    "status": "failed",
    "behind": True,
    "failing_since": ago(hours=2),
    "last_success_at": ago(hours=3),
}
STUCK = {
    "connection": {"id": "c-1", "enabled": True, "health": "needs_attention"},
    "next_run_at": None,
    "behind": True,
}
SENTENCES: list[tuple[dict[str, Any], str]] = [
    (
        {},
        "Chatwoot is up to date, read 3 minutes ago (11:57 UTC). The next sync is in 12 minutes (12:12 UTC).",
    ),
    (
        {"connection": None, "webhook_health": None, "status": "idle"},
        "Chatwoot is not connected to this project. "
        "An owner connects it: POST /connectors/connections, or `flask connectors connect`.",
    ),
    (
        {"connection": {"id": "c-1", "enabled": False, "health": "ok"}, "webhook_health": None},
        "Chatwoot is switched off. An owner switches it on: POST /connectors/connections/c-1/enable.",
    ),
    (
        {"status": "idle", "next_run_at": NOW + timedelta(seconds=5)},
        "Chatwoot is connected and has not been read yet. The next sync is within a minute.",
    ),
    (
        {**FAILED, "last_error_kind": "network", "last_error": "no route to chat.example"},
        "Chatwoot has been behind for 2 hours (since 10:00 UTC): it cannot be reached. "
        "Nothing has to be done: it is tried again in 12 minutes (12:12 UTC) and goes on where it was.",
    ),
    (
        {**FAILED, "last_error_kind": "upstream_5xx", "last_error": "chat.example answered 503"},
        "Chatwoot has been behind for 2 hours (since 10:00 UTC): it answers with errors "
        "(chat.example answered 503). "
        "Nothing has to be done: it is tried again in 12 minutes (12:12 UTC) and goes on where it was.",
    ),
    (
        {**FAILED, **STUCK, "last_error_kind": "auth_failed"},
        "Chatwoot has stood still for 2 hours (since 10:00 UTC): the token is refused. "
        "Give the connection a new token (POST /connectors/connections/c-1/update); "
        "then it goes on by itself.",
    ),
    (
        {"status": "partial", "meta": {"unfinished": ["conversations"]}},
        "Chatwoot is being read in parts, the last 3 minutes ago (11:57 UTC). "
        "The rest follows in 12 minutes (12:12 UTC).",
    ),
    (
        {"status": "partial", "last_error_kind": "stream_unavailable", "last_error": "agents cannot be read"},
        "Chatwoot is up to date, read 3 minutes ago (11:57 UTC), but agents cannot be read. "
        "The next sync is in 12 minutes (12:12 UTC).",
    ),
    (
        {"next_run_at": None},
        "Chatwoot is up to date, read 3 minutes ago (11:57 UTC). "
        "The next sync is when somebody asks for it: its schedule is paused.",
    ),
    (
        {"status": "running", "behind": True, "failing_since": ago(hours=2), "last_error_kind": "timeout"},
        "Chatwoot has been behind for 2 hours (since 10:00 UTC): it does not answer in time; "
        "it is being read again now.",
    ),
    (
        {"status": "running", "lost_worker": {"lost_at": ago(seconds=40), "taken_over_at": ago(seconds=-20)}},
        "Chatwoot was being read when the worker was lost at 11:59:20 UTC. "
        "Nothing has to be done: it is taken over at 12:00:20 UTC and goes on where it was.",
    ),
    (
        {"status": "running", "lost_worker": {"lost_at": ago(seconds=70), "taken_over_at": ago(seconds=10)},
         "behind": True, "failing_since": ago(hours=2), "last_error_kind": "timeout"},
        "Chatwoot has been behind for 2 hours (since 10:00 UTC): it does not answer in time; "
        "the worker that read it again was lost at 11:58:50 UTC. "
        "Nothing has to be done: it is taken over within a minute and goes on where it was.",
    ),
    (
        {"status": "running", "lost_worker": {"lost_at": ago(hours=1), "taken_over_at": ago(minutes=59)}},
        "Chatwoot was being read when the worker was lost at 11:00:00 UTC. "
        "Since 11:01 UTC another may take it over and none does: is the worker (`python -m jobs`) running?",
    ),
    (
        {"status": "running"},
        "Chatwoot is being read, for 3 minutes (since 11:57 UTC).",
    ),
    (
        {"behind": True, "last_success_at": ago(hours=2), "next_run_at": ago(hours=1)},
        "Chatwoot has not been read for 2 hours (since 10:00 UTC). "
        "Its sync was due 60 minutes ago (11:00 UTC) and nobody made it: "
        "is the worker (`python -m jobs`) running?",
    ),
    (
        {"status": "idle", "behind": True, "last_success_at": None, "last_attempt_at": None,
         "connected_at": ago(hours=3), "next_run_at": None},
        "Chatwoot is connected and has not been read yet for 3 hours (since 09:00 UTC). "
        "The next sync is when somebody asks for it: its schedule is paused.",
    ),
    (
        {"status": "partial", "last_error_kind": "sweep_guard",
         "last_error": "90 of 100 deals are no longer listed; nothing was removed. Retry this error"},
        "Chatwoot is up to date, read 3 minutes ago (11:57 UTC), but 90 of 100 deals are no longer listed; "
        "nothing was removed. If they were deleted on purpose, retry this error "
        "(POST /connectors/errors/dead-letter/:id/retry); else see what the token may read.",
    ),
    (
        {"quarantined": 2, "webhook_health": {"status": "failing", "polling": "normal"}},
        "Chatwoot is up to date, read 3 minutes ago (11:57 UTC). "
        "The next sync is in 12 minutes (12:12 UTC). "
        "Its webhooks fail; syncs bring what they should have brought. "
        "2 records could not be understood (GET /connectors/errors?kind=record_invalid).",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "sentence"), SENTENCES)
def test_a_state_is_told_whole(changes: dict[str, Any], sentence: str) -> None:
    assert words.message(state(**changes), NOW) == sentence


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (ago(seconds=20), "a moment ago"),
        (ago(minutes=1), "1 minute ago (11:59 UTC)"),
        (ago(hours=20), "20 hours ago (22 Nov 16:00 UTC)"),
        (ago(days=3), "3 days ago (20 Nov 12:00 UTC)"),
    ],
)
def test_times_are_told_by_length_and_clock(moment: datetime, told: str) -> None:
    assert told in words.message(state(last_success_at=moment), NOW)


def test_one_that_is_switched_off_says_so(
    owner: Browser, project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, work: Work
) -> None:
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    found = state_of(owner)
    assert (found["behind"], found["breaker"]["state"]) == (False, "closed")
    owner.post(f"/connectors/connections/{found['connection']['id']}/disable")
    found = state_of(owner)
    assert found["message"].startswith("Chatwoot is switched off.")
    assert (found["behind"], found["next_run_at"], found["webhook_health"]) == (False, None, None)


def test_old_data_is_behind_though_nothing_failed(
    owner: Browser, project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, work: Work,
    database_url: str,
) -> None:  # fmt: skip
    talks(chatwoot, 2)
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    rows(
        database_url,
        "UPDATE connector_sync_state SET last_success_at = now() - interval '2 hours'",
    )
    found = state_of(owner)
    assert found["behind"] is True and 7190 < found["lag_seconds"] < 7300
    assert "has not been read for 2 hours" in found["message"]


def test_one_that_is_tried_again_is_still_behind(
    owner: Browser, project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, work: Work,
    database_url: str,
) -> None:  # fmt: skip
    connect(project["id"])
    chatwoot.faults.add("status", status=503)
    work(project["id"], "chatwoot_sync")
    rows(
        database_url,
        "WITH run AS (UPDATE job_runs SET status = 'running' RETURNING id) "
        "UPDATE connector_sync_state SET status = 'running', run_id = run.id FROM run",
    )
    found = state_of(owner)
    assert (found["status"], found["behind"]) == ("running", True)
    assert "it is being read again now" in found["message"]


def test_a_stream_that_is_missing_for_weeks_is_not_since_when_it_failed(
    owner: Browser, project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, work: Work,
    database_url: str,
) -> None:  # fmt: skip
    connect(project["id"])
    chatwoot.faults.add("status", path="/agents$", status=403)
    work(project["id"], "chatwoot_sync")
    rows(database_url, "UPDATE connector_errors SET first_seen_at = now() - interval '20 days'")
    chatwoot.faults.add("status", path="/inboxes$", status=503)
    work(project["id"], "chatwoot_sync")
    assert "behind for less than a minute" in state_of(owner)["message"]


def test_one_look_tells_of_every_project_that_one_may_enter(
    owner: Browser, project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, work: Work,
    sign_in_as: Callable[..., Browser], database_url: str,
) -> None:  # fmt: skip
    fine = owner.get("/connectors/state").get_json()
    assert fine["summary"] == f"Nothing is connected to {project['name']} yet."
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    assert owner.get("/connectors/state").get_json()["summary"] == (
        f"No connector of {project['name']} is behind."
    )
    chatwoot.state.add_account(2, "Another")
    other = owner.post("/projects", {"name": "Fleetline"}).get_json()["project"]["id"]
    connect(other, account=2)
    chatwoot.faults.add("status", path="/accounts/2/", status=401)
    work(other, "chatwoot_sync")
    rows(
        database_url,
        "UPDATE connector_errors SET first_seen_at = date_trunc('day', now()) - interval '90 min'",
    )

    found = owner.get("/connectors/state").get_json()
    assert found["project"] == {"id": project["id"], "name": project["name"]}
    assert found["summary"] == (
        f"No connector of {project['name']} is behind. Behind elsewhere: Fleetline (Chatwoot)."
    )
    (elsewhere,) = found["elsewhere"]
    assert (elsewhere["project_id"], elsewhere["connector"]) == (other, "chatwoot")
    assert elsewhere["message"].startswith("Fleetline: Chatwoot has stood still for ")
    assert elsewhere["message"].endswith("22:30 UTC): the token is refused.")

    owner.post(f"/projects/{other}/select")
    found = owner.get("/connectors/state").get_json()
    assert found["summary"].startswith("1 of 1 connectors of Fleetline is behind: Chatwoot since ")
    assert found["elsewhere"] == []
    # Who may not enter a project is not told of it.
    viewer = sign_in_as("viewer", project["id"])
    assert viewer.get("/connectors/state").get_json()["elsewhere"] == []


def test_connectors_that_never_ran_are_listed(owner: Browser, project: dict[str, Any]) -> None:
    found = owner.get("/connectors/state").get_json()["connectors"]
    assert [(s["connector"], s["status"]) for s in found] == [
        ("attio", "idle"), ("chatwoot", "idle"), ("linear", "idle"),
    ]  # fmt: skip


def test_a_run_whose_worker_was_lost_is_no_run_any_more(
    owner: Browser, project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, work: Work,
    database_url: str,
) -> None:  # fmt: skip
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    rows(database_url, "UPDATE connector_sync_state SET status = 'running'")  # its run has ended
    found = state_of(owner)
    assert (found["status"], found["last_error_kind"], found["behind"]) == (
        "failed", "lease_expired", True,
    )  # fmt: skip
    assert "the worker was lost in the middle. Nothing has to be done" in found["message"]
    assert work(project["id"], "chatwoot_sync")["status"] == "completed"
    assert state_of(owner)["behind"] is False


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_worker_is_told_of_until_another_has_taken_over(
    app: Flask, owner: Browser, project: dict[str, Any], chatwoot: ChatwootServer, connect: Any,
    database_url: str, home: Path,
) -> None:  # fmt: skip
    talks(chatwoot, 2)
    connect(project["id"])
    chatwoot.faults.add("slow", path="/messages$", seconds=60)
    timing = {"JOB_LEASE_SECONDS": "6", "SCHEDULER_TICK_SECONDS": "1"}
    object.__setattr__(app.config["SETTINGS"], "job_lease_seconds", 6)
    with app.app_context():
        request_run(UUID(project["id"]), "chatwoot_sync")
    first, second = (Worker(database_url, home, **timing) for _ in range(2))
    try:
        first.start()
        eventually(lambda: chatwoot.requests.count("/messages$"), 120)
        found = state_of(owner)
        assert (found["status"], found["lost_worker"]) == ("running", None)
        assert "is being read" in found["message"]
        first.kill()
        found = eventually(lambda: (s := state_of(owner))["lost_worker"] and s, 60)
        assert "was being read when the worker was lost at" in found["message"]
        assert "it is taken over" in found["what_next"] and found["status"] == "running"
        lost = datetime.fromisoformat(found["lost_worker"]["lost_at"])
        assert timedelta(0) < datetime.now(UTC) - lost < timedelta(seconds=60)
        chatwoot.faults.clear()
        second.start()
        eventually(lambda: state_of(owner)["status"] == "ok", 120)
        found = state_of(owner)
        assert found["lost_worker"] is None and "is up to date" in found["message"]
    finally:
        first.kill()
        second.kill()
