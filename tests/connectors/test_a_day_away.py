"""A vendor that is down for a day, each in its turn: its own connector waits, the others of the project go
on, and afterwards everything is there once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.db import db
from app.scheduler import ticks
from app.scheduler.runner import Runner
from jobs.handlers import HANDLERS
from tests.conftest import Browser
from tests.connectors.conftest import Connect, Rows
from tests.connectors.upstream import FEW_AT_ONCE, state_of, stored, talks, upstream
from tests.connectors.webhooks import SECRETS, Door, sign
from tests.vendors.attio import AttioServer
from tests.vendors.attio.state import State
from tests.vendors.attio.webhooks import payload, record_event
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.linear import LinearServer
from tests.vendors.linear.state import Node
from tests.vendors.linear.webhooks import event
from tests.vendors.serving import SimulatedVendor

# Two hours pass: every time that the installation keeps is two hours further back. Runs that wait come due.
# Only the cursors stay: they are times of the vendors, and moved back they would hide what they skip.
CLOCKS = """
    SELECT format('UPDATE %I SET %s WHERE %s', c.relname,
                  string_agg(format('%1$I = %1$I - interval ''2 hours''', a.attname), ', '),
                  string_agg(format('%I IS NOT NULL', a.attname), ' OR '))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relname = ANY('{scheduled_jobs,job_runs,connector_errors,connector_breakers,connector_sync_state,
                            connector_streams,webhook_deliveries}')
      AND a.atttypid = 'timestamptz'::regtype AND a.attnum > 0 AND a.attname <> 'cursor_ts'
    GROUP BY c.relname
"""
TURNS = 12  # of two hours


@pytest.fixture
def app(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr("app.connectors.http.BACKOFF_BASE", 0.0)
    monkeypatch.setattr("app.connectors.breaker.FRESH_SECONDS", 0.0)
    yield make_app(**FEW_AT_ONCE, webhook_debounce_seconds=0.0)
    db.close()


@pytest.fixture
def two_hours(app: Flask, database_url: str) -> Callable[[], None]:
    """What the installation does in two hours: the clock moves on, what is due is started, and worked off."""
    runner = Runner()
    runner.bind(app, {name: HANDLERS[name] for name in HANDLERS if name != "embeddings_run"})
    with psycopg.connect(database_url) as connection:
        statements = [row[0] for row in connection.execute(CLOCKS.encode()).fetchall()]

    def pass_one() -> None:
        with psycopg.connect(database_url) as connection:
            for statement in statements:
                connection.execute(statement.encode())
        with app.app_context():
            ticks.tick(app.config["SETTINGS"])
        for _ in range(20):
            if not runner.work():
                break

    return pass_one


@dataclass
class Side:
    """One vendor of the project: what happens there, told as its webhook does, and what is here of it."""

    server: SimulatedVendor
    happen: Callable[[int], dict[str, Any]]
    stored: str
    told: str  # the event of which each happening is one


@pytest.fixture
def sides(
    chatwoot: ChatwootServer, linear: LinearServer, attio: AttioServer, workspace: State, team: Node
) -> dict[str, Side]:
    made = talks(chatwoot, 30)
    company = workspace.add_company("Fleetline", "fleetline.example")

    def say(number: int) -> dict[str, Any]:
        talk = made[number]
        said = chatwoot.state.add_message(talk, f"Сообщение номер {number}.", talk.contact)
        return {
            "event": "message_created", "id": said.id, "conversation": {"id": talk.id},
            "account": {"id": 1},
        }  # fmt: skip

    def file(number: int) -> dict[str, Any]:
        issue = linear.workspace.add_issue(team, f"Issue {number}")
        return event(linear.workspace, "Issue", issue, "create")

    def offer(number: int) -> dict[str, Any]:
        deal = workspace.add_deal(f"Deal {number}", "Lead", 5, company)
        return payload(record_event(workspace, "deals", deal, "created"))

    file(0)
    offer(0)
    return {
        "chatwoot": Side(chatwoot, say, "cw_messages", "message_sent"),
        "linear": Side(linear, file, "linear_issues_raw", "issue_created"),
        "attio": Side(attio, offer, "attio_opportunities_raw", "deal_created"),
    }


@pytest.fixture
def doors(
    app: Flask, owner: Browser, project: dict[str, Any], connect: Callable[..., None],
    connected: Callable[..., None], connect_attio: Connect,
) -> dict[str, Door]:  # fmt: skip
    """The project connected to all three, each with an address for its webhooks."""
    connect(project["id"])
    connected(project["id"])
    connect_attio(project["id"])
    found = {}
    for row in owner.get("/connectors/connections").get_json()["connections"]:
        name = row["connector"]
        answer = owner.post(
            f"/connectors/connections/{row['id']}/rotate-webhook", {"secret": SECRETS[name]}
        )
        token = answer.get_json()["webhook"]["address"].rpartition("/")[2]
        found[name] = Door(app, name, token)
    return found


@pytest.mark.parametrize("away", ["chatwoot", "linear", "attio"])
def test_a_day_without(
    owner: Browser, chatwoot: ChatwootServer, sides: dict[str, Side], doors: dict[str, Door],
    two_hours: Callable[[], None], rows: Rows, database_url: str, away: str,
) -> None:  # fmt: skip
    begun = {"chatwoot": 60, "linear": 1, "attio": 1}

    def here(name: str) -> int:
        found: int = rows(f"SELECT count(*) FROM {sides[name].stored}")[0][0]
        return found

    two_hours()
    assert {name: here(name) for name in sides} == begun
    sides[away].server.stop()

    for number in range(1, TURNS + 1):
        # Life goes on: behind the closed door, and in the others; a few webhooks still came out.
        for name, side in sides.items():
            told = side.happen(number)
            if name == away and number <= 3:
                assert doors[name].send(sign(name, told)).status_code == 200
        two_hours()
        for name in sides:
            state = state_of(owner, name)
            if name == away:
                assert here(name) == begun[name]
                assert state["behind"] and state["dead_letters"] == 0
                assert state["what_next"].startswith("Nothing has to be done"), state["what_next"]
            else:  # has everything of these hours, and nothing is wrong with it
                assert here(name) == begun[name] + number
                assert (state["status"], state["open_errors"], state["behind"]) == ("ok", 0, False)
    assert "behind for 22 hours" in state_of(owner, away)["message"]
    assert rows("SELECT count(*) FROM webhook_deliveries WHERE status = 'dead_letter'") == [(0,)]
    assert rows("SELECT count(*) FROM connector_errors") < [(4,)]  # not one for every try

    sides[away].server.start()
    for _ in range(4):  # the pauses of deliveries have grown to six hours
        two_hours()
    assert stored(database_url) == upstream(chatwoot)
    for name, side in sides.items():
        assert here(name) == begun[name] + TURNS
        state = state_of(owner, name)
        assert (state["status"], state["open_errors"], state["behind"]) == ("ok", 0, False), state
        counted = "SELECT count(*), count(DISTINCT source_ref) FROM connector_events WHERE event_type = %s"
        assert rows(counted, side.told) == [(begun[name] + TURNS, begun[name] + TURNS)]
    assert rows("SELECT DISTINCT status FROM webhook_deliveries") == [("done",)]
    assert events_told_twice(rows) == []
    assert rows(
        "SELECT DISTINCT status FROM scheduled_jobs WHERE job_type <> 'embeddings_run'"
    ) == [("active",)]


def events_told_twice(rows: Rows) -> list[Any]:
    """Transitions that stand in the log more than once."""
    return rows(
        "SELECT event_type, source_ref, payload_json FROM connector_events "
        "GROUP BY event_type, source_ref, payload_json HAVING count(*) > 1"
    )
