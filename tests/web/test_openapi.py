"""The OpenAPI document and its page."""

from __future__ import annotations

import re

from flask import Flask

from app.web.routing import operations
from tests.conftest import Browser


def test_every_route_stands_in_the_document(app: Flask, client: Browser) -> None:
    document = client.get("/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {
        (path, method.upper()) for path, methods in document["paths"].items() for method in methods
    }
    assert routes == documented


def test_operation_ids_are_unique(client: Browser) -> None:
    document = client.get("/openapi.json").get_json()
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


def test_every_reference_in_the_document_resolves(client: Browser) -> None:
    answer = client.get("/openapi.json")
    document = answer.get_json()
    for name in re.findall(r'"#/components/schemas/([^"]+)"', answer.get_data(as_text=True)):
        assert name in document["components"]["schemas"]


def test_the_page_lists_every_route_and_loads_nothing_from_elsewhere(
    app: Flask, client: Browser
) -> None:
    answer = client.get("/docs")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    for operation in operations(app).values():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", operation.path)
        assert path in page
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert "<script" not in page
