"""The GraphQL API of a simulated workspace: executes any question that its schema allows and refuses
every other one, counts complexity as Linear publishes it, and keeps an hourly quota."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, request
from graphql import (
    DocumentNode,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    execute,
    parse,
    validate,
)
from graphql.error import GraphQLError

from tests.vendors import faults as faulty
from tests.vendors.faults import Faults
from tests.vendors.linear.cost import complexity, operation_of
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
        return _answer(workspace, body, quota)

    return app


def operation_name(question: str) -> str:
    try:
        document, _ = understood(question)
    except GraphQLError:
        return "unreadable"
    first = document.definitions[0]
    named = isinstance(first, OperationDefinitionNode) and first.name
    return named.value if named else "anonymous"


def _answer(workspace: Workspace, body: Node, quota: Quota) -> Response:
    variables, name = body.get("variables") or {}, body.get("operationName")
    try:
        document, errors = understood(body["query"])
    except GraphQLError as error:
        return _refusal(400, "GRAPHQL_PARSE_FAILED", error.message)
    if errors:
        return _refusal(400, "GRAPHQL_VALIDATION_FAILED", errors[0].message)
    try:
        cost = complexity(schema(), document, operation_of(document, name), variables)
    except GraphQLError as error:
        return _refusal(400, "INPUT_ERROR", error.message)
    if cost > MOST_COMPLEXITY:
        return _refusal(400, "INPUT_ERROR", f"Query too complex: {cost:.0f}", quota.headers(cost))
    if not quota.take(cost):
        return _refusal(400, "RATELIMITED", "Rate limit exceeded", quota.headers(cost))
    with workspace.lock:
        result = execute(
            schema(), document, context_value=workspace, variable_values=variables,
            operation_name=name, field_resolver=_field,
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


# The questions for one record, and the list it is looked for in.
ONE = {
    "team": "teams", "workflowState": "workflowStates", "project": "projects", "cycle": "cycles",
    "issueLabel": "issueLabels", "issue": "issues", "comment": "comments", "user": "users",
}  # fmt: skip
# Lists that hang on a record: where its members are, and the field in which they name it.
BELOW = {
    ("Team", "issues"): ("issues", "team"),
    ("Team", "states"): ("workflowStates", "team"),
    ("Project", "issues"): ("issues", "project"),
    ("Issue", "comments"): ("comments", "issue"),
    ("Issue", "children"): ("issues", "parent"),
}


def _field(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    workspace: Workspace = info.context
    owner, name = info.parent_type.name, info.field_name
    if owner == "Query":
        return _asked(workspace, name, arguments)
    if (owner, name) in BELOW:
        kind, by = BELOW[owner, name]
        nodes = workspace.nodes[kind].values()
        mine = [node for node in nodes if node[by] and node[by]["id"] == source["id"]]
        return listed(mine, arguments)
    if (owner, name) == ("Issue", "labels"):
        labels = workspace.nodes["issueLabels"]
        return listed([labels[found] for found in source["labelIds"] if found in labels], arguments)
    if name == "inverseRelations":
        return page(workspace.relations.get(source["id"], []), arguments)
    return source[name]


def _asked(workspace: Workspace, name: str, arguments: Node) -> Any:
    """A field of `Query`."""
    if name == "organization":
        return workspace.organization
    if name == "viewer":
        return workspace.viewer
    if name not in ONE:
        return listed(list(workspace.nodes[name].values()), arguments)
    found = workspace.nodes[ONE[name]].get(str(arguments.get("id")))
    if found is None:
        raise GraphQLError("Entity not found", extensions={"code": "ENTITY_NOT_FOUND"})
    return found


def listed(nodes: list[Node], arguments: Node) -> Node:
    """Those that are asked for, the newest first, as a page."""
    nodes = [
        node
        for node in nodes
        if (arguments.get("includeArchived") or not node["archivedAt"])
        and matches(node, arguments.get("filter"))
    ]
    by = "updatedAt" if arguments.get("orderBy") == "updatedAt" else "createdAt"
    nodes.sort(key=lambda node: (node[by], node["id"]), reverse=True)
    return page(nodes, arguments)


def page(nodes: list[Node], arguments: Node) -> Node:
    """A Relay page, forwards or backwards. A cursor names the record it stands at."""
    size = arguments.get("first") or arguments.get("last") or 50
    if not 0 < size <= MOST_PER_PAGE or (arguments.get("first") and arguments.get("last")):
        raise GraphQLError(
            f"Argument Validation Error: first or last must be from 1 to {MOST_PER_PAGE}"
        )
    begin, end = 0, len(nodes)
    if arguments.get("after"):
        begin = next(
            (n + 1 for n, node in enumerate(nodes) if node["id"] == arguments["after"]), end
        )
    if arguments.get("before"):
        end = next((n for n, node in enumerate(nodes) if node["id"] == arguments["before"]), end)
    if arguments.get("last"):
        start, stop = max(begin, end - size), end
    else:
        start, stop = begin, min(end, begin + size)
    shown = nodes[start:stop]
    return {
        "nodes": shown,
        "edges": [{"node": node, "cursor": node["id"]} for node in shown],
        "pageInfo": {
            "hasNextPage": stop < len(nodes),
            "hasPreviousPage": start > 0,
            "startCursor": shown[0]["id"] if shown else None,
            "endCursor": shown[-1]["id"] if shown else None,
        },
    }


def matches(node: Node | None, wanted: Node | None) -> bool:
    """Whether a node passes a filter of Linear's kind. A filter that its schema has and this does not
    know is a mistake here, and no pass."""
    return all(_passes(node, name, rule) for name, rule in (wanted or {}).items())


def _passes(node: Node | None, name: str, rule: Any) -> bool:
    if rule is None:
        return True
    if name in ("or", "and"):
        return (any if name == "or" else all)(matches(node, one) for one in rule)
    if name == "null":
        return (node is None) == rule
    if node is None:
        return False
    if name == "accessibleTeams":
        return matches(node["_team"], rule.get("some"))
    if name == "id":
        return compared(node["id"], rule)
    if name in ("createdAt", "updatedAt"):
        return compared(node[name], {how: _comparable(told) for how, told in rule.items()})
    return matches(node[name], rule)


def compared(value: str, rule: Node) -> bool:
    return all(COMPARATORS[how](value, told) for how, told in rule.items() if told is not None)


COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "neq": operator.ne, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt,
    "lte": operator.le, "in": lambda value, told: value in told,
    "nin": lambda value, told: value not in told,
}  # fmt: skip


def _comparable(told: Any) -> Any:
    if isinstance(told, list):
        return [_comparable(one) for one in told]
    try:
        return told and stamp(datetime.fromisoformat(told.replace("Z", "+00:00")))
    except (ValueError, AttributeError):
        raise GraphQLError(f"Argument Validation Error: {told!r} is no time") from None
