"""Any order of requests, claims, ends, lost workers, cancellations and ticks keeps runs in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import hypothesis.strategies as st
import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app.db import db, statements
from app.scheduler import endings, service, ticks
from app.scheduler.catalogue import CATALOGUE
from app.scheduler.context import JobResult

sql = statements("scheduler")
JOB_TYPES = sorted(CATALOGUE)
ENDS = {"completed", "partial", "failed", "cancelled", "dead"}
RESULTS = [
    JobResult(changed=True),
    JobResult("partial"),
    JobResult("failed", error_kind="network", error="away"),
    JobResult("cancelled", error_kind="cancelled"),
]


class Runs(RuleBasedStateMachine):
    """Two workers and a few people on one project; `held` are claims that a worker believes in."""

    app: Flask
    database_url: str
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.context = self.app.app_context()
        self.context.push()
        self.sql = psycopg.connect(self.database_url, autocommit=True)
        self.project_id = uuid4()
        self.sql.execute(
            "INSERT INTO projects (id, account_scope_id, name) "
            "SELECT %s, id, %s::text FROM account_scopes LIMIT 1",
            (self.project_id, str(self.project_id)),
        )
        self.ended: dict[UUID, str] = {}
        self.settings = self.app.config["SETTINGS"]

    def teardown(self) -> None:
        self.sql.execute("DELETE FROM projects WHERE id = %s", (self.project_id,))
        self.sql.close()
        self.context.pop()

    @rule(
        job_type=st.sampled_from(JOB_TYPES),
        trigger=st.sampled_from(["manual", "cascade", "webhook"]),
    )
    def somebody_asks(self, job_type: str, trigger: str) -> None:
        run = service.request_run(self.project_id, job_type, trigger=trigger)
        assert run.status in ("queued", "running")

    @rule(target=held)
    def a_worker_claims(self) -> Any:
        return self._claim()

    def _claim(self) -> Any:
        with db.transaction() as tx:
            sql.take_turn(tx)
            run = sql.claim_next(tx, worker="w", lease_seconds=60, max_total=10, max_per_project=2)
        return multiple() if run is None else run

    @rule(run=consumes(held), result=st.sampled_from(RESULTS))
    def a_worker_ends_its_run(self, run: Any, result: JobResult) -> None:
        (holder,) = self._one("SELECT claim_token FROM job_runs WHERE id = %s", run["id"])
        told = self._events()
        with db.transaction() as tx:
            endings.finish(tx, run, result, self.settings)
        ours = holder == run["claim_token"]
        (status,) = self._one("SELECT status FROM job_runs WHERE id = %s", run["id"])
        assert (status == result.status) if ours else self._events() == told

    @rule(run=consumes(held))
    def a_worker_is_lost(self, run: Any) -> None:
        self._end_lease(run)

    @rule(target=held, run=held)
    def a_worker_is_slow_and_another_takes_over(self, run: Any) -> Any:
        self._end_lease(run)
        ticks.tick(self.settings)
        return self._claim()

    def _end_lease(self, run: Any) -> None:
        self.sql.execute(
            "UPDATE job_runs SET lease_until = now() - interval '1 second' "
            "WHERE id = %s AND claim_token = %s",
            (run["id"], run["claim_token"]),
        )

    @rule(run=held)
    def somebody_cancels(self, run: Any) -> None:
        with db.transaction() as tx:
            endings.cancel(tx, self.project_id, run["id"], self.settings)

    @rule()
    def the_clock_ticks(self) -> None:
        ticks.tick(self.settings)

    @invariant()
    def one_run_of_a_type_is_alive(self) -> None:
        rows = self.sql.execute(
            "SELECT job_type FROM job_runs WHERE project_id = %s AND status IN ('queued', 'running') "
            "GROUP BY job_type HAVING count(*) > 1",
            (self.project_id,),
        ).fetchall()
        assert rows == []

    @invariant()
    def what_ended_stays_as_it_ended_and_was_told_once(self) -> None:
        rows = self.sql.execute(
            "SELECT r.id, r.status, r.finished_at, r.claim_token, r.lease_until, "
            "(SELECT count(*) FROM events e WHERE e.payload ->> 'run_id' = r.id::text "
            " AND e.payload ->> 'job_type' = r.job_type) "
            "FROM job_runs r WHERE r.project_id = %s",
            (self.project_id,),
        ).fetchall()
        for run_id, status, finished_at, token, lease, told in rows:
            assert told == (1 if status in ENDS else 0)
            assert (finished_at is not None) == (status in ENDS)
            assert (token is not None) == (lease is not None) == (status == "running")
            assert self.ended.get(run_id, status) == status
            if status in ENDS:
                self.ended[run_id] = status

    def _one(self, statement: str, *values: Any) -> Any:
        return self.sql.execute(statement.encode(), values).fetchone()

    def _events(self) -> int:
        (count,) = self._one("SELECT count(*) FROM events WHERE project_id = %s", self.project_id)
        return int(count)


@pytest.fixture
def machine(app: Flask, project: dict[str, Any], database_url: str) -> Iterator[type[Runs]]:
    class Bound(Runs):
        pass

    with psycopg.connect(database_url) as connection:
        # Its account stays. Its own scheduled runs would be claimed too, from one example into the next.
        connection.execute("DELETE FROM projects")
    Bound.app, Bound.database_url = app, database_url
    yield Bound


def test_runs_keep_in_order_whatever_happens(machine: type[Runs]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
