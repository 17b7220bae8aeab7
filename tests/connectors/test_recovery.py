"""Getting well again: refused tokens, vendors that go away and come back, streams that fail alone,
syncs that meet or are stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.connectors.engine import SyncLock
from app.db import db
from app.scheduler import ticks
from app.scheduler.service import failure_of
from tests.conftest import Browser
from tests.connectors.upstream import (
    FEW_AT_ONCE,
    Work,
    open_errors,
    rows,
    state_of,
    stored,
    talks,
    upstream,
)
from tests.vendors.chatwoot import ChatwootServer

DUE_NOW = "UPDATE scheduled_jobs SET next_run_at = now() WHERE job_type = 'connectors_sync_cycle'"

BREAKER_HALF_OPEN = "UPDATE connector_breakers SET open_until = now()"


@pytest.fixture
def app(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr("app.connectors.http.BACKOFF_BASE", 0.01)
    monkeypatch.setattr("app.connectors.breaker.FRESH_SECONDS", 0.0)
    yield make_app(**FEW_AT_ONCE)
    db.close()


@pytest.fixture
def connected(project: dict[str, Any], connect: Callable[..., None]) -> str:
    connect(project["id"])
    return str(project["id"])


@pytest.fixture
def scheduled(app: Flask, work: Work, database_url: str) -> Callable[[str], dict[str, Any]]:
    """What happens when the cycle's time has come: the pulse makes the run, nobody asks for it."""

    def run(project_id: str) -> dict[str, Any]:
        rows(database_url, DUE_NOW)
        with app.app_context():
            made = ticks.tick(app.config["SETTINGS"])
        assert "connectors_sync_cycle" in [run["job_type"] for run in made]
        return work(project_id, "connectors_sync_cycle")

    return run


def test_a_refused_token_is_one_dead_letter_and_no_more_calls_until_it_is_replaced(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    scheduled: Callable[[str], dict[str, Any]],
    owner: Browser,
    database_url: str,
) -> None:
    talks(chatwoot, 3)
    work(connected, "chatwoot_sync")
    chatwoot.token = "another-token"
    chatwoot.stop()
    chatwoot.start()
    chatwoot.requests.clear()
    run = scheduled(connected)
    assert (run["status"], run["error_kind"]) == ("failed", "auth_failed")
    assert chatwoot.requests.count() == 1  # what waiting does not mend is not repeated
    for _ in range(20):
        assert scheduled(connected)["result"]["total"] == 0
        work(connected, "connector_errors_retry")
    assert chatwoot.requests.count() == 1
    [error] = open_errors(owner)
    assert (error["error_kind"], error["status"], error["occurrences"]) == (
        "auth_failed",
        "dead_letter",
        1,
    )
    state = state_of(owner)
    assert state["connection"]["health"] == "needs_attention"
    assert "has stood still for" in state["message"] and state["behind"]
    assert "the token is refused" in state["message"]
    assert "Give the connection a new token" in state["what_next"] and state["next_run_at"] is None
    assert f"/connectors/connections/{state['connection']['id']}/update" in state["message"]

    talks(chatwoot, 2)
    answer = owner.post(
        "/connectors/connections",
        {
            "connector": "chatwoot",
            "base_url": chatwoot.url,
            "external_account_id": "1",
            "api_token": chatwoot.token,
        },
    )
    assert answer.status_code == 201, answer.get_json()
    work(connected, "connector_errors_retry")  # nobody has to ask for the sync
    assert open_errors(owner) == [] and state_of(owner)["status"] == "ok"
    assert stored(database_url) == upstream(chatwoot)


def test_asking_by_hand_with_a_refused_token_counts_on_in_the_same_row(
    chatwoot: ChatwootServer, project: dict[str, Any], connect: Any, work: Work, owner: Browser
) -> None:
    connect(project["id"], token="wrong-token")
    for _ in range(20):
        work(project["id"], "chatwoot_sync")
    [error] = open_errors(owner)
    assert (error["status"], error["occurrences"]) == ("dead_letter", 20)


def test_a_vendor_that_goes_away_is_left_alone_and_comes_back_by_itself(
    chatwoot: ChatwootServer,
    connected: str,
    scheduled: Callable[[str], dict[str, Any]],
    owner: Browser,
    database_url: str,
) -> None:
    talks(chatwoot, 3)
    assert scheduled(connected)["status"] == "completed"
    chatwoot.stop()
    assert [scheduled(connected)["error_kind"] for _ in range(2)] == ["network", "network"]
    run = scheduled(connected)
    assert (run["status"], run["error_kind"]) == ("failed", "circuit_open")
    state = state_of(owner)
    assert (state["status"], state["connection"]["health"]) == ("failed", "degraded")
    assert "it failed several times in a row" in state["message"]
    since = min(e["first_seen_at"] for e in open_errors(owner))
    assert state["failing_since"] == since and "behind for less than a minute" in state["message"]
    assert state["what_next"].startswith("Nothing has to be done: it is tried again")
    assert (state["breaker"]["state"], state["breaker"]["failures"]) == ("open", 5)

    talks(chatwoot, 3)
    chatwoot.start()
    rows(database_url, BREAKER_HALF_OPEN)
    assert scheduled(connected)["status"] == "completed"
    assert stored(database_url) == upstream(chatwoot)
    assert open_errors(owner) == [] and state_of(owner)["failing_since"] is None
    assert rows(database_url, "SELECT failures, open_until FROM connector_breakers") == [(0, None)]


def test_an_open_breaker_costs_the_vendor_no_call_and_its_probe_costs_one(
    chatwoot: ChatwootServer, connected: str, work: Work, app: Flask, database_url: str
) -> None:
    object.__setattr__(app.config["SETTINGS"], "connector_breaker_failures", 2)
    chatwoot.faults.add("status", status=503)
    assert work(connected, "chatwoot_sync")["error_kind"] == "upstream_5xx"
    assert chatwoot.requests.count() == 2
    assert work(connected, "chatwoot_sync")["error_kind"] == "circuit_open"
    assert chatwoot.requests.count() == 2
    rows(database_url, BREAKER_HALF_OPEN)
    work(connected, "chatwoot_sync")
    assert chatwoot.requests.count() == 3


def test_an_outage_of_many_attempts_never_stops_the_schedule(
    chatwoot: ChatwootServer,
    connected: str,
    scheduled: Callable[[str], dict[str, Any]],
    owner: Browser,
    database_url: str,
) -> None:
    talks(chatwoot, 2)
    chatwoot.stop()
    for _ in range(14):
        scheduled(connected)
    assert rows(
        database_url, "SELECT status FROM scheduled_jobs WHERE job_type = 'connectors_sync_cycle'"
    ) == [("active",)]
    state = state_of(owner)
    assert state["dead_letters"] == 0 and "it is tried again" in state["message"]
    chatwoot.start()
    rows(database_url, BREAKER_HALF_OPEN)
    assert scheduled(connected)["status"] == "completed"
    assert open_errors(owner) == [] and stored(database_url) == upstream(chatwoot)


def test_a_missing_optional_stream_leaves_the_others_to_go_on(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    talks(chatwoot, 3)
    chatwoot.faults.add("status", path="/agents$", status=404)
    run = work(connected, "chatwoot_sync")
    assert (run["status"], run["error_kind"]) == ("partial", "stream_unavailable")
    assert stored(database_url) == upstream(chatwoot)
    state = state_of(owner)
    assert (state["status"], state["connection"]["health"]) == ("partial", "ok")
    assert "in parts" not in state["message"] and "agents" in state["message"]
    chatwoot.faults.clear()
    assert work(connected, "chatwoot_sync")["status"] == "completed"
    assert open_errors(owner) == []


def test_a_stream_that_stays_missing_is_no_task_for_a_person(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    chatwoot.faults.add("status", path="/agents$", status=404)
    for _ in range(12):
        work(connected, "chatwoot_sync")
    [error] = open_errors(owner)
    assert (error["error_kind"], error["status"]) == ("stream_unavailable", "retrying")
    assert (error["attempt"], error["occurrences"]) == (1, 12)
    # No sync is made for it alone: the next ones look by themselves.
    rows(database_url, "UPDATE connector_errors SET next_retry_at = next_retry_at - interval '5 h'")
    chatwoot.requests.clear()
    work(connected, "connector_errors_retry")
    assert chatwoot.requests.count() == 0


def test_a_required_stream_that_is_not_found_is_told_as_what_it_is(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser
) -> None:
    talks(chatwoot, 3)
    chatwoot.faults.add("status", path="/inboxes$", status=404)
    for _ in range(5):
        run = work(connected, "chatwoot_sync")
        assert (run["status"], run["error_kind"]) == ("failed", "upstream_not_found")
    [error] = open_errors(owner)
    assert (error["stream"], error["status"]) == ("inboxes", "dead_letter")
    assert error["payload_json"]["http_status"] == 404
    state = state_of(owner)
    assert "knows no such account" in state["message"]
    assert "Check the address and the account" in state["what_next"]
    # It is tried on: an address that was lost in a move may come back.
    chatwoot.faults.clear()
    assert work(connected, "connectors_sync_cycle")["status"] == "completed"
    assert open_errors(owner) == []


def test_an_open_breaker_burns_no_attempts(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, app: Flask
) -> None:
    object.__setattr__(app.config["SETTINGS"], "connector_breaker_failures", 1)
    chatwoot.faults.add("status", status=503)
    for _ in range(15):
        work(connected, "chatwoot_sync")
    errors = {error["error_kind"]: error for error in open_errors(owner)}
    assert set(errors) == {"upstream_5xx", "circuit_open"}
    assert errors["circuit_open"]["attempt"] == 1 and errors["circuit_open"]["occurrences"] == 14
    assert state_of(owner)["dead_letters"] == 0


def test_an_outage_of_days_is_a_matter_for_a_person(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    chatwoot.faults.add("status", status=503)
    work(connected, "chatwoot_sync")
    rows(database_url, "UPDATE connector_errors SET first_seen_at = now() - interval '73 hours'")
    rows(database_url, BREAKER_HALF_OPEN)
    work(connected, "chatwoot_sync")
    assert state_of(owner)["dead_letters"] == 1
    rows(database_url, BREAKER_HALF_OPEN)
    chatwoot.faults.clear()
    assert work(connected, "connectors_sync_cycle")["status"] == "completed"
    assert open_errors(owner) == []


def test_failures_of_connectors_never_put_their_cycle_to_sleep(
    chatwoot: ChatwootServer, connected: str, scheduled: Callable[[str], dict[str, Any]],
    database_url: str, owner: Browser,
) -> None:  # fmt: skip
    talks(chatwoot, 2)
    chatwoot.faults.add("status", status=418)
    for _ in range(12):
        assert scheduled(connected)["status"] == "failed"
    chatwoot.faults.clear()
    assert scheduled(connected)["status"] == "completed"
    assert stored(database_url) == upstream(chatwoot)


def test_a_stream_that_fails_leaves_what_stands_apart_from_it(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    talks(chatwoot, 3)
    chatwoot.faults.add("status", path="/agents$", status=500)
    assert work(connected, "chatwoot_sync")["error_kind"] == "upstream_5xx"
    assert stored(database_url) == upstream(chatwoot)  # all but the names of agents
    chatwoot.faults.clear()
    chatwoot.faults.add("status", path="/conversations$", status=500)
    talks(chatwoot, 2)
    assert work(connected, "chatwoot_sync")["status"] == "failed"
    assert [e["stream"] for e in open_errors(owner)] == ["conversations"]  # agents are well again
    found = stored(database_url)
    assert found["contacts"] == upstream(chatwoot)["contacts"] and len(found["conversations"]) == 3


def test_a_sync_that_meets_another_is_refused_and_changes_nothing(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, app: Flask
) -> None:
    talks(chatwoot, 3)
    work(connected, "chatwoot_sync")
    before = state_of(owner)
    chatwoot.requests.clear()
    with app.app_context(), SyncLock(UUID(connected), "chatwoot") as mine:
        assert mine
        run = work(connected, "chatwoot_sync")
    assert (run["status"], run["error_kind"]) == ("failed", "sync_in_progress")
    assert chatwoot.requests.count() == 0
    after = state_of(owner)
    for name in ("status", "last_success_at", "last_attempt_at", "retry_count", "open_errors"):
        assert after[name] == before[name], name
    assert work(connected, "chatwoot_sync")["status"] == "completed"


def test_who_asks_while_a_sync_runs_is_told_which_one(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    app: Flask,
    database_url: str,
) -> None:
    work(connected, "chatwoot_sync")
    [(first,)] = rows(database_url, "SELECT run_id::text FROM connector_sync_state")
    with app.app_context(), SyncLock(UUID(connected), "chatwoot"):
        run = work(connected, "chatwoot_sync")
    refusal = failure_of(run)
    assert (refusal.status, refusal.code) == (409, "sync_in_progress")
    assert refusal.details["running_run_id"] == first


def test_a_stopped_sync_mends_nothing_that_it_did_not_read(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talks(chatwoot, 60)
    chatwoot.faults.add("status", path="/conversations$", status=503)
    work(connected, "chatwoot_sync")
    before = state_of(owner)
    chatwoot.faults.clear()
    answer = chatwoot.faults.take

    def cancel(path: str) -> Any:
        if path.endswith("/contacts"):
            rows(database_url, "UPDATE job_runs SET cancel_requested = true WHERE status='running'")
            time.sleep(0.2)  # the heart, which beats every third of a second, must hear of it
        return answer(path)

    monkeypatch.setattr(chatwoot.faults, "take", cancel)
    object.__setattr__(app.config["SETTINGS"], "job_lease_seconds", 1)
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "cancelled"
    state = state_of(owner)
    assert [e["stream"] for e in open_errors(owner)] == ["conversations"]
    assert state["connection"]["health"] == "degraded"
    assert state["last_success_at"] == before["last_success_at"]
    assert state["failing_since"] == before["failing_since"]
    monkeypatch.undo()
    assert work(connected, "chatwoot_sync")["status"] == "completed"
    assert stored(database_url) == upstream(chatwoot)


def test_a_fault_of_our_own_is_told_as_such_and_tried_again(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talks(chatwoot, 3)

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr("app.connectors.chatwoot.writer.messages_changed", broken)
    run = work(connected, "chatwoot_sync")
    assert (run["status"], run["error_kind"]) == ("failed", "internal")
    state = state_of(owner)
    assert (state["status"], state["last_error_kind"]) == ("failed", "internal")
    [error] = open_errors(owner)
    assert (error["error_kind"], error["stream"], error["status"]) == (
        "internal",
        "conversations",
        "pending",
    )
    assert "a mistake" not in error["error_message"]  # it may quote what somebody wrote
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(0,)]
    monkeypatch.undo()
    assert work(connected, "chatwoot_sync")["status"] == "completed"
    assert open_errors(owner) == [] and stored(database_url) == upstream(chatwoot)
