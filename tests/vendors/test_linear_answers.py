"""The simulated Linear executes whatever its schema allows, as the real one would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from graphql import GraphQLObjectType, get_named_type, is_leaf_type, print_schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes, queries

from tests.vendors.linear import LinearServer, api
from tests.vendors.linear.api import ONE, schema
from tests.vendors.linear.state import Workspace
from tests.vendors.test_what_simulators_refuse import ask_linear

TIMES = st.sampled_from(["2026-09-01T09:00:05.000Z", "2026-09-02T00:00:00+03:00"])
DAYS = st.sampled_from(["2026-10-02"])
QUERY = schema().type_map["Query"]
assert isinstance(QUERY, GraphQLObjectType)
LISTS = sorted(name for name in QUERY.fields if name not in ONE)
# What may be refused in a question that is valid: the size of a page that nobody gets.
# What Linear refuses in a question that its schema allows.
REASONS = ("Argument Validation Error", "Query too complex")


def filled() -> Workspace:
    """A workspace with two of everything, and every tie between them."""
    workspace = Workspace()
    for key in ("FLT", "PEK"):
        team = workspace.add_team(key, key)
        person = workspace.add_user(f"Person {key}", f"{key}@x.example")
        day = workspace._clock
        cycle = workspace.add_cycle(team, 1, day, day)
        project = workspace.add_project("Project", team, lead=person)
        label = workspace.add_label("crash", team)
        parent = workspace.add_issue(team, "Parent", project=project)
        issue = workspace.add_issue(
            team, "Crash", project=project, assignee=person, cycle=cycle, labels=[label]
        )
        issue["parent"] = parent
        workspace.block(issue, parent)
        workspace.add_comment(issue, "Seen.", person)
    return workspace


@pytest.fixture(scope="module")
def server() -> Iterator[LinearServer]:
    """Nothing is too dear for it."""
    affordable, api.MOST_COMPLEXITY = api.MOST_COMPLEXITY, 1e18
    found = LinearServer(filled())
    found.quota.left = {"requests": 1e9, "complexity": 1e30}
    found.start()
    yield found
    found.stop()
    api.MOST_COMPLEXITY = affordable


def everything(kind: Any, depth: int) -> str:
    """A selection of every field that there is, down to a depth."""
    parts = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        selected = "" if is_leaf_type(inner) or not depth else everything(inner, depth - 1)
        if is_leaf_type(inner):
            parts.append(name)
        elif selected:
            parts.append(f"{name} {{ {selected} }}")
    return " ".join(parts)


@pytest.mark.parametrize("name", LISTS)
def test_every_field_of_every_record_is_answered(server: LinearServer, name: str) -> None:
    kind = get_named_type(QUERY.fields[name].type)  # type: ignore[union-attr]
    assert told(server, f"{{ {name} {{ {everything(kind, 4)} }} }}")[name]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    question=queries(
        print_schema(schema()),
        fields=LISTS,
        custom_scalars={
            "DateTime": TIMES.map(nodes.String),
            "DateTimeOrDuration": TIMES.map(nodes.String),
            "TimelessDate": DAYS.map(nodes.String),
        },
    )
)
def test_any_valid_question_is_executed(server: LinearServer, question: str) -> None:
    answer = ask_linear(server, question, {})
    found = answer.json()
    if answer.status_code == 200:
        assert found["data"]
    else:
        assert found["errors"][0]["message"].startswith(REASONS), (question, found)


@pytest.mark.parametrize("name", sorted(ONE))
def test_one_record_is_asked_for_by_its_id(server: LinearServer, name: str) -> None:
    for node in server.workspace.nodes[ONE[name]].values():
        question = f"query A($id: String!) {{ {name}(id: $id) {{ id __typename }} }}"
        answer = ask_linear(server, question, {"id": node["id"]}).json()
        assert answer["data"][name]["id"] == node["id"]


def told(server: LinearServer, question: str, **variables: Any) -> Any:
    answer = ask_linear(server, question, variables)
    assert answer.status_code == 200, answer.json()
    return answer.json()["data"]


def test_fragments_aliases_and_lists_below_a_record(server: LinearServer) -> None:
    data = told(
        server,
        """fragment Short on Issue { identifier ... on Issue { title } }
           query A { mine: teams { nodes { key issues { nodes { ...Short comments { nodes { body } }
             labels { edges { cursor node { name } } } children { nodes { ...Short } } } } } } }""",
    )
    team = next(node for node in data["mine"]["nodes"] if node["key"] == "FLT")
    crash, parent = team["issues"]["nodes"]
    assert (crash["identifier"], crash["title"]) == ("FLT-2", "Crash")
    assert crash["comments"]["nodes"] == [{"body": "Seen."}]
    assert crash["labels"]["edges"][0]["node"] == {"name": "crash"}
    assert parent["children"]["nodes"] == [{"identifier": "FLT-2", "title": "Crash"}]


def test_pages_backwards_are_those_forwards(server: LinearServer) -> None:
    page = "{ nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }"
    every = [node["id"] for node in told(server, "{ issues { nodes { id } } }")["issues"]["nodes"]]
    first = told(server, f"{{ issues(first: 3) {page} }}")["issues"]
    assert [node["id"] for node in first["nodes"]] == every[:3]
    assert first["pageInfo"]["hasNextPage"] and not first["pageInfo"]["hasPreviousPage"]
    question = f"query A($b: String) {{ issues(last: 2, before: $b) {page} }}"
    before = told(server, question, b=every[3])["issues"]
    assert [node["id"] for node in before["nodes"]] == every[1:3]
    assert before["pageInfo"] == {
        "hasNextPage": True, "hasPreviousPage": True, "startCursor": every[1], "endCursor": every[2],
    }  # fmt: skip


@pytest.mark.parametrize("how", ["gt", "gte", "lt", "lte", "eq", "neq", "in", "nin"])
def test_times_are_compared_as_they_are_asked_to_be(server: LinearServer, how: str) -> None:
    issues = sorted(server.workspace.nodes["issues"].values(), key=lambda node: node["updatedAt"])
    pivot = issues[1]["updatedAt"]
    wanted = {
        "gt": issues[2:], "gte": issues[1:], "lt": issues[:1], "lte": issues[:2], "eq": issues[1:2],
        "neq": issues[:1] + issues[2:], "in": issues[1:2], "nin": issues[:1] + issues[2:],
    }[how]  # fmt: skip
    rule = {how: [pivot] if how.endswith("in") else pivot}
    question = "query A($f: IssueFilter) { issues(filter: $f) { nodes { id } } }"
    found = told(server, question, f={"updatedAt": rule})["issues"]["nodes"]
    assert {node["id"] for node in found} == {node["id"] for node in wanted}


def test_a_document_of_several_operations_runs_the_one_that_is_named(server: LinearServer) -> None:
    body = {
        "query": "query A { viewer { id } } query B { organization { name } }",
        "operationName": "B",
    }
    answer = requests.post(
        server.graphql_url, json=body, headers={"Authorization": server.token}, timeout=5
    )
    assert answer.json()["data"] == {"organization": {"name": "Mayak"}}
