"""Records of Linear and Attio that no mapping foresaw: one is put aside, all others are stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import Browser
from tests.connectors.conftest import Connect, Rows
from tests.connectors.upstream import Work, open_errors, state_of
from tests.vendors.attio import api as attio_api
from tests.vendors.attio import typed
from tests.vendors.attio.state import State
from tests.vendors.linear import LinearServer
from tests.vendors.linear import api as linear_api
from tests.vendors.linear.state import Node

HUGE = " ".join(f"слово{n}" for n in range(150_000))


@pytest.fixture
def odd_node(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the simulated Linear send one node of a list with other values."""

    def spoil(field: str, node_id: str, **values: Any) -> None:
        regular = linear_api.execute

        def execute(*arguments: Any, **named: Any) -> Any:
            result: Any = regular(*arguments, **named)
            listed = (result.data or {}).get(field)
            if listed and "updatedAt" in (listed["nodes"] or [{}])[0]:
                listed["nodes"] = [
                    values.get("whole", {**node, **values}) if node["id"] == node_id else node
                    for node in listed["nodes"]
                ]
            return result

        monkeypatch.setattr(linear_api, "execute", execute)

    return spoil


ODD_ISSUES: dict[str, dict[str, Any]] = {
    "no object": {"whole": "a line of text"},
    "no id": {"whole": {"title": "x", "updatedAt": None}},
    "relations that are a text": {"inverseRelations": "x"},
    "an id that is a number": {"whole": {"id": 7, "updatedAt": None}},
    "blockers that are a text": {"inverseRelations": {"nodes": ["x"]}},
    "a blocker without an id": {
        "inverseRelations": {"nodes": [{"type": "blocks", "issue": {"identifier": "A-1"}}]}
    },
    "labels that are a number": {"labelIds": 5},
    "a priority beyond any table": {"priority": 1e12},
    "a number beyond any table": {"number": 2**40},
    "an estimate in words": {"estimate": "large"},
    "an estimate that is an object": {"estimate": {"points": 3}},
}
HARMLESS_ISSUES: dict[str, dict[str, Any]] = {
    "times in words": {"createdAt": "yesterday", "dueDate": "soon", "completedAt": 10**17},
    "no neighbours": {"team": None, "state": None, "assignee": None, "cycle": None},
    "neighbours that are texts": {"team": "FLT", "assignee": "Olga", "creator": ["Olga"]},
    "a title that is an object": {"title": {"text": "x"}},
    "a title with NUL": {"title": "a\x00b"},
    "a description larger than any letter": {"description": HUGE},
    "a priority that is true": {"priority": True},
    "fields nobody knows": {"brandNew": {"a": [1, 2]}},
}


@pytest.mark.parametrize("name", [*ODD_ISSUES, *HARMLESS_ISSUES])
def test_an_odd_issue_never_stops_the_others(
    linear: LinearServer, team: Node, project: dict[str, Any], connected: Callable[..., None],
    work: Work, owner: Browser, rows: Rows, odd_node: Callable[..., None], name: str,
) -> None:  # fmt: skip
    made = [linear.workspace.add_issue(team, f"Issue {number}") for number in range(3)]
    values = ODD_ISSUES.get(name) or HARMLESS_ISSUES[name]
    odd_node("issues", made[1]["id"], **values)
    connected(project["id"])
    run = work(project["id"], "linear_sync")
    assert run["status"] == "completed", (run["error_kind"], run["error"])
    stored = {external for (external,) in rows("SELECT external_id FROM linear_issues_raw")}
    whole = {node["id"] for node in made}
    if name in HARMLESS_ISSUES:
        assert (stored, open_errors(owner)) == (whole, [])
        return
    assert stored == whole - {made[1]["id"]}
    [error] = open_errors(owner)
    assert (error["error_kind"], error["stream"]) == ("record_invalid", "issues")
    assert error["payload_json"]["record"]
    assert state_of(owner, "linear")["status"] == "ok"


ODD_OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "a state's position in words": ("workflowStates", {"position": "first"}),
    "a project's progress in words": ("projects", {"progress": "half"}),
    "a project's progress beyond all bounds": ("projects", {"progress": 1e300}),
    "a cycle's number beyond any table": ("cycles", {"number": 1e15}),
    "a cycle's progress that is a list": ("cycles", {"progress": [1]}),
    "a comment's author that is a text": ("comments", {"user": "Olga"}),
}


@pytest.mark.parametrize("name", ODD_OTHERS)
def test_an_odd_node_of_any_list_is_put_aside(
    linear: LinearServer, team: Node, project: dict[str, Any], connected: Callable[..., None],
    work: Work, owner: Browser, rows: Rows, odd_node: Callable[..., None], name: str,
) -> None:  # fmt: skip
    workspace = linear.workspace
    issue = workspace.add_issue(team, "Issue")
    workspace.add_project("Project", team)
    workspace.add_cycle(
        team, 1, datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 14, tzinfo=UTC)
    )
    workspace.add_comment(issue, "A comment", None)
    field, values = ODD_OTHERS[name]
    found = next(iter(workspace.nodes[field].values()))
    odd_node(field, found["id"], **values)
    connected(project["id"])
    run = work(project["id"], "linear_sync")
    assert run["status"] == "completed", (run["error_kind"], run["error"])
    assert rows("SELECT title FROM linear_issues_raw") == [("Issue",)]
    [error] = open_errors(owner)
    assert error["error_kind"] == "record_invalid" and found["id"] in error["source_ref"]


ODD_VALUES: dict[str, dict[str, Any]] = {
    "values that are a list": {"values": []},
    "an id that is a text": {"id": "x"},
    "a record id that is no uuid": {"record_id": "x"},
    "a workspace's id that is missing": {"workspace_id": None},
    "an amount that no row holds": {"value": [typed.currency(1e13, "EUR")]},
    "a probability in words": {"probability": [typed.text("certain")]},
    "a date of another age": {"close_date": [{**typed.date("2026-12-24"), "value": "99999-01-01"}]},
    "a value that is a text": {"stage": "Lead"},
    "a currency that is a list": {"value": [{**typed.currency(5, "EUR"), "currency_code": ["EUR"]}]},
    "an owner that is a list": {"owner": [{"attribute_type": "actor-reference", "referenced_actor_id": [1]}]},
    "a title larger than any": {"name": [typed.text(HUGE)]},
    "a description larger than any letter": {"description": [typed.text(HUGE)]},
    "a title with NUL": {"name": [typed.text("a\x00b")]},
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_VALUES)
def test_an_odd_deal_never_stops_the_others(
    workspace: State, project: dict[str, Any], connect_attio: Connect, work: Work, owner: Browser,
    rows: Rows, monkeypatch: pytest.MonkeyPatch, name: str,
) -> None:  # fmt: skip
    company = workspace.add_company("Fleetline", "fleetline.example")
    made = [workspace.add_deal(f"Deal {n}", "Lead", 5, company) for n in range(3)]
    values, regular = dict(ODD_VALUES[name]), attio_api._record

    def view(state: State, kind: Any, record: Any) -> Any:
        sent = regular(state, kind, record)
        if record.id != made[1].id:
            return sent
        if "values" in values or "id" in values:
            return {**sent, **values}
        for part in ("record_id", "workspace_id"):
            if part in values:
                return {**sent, "id": {**sent["id"], part: values[part]}}
        return {**sent, "values": {**sent["values"], **values}}

    monkeypatch.setattr(attio_api, "_record", view)
    connect_attio(project["id"])
    run = work(project["id"], "attio_sync")
    assert run["status"] == "completed", (run["error_kind"], run["error"])
    stored = {external for (external,) in rows("SELECT external_id FROM attio_opportunities_raw")}
    assert {made[0].id, made[2].id} <= stored
    errors = open_errors(owner)
    assert len(errors) + len(stored) == 3
    assert {error["error_kind"] for error in errors} <= {"record_invalid"}
