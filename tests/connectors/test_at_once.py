"""Four at the same time: syncs of one connector, and failures of one fault."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

from flask import Flask

from app.connectors import failures, service
from app.connectors.engine import SyncLock
from app.connectors.errors import ConnectorError
from app.db import db
from app.scheduler.context import RunContext
from tests.conftest import Browser
from tests.connectors.conftest import Rows
from tests.connectors.upstream import stored, talks, upstream
from tests.vendors.chatwoot import ChatwootServer

FOUR = 4


def at_once(deed: Callable[[int], Any]) -> list[Any]:
    """What each of four made of it, begun at the same moment."""
    start = Barrier(FOUR)

    def run(number: int) -> Any:
        start.wait()
        return deed(number)

    with ThreadPoolExecutor(FOUR) as pool:
        return list(pool.map(run, range(FOUR)))


def test_of_four_who_ask_one_starts_a_sync_and_three_are_told_which(
    app: Flask, owner: Browser, project: dict[str, Any], connect: Callable[..., None]
) -> None:
    connect(project["id"])
    browsers = [Browser(app) for _ in range(FOUR)]
    for browser in browsers:
        browser.sign_in()
        browser.post(f"/projects/{project['id']}/select")
    answers = at_once(lambda n: browsers[n].post("/connectors/chatwoot/sync"))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    [begun] = [a.get_json()["job_run_id"] for a in answers if a.status_code == 202]
    refusals = [a.get_json() for a in answers if a.status_code == 409]
    assert {r["error"] for r in refusals} == {"sync_in_progress"}
    assert {r["details"]["job_run_id"] for r in refusals} == {begun}


def test_of_four_syncs_that_meet_one_reads(
    app: Flask, project: dict[str, Any], connect: Callable[..., None], chatwoot: ChatwootServer,
    database_url: str,
) -> None:  # fmt: skip
    talks(chatwoot, 5)
    connect(project["id"])
    chatwoot.faults.add("slow", path="/inboxes$", seconds=1.0, times=1)

    def sync(number: int) -> str | None:
        context = RunContext(
            UUID(project["id"]), uuid4(), {}, "manual", 1, app.config["SETTINGS"], float("inf")
        )
        with app.app_context():
            return service.sync(context, "chatwoot").error_kind

    kinds = at_once(sync)
    assert sorted(kind or "" for kind in kinds) == ["", *["sync_in_progress"] * 3]
    assert stored(database_url) == upstream(chatwoot)


def test_four_failures_of_one_fault_are_one_open_error_of_four_attempts(
    app: Flask, project: dict[str, Any], rows: Rows
) -> None:
    fault = ConnectorError("upstream_5xx", "chat.example answered 503", http_status=503)

    def fail(number: int) -> None:
        with app.app_context(), db.transaction() as tx:
            failures.register(
                tx, UUID(project["id"]), "chatwoot", "inboxes", fault, app.config["SETTINGS"]
            )

    at_once(fail)
    assert rows("SELECT status, attempt, occurrences FROM connector_errors") == [("retrying", 4, 4)]


def test_who_comes_next_is_never_told_of_a_sync_that_has_ended(app: Flask) -> None:
    project = uuid4()
    with app.app_context():
        for _ in range(200):
            with SyncLock(project, "chatwoot") as mine:
                assert mine
            with SyncLock(project, "chatwoot") as mine, SyncLock(project, "chatwoot") as other:
                assert (mine, other) == (True, False)
