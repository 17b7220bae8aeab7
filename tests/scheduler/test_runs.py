"""Runs of jobs: claimed with a lease, finished once, followed by what builds on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.db import db, statements
from app.scheduler import endings, housekeeping, service, status, ticks
from app.scheduler.catalogue import CATALOGUE
from app.scheduler.context import Handler, JobResult, RunContext
from app.scheduler.runner import Runner
from jobs.handlers import HANDLERS
from tests.conftest import Browser
from tests.running import eventually

sql = statements("scheduler")


@pytest.fixture
def project_id(project: dict[str, Any]) -> UUID:
    return UUID(project["id"])


@pytest.fixture
def inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def runner_with(app: Flask, handler: Handler) -> Runner:
    runner = Runner()
    runner.bind(app, dict.fromkeys(CATALOGUE, handler))
    return runner


def changed(context: RunContext) -> JobResult:
    return JobResult(processed_count=3, result={"seen": 3}, changed=True)


def rows(database_url: str, statement: str) -> list[Any]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_every_job_type_has_a_handler() -> None:
    assert set(HANDLERS) == set(CATALOGUE)


def test_a_second_request_joins_the_first(app: Flask, project_id: UUID, inside: None) -> None:
    first = service.request_run(project_id, "chatwoot_sync")
    second = service.request_run(project_id, "chatwoot_sync")
    assert second.id == first.id and second.joined and not first.joined


def test_it_runs_and_tells(app: Flask, owner: Browser, project_id: UUID, database_url: str) -> None:
    with app.app_context():
        run = service.request_run(project_id, "embeddings_run")
    assert runner_with(app, changed).work() == 1
    shown = owner.get(f"/jobs/runs/{run.id}").get_json()["run"]
    assert shown["status"] == "completed" and shown["processed_count"] == 3
    assert shown["duration_ms"] >= 0 and shown["attempt"] == 1
    (event,) = rows(database_url, "SELECT payload FROM events")
    assert event[0]["job_type"] == "embeddings_run" and event[0]["status"] == "ok"
    assert event[0]["run_id"] == str(run.id) and event[0]["at"].endswith("Z")


def test_a_sync_that_changed_something_starts_the_chain(
    app: Flask, project_id: UUID, database_url: str
) -> None:
    with app.app_context():
        service.request_run(project_id, "chatwoot_sync")
    runner_with(app, changed).work()
    found = rows(database_url, "SELECT job_type, trigger, status FROM job_runs ORDER BY queued_at")
    assert found == [
        ("chatwoot_sync", "manual", "completed"),
        ("embeddings_run", "cascade", "completed"),
    ]
    told = rows(database_url, "SELECT payload ->> 'job_type' FROM events ORDER BY id")
    assert told == [("chatwoot_sync",), ("connectors_sync_cycle",), ("embeddings_run",)]


@pytest.mark.parametrize(
    "result", [JobResult(), JobResult("failed", error_kind="network", error="away", changed=True)]
)
def test_nothing_follows_what_failed_or_changed_nothing(
    app: Flask, project_id: UUID, database_url: str, result: JobResult
) -> None:
    with app.app_context():
        service.request_run(project_id, "chatwoot_sync")
    runner_with(app, lambda context: result).work()
    assert rows(database_url, "SELECT count(*) FROM job_runs") == [(1,)]


def test_a_run_asked_for_again_while_at_work_runs_once_more(app: Flask, project_id: UUID) -> None:
    done = []

    def handler(context: RunContext) -> JobResult:
        done.append(context.run_id)
        if len(done) == 1:
            service.request_run(project_id, "embeddings_run", trigger="cascade")
        return JobResult()

    with app.app_context():
        service.request_run(project_id, "embeddings_run")
    runner_with(app, handler).work()
    assert len(done) == 2


def test_a_handler_that_breaks_is_a_failed_run(
    app: Flask, owner: Browser, project_id: UUID
) -> None:
    def broken(context: RunContext) -> JobResult:
        raise RuntimeError("no luck")

    with app.app_context():
        run = service.request_run(project_id, "embeddings_run")
    runner_with(app, broken).work()
    shown = owner.get(f"/jobs/runs/{run.id}").get_json()["run"]
    assert (shown["status"], shown["error_kind"]) == ("failed", "internal")


def test_failures_in_a_row_wait_longer_and_then_suspend(
    app: Flask, project_id: UUID, database_url: str
) -> None:
    failing = runner_with(app, lambda c: JobResult("failed", error_kind="internal", error="bug"))
    waits = []
    for _ in range(app.config["SETTINGS"].job_max_retries):
        with app.app_context():
            service.request_run(project_id, "embeddings_run")
        failing.work()
        waits.append(
            rows(
                database_url,
                "SELECT extract(epoch FROM next_run_at - now())::float8, status "
                "FROM scheduled_jobs WHERE job_type = 'embeddings_run'",
            )[0]
        )
    assert 20 < waits[0][0] < 36 and 45 < waits[1][0] < 71
    assert all(wait <= 3600 * 1.16 for wait, _ in waits)
    assert [status for _, status in waits] == ["active"] * (len(waits) - 1) + ["suspended"]


def schedule_of(database_url: str, job_type: str) -> Any:
    (row,) = rows(
        database_url,
        "SELECT status, consecutive_failures, extract(epoch FROM next_run_at - now())::float8 "
        f"FROM scheduled_jobs WHERE job_type = '{job_type}'",
    )
    return row


def test_what_passes_by_itself_is_tried_for_as_long_as_it_takes(
    app: Flask, project_id: UUID, database_url: str
) -> None:
    away = runner_with(app, lambda c: JobResult("failed", error_kind="network", error="away"))
    for _ in range(app.config["SETTINGS"].job_max_retries + 2):
        with app.app_context():
            service.request_run(project_id, "connectors_sync_cycle")
        away.work()
    status, failures, wait = schedule_of(database_url, "connectors_sync_cycle")
    assert (status, failures) == ("active", 12) and wait <= 3600 * 1.16


def test_a_success_by_hand_wakes_a_suspended_schedule(
    app: Flask, project_id: UUID, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE scheduled_jobs SET status = 'suspended', consecutive_failures = 10"
        )
    with app.app_context():
        service.request_run(project_id, "embeddings_run")
    runner_with(app, changed).work()
    status, failures, wait = schedule_of(database_url, "embeddings_run")
    assert (status, failures) == ("active", 0) and 1100 < wait <= 1200


def test_a_vendors_pause_wins_over_the_ladder(
    app: Flask, project_id: UUID, database_url: str
) -> None:
    with app.app_context():
        service.request_run(project_id, "connectors_sync_cycle")
    runner_with(
        app, lambda c: JobResult("failed", error_kind="rate_limited", retry_after=500)
    ).work()
    (wait,) = rows(
        database_url,
        "SELECT extract(epoch FROM next_run_at - now())::float8 FROM scheduled_jobs "
        "WHERE job_type = 'connectors_sync_cycle'",
    )
    assert 480 < wait[0] <= 500


def claim(worker: str = "w", lease: float = 60) -> Any:
    with db.transaction() as tx:
        sql.take_turn(tx)
        return sql.claim_next(
            tx, worker=worker, lease_seconds=lease, max_total=10, max_per_project=2
        )


def end_lease(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE job_runs SET lease_until = now() - interval '1 second'")


def test_a_lost_lease_puts_the_run_back_and_the_late_worker_writes_nothing(
    app: Flask, project_id: UUID, inside: None, database_url: str
) -> None:
    settings = app.config["SETTINGS"]
    service.request_run(project_id, "embeddings_run")
    slow = claim("slow")
    end_lease(database_url)
    ticks.tick(settings)
    quick = claim("quick")
    assert quick["id"] == slow["id"] and quick["attempt"] == 2
    with db.transaction() as tx:
        assert endings.finish(tx, slow, JobResult(result={"by": "slow"}), settings) == 0
    with db.transaction() as tx:
        endings.finish(tx, quick, JobResult(result={"by": "quick"}), settings)
    found = rows(database_url, "SELECT status, result ->> 'by' FROM job_runs")
    assert found == [("completed", "quick")]
    assert rows(database_url, "SELECT count(*) FROM events") == [(1,)]


def test_a_run_whose_workers_keep_dying_is_buried(
    app: Flask, project_id: UUID, inside: None, database_url: str
) -> None:
    service.request_run(project_id, "embeddings_run")
    for _ in range(app.config["SETTINGS"].job_max_attempts):
        assert claim() is not None
        end_lease(database_url)
        ticks.tick(app.config["SETTINGS"])
    assert claim() is None
    assert rows(database_url, "SELECT status, error_kind FROM job_runs") == [
        ("dead", "lease_expired")
    ]


def test_a_dead_run_is_told_of_and_counts_against_its_schedule(
    app: Flask, project_id: UUID, inside: None, database_url: str
) -> None:
    service.request_run(project_id, "embeddings_run")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE job_runs SET attempt = 2")
    claim()
    end_lease(database_url)
    ticks.tick(app.config["SETTINGS"])
    told = rows(database_url, "SELECT payload ->> 'status', payload ->> 'at' FROM events")
    assert [status for status, _ in told] == ["failed"] and told[0][1].endswith("Z")
    assert schedule_of(database_url, "embeddings_run")[1] == 1


def test_a_result_that_cannot_be_stored_is_a_failed_run(
    app: Flask, owner: Browser, project_id: UUID
) -> None:
    with app.app_context():
        run = service.request_run(project_id, "embeddings_run")
    runner_with(app, lambda c: JobResult(processed_count=1, result={"text": "a\0b"})).work()
    shown = owner.get(f"/jobs/runs/{run.id}").get_json()["run"]
    assert (shown["status"], shown["error_kind"]) == ("failed", "result_not_stored")


def test_a_request_to_stop_outlives_the_worker_it_was_made_to(
    app: Flask, owner: Browser, project_id: UUID, inside: None, database_url: str
) -> None:
    run = service.request_run(project_id, "embeddings_run")
    claim("lost")
    owner.post(f"/jobs/runs/{run.id}/cancel")
    end_lease(database_url)
    ticks.tick(app.config["SETTINGS"])

    def obedient(context: RunContext) -> JobResult:
        context.check()
        return JobResult()

    runner_with(app, obedient).work()
    assert rows(database_url, "SELECT status FROM job_runs") == [("cancelled",)]
    assert schedule_of(database_url, "embeddings_run")[1] == 0  # nobody failed


def test_parallel_workers_claim_each_run_once_and_keep_to_the_cap(
    app: Flask, project_id: UUID, inside: None
) -> None:
    for job_type in CATALOGUE:
        service.request_run(project_id, job_type)
    claimed: list[Any] = []
    threads = [threading.Thread(target=lambda: claimed.append(claim())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [run["id"] for run in claimed if run]
    assert len(taken) == len(set(taken)) == app.config["SETTINGS"].scheduler_max_per_project


def test_a_busy_project_does_not_keep_others_waiting(
    app: Flask, owner: Browser, project_id: UUID
) -> None:
    owner.post("/projects", {"name": "The other"})
    other = UUID(owner.get("/projects").get_json()["projects"][0]["id"])
    with app.app_context():
        for job_type in list(CATALOGUE)[:3]:
            service.request_run(project_id, job_type)
        service.request_run(other, "embeddings_run")
        assert [claim()["project_id"] for _ in range(2)] == [project_id, other]


def test_due_schedules_become_runs_and_every_job_type_can_be_ticked(
    app: Flask, owner: Browser, project_id: UUID, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE scheduled_jobs SET next_run_at = now()")
    scheduled = {name for name, job in CATALOGUE.items() if job.cadence_seconds}
    result = owner.post("/jobs/scheduler/tick?limit=100").get_json()["result"]
    assert {detail["job_type"] for detail in result["details"]} == scheduled
    again = owner.post("/jobs/scheduler/tick").get_json()["result"]
    assert again["processed"] == 0
    runner = Runner()
    runner.bind(app, HANDLERS)
    while runner.work():
        pass
    found = rows(database_url, "SELECT DISTINCT status FROM job_runs")
    assert found == [("completed",)]


def test_a_waiting_run_can_be_cancelled_and_a_working_one_stops_at_its_next_step(
    app: Flask, owner: Browser, project_id: UUID, settings_for: Callable[..., Any]
) -> None:
    with app.app_context():
        waiting = service.request_run(project_id, "embeddings_run")
    answer = owner.post(f"/jobs/runs/{waiting.id}/cancel")
    assert answer.get_json()["run"]["status"] == "cancelled"
    object.__setattr__(app.config["SETTINGS"], "job_lease_seconds", 2)

    def patient(context: RunContext) -> JobResult:
        deadline = time.monotonic() + 10
        owner.post(f"/jobs/runs/{context.run_id}/cancel")
        while time.monotonic() < deadline:
            context.check()
            time.sleep(0.02)
        return JobResult()

    with app.app_context():
        run = service.request_run(project_id, "embeddings_run")
    runner_with(app, patient).work()
    assert owner.get(f"/jobs/runs/{run.id}").get_json()["run"]["status"] == "cancelled"


def test_a_run_that_takes_too_long_is_told_to_stop(
    app: Flask, owner: Browser, project_id: UUID
) -> None:
    object.__setattr__(app.config["SETTINGS"], "job_timeout_seconds", 0)
    with app.app_context():
        run = service.request_run(project_id, "embeddings_run")

    def endless(context: RunContext) -> JobResult:
        while True:
            context.check()

    runner_with(app, endless).work()
    shown = owner.get(f"/jobs/runs/{run.id}").get_json()["run"]
    assert (shown["status"], shown["error_kind"]) == ("failed", "timeout")


def test_a_run_past_its_time_that_does_not_stop_loses_its_lease(
    app: Flask, project_id: UUID, database_url: str
) -> None:
    settings = app.config["SETTINGS"]
    object.__setattr__(settings, "job_timeout_embeddings_run_seconds", 0)
    object.__setattr__(settings, "job_lease_seconds", 0.6)
    seen = threading.Event()

    def deaf(context: RunContext) -> JobResult:
        seen.wait(20)
        return JobResult()

    with app.app_context():
        service.request_run(project_id, "embeddings_run")
    runner = runner_with(app, deaf)
    worker = threading.Thread(target=runner.work)
    worker.start()
    state = "SELECT status, lease_until < now() FROM job_runs"
    eventually(lambda: rows(database_url, state) == [("running", True)])
    seen.set()
    worker.join()


def test_every_job_type_has_a_limit_of_its_own(app: Flask) -> None:
    for job_type in CATALOGUE:
        assert hasattr(app.config["SETTINGS"], f"job_timeout_{job_type}_seconds")


def test_what_nobody_needs_is_purged_once_an_hour(
    app: Flask, project_id: UUID, inside: None, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO events (project_id, event_type, payload, created_at) "
            "SELECT id, 'job_completed', '{}', now() - age FROM projects, "
            "unnest('{1 hour,25 hours}'::interval[]) AS age"
        )
    purged = housekeeping.purge_when_due(app.config["SETTINGS"])
    assert purged is not None and purged["events"] == 1
    assert housekeeping.purge_when_due(app.config["SETTINGS"]) is None
    assert rows(database_url, "SELECT count(*) FROM events") == [(1,)]


def test_a_tick_by_hand_does_not_wait_for_long_runs(
    make_app: Callable[..., Flask], owner: Browser, project_id: UUID, database_url: str, app: Flask
) -> None:
    object.__setattr__(app.config["SETTINGS"], "job_wait_seconds", 0.05)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE scheduled_jobs SET next_run_at = now() WHERE job_type = 'embeddings_run'"
        )
    result = owner.post("/jobs/scheduler/tick").get_json()["result"]
    assert (result["processed"], result["ok"], result["failed"]) == (1, 0, 0)
    assert [detail["status"] for detail in result["details"]] == ["queued"]


def test_the_jobs_page_has_every_field_it_reads(owner: Browser, project_id: UUID) -> None:
    body = owner.get("/jobs/status").get_json()
    assert body["rag_counts"] == {"pending": 0, "processing": 0, "ready": 0, "failed": 0}
    assert set(body["entities"]) == {"contacts", "conversations", "messages", "rag_chunks"}
    assert (
        isinstance(body["storage"]["database_bytes"], int) and body["storage"]["database_bytes"] > 0
    )
    assert isinstance(body["storage"]["usage_percent"], float)
    assert body["jobs"] == [] and body["watermarks"] == []


def test_a_table_in_parts_has_the_size_of_all_its_parts(
    owner: Browser, project_id: UUID, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project that has all rows of a table has all of its bytes."""
    monkeypatch.setattr(status, "sizes", status.Sizes())
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO search_texts (project_id, source_type, source_pk, body) "
            "SELECT %s, 'linear_issue', 'linissue:s:' || n, 'size ' || n FROM generate_series(1, 500) n",
            (project_id,),
        )
        connection.execute(
            "INSERT INTO project_counters (project_id, name, value) VALUES (%s, 'issues', 500)",
            (project_id,),
        )
        connection.execute("ANALYZE search_texts")
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits "
            "WHERE inhparent = 'search_texts'::regclass"
        ).fetchone()
    assert row is not None and row[0] > 0
    storage = owner.get("/jobs/status").get_json()["storage"]
    assert storage["tables"]["search_texts"] == row[0]
    assert storage["tables"]["rag_vectors"] == 0, "nothing is embedded"
    assert storage["scoped_logical_bytes"] == sum(storage["tables"].values())


def test_a_request_is_answered_202_while_the_job_works(owner: Browser, project_id: UUID) -> None:
    answer = owner.post("/jobs/embeddings/run")
    assert answer.status_code == 202
    result = answer.get_json()["result"]
    assert result["queued"] is True and result["status"] == "queued" and result["job_run_id"]


def test_a_sync_without_a_connection_says_what_to_do(owner: Browser, project_id: UUID) -> None:
    answer = owner.post("/jobs/chatwoot/sync")
    assert (answer.status_code, answer.get_json()["error"]) == (409, "connector_not_configured")
