"""Loops refuses, breaks, asks for pauses."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from app.connectors.http import Pace
from app.connectors.loops import push
from app.connectors.loops.client import LoopsClient
from tests.conftest import Browser
from tests.connectors.loops.helpers import PUT, Clock, people, rows, sync, whole
from tests.vendors.loops import LoopsServer


def test_a_quota_that_others_use_is_waited_for(
    app: Flask, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    """The headers tell that nothing is left; nobody is refused."""
    add(two[0], people(12))
    clock = Clock()
    loops.team.quota.per_second, loops.team.quota.clock = 4, clock
    with app.app_context():
        settings = app.config["SETTINGS"]
        client = LoopsClient(settings, pace=Pace(50.0, 1, clock, clock.sleep))
        assert push.push(whole(app, two[0]), settings, client).created == 12
    assert loops.team.quota.refused <= 1  # before the first answer told the quota


def test_429_then_success(app: Flask, two: tuple[str, str], add: Any, loops: LoopsServer) -> None:
    add(two[0], people(3))
    loops.faults.add("status", path="contacts/update", status=429, times=2, retry_after="3")
    clock = Clock()
    with app.app_context():
        settings = app.config["SETTINGS"]
        client = LoopsClient(settings, pace=Pace(8.0, 1, clock, clock.sleep))
        outcome = push.push(whole(app, two[0]), settings, client)
    assert (outcome.created, outcome.failed) == (3, 0)
    assert clock.now - 1000 >= 6 and loops.requests.count(PUT) == 5


def test_a_vendor_that_asks_for_a_long_pause_ends_the_push(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(3))
    loops.faults.add("status", path="contacts/update", status=429, times=1, retry_after="300")
    answer = owner.post("/loops/sync")
    assert answer.status_code == 429 and answer.get_json()["error"] == "upstream_rate_limited"
    assert loops.requests.count(PUT) == 1
    assert sync(owner)["created"] == 3


def test_refused_contacts_are_masked_and_rest_for_a_day(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    add(two[0], people(3))
    loops.faults.add("status", path="contacts/update", status=400, times=1)
    answer = sync(owner)
    assert (answer["created"], answer["failed"], answer["remaining"]) == (2, 1, 0)
    assert answer["errors"] == [
        {
            "email": "c***@x.example",
            "code": "loops_http_400",
            "message": "Loops refuses this contact.",
        }
    ]
    assert sync(owner)["unchanged"] == 3
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE loops_contact_state SET last_tried_at = now() - interval '25 hours' "
            "WHERE status = 'rejected'"
        )
    assert sync(owner)["created"] == 1


def test_a_failure_that_may_pass_is_tried_by_the_next_push(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(4))
    loops.faults.add("status", path="contacts/update", status=503, times=3)  # all tries of one
    answer = sync(owner)
    assert (answer["created"], answer["failed"], answer["remaining"]) == (3, 1, 1)
    assert answer["errors"][0]["code"] == "loops_http_503"
    assert sync(owner)["created"] == 1


@pytest.mark.parametrize("kind", ["wrong_json", "not_an_object", "half_body", "disconnect"])
def test_strange_answers_never_count_as_pushed(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, kind: str
) -> None:
    add(two[0], people(1))
    loops.faults.add(kind, path="contacts/update", times=3)
    answer = sync(owner)
    assert (answer["created"], answer["failed"], answer["remaining"]) == (0, 1, 1)
    assert sync(owner)["created"] == 1 or kind == "not_an_object"


def test_a_vendor_that_is_away_is_left_alone(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(30))
    loops.faults.add("status", path="contacts/update", status=500)
    answer = sync(owner)
    assert (answer["failed"], answer["remaining"]) == (3, 30)
    assert answer["stopped_by"] == "upstream_5xx" and loops.requests.count(PUT) == 9
    loops.faults.clear()
    assert sync(owner)["created"] == 30


def test_a_wrong_key_is_told_at_once(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    add(two[0], people(3))
    loops.faults.add("status", status=401)
    answer = owner.post("/loops/sync")
    assert answer.status_code == 502 and answer.get_json()["error"] == "upstream_auth_failed"
    assert loops.requests.count() == 1
    statuses = rows(database_url, "SELECT status FROM audit_events WHERE action LIKE 'loops%'")
    assert statuses == [("failed",)]
