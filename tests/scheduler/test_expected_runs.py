"""Runs that are expected rather than started: many who expect one are one run, and none is missed."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.scheduler import service
from app.scheduler.catalogue import CATALOGUE
from app.scheduler.context import Handler, JobResult, RunContext
from app.scheduler.runner import Runner

JOB = "webhook_deliveries"


@pytest.fixture
def project_id(project: dict[str, Any]) -> UUID:
    return UUID(project["id"])


def expect(app: Flask, project_id: UUID, delay: float = 0.0) -> None:
    with app.app_context():
        service.expect_run(project_id, JOB, trigger="webhook", delay=delay)


def runner_with(app: Flask, handler: Handler) -> Runner:
    runner = Runner()
    runner.bind(app, dict.fromkeys(CATALOGUE, handler))
    return runner


def runs(app: Flask) -> list[Any]:
    """Of each run: its status, whether it is to be repeated, and in how many seconds it may begin."""
    with psycopg.connect(app.config["SETTINGS"].database_url) as connection:
        return connection.execute(
            "SELECT status, run_again, round(extract(epoch FROM not_before - now()))::int "
            "FROM job_runs ORDER BY queued_at, id"
        ).fetchall()


def test_many_who_expect_one_are_one_run(app: Flask, project_id: UUID) -> None:
    threads = [threading.Thread(target=expect, args=(app, project_id, 60.0)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs(app) == [("queued", False, 60)]
    assert runner_with(app, lambda context: JobResult()).work() == 0, "it may not begin yet"


def test_who_cannot_wait_brings_it_forward(app: Flask, project_id: UUID) -> None:
    expect(app, project_id, 60.0)
    expect(app, project_id, 90.0)
    assert runs(app) == [("queued", False, 60)]
    expect(app, project_id, 5.0)
    assert runs(app) == [("queued", False, 5)]
    with app.app_context():
        joined = service.request_run(project_id, JOB)
    assert joined.joined and runs(app) == [("queued", False, 0)]


def test_one_at_work_is_repeated_once(app: Flask, project_id: UUID) -> None:
    done: list[UUID] = []

    def handler(context: RunContext) -> JobResult:
        done.append(context.run_id)
        if len(done) == 1:
            for _ in range(3):
                expect(app, project_id, 2.0)
        return JobResult()

    expect(app, project_id)
    runner_with(app, handler).work()
    assert len(done) == 2 and [status for status, _, _ in runs(app)] == ["completed"] * 2


def test_a_run_may_come_back_later(app: Flask, project_id: UUID) -> None:
    expect(app, project_id)
    runner_with(app, lambda context: JobResult(again_after=40.0)).work()
    (ended, following) = runs(app)
    assert ended[0] == "completed" and following == ("queued", False, 40)
