"""The GraphQL API of a simulated workspace: executes any question that its schema allows and refuses
every other one, counts complexity as Linear publishes it, and keeps an hourly quota."""

from __future__ import annotations

import time
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, request
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    execute,
    get_named_type,
    is_leaf_type,
    parse,
    validate,
)
from graphql.error import GraphQLError

from tests.vendors import faults as faulty
from tests.vendors.faults import Faults
from tests.vendors.linear.state import Node, Workspace, stamp
from tests.vendors.serving import RequestLog

SCHEMA = Path(__file__).parent / "schema.graphql"
MOST_PER_PAGE = 250
MOST_COMPLEXITY = 10_000.0


@cache
def schema() -> GraphQLSchema:
    return build_schema(SCHEMA.read_text())


@cache
def understood(question: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
    document = parse(question)
    return document, tuple(validate(schema(), document))


class Quota:
    """Requests and complexity points of an hour. Tests lower them."""

    def __init__(self, requests: float = 5_000, complexity: float = 3_000_000) -> None:
        self.limits = {"requests": requests, "complexity": complexity}
        self.left = dict(self.limits)
        self.reset = time.time() + 3600

    def take(self, cost: float) -> bool:
        if time.time() > self.reset:
            self.left, self.reset = dict(self.limits), time.time() + 3600
        if self.left["requests"] < 1 or self.left["complexity"] < cost:
            return False
        self.left["requests"] -= 1
        self.left["complexity"] -= cost
        return True

    def headers(self, cost: float) -> dict[str, str]:
        told = {"x-complexity": f"{cost:.0f}"}
        for kind, limit in self.limits.items():
            told[f"x-ratelimit-{kind}-limit"] = f"{limit:.0f}"
            told[f"x-ratelimit-{kind}-remaining"] = f"{self.left[kind]:.0f}"
            told[f"x-ratelimit-{kind}-reset"] = f"{self.reset * 1000:.0f}"
        return told


def make_api(
    workspace: Workspace, authorizations: set[str], quota: Quota, faults: Faults, log: RequestLog
) -> Flask:
    app = Flask("linear")

    @app.post("/graphql")
    def graphql() -> Response:
        body = request.get_json()
        question = body["query"]
        name = operation_name(question)
        log.note(f"/graphql/{name}", orjson.dumps(body.get("variables") or {}).decode())
        fault = faults.take(f"/graphql/{name}")
        if fault is not None and fault.kind == "ratelimited":
            return _refusal(
                400, "RATELIMITED", "Rate limit exceeded", quota.headers(0), fault.retry_after
            )
        answered = faulty.answer(fault) if fault is not None else None
        if answered is not None:
            return answered
        if request.headers.get("Authorization") not in authorizations:
            return _refusal(
                401, "AUTHENTICATION_ERROR", "Authentication required, not authenticated"
            )
        return _answer(workspace, question, body.get("variables") or {}, quota)

    return app


def operation_name(question: str) -> str:
    try:
        document, _ = understood(question)
    except GraphQLError:
        return "unreadable"
    first = document.definitions[0]
    named = isinstance(first, OperationDefinitionNode) and first.name
    return named.value if named else "anonymous"


def _answer(workspace: Workspace, question: str, variables: Node, quota: Quota) -> Response:
    try:
        document, errors = understood(question)
    except GraphQLError as error:
        return _refusal(400, "GRAPHQL_PARSE_FAILED", error.message)
    if errors:
        return _refusal(400, "GRAPHQL_VALIDATION_FAILED", errors[0].message)
    cost = complexity(document, variables)
    if cost > MOST_COMPLEXITY:
        return _refusal(400, "INPUT_ERROR", f"Query too complex: {cost:.0f}", quota.headers(cost))
    if not quota.take(cost):
        return _refusal(400, "RATELIMITED", "Rate limit exceeded", quota.headers(cost))
    with workspace.lock:
        result = execute(
            schema(), document, root_value=Root(workspace), variable_values=variables,
            field_resolver=_field,
        )  # fmt: skip
    found: Node = {"data": result.data}
    if result.errors:
        first = result.errors[0]
        return _refusal(400, "INPUT_ERROR", first.message, quota.headers(cost))
    return Response(
        orjson.dumps(found), 200, headers=quota.headers(cost), mimetype="application/json"
    )


def _refusal(
    status: int,
    code: str,
    message: str,
    headers: dict[str, str] | None = None,
    retry_after: str | None = None,
) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": code, "type": code.lower()}}]}
    told = {**(headers or {}), **({"Retry-After": retry_after} if retry_after else {})}
    return Response(orjson.dumps(body), status, headers=told, mimetype="application/json")


class Root:
    """The fields of `Query`."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def field(self, name: str, arguments: Node) -> Any:
        workspace = self.workspace
        if name == "organization":
            return workspace.organization
        if name == "viewer":
            return workspace.viewer
        if name in ("issue", "comment"):
            found = workspace.nodes[f"{name}s"].get(str(arguments.get("id")))
            if found is None:
                raise GraphQLError("Entity not found", extensions={"code": "ENTITY_NOT_FOUND"})
            return _with_relations(workspace, found)
        nodes = [
            node
            for node in workspace.nodes[name].values()
            if (arguments.get("includeArchived") or not node["archivedAt"])
            and matches(node, arguments.get("filter"))
        ]
        by = "updatedAt" if arguments.get("orderBy") == "updatedAt" else "createdAt"
        nodes.sort(key=lambda node: (node[by], node["id"]), reverse=True)
        found = page(nodes, arguments)
        return {**found, "nodes": [_with_relations(workspace, node) for node in found["nodes"]]}


def _with_relations(workspace: Workspace, node: Node) -> Node:
    if "identifier" not in node:
        return node
    return {**node, "inverseRelations": workspace.relations.get(node["id"], [])}


def _field(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    if isinstance(source, Root):
        return source.field(info.field_name, arguments)
    value = source.get(info.field_name)
    return page(value, arguments) if info.field_name == "inverseRelations" else value


def page(nodes: list[Node], arguments: Node) -> Node:
    """A Relay page. A cursor names the record it stands behind."""
    first = arguments.get("first") or 50
    if first > MOST_PER_PAGE:
        raise GraphQLError(
            f"Argument Validation Error: first must not be greater than {MOST_PER_PAGE}"
        )
    start = 0
    after = arguments.get("after")
    if after:
        start = next((n + 1 for n, node in enumerate(nodes) if node["id"] == after), len(nodes))
    shown = nodes[start : start + first]
    more = start + first < len(nodes)
    return {
        "nodes": shown,
        "pageInfo": {"hasNextPage": more, "endCursor": shown[-1]["id"] if shown else None},
    }


def matches(node: Node | None, wanted: Node | None) -> bool:
    """Whether a node passes a filter of Linear's kind."""
    for name, rule in (wanted or {}).items():
        if name == "or":
            if not any(matches(node, one) for one in rule):
                return False
        elif name == "null":
            if (node is None) != rule:
                return False
        elif node is None:
            return False
        elif name == "accessibleTeams":
            if not matches(node["_team"], rule["some"]):
                return False
        elif name == "id":
            if node["id"] not in rule.get("in", [rule.get("eq")]):
                return False
        elif name == "updatedAt":
            if "gte" in rule and node[name] < _comparable(rule["gte"]):
                return False
        elif not matches(node[name], rule):
            return False
    return True


def _comparable(moment: str) -> str:
    return stamp(datetime.fromisoformat(moment.replace("Z", "+00:00")))


def complexity(document: DocumentNode, variables: Node) -> float:
    """A tenth for a property, one for an object, a list its page size times that of its nodes."""
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    query = schema().query_type
    return _cost(operation.selection_set, query, variables)


def _cost(selection: SelectionSetNode | None, parent: Any, variables: Node) -> float:
    total = 0.0
    for node in selection.selections if selection else ():
        assert isinstance(node, FieldNode) and not isinstance(
            node, InlineFragmentNode | FragmentSpreadNode
        )
        kind = get_named_type(parent.fields[node.name.value].type)
        if is_leaf_type(kind):
            total += 0.1
        elif kind.name.endswith("Connection"):
            total += _first(node, variables) * _nodes_cost(node, kind, variables)
        else:
            total += 1 + _cost(node.selection_set, kind, variables)
    return total


def _nodes_cost(node: FieldNode, kind: Any, variables: Node) -> float:
    inner = get_named_type(kind.fields["nodes"].type)
    for child in node.selection_set.selections if node.selection_set else ():
        if isinstance(child, FieldNode) and child.name.value == "nodes":
            return 1 + _cost(child.selection_set, inner, variables)
    return 1.0


def _first(node: FieldNode, variables: Node) -> float:
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value: Any = argument.value
            name = getattr(getattr(value, "name", None), "value", None)
            return float(variables.get(name, 50) if name else value.value)
    return 50.0
