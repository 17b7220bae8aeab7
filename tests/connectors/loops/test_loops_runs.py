"""Pushes by the worker, by the schedule, by a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.connectors.engine import SyncLock
from tests.conftest import Browser
from tests.connectors.loops.helpers import PUT, people, rows, sync, whole
from tests.running import Worker, eventually
from tests.vendors.loops import LoopsServer


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


@pytest.mark.slow
def test_a_killed_worker_leaves_no_contact_out(
    owner: Browser,
    two: tuple[str, str],
    add: Any,
    loops: LoopsServer,
    database_url: str,
    home: Path,
) -> None:
    add(two[0], people(90))
    settings = {
        "LOOPS_SECRET_KEY": loops.token,
        "LOOPS_API_BASE_URL": loops.api_url,
        "LOOPS_REQUESTS_PER_SECOND": "60",
        "JOB_LEASE_SECONDS": "2",
        "SCHEDULER_TICK_SECONDS": "1",
    }
    answer = sync(owner, status=202)
    worker = Worker(database_url, home, **settings)
    for done in (20, 50):
        worker.start()
        eventually(lambda done=done: len(loops.team.puts) >= done, 90)
        worker.kill()
    worker.start()
    try:
        run = "SELECT status, attempt FROM job_runs WHERE id = '" + answer["job_run_id"] + "'"
        eventually(lambda: rows(database_url, run) == [("completed", 3)], 90)
    finally:
        worker.kill()
    assert set(loops.team.contacts) == set(people(90))
    # At most the call that each kill cut off was made twice.
    assert len(loops.team.puts) <= 92
    assert sync(owner)["unchanged"] == 90
