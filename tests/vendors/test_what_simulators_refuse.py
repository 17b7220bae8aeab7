"""A simulator that takes what the vendor refuses proves nothing: each refuses what the real one does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.vendors.attio import AttioServer
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.linear import LinearServer
from tests.vendors.loops import LoopsServer

ISSUES = "query A($first: Int!) { issues(first: $first) { nodes { %s } pageInfo { hasNextPage } } }"


@pytest.mark.parametrize(
    "question, variables, code",
    [
        (ISSUES % "id blockedByIssues { nodes { id } }", {"first": 5}, "GRAPHQL_VALIDATION_FAILED"),
        (ISSUES % "id title(first: 3)", {"first": 5}, "GRAPHQL_VALIDATION_FAILED"),
        (ISSUES % "id team", {"first": 5}, "GRAPHQL_VALIDATION_FAILED"),
        (ISSUES.replace("Int!", "String!") % "id", {"first": "5"}, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { issues( { nodes", {}, "GRAPHQL_PARSE_FAILED"),
        (ISSUES % "id", {}, "INPUT_ERROR"),  # a variable is missing
        (ISSUES % "id", {"first": 251}, "INPUT_ERROR"),
        (ISSUES % "id comments { id }", {"first": 5}, "GRAPHQL_VALIDATION_FAILED"),
        (ISSUES % "id ...Gone", {"first": 5}, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { viewer { id } } query B { viewer { id } }", {}, "INPUT_ERROR"),  # which of them?
        (
            ISSUES % "id inverseRelations(first: 50) { nodes { issue { state { name } team { id } } } }",
            {"first": 250}, "INPUT_ERROR",  # too complex
        ),
        ('query A { issue(id: "no such") { id } }', {}, "INPUT_ERROR"),
    ],
)  # fmt: skip
def test_linear(linear: LinearServer, question: str, variables: dict[str, Any], code: str) -> None:
    answer = ask_linear(linear, question, variables)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == code, answer.json()


def test_linears_tokens(linear: LinearServer) -> None:
    question = "query A { viewer { id } }"
    assert ask_linear(linear, question, {}).json()["data"]["viewer"]["id"]
    assert ask_linear(linear, question, {}, "Bearer oauth-token").status_code == 200
    for wrong in (f"Bearer {linear.token}", "oauth-token", "", "lin_api_wrong"):
        assert ask_linear(linear, question, {}, wrong).status_code == 401


def ask_linear(
    linear: LinearServer, question: str, variables: dict[str, Any], token: str | None = None
) -> requests.Response:
    return requests.post(
        linear.graphql_url,
        json={"query": question, "variables": variables},
        headers={"Authorization": linear.token if token is None else token},
        timeout=5,
    )


RECORDS = "/v2/objects/companies/records/query"


@pytest.mark.parametrize(
    "method, path, asked, status",
    [
        ("POST", RECORDS, {"json": {"limit": 500, "offset": 0}}, 200),
        ("POST", RECORDS, {"json": {"limit": 501}}, 400),
        ("POST", RECORDS, {"json": {"limit": 0}}, 400),
        ("POST", RECORDS, {"json": {"offset": -1}}, 400),
        ("POST", RECORDS, {"json": {"cursor": "x"}}, 400),
        ("POST", RECORDS, {"json": {"sorts": [{"attribute": "created_at"}]}}, 400),
        ("POST", RECORDS, {"json": []}, 400),
        ("POST", RECORDS, {"data": "limit=5"}, 400),
        ("GET", "/v2/objects/companies/records", {}, 404),  # there is no such list
        ("GET", "/v2/activities", {}, 404),
        ("GET", "/v2/objects/deals", {}, 404),  # off in a new workspace
        ("GET", "/v2/notes", {"params": {"limit": 50}}, 200),
        ("GET", "/v2/notes", {"params": {"limit": 51}}, 400),
        ("GET", "/v2/tasks", {"params": {"sort": "newest"}}, 400),
        ("GET", "/v2/objects/companies/records/[object Object]", {}, 404),
    ],
)
def test_attio(
    attio: AttioServer, method: str, path: str, asked: dict[str, Any], status: int
) -> None:
    headers = {"Authorization": f"Bearer {attio.token}"}
    found = requests.request(method, attio.url + path, headers=headers, timeout=5, **asked)
    assert found.status_code == status, found.text
    bare = requests.request(
        method, attio.url + path, headers={"Authorization": attio.token}, timeout=5, **asked
    )
    assert bare.status_code == 401


@pytest.fixture
def loops() -> Iterator[LoopsServer]:
    server = LoopsServer()
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("PUT", "/contacts/update", {"email": "a@x.example", "firstName": "A"}, 200),
        ("POST", "/contacts/update", {"email": "a@x.example"}, 405),
        ("PUT", "/contacts/update", {"firstName": "A"}, 400),
        ("PUT", "/contacts/update", {"email": "nobody"}, 400),
        ("PUT", "/contacts/update", {"email": "a@x.example", "firstName": ["A"]}, 400),
        ("PUT", "/contacts/update", {"email": "a@x.example", "brandNew": "x"}, 400),
        ("PUT", "/contacts/update", {"email": "a@x.example", "firstName": "A" * 501}, 400),
        ("POST", "/contacts/properties", {"name": "Project Names", "type": "string"}, 400),
        ("POST", "/contacts/properties", {"name": "projectNames", "type": "list"}, 400),
    ],
)
def test_loops(
    loops: LoopsServer, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    url = loops.api_url + path
    headers = {"Authorization": f"Bearer {loops.token}"}
    assert (
        requests.request(method, url, json=body, headers=headers, timeout=5).status_code == status
    )
    assert requests.request(method, url, json=body, timeout=5).status_code in (401, 405)


def test_loops_creates_once(loops: LoopsServer) -> None:
    headers = {"Authorization": f"Bearer {loops.token}"}
    body = {"email": "a@x.example"}
    codes = [
        requests.post(
            f"{loops.api_url}/contacts/create", json=body, headers=headers, timeout=5
        ).status_code
        for _ in range(2)
    ]
    assert codes == [200, 409]


def test_chatwoot(chatwoot: ChatwootServer) -> None:
    """Its pages are as large as they are, it lists open conversations unless asked, and 20 messages."""
    account = chatwoot.state.accounts[1]
    contact = chatwoot.state.add_contact(account, 1, "Olga")
    for number in range(30):
        talk = chatwoot.state.add_conversation(
            account, contact, status="open" if number else "resolved"
        )
    for number in range(130):
        chatwoot.state.add_message(talk, f"Message {number}", contact)

    def ask(path: str, token: str = "", **query: Any) -> requests.Response:
        return requests.get(
            f"{chatwoot.url}/api/v1/accounts/1{path}",
            params=query,
            headers={"api_access_token": token or chatwoot.token},
            timeout=5,
        )

    def listed(**query: Any) -> int:
        return len(ask("/conversations", **query).json()["data"]["payload"])

    assert ask("/conversations", token="wrong").status_code == 401
    assert listed(per_page=100, status="all") == 25
    assert listed(page=2) == 4 and listed(page=2, status="all") == 5
    messages = f"/conversations/{talk.id}/messages"
    assert len(ask(messages).json()["payload"]) == 20
    first = ask(messages).json()["payload"][0]["id"]
    assert len(ask(messages, before=first).json()["payload"]) == 20
    assert len(ask(messages, after=0).json()["payload"]) == 100
    assert ask("/conversations/999").status_code == 404
