"""Our requests and the simulator's answers, held against the API description that Attio publishes."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import requests

from app.connectors.attio.client import AttioClient
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from config.settings import load
from tests.vendors.attio import AttioServer, State, typed
from tests.vendors.attio.rules import ID, RULES
from tests.vendors.attio.state import MEMBER

ROOT = Path(__file__).parents[2]
PUBLISHED = (
    Path(os.environ.get("VENDOR_SPECS", ROOT.parent / "shared" / "specs")) / "attio.openapi.json"
)
if not PUBLISHED.exists():
    pytest.skip("VENDOR_SPECS names no folder with attio.openapi.json", allow_module_level=True)

ABOUT_A_VALUE = {"active_from", "active_until", "created_by_actor"}


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(PUBLISHED.read_bytes())
    return found


@pytest.fixture
def attio() -> Iterator[AttioServer]:
    server = AttioServer()
    fill(server.state)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(attio: AttioServer) -> Iterator[AttioClient]:
    connection = Connection(
        id=uuid.uuid4(),
        project_id=uuid.uuid4(),
        connector="attio",
        base_url=attio.url,
        external_account_id=attio.state.workspace_id,
        token=attio.token,
        filters={},
        mapping={},
        options={},
        enabled=True,
        health="ok",
    )
    made = AttioClient(connection, load({}))
    yield made
    made.close()


def fill(state: State) -> None:
    """Something of every kind, with a value of every type."""
    state.objects["deals"].enabled = True
    at = "2026-10-05T08:00:00.000000000Z"
    company = state.add_company(
        "Fleetline",
        "app.fleetline.example",
        description=typed.text("Courier fleets"),
        primary_location=typed.location("Riga", "LV"),
        categories=[state.option("Logistics", "categories"), state.option("SaaS", "categories")],
        last_interaction=typed.interaction(at, MEMBER),
        strength=typed.rating(4),
        key_account=typed.checkbox(True),
    )
    state.add_person(
        "Olga Zimina",
        "Olga@Fleetline.example",
        company,
        phone_numbers=typed.phone("+371 2000 0000", "LV"),
    )
    deal = state.add_deal(
        "Driver app",
        "Won 🎉",
        1234.5,
        company,
        probability=typed.number(35),
        close_date=typed.date("2026-12-24"),
        reviewed_at=typed.timestamp(at),
        owner=typed.actor(MEMBER),
    )
    state.add_list("sales")
    state.add_entry("sales", "deals", deal, stage=state.stage("Proposal"))
    state.add_note("deals", deal, "Call", "They asked for a quote.")
    state.add_task("Send it", ("deals", deal), deadline=at)


def operation(api: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """The published operation that answers a path."""
    for template, methods in api["paths"].items():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in methods:
            found: dict[str, Any] = methods[method.lower()]
            return found
    raise AssertionError(f"{method} {path} is not published")


def mistakes(api: dict[str, Any], schema: dict[str, Any], instance: Any) -> list[str]:
    """What is wrong with an instance; formats count too."""
    whole = {"components": api["components"], **schema}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [f"{list(e.instance_path)}: {e.message[:300]}" for e in validator.iter_errors(instance)]


def answer_schema(api: dict[str, Any], method: str, path: str, status: int) -> dict[str, Any]:
    responses = operation(api, method, path)["responses"]
    found: dict[str, Any] = responses[str(status)]["content"]["application/json"]["schema"]
    return found


def test_every_question_of_the_client_is_published(
    api: dict[str, Any], attio: AttioServer, client: AttioClient
) -> None:
    client.identify()
    client.records("companies", 500, 0)
    client.entries("sales", 500, 499)
    client.notes(50, 0)
    client.tasks(500, 499)
    for path in singles(attio.state):
        client.http.get(path)
    assert len(attio.requests.asked) == 11
    for path, question in attio.requests.asked:
        posted = path.endswith("/query")
        found = operation(api, "POST" if posted else "GET", path)
        if posted:
            schema = found["requestBody"]["content"]["application/json"]["schema"]
            assert mistakes(api, schema, question) == []
            assert set(question) <= set(schema["properties"])
            continue
        known = {p["name"]: p["schema"] for p in found.get("parameters", []) if p["in"] == "query"}
        for name, text in question.items():
            value = int(text) if known[name]["type"] == "integer" else text
            assert mistakes(api, known[name], value) == []


def test_the_pages_we_ask_for_are_allowed(api: dict[str, Any]) -> None:
    notes = operation(api, "GET", "/v2/notes")["parameters"]
    limit = next(p["schema"] for p in notes if p["name"] == "limit")
    assert "maximum is `50`" in limit["description"]


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "/v2/self", None),
        ("POST", "/v2/objects/companies/records/query", {"limit": 5}),
        ("POST", "/v2/objects/people/records/query", {}),
        ("POST", "/v2/objects/deals/records/query", {"offset": 0}),
        ("POST", "/v2/lists/sales/entries/query", {}),
        ("GET", "/v2/notes", None),
        ("GET", "/v2/tasks", None),
    ],
)
def test_the_simulator_answers_as_published(
    api: dict[str, Any], attio: AttioServer, method: str, path: str, body: Any
) -> None:
    found = ask(attio, method, path, body)
    assert found.status_code == 200 and (path == "/v2/self" or found.json()["data"])
    assert mistakes(api, answer_schema(api, method, path, 200), found.json()) == []


def test_a_token_that_ended(api: dict[str, Any], attio: AttioServer) -> None:
    attio.state.active = False
    found = ask(attio, "GET", "/v2/self", None)
    assert mistakes(api, answer_schema(api, "GET", "/v2/self", 200), found.json()) == []


def singles(state: State) -> list[str]:
    """What is asked for by its id, one path of each kind."""
    (company,) = state.objects["companies"].records
    (entry,) = state.lists["sales"].records
    (note,), (task,) = state.notes, state.tasks
    return [
        f"/v2/objects/{state.objects['companies'].id}",
        f"/v2/lists/{state.lists['sales'].id}",
        f"/v2/objects/companies/records/{company}",
        f"/v2/lists/sales/entries/{entry}",
        f"/v2/notes/{note}",
        f"/v2/tasks/{task}",
    ]


def test_single_things_are_answered_as_published(api: dict[str, Any], attio: AttioServer) -> None:
    for path in singles(attio.state):
        found = ask(attio, "GET", path, None)
        assert found.status_code == 200, path
        assert mistakes(api, answer_schema(api, "GET", path, 200), found.json()) == []
        gone = re.sub("[0-9a-f]{12}$", "0" * 12, path)
        found = ask(attio, "GET", gone, None)
        assert found.status_code == 404, gone
        assert mistakes(api, answer_schema(api, "GET", gone, 404), found.json()) == []


@pytest.mark.parametrize(
    "path", ["/v2/objects/orders/records/query", "/v2/lists/none/entries/query"]
)
def test_what_is_not_found(
    api: dict[str, Any], attio: AttioServer, client: AttioClient, path: str
) -> None:
    found = ask(attio, "POST", path, {})
    assert found.status_code == 404
    assert mistakes(api, answer_schema(api, "POST", path, 404), found.json()) == []
    with pytest.raises(ConnectorError):
        client.records("orders", 5, 0)


def test_every_type_of_value_is_as_published(api: dict[str, Any], attio: AttioServer) -> None:
    kinds = api["components"]["schemas"]["output-value"]["anyOf"]
    published = {kind["properties"]["attribute_type"]["enum"][0] for kind in kinds}
    simulated = set()
    for slug in ("companies", "people", "deals"):
        records = ask(attio, "POST", f"/v2/objects/{slug}/records/query", {}).json()["data"]
        for record in records:
            for value in (value for values in record["values"].values() for value in values):
                simulated.add(value["attribute_type"])
                own = {name: v for name, v in value.items() if name not in ABOUT_A_VALUE}
                schema = {"$ref": "#/components/schemas/output-value"}
                assert mistakes(api, schema, own) == [], value
    assert simulated == published


def test_the_simulators_rules_name_published_calls(api: dict[str, Any]) -> None:
    for rule in RULES:
        path = rule.path.replace("[^/]+", "x").replace(ID, "x")
        found = operation(api, rule.method, path)
        if rule.body is not None:
            schema = found["requestBody"]["content"]["application/json"]["schema"]
            assert set(rule.body) == set(schema["properties"])
        else:
            known = {p["name"] for p in found.get("parameters", []) if p["in"] == "query"}
            assert set(rule.query) <= known


def ask(attio: AttioServer, method: str, path: str, body: Any) -> requests.Response:
    return requests.request(
        method,
        attio.url + path,
        json=body,
        headers={"Authorization": f"Bearer {attio.token}"},
        timeout=5,
    )
