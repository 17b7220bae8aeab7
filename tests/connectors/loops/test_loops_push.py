"""Telling Loops of contacts: the right ones, once, no faster than it allows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.connectors.http import Pace
from app.connectors.loops import push
from app.connectors.loops.client import LoopsClient
from app.connectors.loops.contacts import joined, masked, split_name
from app.db import db
from app.scheduler.context import RunStopped
from tests.conftest import Browser
from tests.connectors.loops.helpers import PUT, Clock, people, rows, sync, whole
from tests.vendors.loops import LoopsServer


def test_contacts_arrive_by_put_alone(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    add(two[0], {"Olga@X.example": "Ольга Петрова", "ivan@y.example": "Иванов, Иван Иванович"})
    add(two[1], {"olga@x.example": None})
    answer = sync(owner)
    assert (answer["created"], answer["updated"], answer["failed"]) == (2, 0, 0)
    assert answer["enabled"] and answer["remaining"] == 0 and answer["errors"] == []
    olga = loops.team.contacts["olga@x.example"]
    assert (olga["firstName"], olga["lastName"], olga["source"]) == (
        "Ольга",
        "Петрова",
        "lightpost",
    )
    assert olga["projectNames"] == "Alpha, Beta" and olga["projectIds"] == ", ".join(two)
    assert loops.team.contacts["ivan@y.example"]["firstName"] == "Иван Иванович"
    assert olga["subscribed"] is True and loops.requests.count(PUT) == 2
    assert loops.requests.count("POST .*/contacts/(create|update)") == 0
    audit = rows(database_url, "SELECT action, entity_id, status, payload FROM audit_events")
    found = [row for row in audit if row[0] == "loops.contacts_sync"]
    assert len(found) == 1 and found[0][1:3] == ("loops", "ok")
    assert found[0][3]["created"] == 2 and set(found[0][3]["selected_project_ids"]) == set(two)


def test_unchanged_contacts_cost_no_call(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    add(two[0], people(5))
    sync(owner)
    loops.requests.clear()
    assert sync(owner)["unchanged"] == 5
    assert loops.requests.count() == 0
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE cw_contacts SET name = 'Анна Ким' WHERE email LIKE '%0003%'")
    assert sync(owner)["updated"] == 1
    assert loops.requests.count(PUT) == 1
    assert loops.team.contacts["client0003@x.example"]["firstName"] == "Анна"
    with psycopg.connect(database_url) as connection:  # a renamed project concerns all of them
        connection.execute("UPDATE projects SET name = 'Пекарня' WHERE name = 'Alpha'")
    assert sync(owner)["updated"] == 5


def test_a_thousand_contacts_keep_to_the_quota(
    app: Flask, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(1000))
    clock = Clock()
    loops.team.quota.per_second, loops.team.quota.clock = 10, clock
    with app.app_context():
        settings = app.config["SETTINGS"]
        client = LoopsClient(settings, pace=Pace(8.0, 1, clock, clock.sleep))
        outcome = push.push(whole(app, two[0]), settings, client)
    assert outcome.created == 1000 and outcome.error is None
    assert loops.team.quota.refused == 0 and len(set(loops.team.puts)) == 1000
    assert 120 <= clock.now - 1000 <= 135  # 8 a second


def test_roles(owner: Browser, two: tuple[str, str], sign_in_as: Any, loops: LoopsServer) -> None:
    for role in ("viewer", "executor", "delivery_lead"):
        assert sign_in_as(role, two[0]).post("/loops/sync").status_code == 403
    homeless = sign_in_as("pm").post("/loops/sync")
    assert homeless.status_code == 409 and homeless.get_json()["error"] == "account_scope_required"


def test_a_pm_pushes_and_tells_of_own_projects_only(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, sign_in_as: Any,
    database_url: str,
) -> None:  # fmt: skip
    add(two[0], {"both@x.example": "Оба", "a@x.example": "А"})
    add(two[1], {"both@x.example": "Оба", "b@x.example": "Б"})
    pm = sign_in_as("pm", two[0])
    answer = sync(pm)
    assert answer["selected_project_ids"] == [two[0]] and answer["created"] == 2
    assert loops.team.contacts["both@x.example"]["projectNames"] == "Alpha"
    assert "b@x.example" not in loops.team.contacts
    foreign = sync(pm, project_ids=[two[1]])
    assert foreign["selected_project_ids"] == [] and foreign["processed"] == 0
    # The owner tells of both; another push by the pm takes nothing away again.
    assert sync(owner, project_ids=[two[0]])["updated"] == 1
    assert loops.team.contacts["both@x.example"]["projectNames"] == "Alpha, Beta"
    assert sync(pm)["unchanged"] == 2
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE cw_contacts SET name = 'Оба Два' WHERE email = 'both@x.example'")
    assert sync(pm)["updated"] == 1
    assert loops.team.contacts["both@x.example"]["projectNames"] == "Alpha, Beta"


def test_small_pushes_reach_every_contact(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    """Even when the first ones of the alphabet change all the time."""
    add(two[0], people(20))
    for number in range(5):
        answer = sync(owner, limit=4)
        assert answer["processed"] == 4
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "UPDATE cw_contacts SET name = %s WHERE email < 'client0004'", (f"Имя {number}",)
            )
    assert len(loops.team.contacts) == 20 and answer["remaining"] == 4


def test_a_push_that_is_cut_off_goes_on_where_it_was(
    app: Flask, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(10))

    def cut(outcome: push.Outcome) -> None:
        if outcome.processed == 4:
            raise RunStopped("shutdown")

    with app.app_context():
        settings = app.config["SETTINGS"]
        with pytest.raises(RunStopped):
            push.push(whole(app, two[0]), settings, LoopsClient(settings), cut)
        outcome = push.push(whole(app, two[0]), settings, LoopsClient(settings))
    assert outcome.created == 6 and outcome.unchanged == 4
    assert sorted(loops.team.puts) == sorted(people(10))


def test_the_time_budget_leaves_the_rest_to_the_next_run(
    app: Flask, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(40))
    clock = Clock()
    with app.app_context():
        settings = app.config["SETTINGS"]
        object.__setattr__(settings, "loops_run_seconds", 14.5)
        for run, left in enumerate((25, 10, 0), 1):
            outcome = push.push(
                whole(app, two[0]),
                settings,
                LoopsClient(settings),
                lambda outcome: clock.sleep(1.0),  # what each contact takes
                clock,
            )
            assert (outcome.remaining, outcome.error) == (left, None)
            assert loops.requests.count(PUT) == 40 - left, run


def test_of_two_pushes_at_once_one_works(
    app: Flask, owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(10))
    loops.faults.add("slow", path="contacts/update", seconds=0.05)
    second = Browser(app)
    second.sign_in()
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda b=b: codes.append(b.post("/loops/sync").status_code))
        for b in (owner, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200, 409] and loops.requests.count(PUT) == 10


def test_without_a_key_nothing_happens(make_app: Callable[..., Flask], database_url: str) -> None:
    browser = Browser(make_app())
    browser.sign_in()
    browser.post("/projects", {"name": "Alpha"})
    answer = sync(browser)
    assert answer["enabled"] is False and answer["reason"] == "LOOPS_SECRET_KEY is not configured"
    assert answer["processed"] == 0 and answer["errors"] == []
    assert rows(database_url, "SELECT count(*) FROM audit_events WHERE action LIKE 'loops%'") == [
        (0,)
    ]
    db.close()


@pytest.mark.parametrize(
    "body", [{"project_ids": ["x"]}, {"limit": 0}, {"limit": 5001}, {"project_ids": "all"}]
)
def test_bad_input(owner: Browser, project: Any, body: dict[str, Any]) -> None:
    assert owner.post("/loops/sync", body).status_code == 400


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ольга Петрова", ("Ольга", "Петрова")),
        ("  Anna   Maria  Kim ", ("Anna", "Maria Kim")),
        ("Петрова, Ольга", ("Ольга", "Петрова")),
        ("Ольга,", ("Ольга", "")),
        ("Ольга", ("Ольга", "")),
        ("+7 921 555-01-10", ("", "")),
        ("olga@x.example", ("", "")),
        (None, ("", "")),
    ],
)
def test_names(name: str | None, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


def test_lists_and_masks() -> None:
    assert joined(["Пекарня, Север", "B"]) == "Пекарня Север, B"
    assert joined(None) == "" and len(joined(["x" * 99] * 9)) <= 500
    assert masked("olga@x.example") == "o***@x.example"
