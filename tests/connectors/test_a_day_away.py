"""A vendor that is down for a day: its own connector waits, the others of the project go on, and afterwards
everything is there once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from tests.connectors.upstream import IMPATIENT, state_of, stored, talks, upstream
from tests.connectors.webhooks import SECRETS, Door, sign
from tests.vendors.attio.state import State
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.linear import LinearServer
from tests.vendors.linear.state import Node

# Two hours pass: every time that the installation keeps is two hours further back. Runs that wait come due.
CLOCKS = """
    SELECT format('UPDATE %I SET %s WHERE %s', c.relname,
                  string_agg(format('%1$I = %1$I - interval ''2 hours''', a.attname), ', '),
                  string_agg(format('%I IS NOT NULL', a.attname), ' OR '))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relname = ANY('{scheduled_jobs,job_runs,connector_errors,connector_breakers,connector_sync_state,
                            connector_streams,webhook_deliveries}')
      AND a.atttypid = 'timestamptz'::regtype AND a.attnum > 0
    GROUP BY c.relname
"""
TURNS = 12  # of two hours


@pytest.fixture
def app(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr("app.connectors.http.BACKOFF_BASE", 0.0)
    monkeypatch.setattr("app.connectors.breaker.FRESH_SECONDS", 0.0)
    yield make_app(**IMPATIENT, webhook_debounce_seconds=0.0)
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


@pytest.fixture
def door(app: Flask, owner: Browser, project: dict[str, Any], connect: Callable[..., None]) -> Door:
    connect(project["id"])
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    answer = owner.post(
        f"/connectors/connections/{found['id']}/rotate-webhook", {"secret": SECRETS["chatwoot"]}
    )
    return Door(app, "chatwoot", answer.get_json()["webhook"]["address"].rpartition("/")[2])


def test_a_day_without_chatwoot(
    owner: Browser,
    project: dict[str, Any],
    chatwoot: ChatwootServer,
    linear: LinearServer,
    workspace: State,
    team: Node,
    connected: Callable[..., None],
    connect_attio: Connect,
    door: Door,
    two_hours: Callable[[], None],
    rows: Rows,
    database_url: str,
) -> None:
    made = talks(chatwoot, 30)
    linear.workspace.add_issue(team, "Issue 0")
    connected(project["id"])
    connect_attio(project["id"])
    two_hours()
    assert stored(database_url) == upstream(chatwoot)
    told_before = events_told_twice(rows)
    chatwoot.stop()

    for number in range(1, TURNS + 1):
        # Life goes on: in Chatwoot, behind its closed door; in the others; one webhook still came out.
        said = chatwoot.state.add_message(
            made[number], f"Сообщение номер {number}.", made[number].contact
        )
        linear.workspace.add_issue(team, f"Issue {number}")
        workspace.add_company(f"Company {number}", f"c{number}.example")
        if number <= 3:
            payload = {
                "event": "message_created", "id": said.id, "conversation": {"id": made[number].id},
                "account": {"id": 1},
            }  # fmt: skip
            assert door.send(sign("chatwoot", payload)).status_code == 200
        two_hours()
        # The others have everything of these hours, and nothing is wrong with them.
        assert rows("SELECT count(*) FROM linear_issues_raw") == [(number + 1,)]
        assert rows("SELECT count(*) FROM attio_accounts_raw") == [(number,)]
        for other in ("linear", "attio"):
            state = state_of(owner, other)
            assert (state["status"], state["open_errors"], state["behind"]) == ("ok", 0, False)
        away = state_of(owner)
        assert away["behind"] and away["dead_letters"] == 0
        assert away["what_next"].startswith("Nothing has to be done"), away["what_next"]
    assert "behind for 22 hours" in away["message"]
    assert rows("SELECT count(*) FROM webhook_deliveries WHERE status = 'dead_letter'") == [(0,)]
    assert rows("SELECT count(*) FROM connector_errors") < [(4,)]  # not one for every try

    chatwoot.start()
    for _ in range(4):  # the pauses of deliveries have grown to six hours
        two_hours()
    assert stored(database_url) == upstream(chatwoot)
    for connector in ("chatwoot", "linear", "attio"):
        state = state_of(owner, connector)
        assert (state["status"], state["open_errors"], state["behind"]) == ("ok", 0, False), state
    assert rows("SELECT DISTINCT status FROM webhook_deliveries") == [("done",)]
    assert events_told_twice(rows) == told_before == []
    said = "SELECT count(*), count(DISTINCT source_ref) FROM connector_events WHERE event_type = %s"
    assert rows(said, "message_sent") == [(60 + TURNS, 60 + TURNS)]
    assert rows(
        "SELECT DISTINCT status FROM scheduled_jobs WHERE job_type <> 'embeddings_run'"
    ) == [("active",)]


def events_told_twice(rows: Rows) -> list[Any]:
    """Transitions that stand in the log more than once."""
    return rows(
        "SELECT event_type, source_ref, payload_json FROM connector_events "
        "GROUP BY event_type, source_ref, payload_json HAVING count(*) > 1"
    )
