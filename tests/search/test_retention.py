"""What is old is forgotten: in batches, to the end, with what people thought of it kept as numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.search import retention
from tests.conftest import Browser

JOB = "analytics_retention_cleanup"


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(
        search_analytics_retention_days=30,
        lightrag_query_runs_retention_days=20,
        analytics_retention_batch_size=2,
    )


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def count(database_url: str, table: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    found: int = row[0]
    return found


def test_everything_too_old_goes_however_many_batches_it_takes(
    owner: Browser,
    project: dict[str, Any],
    searched: Callable[..., str],
    work: Callable[..., dict[str, Any]],
    database_url: str,
) -> None:
    for number in range(7):
        searched(f"давно {number}", owner, at=ago(40 + number))
    searched("между", owner, at=ago(25))
    searched("недавно", owner, at=ago(5))
    run = work(project["id"], JOB)
    assert run["status"] == "completed"
    assert run["result"]["deleted_rows"] == {
        "search_analytics": 7,
        "lightrag_query_runs": 8,
        "embedding_usage": 0,
        "total": 15,
    }
    assert set(run["result"]["overdue_lag_days"].values()) == {0}
    assert run["result"]["warnings"] == []
    assert (
        count(database_url, "search_analytics"),
        count(database_url, "lightrag_query_runs"),
    ) == (2, 1)


def test_opinions_outlive_their_runs_as_numbers(
    owner: Browser,
    project: dict[str, Any],
    searched: Callable[..., str],
    work: Callable[..., dict[str, Any]],
) -> None:
    for number, rating in enumerate((1, 1, -1)):
        run = searched(f"давно {number}", owner, at=ago(40), quality=90)
        owner.post("/lightrag/feedback", {"query_run_id": run, "rating": rating})
    before = owner.get("/search/analytics/quality").get_json()["weeks"]
    work(project["id"], JOB)
    assert owner.get("/search/analytics/quality").get_json()["weeks"] == before
    assert owner.get("/search/analytics/summary").get_json()["feedback"] == {"up": 2, "down": 1}
    assert owner.get("/lightrag/runs").get_json()["runs"] == []


def test_without_time_the_rest_waits_for_the_next_run_and_says_so(
    owner: Browser,
    project: dict[str, Any],
    searched: Callable[..., str],
    work: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
) -> None:
    searched("давно", owner, at=ago(40))
    monkeypatch.setattr(retention, "RUN_SECONDS", -1.0)
    run = work(project["id"], JOB)
    told = owner.get("/metrics").get_data(as_text=True)
    assert re.search(r'app_retention_cleanup_lag_days{table="search_analytics"} (9|10)', told)
    assert run["status"] == "partial"
    assert run["result"]["overdue_lag_days"]["search_analytics"] == pytest.approx(10, abs=0.1)
    assert len(run["result"]["warnings"]) == 2
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT not_before > now() FROM job_runs WHERE job_type = %s AND status = 'queued'",
            (JOB,),
        ).fetchone()
    assert row == (True,)


def test_another_projects_history_is_left_alone(
    owner: Browser,
    project: dict[str, Any],
    searched: Callable[..., str],
    work: Callable[..., dict[str, Any]],
    database_url: str,
) -> None:
    other = owner.post("/projects", {"name": "Вторая"}).get_json()["project"]
    searched("давно", owner, at=ago(40), project_id=other["id"])
    assert work(project["id"], JOB)["result"]["deleted_rows"]["total"] == 0
    assert count(database_url, "search_analytics") == 1
