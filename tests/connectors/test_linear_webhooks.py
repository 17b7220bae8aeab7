"""Linear's webhooks, from the door to the rows: what they name is read again, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.connectors import connections
from app.connectors.linear import writer
from app.connectors.linear.client import LinearClient
from app.connectors.linear.mapping import Names
from app.connectors.linear.streams import lists
from app.db import db
from tests.conftest import Browser
from tests.connectors.conftest import Rows
from tests.connectors.webhooks import SECRETS, Door, sign, stored
from tests.vendors.linear import LinearServer
from tests.vendors.linear.state import Node, Workspace
from tests.vendors.linear.webhooks import event

Work = Callable[..., dict[str, Any]]
Tell = Callable[..., None]
JOB = "webhook_deliveries"
TEXT = "SELECT body FROM source_documents ORDER BY id"


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """Deliveries are due at once, and failures come back at once."""
    yield make_app(webhook_debounce_seconds=0.0, connector_retry_base_seconds=0.0)
    db.close()


@pytest.fixture
def there(linear: LinearServer) -> Workspace:
    return linear.workspace


@pytest.fixture
def connection(owner: Browser, project: dict[str, Any], connected: Callable[..., None]) -> str:
    connected(project["id"])
    return str(owner.get("/connectors/connections").get_json()["connections"][0]["id"])


@pytest.fixture
def tell(app: Flask, owner: Browser, connection: str, there: Workspace) -> Tell:
    """Send a delivery about an object of the workspace."""
    path = f"/connectors/connections/{connection}/rotate-webhook"
    made = owner.post(path, {"secret": SECRETS["linear"]}).get_json()["webhook"]
    door = Door(app, "linear", made["address"].rpartition("/")[2])

    def send(kind: str, node: Node, action: str = "update", **fields: Any) -> None:
        answer = door.send(sign("linear", {**event(there, kind, node, action), **fields}))
        assert answer.status_code == 200, answer.get_json()

    return send


@pytest.fixture
def apply(project: dict[str, Any], work: Work) -> Callable[[], dict[str, Any]]:
    return lambda: work(project["id"], JOB)


def test_an_issue_and_its_comment_arrive_without_a_sync(
    linear: LinearServer, there: Workspace, team: Node, tell: Tell, apply: Any, rows: Rows
) -> None:
    kostya = there.add_user("Kostya", "kostya@mayak.example")
    issue = there.add_issue(team, "Crash on Android 12", "Foreground service is refused.")
    comment = there.add_comment(issue, "Reproduced on a Pixel 5.", kostya)
    tell("Comment", comment, "create")
    tell("Issue", issue, "create")
    run = apply()
    assert run["status"] == "completed", run
    assert (run["result"]["touched_issues"], run["result"]["touched_comments"]) == (1, 1)
    assert run["result"]["changed"] is True and run["result"]["objects"] == 2
    ((text,),) = rows(TEXT)
    assert "Foreground service" in text and "Kostya: Reproduced" in text
    assert rows("SELECT event_type FROM connector_events") == [("issue_created",)]
    assert linear.requests.entries[0][0] == "/graphql/Issues"
    assert linear.requests.count() == 2, "one question a kind, and no list"


def test_a_burst_about_many_issues_is_a_few_questions(
    linear: LinearServer, there: Workspace, team: Node, tell: Tell, apply: Any, rows: Rows
) -> None:
    issues = [there.add_issue(team, f"Issue {number}") for number in range(80)]
    for issue in issues:
        tell("Issue", issue, "create")
        tell("Issue", issue)
    run = apply()
    assert run["result"]["done"] == 160 and run["result"]["objects"] == 80
    assert rows("SELECT count(*), count(DISTINCT identifier) FROM linear_issues_raw") == [(80, 80)]
    assert linear.requests.count() <= 4
    assert rows("SELECT count(*) FROM connector_events") == [(80,)], "each was created once"


def test_projects_cycles_and_labels_too(
    there: Workspace, team: Node, tell: Tell, apply: Any, rows: Rows
) -> None:
    made = there.add_project("Driver app", team)
    cycle = there.add_cycle(
        team, 7, datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 9, 14, tzinfo=UTC)
    )
    label = there.add_label("crash", team)
    tell("Project", made, "create")
    tell("Cycle", cycle, "create")
    tell("IssueLabel", label, "create")
    apply()
    assert rows("SELECT name FROM linear_projects_raw") == [("Driver app",)]
    assert rows("SELECT number FROM linear_cycles_raw") == [(7,)]
    assert rows("SELECT name FROM linear_labels_raw") == [("crash",)]
    there.change("projects", made, health="atRisk")
    update = {"id": there.new_id(), "updatedAt": made["updatedAt"]}
    tell("ProjectUpdate", update, "create", data={"id": update["id"], "projectId": made["id"]})
    there.delete("issueLabels", label)
    tell("IssueLabel", label, "remove")
    apply()
    assert rows("SELECT health FROM linear_projects_raw") == [("atRisk",)]
    assert rows("SELECT deleted_at IS NOT NULL FROM linear_labels_raw") == [(True,)]


def test_what_was_trashed_or_removed_is_found_no_more(
    there: Workspace, team: Node, tell: Tell, apply: Any, rows: Rows
) -> None:
    trashed, removed, kept = (there.add_issue(team, f"Issue {n}", "Text.") for n in range(3))
    comment = there.add_comment(kept, "A word that was taken back.", None)
    there.block(kept, removed)
    for issue in (trashed, removed, kept):
        tell("Issue", issue, "create")
    tell("Comment", comment, "create")
    apply()
    assert rows("SELECT blocked FROM linear_issues_raw WHERE title = 'Issue 2'") == [(True,)]
    there.change("issues", trashed, trashed=True, archivedAt=there.tick())
    there.delete("issues", removed)
    there.delete("comments", comment)
    tell("Issue", trashed, "remove")
    tell("Issue", removed, "remove")
    tell("Comment", comment, "remove")
    run = apply()
    assert run["result"]["deleted_issues"] == 1 and run["result"]["deleted_comments"] == 1
    assert rows("SELECT trashed, deleted_at IS NOT NULL, blocked FROM linear_issues_raw ORDER BY number") == [
        (True, False, False),
        (False, True, False),
        (False, False, False),
    ]  # fmt: skip
    assert rows("SELECT title, body FROM source_documents") == [
        (f"{kept['identifier']} Issue 2", "State: Todo\n\nText.")
    ]
    assert rows("SELECT count(*) FROM rag_chunks") == [(1,)]
    assert rows("SELECT event_type FROM connector_events WHERE event_type LIKE '%blocked'") == [
        ("issue_blocked",),
        ("issue_unblocked",),
    ]


def test_an_archived_issue_stays_and_says_so(
    there: Workspace, team: Node, tell: Tell, apply: Any, rows: Rows
) -> None:
    issue = there.add_issue(team, "Old")
    tell("Issue", issue, "create")
    apply()
    there.change("issues", issue, archivedAt=there.tick())
    tell("Issue", issue)
    apply()
    assert rows("SELECT archived_at IS NOT NULL, open, deleted_at FROM linear_issues_raw") == [
        (True, False, None)
    ]


def test_late_and_doubled_deliveries_never_bring_back_what_was(
    there: Workspace, team: Node, tell: Tell, apply: Any, rows: Rows
) -> None:
    issue = there.add_issue(team, "First title")
    early = json.loads(json.dumps(event(there, "Issue", issue, "create")))
    there.change("issues", issue, title="Second title")
    there.move(issue, "Done")
    tell("Issue", issue)
    apply()
    tell("Issue", issue, **early)
    apply()
    assert rows("SELECT title, state FROM linear_issues_raw") == [("Second title", "Done")]
    assert rows("SELECT count(*) FROM connector_events") == [(1,)]


def test_a_page_asked_for_before_a_removal_brings_nothing_back(
    app: Flask, linear: LinearServer, there: Workspace, team: Node, project: dict[str, Any], tell: Tell,
    apply: Any, rows: Rows,
) -> None:  # fmt: skip
    """A sync has read, but not yet written, while webhooks bring what is newer."""
    gone, edited = there.add_issue(team, "Gone soon"), there.add_issue(team, "As it was")
    tell("Issue", gone, "create")
    tell("Issue", edited, "create")
    apply()
    with app.app_context():
        found = connections.find(UUID(project["id"]), "linear")
        assert found is not None
        client = LinearClient(found, app.config["SETTINGS"])
        names = Names(found.external_account_id)
        issues = next(
            s for s in lists(found, client, names, app.config["SETTINGS"]) if s.name == "issues"
        )
        slow = issues.named([gone["id"], edited["id"]])
        client.close()
    there.delete("issues", gone)
    there.change("issues", edited, title="As it is")
    tell("Issue", gone, "remove")
    tell("Issue", edited)
    apply()
    with app.app_context(), db.transaction() as tx:
        writer.write(tx, found, "issues", slow.rows, slow.read_at)
    assert rows("SELECT title, deleted_at IS NULL FROM linear_issues_raw ORDER BY number") == [
        ("–", False),
        ("As it is", True),
    ]


def test_an_answer_without_the_issue_is_not_yet_a_removal(
    there: Workspace, team: Node, tell: Tell, apply: Any, rows: Rows, app: Flask
) -> None:
    """A token that lost a team would otherwise empty the project."""
    issue = there.add_issue(team, "Hidden for now")
    tell("Issue", issue, "create")
    apply()
    there.delete("issues", issue)
    tell("Issue", issue)
    assert apply()["result"]["ignored"] == 1
    assert rows("SELECT deleted_at FROM linear_issues_raw") == [(None,)]
    assert stored(app, "status, error_kind")[-1] == ("ignored", "not_ours")


def test_teams_that_are_not_read_stay_outside(
    there: Workspace, team: Node, owner: Browser, connection: str, tell: Tell, apply: Any,
    rows: Rows,
) -> None:  # fmt: skip
    other = there.add_team("OPS", "Operations")
    answer = owner.post(
        f"/connectors/connections/{connection}/update", {"filters": {"team_ids": [team["id"]]}}
    )
    assert answer.status_code == 200, answer.get_json()
    mine, foreign = there.add_issue(team, "Mine"), there.add_issue(other, "Foreign")
    tell("Issue", mine, "create")
    tell("Issue", foreign, "create")
    run = apply()
    assert (run["result"]["done"], run["result"]["ignored"]) == (1, 1)
    assert rows("SELECT title FROM linear_issues_raw") == [("Mine",)]
    there.change("issues", mine, team=other)
    tell("Issue", mine)
    assert apply()["result"]["deleted_issues"] == 1
    assert rows("SELECT count(*) FROM source_documents") == [(0,)]


def test_what_nothing_here_is_made_of_is_ignored(
    linear: LinearServer, there: Workspace, tell: Tell, apply: Any
) -> None:
    tell("User", there.add_user("Olga", "olga@mayak.example"))
    tell("Issue", {"id": "no uuid", "updatedAt": there.tick()})
    assert apply()["result"]["ignored"] == 2
    assert linear.requests.count() == 0


def test_a_reading_that_fails_waits_and_is_tried_again(
    app: Flask,
    linear: LinearServer,
    there: Workspace,
    team: Node,
    tell: Tell,
    apply: Any,
    rows: Rows,
) -> None:
    object.__setattr__(app.config["SETTINGS"], "connector_http_retries", 0)
    issue = there.add_issue(team, "Patience")
    linear.faults.add("status", status=503, times=1)
    tell("Issue", issue, "create")
    assert apply()["status"] == "partial"
    apply()
    assert stored(app, "status, attempts") == [("done", 2)]
    assert rows("SELECT title FROM linear_issues_raw") == [("Patience",)]


def test_linears_wish_for_a_pause_costs_no_attempt(
    app: Flask, linear: LinearServer, there: Workspace, team: Node, tell: Tell, apply: Any
) -> None:
    linear.faults.add("ratelimited", retry_after="90")
    tell("Issue", there.add_issue(team, "Later"), "create")
    apply()
    ((status, attempts, seconds),) = stored(
        app, "status, attempts, extract(epoch FROM next_attempt_at - now())"
    )
    assert (status, attempts) == ("failed", 0) and 80 < seconds <= 90


def test_one_that_cannot_be_written_holds_up_no_other(
    app: Flask, there: Workspace, team: Node, tell: Tell, apply: Any, rows: Rows
) -> None:
    good, bad = there.add_issue(team, "Good"), there.add_issue(team, "Bad")
    rows("ALTER TABLE linear_issues_raw ADD CHECK (title <> 'Bad')")
    tell("Issue", good, "create")
    tell("Issue", bad, "create")
    apply()
    assert rows("SELECT title FROM linear_issues_raw") == [("Good",)]
    assert stored(app, "status, error_kind") == [("done", None), ("dead_letter", "db_error")]
