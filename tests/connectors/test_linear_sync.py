"""Linear pulled into Postgres: through the simulated workspace, which refuses what the API refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.conftest import Browser
from tests.vendors.linear import LinearServer
from tests.vendors.linear.state import Node

Sync = Callable[[], dict[str, Any]]


@pytest.fixture
def sync(
    project: dict[str, Any],
    connected: Callable[..., None],
    work: Callable[..., dict[str, Any]],
) -> Sync:
    connected(project["id"])
    return lambda: work(project["id"], "linear_sync")


def test_everything_of_a_workspace_arrives(
    linear: LinearServer, team: Node, sync: Sync, rows: Callable[..., list[Any]]
) -> None:
    workspace = linear.workspace
    kostya = workspace.add_user("Kostya", "kostya@mayak.example")
    project = workspace.add_project("Driver app", team, lead=kostya)
    label = workspace.add_label("crash", team)
    issue = workspace.add_issue(
        team, "Crash on Android 12", "Foreground service is refused.", project=project,
        assignee=kostya, creator=kostya, labels=[label], priority=1, due="2026-10-02",
    )  # fmt: skip
    workspace.add_comment(issue, "Reproduced on a Pixel 5.", kostya)
    run = sync()
    assert run["status"] == "completed", run
    assert run["result"]["touched_issues"] == 1 and run["result"]["touched_projects"] == 1
    (found,) = rows(
        "SELECT identifier, title, state, state_type, assignee_name, assignee_email, priority, "
        "due_date::text, team_key, url, open, linear_project_external_id, label_ids FROM linear_issues_raw"
    )
    assert found[:9] == (
        "FLT-1", "Crash on Android 12", "Todo", "unstarted", "Kostya", "kostya@mayak.example", 1,
        "2026-10-02", "FLT",
    )  # fmt: skip
    assert found[9].endswith("/FLT-1") and found[10] is True
    assert found[11] == project["id"] and found[12] == [label["id"]]
    assert rows("SELECT name, state, state_type, lead_name FROM linear_projects_raw") == [
        ("Driver app", "In Progress", "started", "Kostya")
    ]
    assert rows("SELECT count(*) FROM linear_states_raw") == [(6,)]
    assert rows("SELECT body, author_name FROM linear_comments_raw") == [
        ("Reproduced on a Pixel 5.", "Kostya")
    ]
    (document,) = rows("SELECT title, body, source_url FROM source_documents")
    assert document[0] == "FLT-1 Crash on Android 12"
    assert "Foreground service" in document[1] and "Kostya: Reproduced" in document[1]


def test_a_second_sync_changes_nothing_and_an_edit_costs_one_issue(
    linear: LinearServer, team: Node, sync: Sync, rows: Callable[..., list[Any]]
) -> None:
    issues = [linear.workspace.add_issue(team, f"Issue {n}") for n in range(30)]
    sync()
    again = sync()
    assert again["result"]["touched_issues"] == 0 and again["result"]["changed"] is False
    linear.workspace.pass_time(3600)
    linear.workspace.change("issues", issues[3], title="Renamed")
    third = sync()
    assert third["result"]["touched_issues"] == 1
    assert rows("SELECT title FROM linear_issues_raw WHERE identifier = 'FLT-4'") == [("Renamed",)]


def test_long_lists_are_read_to_their_end(
    make_app: Callable[..., Flask],
    linear: LinearServer,
    team: Node,
    project: dict[str, Any],
    connected: Callable[..., None],
    work: Callable[..., dict[str, Any]],
    rows: Callable[..., list[Any]],
) -> None:
    for number in range(250):
        linear.workspace.add_project(f"Project {number}", team)
    for number in range(620):
        linear.workspace.add_issue(team, f"Issue {number}")
    connected(project["id"])
    assert work(project["id"], "linear_sync")["status"] == "completed"
    assert rows("SELECT count(*) FROM linear_projects_raw") == [(250,)]
    assert rows("SELECT count(DISTINCT identifier) FROM linear_issues_raw") == [(620,)]


def test_a_budget_delays_and_skips_nothing(
    app: Flask, linear: LinearServer, team: Node, sync: Sync, rows: Callable[..., list[Any]]
) -> None:
    object.__setattr__(app.config["SETTINGS"], "linear_sync_limit", 10)
    object.__setattr__(app.config["SETTINGS"], "linear_sync_max_pages", 2)
    first = [linear.workspace.add_issue(team, f"Early {n}") for n in range(50)]
    run = sync()
    assert run["status"] == "partial" and "issues" in run["result"]["unfinished"]
    linear.workspace.change("issues", first[0], title="Edited meanwhile")
    late = linear.workspace.add_issue(team, "Late")
    assert "completed" in [sync()["status"] for _ in range(6)]
    titles = {title for (title,) in rows("SELECT title FROM linear_issues_raw")}
    assert len(titles) == 51 and {"Edited meanwhile", late["title"]} <= titles


def test_open_means_neither_done_nor_cancelled_nor_archived(
    linear: LinearServer, team: Node, sync: Sync, rows: Callable[..., list[Any]]
) -> None:
    workspace = linear.workspace
    made = {
        name: workspace.add_issue(team, name) for name in ("open", "done", "dropped", "old", "bin")
    }
    workspace.move(made["done"], "Done")
    workspace.move(made["dropped"], "Canceled")
    workspace.change("issues", made["old"], archivedAt=workspace.tick())
    workspace.change("issues", made["bin"], archivedAt=workspace.tick(), trashed=True)
    sync()
    assert rows("SELECT title FROM linear_issues_raw WHERE open") == [("open",)]
    assert rows("SELECT count(*) FROM linear_issues_raw WHERE canceled_at IS NOT NULL") == [(1,)]
    found = {title for (title,) in rows("SELECT title FROM source_documents")}
    assert "FLT-5 bin" not in found and "FLT-4 old" in found


def test_blocking_and_unblocking_are_told_once_each_and_edits_not_at_all(
    linear: LinearServer, team: Node, sync: Sync, rows: Callable[..., list[Any]]
) -> None:
    workspace = linear.workspace
    blocked = workspace.add_issue(team, "Ship 2.3.1")
    blocker = workspace.add_issue(team, "Fix the crash")
    sync()

    def told() -> list[str]:
        return [
            kind
            for (kind,) in rows(
                "SELECT event_type FROM connector_events WHERE source_ref LIKE %s ORDER BY id",
                f"%{blocked['id']}",
            )
        ]

    assert told() == ["issue_created"]
    for title in ("Ship 2.3.1 to all", "Ship 2.3.1 to all drivers"):
        workspace.change("issues", blocked, title=title)
        sync()
    assert told() == ["issue_created"]
    workspace.block(blocked, blocker)
    sync()
    assert rows("SELECT blocked, blocked_by_count FROM linear_issues_raw WHERE number = 1") == [
        (True, 1)
    ]
    # The blocker is done: the blocked issue itself is not touched upstream.
    workspace.move(blocker, "Done")
    sync()
    assert rows("SELECT blocked FROM linear_issues_raw WHERE number = 1") == [(False,)]
    assert told() == ["issue_created", "issue_blocked", "issue_unblocked"]


def test_more_blockers_than_come_with_an_issue_are_asked_for(
    linear: LinearServer, team: Node, sync: Sync, rows: Callable[..., list[Any]]
) -> None:
    workspace = linear.workspace
    blocked = workspace.add_issue(team, "Blocked by everything")
    for number in range(8):
        workspace.block(blocked, workspace.add_issue(team, f"Blocker {number}"))
    sync()
    assert rows("SELECT blocked_by_count FROM linear_issues_raw WHERE number = 1") == [(8,)]


def test_state_changes_are_told_with_both_states(
    linear: LinearServer, team: Node, sync: Sync, rows: Callable[..., list[Any]]
) -> None:
    issue = linear.workspace.add_issue(team, "A task")
    sync()
    linear.workspace.move(issue, "Done")
    sync()
    assert rows(
        "SELECT event_type, payload_json ->> 'from', payload_json ->> 'to' FROM connector_events "
        "WHERE event_type LIKE 'issue_state%' OR event_type = 'issue_completed' ORDER BY id"
    ) == [("issue_state_changed", "Todo", "Done"), ("issue_completed", None, None)]


def test_what_was_deleted_upstream_is_gone_after_the_sweep(
    linear: LinearServer,
    team: Node,
    sync: Sync,
    rows: Callable[..., list[Any]],
    database_url: str,
) -> None:
    workspace = linear.workspace
    kept, dropped = workspace.add_issue(team, "Kept"), workspace.add_issue(team, "Secret plan")
    comment = workspace.add_comment(kept, "A remark that was regretted later.", None)
    sync()
    workspace.delete("issues", dropped)
    workspace.delete("comments", comment)
    sync()
    assert rows("SELECT count(*) FROM linear_issues_raw WHERE deleted_at IS NULL") == [(2,)]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE connector_streams SET last_sweep_at = now() - interval '25 hours'"
        )
    sync()
    assert rows("SELECT title FROM linear_issues_raw WHERE deleted_at IS NULL") == [("Kept",)]
    assert rows("SELECT title, body FROM source_documents") == [("FLT-1 Kept", "State: Todo")]
    assert rows(
        "SELECT count(*) FROM rag_chunks WHERE text LIKE '%Secret%' OR text LIKE '%regret%'"
    ) == [(0,)]


def test_a_sweep_that_would_remove_too_much_asks_first(
    owner: Browser,
    linear: LinearServer,
    team: Node,
    sync: Sync,
    rows: Callable[..., list[Any]],
    database_url: str,
) -> None:
    issues = [linear.workspace.add_issue(team, f"Issue {n}") for n in range(120)]
    sync()
    for issue in issues[:60]:
        linear.workspace.delete("issues", issue)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE connector_streams SET last_sweep_at = now() - interval '25 hours'"
        )
    sync()
    assert rows("SELECT count(*) FROM linear_issues_raw WHERE deleted_at IS NULL") == [(120,)]
    (error,) = owner.get("/connectors/errors/dead-letter").get_json()["errors"]
    assert error["error_kind"] == "sweep_guard" and "60 of 120" in error["error_message"]
    # A person confirms it: the next sweep may.
    assert owner.post(f"/connectors/errors/dead-letter/{error['id']}/retry").status_code == 202
    assert sync()["status"] == "completed"
    assert rows("SELECT count(*) FROM linear_issues_raw WHERE deleted_at IS NULL") == [(60,)]
    assert rows("SELECT options FROM connector_connections") == [({},)]


@pytest.mark.parametrize("token", ["lin_api_test", "oauth-token"])
def test_personal_keys_and_oauth_tokens_both_work(
    linear: LinearServer,
    team: Node,
    project: dict[str, Any],
    connected: Callable[..., None],
    work: Callable[..., dict[str, Any]],
    token: str,
) -> None:
    connected(project["id"], token=token)
    assert work(project["id"], "linear_sync")["status"] == "completed"


def test_a_limit_told_as_a_400_is_a_pause_and_no_mistake(
    linear: LinearServer, team: Node, sync: Sync, rows: Callable[..., list[Any]]
) -> None:
    linear.faults.add("ratelimited", path="/graphql/Issues", retry_after="90")
    run = sync()
    assert (run["status"], run["error_kind"]) == ("failed", "rate_limited")
    assert run["result"]["retry_after"] == 90
    (error,) = rows(
        "SELECT status, attempt, extract(epoch FROM next_retry_at - now())::float8 FROM connector_errors"
    )
    assert error[0] == "pending" and 80 < error[2] <= 90
    linear.faults.clear()
    assert sync()["status"] == "completed"
    assert rows("SELECT status FROM connector_errors") == [("resolved",)]


def test_a_used_up_quota_is_not_run_into(linear: LinearServer, team: Node, sync: Sync) -> None:
    linear.quota.left["requests"] = 3
    run = sync()
    assert (run["status"], run["error_kind"]) == ("failed", "rate_limited")
    assert run["result"]["retry_after"] > 3000
    assert linear.requests.count() == 3  # the fourth call was not made


def test_a_refused_token_waits_for_a_person(
    linear: LinearServer,
    team: Node,
    project: dict[str, Any],
    connected: Callable[..., None],
    work: Callable[..., dict[str, Any]],
    rows: Callable[..., list[Any]],
) -> None:
    connected(project["id"], token="lin_api_wrong")
    for _ in range(3):
        assert work(project["id"], "linear_sync")["error_kind"] == "auth_failed"
    assert rows("SELECT status, occurrences FROM connector_errors") == [("dead_letter", 3)]
    connected(project["id"])
    assert work(project["id"], "linear_sync")["status"] == "completed"
    assert rows("SELECT status FROM connector_errors") == [("resolved",)]


def test_a_token_of_another_workspace_brings_nothing_in(
    linear: LinearServer,
    team: Node,
    project: dict[str, Any],
    connected: Callable[..., None],
    work: Callable[..., dict[str, Any]],
    rows: Callable[..., list[Any]],
) -> None:
    linear.workspace.add_issue(team, "Somebody else's")
    connected(project["id"], account="00000000-0000-4000-8000-000000000000")
    run = work(project["id"], "linear_sync")
    assert (run["status"], run["error_kind"]) == ("failed", "binding_conflict")
    assert rows("SELECT count(*) FROM linear_issues_raw") == [(0,)]


def test_a_connection_with_filters_reads_its_teams_only(
    linear: LinearServer,
    team: Node,
    owner: Browser,
    project: dict[str, Any],
    connected: Callable[..., None],
    work: Callable[..., dict[str, Any]],
    rows: Callable[..., list[Any]],
) -> None:
    other_team = linear.workspace.add_team("PEK", "Пекарня")
    ours = linear.workspace.add_issue(team, "Ours")
    theirs = linear.workspace.add_issue(other_team, "Theirs")
    linear.workspace.add_comment(theirs, "Not for us", None)
    linear.workspace.add_comment(ours, "For us", None)
    other = owner.post("/projects", {"name": "Other"}).get_json()["project"]["id"]
    connected(project["id"], team_ids=[team["id"]])
    connected(other, team_ids=[other_team["id"]])
    for project_id in (project["id"], other):
        assert work(project_id, "linear_sync")["status"] == "completed"
    assert rows("SELECT project_id::text, title FROM linear_issues_raw ORDER BY title") == [
        (project["id"], "Ours"),
        (other, "Theirs"),
    ]
    assert rows("SELECT project_id::text, body FROM linear_comments_raw ORDER BY body") == [
        (project["id"], "For us"),
        (other, "Not for us"),
    ]


def test_the_job_route_answers_with_the_counts_of_the_contract(
    owner: Browser, sync: Sync, linear: LinearServer, team: Node
) -> None:
    linear.workspace.add_issue(team, "One")
    result = sync()["result"]
    assert {
        "source",
        "touched_projects",
        "touched_states",
        "touched_cycles",
        "touched_issues",
    } <= set(result)
    assert owner.post("/jobs/linear/sync").status_code == 202
