"""Telling Loops of contacts: the right ones, once, no faster than it allows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.connectors.engine import SyncLock
from app.connectors.http import Pace
from app.connectors.loops import push, service
from app.connectors.loops.client import LoopsClient
from app.connectors.loops.contacts import joined, masked, split_name
from app.connectors.loops.optout import apply_optout
from app.db import db
from app.scheduler.context import RunStopped
from tests.conftest import Browser
from tests.vendors.loops import LoopsServer

PUT = "PUT /api/v1/contacts/update"


class Clock:
    """Time that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def loops() -> Iterator[LoopsServer]:
    """A team whose quota nobody reaches."""
    server = LoopsServer()
    server.team.quota.per_second = 100_000
    server.start()
    yield server
    server.stop()


@pytest.fixture
def app(make_app: Callable[..., Flask], loops: LoopsServer) -> Iterator[Flask]:
    yield make_app(
        loops_secret_key=loops.token,
        loops_api_base_url=loops.api_url,
        loops_requests_per_second=5000.0,
        loops_internal_domains=("studio.example",),
        rate_limit_enabled=False,
    )
    db.close()


@pytest.fixture
def add(database_url: str) -> Callable[..., None]:
    """Contacts of a project, given as address to name."""

    def make(project_id: str, people: dict[str, str | None]) -> None:
        with psycopg.connect(database_url) as connection:
            last = connection.execute("SELECT count(*) FROM cw_contacts").fetchone()
            assert last is not None
            connection.cursor().executemany(
                "INSERT INTO cw_contacts (project_id, id, account_id, contact_id, email, name, "
                "content_hash) VALUES (%s, %s, 1, %s, %s, %s, '')",
                [
                    (project_id, f"cwc:{project_id}:1:{n}", n, email, name)
                    for n, (email, name) in enumerate(people.items(), last[0] + 1)
                ],
            )

    return make


@pytest.fixture
def two(owner: Browser) -> tuple[str, str]:
    """Two projects of the scope."""
    made = [
        owner.post("/projects", {"name": name}).get_json()["project"] for name in ("Alpha", "Beta")
    ]
    return made[0]["id"], made[1]["id"]


def sync(browser: Browser, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = browser.post("/loops/sync", body)
    assert answer.status_code == status, answer.get_json()
    found: dict[str, Any] = answer.get_json()["loops"]
    return found


def people(count: int) -> dict[str, str | None]:
    return {f"client{n:04d}@x.example": f"Ольга Петрова {n}" for n in range(count)}


def rows(database_url: str, sql: str) -> list[Any]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(sql.encode()).fetchall()


def whole(app: Flask, project_id: str, limit: int = 5000) -> push.Audience:
    with db.connection() as connection:
        scope = service.sql.scope_of(connection, project_id=UUID(project_id))
    return service.whole_scope(scope, limit)


def test_contacts_arrive_by_put_alone(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    add(two[0], {"Olga@X.example ": "Ольга Петрова", "ivan@y.example": "Иванов, Иван Иванович"})
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


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("contact.unsubscribed", "opted_out"),
        ("email.unsubscribed", "opted_out"),
        ("email.hardBounced", "bounced"),
        ("email.spamReported", "suppressed"),
        ("contact.deleted", "opted_out"),
    ],
)
def test_what_a_webhook_tells_blocks_the_next_push(
    app: Flask, owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer,
    database_url: str, event: str, reason: str,
) -> None:  # fmt: skip
    add(two[0], {"olga@x.example": "Ольга", "ivan@y.example": "Иван"})
    sync(owner)
    identity = {"email": "Olga@X.example"}
    if event == "contact.deleted":  # it may come with the id alone
        identity = {"loops_id": loops.team.contacts["olga@x.example"]["id"]}
    with app.app_context(), db.transaction() as tx:
        assert apply_optout(tx, UUID(two[1]), event, **identity) is True
    with app.app_context(), db.transaction() as tx:
        assert apply_optout(tx, UUID(two[1]), event, email="olga@x.example") is False
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE cw_contacts SET name = 'Новое Имя'")
    loops.team.puts.clear()
    answer = sync(owner)
    assert loops.team.puts == ["ivan@y.example"]
    assert answer["skipped_reasons"] == {reason: 1} and answer["skipped"] == 1
    audit = rows(
        database_url, "SELECT actor_username FROM audit_events WHERE action = 'outbound.opt_out'"
    )
    assert audit == [("loops",)]


def test_leaving_a_mailing_list_is_no_optout(
    app: Flask, two: tuple[str, str], database_url: str
) -> None:
    with app.app_context(), db.transaction() as tx:
        for event in ("contact.mailingList.unsubscribed", "testing.testEvent", "email.opened"):
            assert not apply_optout(tx, UUID(two[0]), event, email="olga@x.example")
        assert not apply_optout(tx, UUID(two[0]), "contact.deleted", loops_id="unknown")
        assert not apply_optout(tx, UUID(two[0]), "contact.unsubscribed", email=" ")
    assert rows(database_url, "SELECT count(*) FROM contact_channel_policies") == [(0,)]


def test_an_optout_under_a_contacts_id_holds_in_every_project(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    add(two[0], {"olga@x.example": "Ольга"})
    add(two[1], {"OLGA@x.example": "Ольга"})
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO contact_channel_policies (account_scope_id, contact_global_id, channel, opted_out) "
            "SELECT account_scope_id, %s, 'all', true FROM projects WHERE id = %s",
            (f"cwc:{two[0]}:1:1", two[0]),
        )
        connection.execute(
            "UPDATE cw_contacts SET deleted_at = now() WHERE project_id = %s", (two[0],)
        )
    assert sync(owner)["skipped_reasons"] == {"opted_out": 1} and loops.team.puts == []


def test_an_optout_that_comes_during_a_push_counts(
    app: Flask, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(4))

    def leave(outcome: push.Outcome) -> None:
        with db.transaction() as tx:
            apply_optout(tx, UUID(two[0]), "contact.unsubscribed", email="client0003@x.example")

    with app.app_context():
        settings = app.config["SETTINGS"]
        outcome = push.push(whole(app, two[0]), settings, LoopsClient(settings), leave)
    assert outcome.created == 3 and outcome.skipped_reasons == {"opted_out": 1}
    assert "client0003@x.example" not in loops.team.contacts and outcome.remaining == 0


def test_who_is_not_pushed_and_why(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    invalid = ["none", "a@b", "a b@x.example", "a@x..example", "@x.example", "<a@x.example>"]
    team = ["anna@studio.example", "agent@freelance.example"]
    add(two[0], {**dict.fromkeys([*invalid, *team], "Имя"), "whole@blocked.example": "Б", " ": "–"})
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO cw_agents (project_id, id, account_id, agent_id, email) "
            "VALUES (%s, 'a', 1, 1, 'Agent@freelance.example')", (two[1],))  # fmt: skip
        connection.execute(
            "INSERT INTO suppressions (account_scope_id, kind, value, value_hash, reason) "
            "SELECT account_scope_id, 'domain', v, sha256(v::bytea), 'do_not_contact' "
            "FROM projects, (VALUES ('blocked.example')) AS d(v) WHERE id = %s", (two[0],))  # fmt: skip
    answer = sync(owner)
    assert answer["skipped_reasons"] == {"internal": 2, "invalid_email": 6, "suppressed": 1}
    assert answer["processed"] == 0 and loops.requests.count() == 0


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
    assert len(loops.team.contacts) == 20 and answer["remaining"] == 0


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
    app: Flask, owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(40))
    object.__setattr__(app.config["SETTINGS"], "loops_run_seconds", 0.05)
    answer = sync(owner)
    assert 0 < answer["created"] < 40 and answer["remaining"] == 40 - answer["created"]


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


def test_many_contacts_are_pushed_by_the_worker(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, work: Any, database_url: str
) -> None:
    add(two[0], people(80))
    answer = sync(owner, status=202, limit=60)
    assert answer["queued"] and answer["remaining"] == 80 and answer["processed"] == 0
    active = owner.get("/projects").get_json()["active_project_id"]
    run = work(active, "loops_contacts_sync")  # joins the waiting one
    assert str(run["id"]) == answer["job_run_id"] and run["status"] == "partial"
    assert run["result"]["created"] == 60 and run["result"]["remaining"] == 20
    # Everybody of the project may read a run: no address, no other project.
    assert "@" not in str(run["result"]) and two[1] not in str(run["result"])
    assert sync(owner)["created"] == 20


def test_the_schedule_pushes_a_scope_once(
    app: Flask, owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer,
    database_url: str, work: Any,
) -> None:  # fmt: skip
    add(two[0], people(5))
    add(two[1], {"client0001@x.example": "Ольга Петрова 1", "b@x.example": "Б"})

    def due() -> list[Any]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DELETE FROM job_runs")
            connection.execute(
                "INSERT INTO job_runs (project_id, job_type, trigger) "
                "SELECT id, 'loops_contacts_sync', 'schedule' FROM projects"
            )
        work(two[0], "loops_contacts_sync")
        return rows(database_url, "SELECT status, processed_count, result->>'reason' FROM job_runs "
                    "ORDER BY processed_count DESC")  # fmt: skip

    assert due() == [
        ("completed", 6, None),
        ("completed", 0, "another project's run did it"),
    ]
    assert loops.team.contacts["client0001@x.example"]["projectNames"] == "Alpha, Beta"
    assert loops.requests.count(PUT) == 6
    audit = "SELECT count(*) FROM audit_events WHERE action = 'loops.contacts_sync'"
    assert rows(database_url, audit) == [(1,)]
    # A push that is not done leaves its turn to the next run of any project.
    object.__setattr__(app.config["SETTINGS"], "loops_contacts_limit", 3)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE loops_turns SET next_at = now()")
        connection.execute("UPDATE cw_contacts SET name = 'Другое Имя'")
    assert [(status, done) for status, done, _ in due()] == [("partial", 3), ("completed", 3)]


def test_a_scheduled_run_keeps_out_of_the_way(
    app: Flask, two: tuple[str, str], add: Any, work: Any, loops: LoopsServer
) -> None:
    add(two[0], people(1))
    with app.app_context(), SyncLock(whole(app, two[0]).account_scope_id, "loops"):
        assert work(two[0], "loops_contacts_sync")["error_kind"] == "sync_in_progress"
    assert work(two[0], "loops_contacts_sync")["status"] == "completed"
    assert loops.requests.count(PUT) == 1


def test_commands(app: Flask, two: tuple[str, str], add: Any, loops: LoopsServer) -> None:
    add(two[0], people(2))
    run = app.test_cli_runner().invoke
    assert "Studio" in run(args=["loops", "test"]).output
    assert "created          2" in run(args=["loops", "push"]).output
    assert "updated          0" in run(args=["loops", "push"]).output
    assert "created          2" in run(args=["loops", "push", "--again"]).output
    assert "pushed" in run(args=["loops", "state"]).output
    assert run(args=["loops", "push", "--scope", "nowhere"]).exit_code == 1
    loops.faults.add("status", status=401)
    assert run(args=["loops", "test"]).exit_code == 1


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
