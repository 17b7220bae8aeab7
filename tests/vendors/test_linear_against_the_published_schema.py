"""Our questions and the simulator's schema, held against the schema that Linear publishes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    parse,
    type_from_ast,
    validate,
    validate_input_value,
)

from app.connectors.linear.client import QUERIES, query
from app.connectors.linear.streams import scope
from tests.vendors.linear.api import schema as simulated

ROOT = Path(__file__).parents[2]
PUBLISHED = (
    Path(os.environ.get("VENDOR_SPECS", ROOT.parent / "shared" / "specs")) / "linear.graphql"
)
NAMES = sorted(path.stem for path in QUERIES.glob("*.graphql"))
STREAMS = {
    "Teams": "teams",
    "WorkflowStates": "states",
    "Projects": "projects",
    "Cycles": "cycles",
    "IssueLabels": "labels",
    "Issues": "issues",
    "TeamIds": "teams",
    "WorkflowStateIds": "states",
    "ProjectIds": "projects",
    "CycleIds": "cycles",
    "IssueLabelIds": "labels",
    "IssueIds": "issues",
    "Comments": "comments",
    "CommentIds": "comments",
}

at_hand = pytest.mark.skipif(not PUBLISHED.exists(), reason="the published schema is not at hand")


@pytest.fixture(scope="module")
def published() -> GraphQLSchema:
    return build_schema(PUBLISHED.read_text(), assume_valid=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_simulator_understands_every_question(name: str) -> None:
    assert validate(simulated(), parse(query(name))) == []


@at_hand
@pytest.mark.parametrize("name", NAMES)
def test_linear_allows_every_question(published: GraphQLSchema, name: str) -> None:
    assert validate(published, parse(query(name))) == []


@at_hand
@pytest.mark.parametrize("name", sorted(STREAMS))
@pytest.mark.parametrize(
    "filters",
    [{}, {"team_ids": ["a"]}, {"project_ids": ["b"]}, {"team_ids": ["a"], "project_ids": ["b"]}],
)
def test_linear_allows_every_filter(
    published: GraphQLSchema, name: str, filters: dict[str, Any]
) -> None:
    document = parse(query(name))
    (operation,) = document.definitions
    (wanted,) = (
        variable.type
        for variable in operation.variable_definitions  # type: ignore[attr-defined]
        if variable.variable.name.value == "filter"
    )
    kind = type_from_ast(published, wanted)
    value = scope(STREAMS[name], filters)
    changed = {} if name.endswith("Ids") else {"updatedAt": {"gte": "2026-10-01T00:00:00+00:00"}}
    named = {"id": {"in": ["5c4b1a2e-0000-4000-8000-00000000aaaa"]}}
    mistakes: list[str] = []
    for asked in ({**value, **changed}, {**value, **named}):
        validate_input_value(asked, kind, lambda *args: mistakes.append(str(args)))
    assert mistakes == []


@at_hand
def test_the_simulators_schema_is_a_part_of_linears(published: GraphQLSchema) -> None:
    """Every field, argument and enum value of ours exists there with the same type."""
    for name, ours in simulated().type_map.items():
        if name.startswith("__"):
            continue
        theirs = published.type_map[name]
        if isinstance(ours, GraphQLObjectType | GraphQLInputObjectType):
            for field, mine in ours.fields.items():
                their = theirs.fields[field]  # type: ignore[attr-defined]
                assert str(mine.type) == str(their.type), f"{name}.{field}"
                for argument, one in getattr(mine, "args", {}).items():
                    assert str(one.type) == str(their.args[argument].type), f"{name}.{field}"
