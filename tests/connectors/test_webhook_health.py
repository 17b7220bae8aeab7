"""Polling beside webhooks: rarer while they bring everything, and as dense as ever when they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.db import db
from app.scheduler import service as scheduler
from app.scheduler.runner import Runner
from jobs.handlers import HANDLERS
from tests.conftest import Browser
from tests.connectors.conftest import Rows
from tests.connectors.webhooks import SECRETS, Door, sign
from tests.vendors.linear import LinearServer
from tests.vendors.linear.state import Node
from tests.vendors.linear.webhooks import event

Work = Callable[..., dict[str, Any]]
Poll = Callable[[], dict[str, Any]]


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    yield make_app(webhook_debounce_seconds=0.0)
    db.close()


@pytest.fixture
def door(
    app: Flask, owner: Browser, project: dict[str, Any], connected: Callable[..., None]
) -> Door:
    connected(project["id"])
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    path = f"/connectors/connections/{found['id']}/rotate-webhook"
    made = owner.post(path, {"secret": SECRETS["linear"]}).get_json()["webhook"]
    return Door(app, "linear", made["address"].rpartition("/")[2])


@pytest.fixture
def poll(app: Flask, project: dict[str, Any]) -> Poll:
    """A cycle as the schedule starts it; answers its result."""
    runner = Runner()
    runner.bind(app, HANDLERS)

    def run() -> dict[str, Any]:
        project_id = UUID(project["id"])
        with app.app_context(), db.transaction() as tx:
            asked = scheduler.add_run(tx, project_id, "connectors_sync_cycle", trigger="schedule")
        runner.work()
        with app.app_context(), db.connection() as connection:
            found = scheduler.sql.find_run(connection, project_id=project_id, run_id=asked.id)
        result: dict[str, Any] = found["result"]
        return result

    return run


def state(owner: Browser) -> dict[str, Any]:
    found = owner.get("/connectors/state").get_json()["connectors"]
    return next(one for one in found if one["connector"] == "linear")


@pytest.fixture
def delivered(
    door: Door, linear: LinearServer, team: Node, project: dict[str, Any], work: Work, poll: Poll
) -> Node:
    """A workspace that was read, and a webhook that was applied after that."""
    issue = linear.workspace.add_issue(team, "Crash on Android 12")
    assert poll()["ok"] == 1
    assert door.send(sign("linear", event(linear.workspace, "Issue", issue))).status_code == 200
    assert work(project["id"], "webhook_deliveries")["result"]["done"] == 1
    return issue


def test_without_webhooks_every_cycle_polls(
    door: Door, owner: Browser, poll: Poll, linear: LinearServer
) -> None:
    assert poll()["total"] == poll()["total"] == 1
    found = state(owner)["webhook_health"]
    assert (found["status"], found["polling"], found["poll_seconds"]) == ("quiet", "normal", 900)


def test_while_they_are_healthy_a_cycle_leaves_the_vendor_alone(
    owner: Browser, delivered: Node, poll: Poll, linear: LinearServer, rows: Rows
) -> None:
    linear.requests.clear()
    cycle = poll()
    assert (cycle["total"], cycle["kept_current_by_webhooks"]) == (0, ["linear"])
    assert linear.requests.count() == 0
    found = state(owner)
    shown = found["webhook_health"]
    assert (shown["status"], shown["polling"], shown["poll_seconds"]) == (
        "healthy",
        "stretched",
        3600,
    )
    assert "kept current by its webhooks" in found["message"]
    last, following = (datetime.fromisoformat(found[n]) for n in ("last_success_at", "next_run_at"))
    assert timedelta(minutes=40) < following - last <= timedelta(minutes=60)


def test_it_is_polled_again_before_the_hour_is_over(
    delivered: Node, poll: Poll, rows: Rows
) -> None:
    rows("UPDATE connector_sync_state SET last_success_at = now() - interval '46 minutes'")
    assert poll()["total"] == 1
    assert poll()["total"] == 0


def test_who_asks_by_hand_gets_all(delivered: Node, project: dict[str, Any], work: Work) -> None:
    assert work(project["id"], "connectors_sync_cycle")["result"]["total"] == 1


@pytest.mark.parametrize(
    "trouble, status",
    [
        ("UPDATE connector_connections SET webhook_applied_at = now() - interval '61 minutes'", "quiet"),
        ("UPDATE webhook_deliveries SET status = 'failed'", "failing"),
        (
            "UPDATE webhook_deliveries SET status = 'pending', "
            "received_at = now() - interval '6 minutes'",
            "failing",
        ),
        ("UPDATE connector_connections SET webhook_given_up_at = now()", "failing"),
        ("UPDATE connector_connections SET webhook_secret_enc = NULL", "none"),
        ("UPDATE connector_sync_state SET status = 'partial'", "healthy"),
        ("UPDATE connector_connections SET health = 'degraded'", "healthy"),
    ],
)  # fmt: skip
def test_trouble_brings_the_polls_back(
    owner: Browser, delivered: Node, poll: Poll, rows: Rows, trouble: str, status: str
) -> None:
    assert poll()["total"] == 0
    rows(trouble)
    found = state(owner)["webhook_health"]
    assert (found["status"], found["polling"]) == (status, "normal")
    assert poll()["total"] == 1


def test_what_was_given_up_is_made_up_for_by_a_poll(
    owner: Browser, delivered: Node, poll: Poll, rows: Rows
) -> None:
    rows("UPDATE connector_connections SET webhook_given_up_at = now()")
    assert poll()["total"] == 1
    assert state(owner)["webhook_health"]["status"] == "healthy"
    assert poll()["total"] == 0


def test_it_can_be_switched_off(app: Flask, delivered: Node, poll: Poll) -> None:
    object.__setattr__(app.config["SETTINGS"], "webhook_poll_seconds", 0)
    assert poll()["total"] == 1
