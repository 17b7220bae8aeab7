"""The small kinds go with the large ones: what vanished upstream is marked and hidden, and comes
back with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.conftest import Browser
from tests.connectors.conftest import Connect, Rows, Sync
from tests.vendors.attio import State
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.linear import LinearServer
from tests.vendors.linear.state import Node

Work = Callable[..., dict[str, Any]]

LINEAR = {
    "teams": "linear_teams_raw",
    "workflowStates": "linear_states_raw",
    "projects": "linear_projects_raw",
    "cycles": "linear_cycles_raw",
    "issueLabels": "linear_labels_raw",
}


@pytest.fixture
def a_day_later(database_url: str) -> Callable[[], None]:
    def pass_it() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE connector_streams SET last_sweep_at = now() - interval '25 hours'"
            )

    return pass_it


def alive(rows: Rows, table: str) -> set[str]:
    return {found for (found,) in rows(f"SELECT external_id FROM {table} WHERE deleted_at IS NULL")}


@pytest.fixture
def linear_sync(project: dict[str, Any], connected: Callable[..., None], work: Work) -> Sync:
    connected(project["id"])
    return lambda: work(project["id"], "linear_sync")


@pytest.fixture
def doomed(linear: LinearServer, team: Node) -> dict[str, Node]:
    """One of each small kind, beside another that stays."""
    workspace = linear.workspace
    other = workspace.add_team("OLD", "Old team")
    day = workspace._clock
    for number in (1, 2):
        workspace.add_cycle(team, number, day, day)
        workspace.add_project(f"Project {number}", team)
        workspace.add_label(f"label {number}", team)
    return {
        "teams": other,
        "workflowStates": next(iter(other["_states"].values())),
        "projects": next(iter(workspace.nodes["projects"].values())),
        "cycles": next(iter(workspace.nodes["cycles"].values())),
        "issueLabels": next(iter(workspace.nodes["issueLabels"].values())),
    }


def test_what_linear_does_not_name_any_more_is_marked_once_a_day_and_comes_back_with_it(
    linear: LinearServer,
    linear_sync: Sync,
    doomed: dict[str, Node],
    rows: Rows,
    a_day_later: Callable[[], None],
) -> None:
    linear_sync()
    before = {kind: alive(rows, table) for kind, table in LINEAR.items()}
    assert all(len(found) > 1 for found in before.values()), before
    for kind, node in doomed.items():
        linear.workspace.delete(kind, node)
    linear_sync()
    assert {kind: alive(rows, table) for kind, table in LINEAR.items()} == before
    a_day_later()
    run = linear_sync()
    assert run["status"] == "completed", run["error"]
    for kind, table in LINEAR.items():
        assert alive(rows, table) == before[kind] - {doomed[kind]["id"]}, kind
        name = table.split("_")[1]
        assert run["result"][f"deleted_{name}"] == 1
    for kind, node in doomed.items():
        linear.workspace.nodes[kind][node["id"]] = node
        linear.workspace.change(kind, node)
    linear_sync()
    assert {kind: alive(rows, table) for kind, table in LINEAR.items()} == before


def test_a_label_that_is_gone_is_not_told_of_an_issue(
    linear: LinearServer,
    team: Node,
    linear_sync: Sync,
    rows: Rows,
    a_day_later: Callable[[], None],
) -> None:
    label = linear.workspace.add_label("embarrassing", team)
    kept = linear.workspace.add_label("crash", team)
    linear.workspace.add_issue(team, "It crashes", labels=[label, kept])
    linear_sync()
    assert rows("SELECT body FROM source_documents") == [
        ("State: Todo. Labels: crash, embarrassing",)
    ]
    linear.workspace.delete("issueLabels", label)
    a_day_later()
    linear_sync()
    assert rows("SELECT body FROM source_documents") == [("State: Todo. Labels: crash",)]
    assert rows("SELECT count(*) FROM rag_chunks WHERE text LIKE '%embarrassing%'") == [(0,)]


def test_a_sweep_that_comes_in_parts_removes_nothing_before_its_end(
    app: Any,
    linear: LinearServer,
    team: Node,
    linear_sync: Sync,
    rows: Rows,
    a_day_later: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = [linear.workspace.add_label(f"label {n}", team) for n in range(50)]
    linear_sync()
    linear.workspace.delete("issueLabels", labels[0])
    monkeypatch.setattr("app.connectors.linear.streams.MOST_PER_PAGE", 10)
    object.__setattr__(app.config["SETTINGS"], "linear_sync_max_pages", 1)
    a_day_later()
    statuses = []
    while "completed" not in statuses:
        assert len(statuses) < 9, statuses
        run = linear_sync()
        statuses.append(run["status"])
        done = "label_sweep" not in run["result"]["unfinished"]
        assert (len(alive(rows, "linear_labels_raw")) == 49) is done, statuses
    assert len(statuses) > 2


def test_one_kind_is_confirmed_and_no_other(
    owner: Browser,
    linear: LinearServer,
    team: Node,
    linear_sync: Sync,
    rows: Rows,
    a_day_later: Callable[[], None],
) -> None:
    """A person's word that the labels were deleted on purpose says nothing of the issues."""
    made = {
        "issueLabels": [linear.workspace.add_label(f"label {n}", team) for n in range(60)],
        "issues": [linear.workspace.add_issue(team, f"Issue {n}") for n in range(60)],
    }
    linear_sync()
    for kind, nodes in made.items():
        for node in nodes[:55]:
            linear.workspace.delete(kind, node)
    a_day_later()
    assert linear_sync()["status"] == "partial"
    errors = owner.get("/connectors/errors/dead-letter").get_json()["errors"]
    by_stream = {error["stream"]: error["id"] for error in errors}
    assert set(by_stream) == {"label_sweep", "issue_sweep"}
    place = f"/connectors/errors/dead-letter/{by_stream['label_sweep']}/retry"
    assert owner.post(place).status_code == 202
    assert linear_sync()["status"] == "partial"
    assert len(alive(rows, "linear_labels_raw")) == 5
    assert len(alive(rows, "linear_issues_raw")) == 60
    assert rows("SELECT options FROM connector_connections") == [({},)]


@pytest.fixture
def studio(
    chatwoot: ChatwootServer,
    project: dict[str, Any],
    connect: Callable[..., None],
    work: Work,
) -> Sync:
    connect(project["id"])
    return lambda: work(project["id"], "chatwoot_sync")


def names(rows: Rows, table: str) -> list[str]:
    return [
        name for (name,) in rows(f"SELECT name FROM {table} WHERE deleted_at IS NULL ORDER BY name")
    ]


def test_an_inbox_and_an_agent_that_are_gone_are_marked_with_the_next_sync(
    chatwoot: ChatwootServer, studio: Sync, rows: Rows, owner: Browser, project: dict[str, Any]
) -> None:
    account = chatwoot.state.accounts[1]
    chatwoot.state.add_inbox(account, 12, "Old shop")
    chatwoot.state.add_agent(account, 7, "Vera")
    chatwoot.state.add_agent(account, 8, "Gleb")
    contact = chatwoot.state.add_contact(account, 1, "Olga")
    talk = chatwoot.state.add_conversation(account, contact)
    talk.inbox_id = 12
    studio()
    assert names(rows, "cw_inboxes_raw") == ["Old shop", "Website"]
    assert names(rows, "cw_agents") == ["Gleb", "Vera"]
    ref = f"/conversations/cw:{project['id']}:1:{talk.id}"
    assert owner.get(ref).get_json()["conversation"]["inbox"]["name"] == "Old shop"
    inbox, agent = account.inboxes.pop(12), account.agents.pop(8)
    run = studio()
    assert run["status"] == "completed", run["error"]
    assert run["result"]["deleted_inboxes"] == 1 and run["result"]["deleted_agents"] == 1
    assert names(rows, "cw_inboxes_raw") == ["Website"] and names(rows, "cw_agents") == ["Vera"]
    assert owner.get(ref).get_json()["conversation"]["inbox"] is None
    account.inboxes[12], account.agents[8] = inbox, agent
    studio()
    assert names(rows, "cw_inboxes_raw") == ["Old shop", "Website"]
    assert names(rows, "cw_agents") == ["Gleb", "Vera"]


def test_an_inbox_that_cannot_be_understood_is_there_all_the_same(
    chatwoot: ChatwootServer, studio: Sync, rows: Rows
) -> None:
    account = chatwoot.state.accounts[1]
    studio()
    account.inboxes[11]["name"] = {"no": "text"}
    account.inboxes[13] = "no object"  # type: ignore[assignment]
    studio()
    assert rows("SELECT count(*) FROM cw_inboxes_raw WHERE deleted_at IS NULL") == [(1,)]


def test_most_of_the_agents_gone_at_once_is_not_believed(
    chatwoot: ChatwootServer, studio: Sync, rows: Rows, owner: Browser
) -> None:
    account = chatwoot.state.accounts[1]
    for number in range(80):
        chatwoot.state.add_agent(account, 100 + number, f"Agent {number:02}")
    studio()
    for number in range(60):
        del account.agents[100 + number]
    account.agents[179].name = "Renamed"
    run = studio()
    assert (run["status"], run["error_kind"]) == ("partial", "sweep_guard")
    assert len(names(rows, "cw_agents")) == 80 and "Renamed" in names(rows, "cw_agents")
    (error,) = owner.get("/connectors/errors/dead-letter").get_json()["errors"]
    assert error["stream"] == "agents" and "60 of 80 agents" in error["error_message"]
    assert owner.post(f"/connectors/errors/dead-letter/{error['id']}/retry").status_code == 202
    assert studio()["status"] == "completed"
    assert len(names(rows, "cw_agents")) == 20
    assert rows("SELECT options FROM connector_connections") == [({},)]


def test_entries_of_a_list_that_is_not_read_any_more_go_with_the_next_sync(
    workspace: State, project: dict[str, Any], connect_attio: Connect, work: Work, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    for slug in ("sales", "hiring"):
        workspace.add_list(slug)
        workspace.add_entry(slug, "companies", company)
    connect_attio(project["id"], mapping={"lists": ["sales", "hiring", "none"]})
    assert work(project["id"], "attio_sync")["status"] == "partial"  # there is no list called none

    def entries() -> list[str]:
        return [
            slug
            for (slug,) in rows(
                "SELECT list_slug FROM attio_list_entries_raw WHERE deleted_at IS NULL ORDER BY 1"
            )
        ]

    assert entries() == ["hiring", "sales"]
    connect_attio(project["id"], mapping={"lists": ["sales"]})
    run = work(project["id"], "attio_sync")
    assert run["status"] == "completed" and run["result"]["deleted_list_entries"] == 1
    assert entries() == ["sales"]
    assert rows("SELECT status FROM connector_errors") == [("resolved",)]
    assert rows("SELECT stream FROM connector_streams WHERE stream LIKE 'list:%'") == [
        ("list:sales",)
    ]
    connect_attio(project["id"], mapping={"lists": ["sales", "hiring"]})
    assert work(project["id"], "attio_sync")["status"] == "completed"
    assert entries() == ["hiring", "sales"]
    connect_attio(project["id"], mapping={})
    work(project["id"], "attio_sync")
    assert entries() == []
