"""A vendor that answers wrongly, slowly or not at all: a clear error, nothing half written, and the next
sync ends with what an undisturbed one would have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from app.db import db
from app.scheduler.service import failure_of
from tests.conftest import Browser
from tests.connectors.upstream import (
    FEW_AT_ONCE,
    IMPATIENT,
    Work,
    open_errors,
    rows,
    state_of,
    stored,
    talks,
    upstream,
)
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.faults import in_seconds

CONVERSATIONS = r"/conversations$"
MESSAGES = r"/messages$"


@pytest.fixture
def app(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr("app.connectors.http.BACKOFF_BASE", 0.01)
    yield make_app(**FEW_AT_ONCE, connector_breaker_failures=100)
    db.close()


@pytest.fixture
def connected(project: dict[str, Any], connect: Callable[..., None]) -> str:
    connect(project["id"])
    return str(project["id"])


def test_a_few_refusals_are_repeated_within_the_run(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    talks(chatwoot)
    chatwoot.faults.add("status", status=503, times=2)
    chatwoot.faults.add("status", path=MESSAGES, status=500, times=2)
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    assert stored(database_url) == upstream(chatwoot)
    assert open_errors(owner) == [] and state_of(owner)["status"] == "ok"


def test_a_vendor_that_is_down_is_told_with_what_since_when_and_what_next(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    talks(chatwoot, 3)
    chatwoot.faults.add("status", status=503)
    run = work(connected, "chatwoot_sync")
    assert (run["status"], run["error_kind"]) == ("failed", "upstream_5xx")
    assert "503" in run["error"] and chatwoot.token not in run["error"]
    [error] = open_errors(owner)
    assert (error["error_kind"], error["status"], error["stream"]) == (
        "upstream_5xx",
        "pending",
        "inboxes",
    )
    assert error["payload_json"]["http_status"] == 503
    state = state_of(owner)
    assert (state["status"], state["last_error_kind"]) == ("failed", "upstream_5xx")
    assert state["connection"]["health"] == "degraded" and state["retry_count"] == 1
    assert state["failing_since"] is not None and state["next_run_at"] is not None
    for told in (
        "behind for",
        "it answers with errors",
        "Nothing has to be done",
        "it is tried again",
    ):
        assert told in state["message"]
    assert state["behind"] is True
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(0,)]


WRONG_ANSWERS = {
    "a body in drops": ({"kind": "drip", "seconds": 20.0}, "timeout"),
    "silence": ({"kind": "slow", "seconds": 20.0}, "timeout"),
    "half a body": ({"kind": "half_body"}, "network"),
    "half a body that reads like a whole one": (
        {"kind": "half_body", "body": b'{"data":{"payload":[]},"payload":[]}'},
        "network",
    ),
    "no body": ({"kind": "disconnect"}, "network"),
    "a page for people": ({"kind": "wrong_json"}, "invalid_response"),
    "a number": ({"kind": "not_an_object"}, "invalid_response"),
    "an empty list where an object is due": ({"kind": "body", "body": b"[]"}, "invalid_response"),
    "an object without its list": ({"kind": "body", "body": b"{}"}, "invalid_response"),
    "null where the list is due": (
        {"kind": "body", "body": b'{"payload":null,"data":null}'},
        "invalid_response",
    ),
    "a redirect": ({"kind": "status", "status": 302}, "upstream_4xx"),
    "an error of its own": ({"kind": "status", "status": 500}, "upstream_5xx"),
}


@pytest.mark.parametrize("place", [CONVERSATIONS, MESSAGES], ids=["a page", "the messages"])
@pytest.mark.parametrize("name", WRONG_ANSWERS)
def test_a_wrong_answer_in_the_middle_leaves_whole_pages_and_the_next_sync_completes_them(
    app: Flask,
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    name: str,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault, kind = WRONG_ANSWERS[name]
    talks(chatwoot, 30)
    after = 1 if place == CONVERSATIONS else 25  # the second page is the one that fails
    _answer_well_first(chatwoot, place, after, monkeypatch)
    chatwoot.faults.add(path=place, **fault)
    if kind == "timeout":
        before = (MESSAGES, 25) if place == CONVERSATIONS else (CONVERSATIONS, 2)
        _lose_patience_after(app, chatwoot, *before, monkeypatch)
    run = work(connected, "chatwoot_sync")
    assert (run["status"], run["error_kind"]) == ("failed", kind)
    assert [e["error_kind"] for e in open_errors(owner)] == [kind]
    # The first page is there and whole; of the second there is nothing.
    assert rows(
        database_url,
        """SELECT count(*), count(*) FILTER (WHERE messages_read_to IS NOT NULL),
                  (SELECT count(*) FROM cw_messages) FROM cw_conversations""",
    ) == [(25, 25, 50)]
    chatwoot.faults.clear()
    monkeypatch.undo()
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    assert stored(database_url) == upstream(chatwoot)
    assert open_errors(owner) == [] and state_of(owner)["status"] == "ok"


def _lose_patience_after(
    app: Flask,
    chatwoot: ChatwootServer,
    path: str,
    times: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls that begin after the last good answer wait for tenths of seconds only."""
    settings, take = app.config["SETTINGS"], chatwoot.faults.take
    already = chatwoot.requests.count(path)

    def watched(asked: str) -> Any:
        if chatwoot.requests.count(path) - already >= times:
            for name, value in IMPATIENT.items():
                monkeypatch.setitem(vars(settings), name, value)
        return take(asked)

    monkeypatch.setattr(chatwoot.faults, "take", watched)


def _answer_well_first(
    chatwoot: ChatwootServer, path: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults begin after so many good answers at that path."""
    take = chatwoot.faults.take
    already = chatwoot.requests.count(path)

    def later(asked: str) -> Any:
        return take(asked) if chatwoot.requests.count(path) - already > times else None

    monkeypatch.setattr(chatwoot.faults, "take", later)


def test_a_slow_vendor_cannot_hold_a_run_beyond_the_time_of_its_calls(
    app: Flask, chatwoot: ChatwootServer, connected: str, work: Work
) -> None:
    for name, value in IMPATIENT.items():
        object.__setattr__(app.config["SETTINGS"], name, value)
    talks(chatwoot, 1)
    chatwoot.faults.add("drip", seconds=20.0)
    started = time.monotonic()
    assert work(connected, "chatwoot_sync")["error_kind"] == "timeout"
    assert time.monotonic() - started < 15  # three calls of 0.6 s and their pauses, on any machine


def test_a_refused_connection_names_the_network(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    talks(chatwoot, 3)
    chatwoot.stop()
    run = work(connected, "chatwoot_sync")
    assert (run["status"], run["error_kind"]) == ("failed", "network")
    assert "it cannot be reached" in state_of(owner)["message"]
    chatwoot.start()
    assert work(connected, "chatwoot_sync")["status"] == "completed"
    assert stored(database_url) == upstream(chatwoot)


def test_a_short_pause_that_the_vendor_asks_for_is_kept_within_the_run(
    chatwoot: ChatwootServer, connected: str, work: Work, database_url: str
) -> None:
    talks(chatwoot, 3)
    chatwoot.faults.add("status", path=MESSAGES, status=429, retry_after="1", times=1)
    started = time.monotonic()
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed" and time.monotonic() - started >= 1
    assert stored(database_url) == upstream(chatwoot)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_long_pause_ends_the_run_and_sets_the_time_of_the_next(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    form: str,
) -> None:
    talks(chatwoot)
    asked = "120" if form == "seconds" else in_seconds(120)
    chatwoot.faults.add("status", path=MESSAGES, status=429, retry_after=asked)
    for _ in range(7):  # more than the attempts that an error has: a pause is none of them
        run = work(connected, "connectors_sync_cycle")
    assert run["status"] == "failed" and run["error_kind"] == "rate_limited"
    refusal = failure_of(run)
    assert (refusal.status, refusal.code) == (429, "upstream_rate_limited")
    [error] = open_errors(owner)
    assert (error["error_kind"], error["status"]) == ("rate_limited", "retrying")
    assert (error["attempt"], error["occurrences"]) == (1, 7)
    for moment in (error["next_retry_at"], state_of(owner)["next_run_at"]):
        assert 100 < _seconds_until(moment, database_url) <= 121
    assert rows(database_url, "SELECT coalesce(sum(failures), 0) FROM connector_breakers") == [(0,)]
    chatwoot.faults.clear()
    assert work(connected, "connectors_sync_cycle")["status"] == "completed"
    assert stored(database_url) == upstream(chatwoot)


def _seconds_until(moment: str, database_url: str) -> float:
    [(now,)] = rows(database_url, "SELECT now()")
    return (datetime.fromisoformat(moment) - now).total_seconds()


@pytest.mark.parametrize("nonsense", ["soon", "nan", "-5", "inf", "Wed, 99 Foo 2026"])
def test_a_pause_that_cannot_be_read_does_no_harm(
    chatwoot: ChatwootServer, connected: str, work: Work, nonsense: str, app: Flask
) -> None:
    object.__setattr__(app.config["SETTINGS"], "connector_http_retries", 0)
    talks(chatwoot, 1)
    chatwoot.faults.add("status", status=429, retry_after=nonsense, times=1)
    run = work(connected, "chatwoot_sync")
    assert (run["status"], run["error_kind"]) == ("failed", "rate_limited")
    assert work(connected, "chatwoot_sync")["status"] == "completed"


def test_an_excerpt_of_a_failed_answer_never_holds_the_token(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser
) -> None:
    body = f"<html>debug: api_access_token={chatwoot.token}".encode()
    chatwoot.faults.add("body", body=body)
    assert work(connected, "chatwoot_sync")["error_kind"] == "invalid_response"
    [error] = open_errors(owner)
    assert "debug" in error["payload_json"]["excerpt"]
    assert chatwoot.token not in str(error)
