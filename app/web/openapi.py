"""The OpenAPI document, made from the same declarations that check requests, and a page to read it."""

from __future__ import annotations

import json
import re
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Response, current_app, render_template
from marshmallow import Schema

from app.web.operation import PUBLIC, Operation
from app.web.responses import dump_json
from app.web.routing import Api, operations

api = Api("openapi", __name__, template_folder="templates")

DESCRIPTION = (
    "Every answer is JSON in one envelope: `ok`, the fields below, `request_id`. Errors carry `error` "
    "(a stable code) and `message`. Every path is also served under `/v1`."
)
ERROR = {
    "type": "object",
    "required": ["ok", "error", "message", "request_id"],
    "properties": {
        "ok": {"const": False},
        "error": {"type": "string", "description": "Stable machine code"},
        "message": {"type": "string", "description": "A sentence for people"},
        "request_id": {"type": "string"},
        "details": {},
    },
}
REFUSALS = {
    "400": "The input cannot be used",
    "401": "Nobody is signed in",
    "403": "Not allowed, or the CSRF token is missing",
    "404": "Not found",
    "409": "Not in this state, or no active project",
    "410": "Switched off",
    "413": "Body too large",
    "415": "Not JSON",
    "422": "Idempotency key used with another body",
    "429": "Too many requests; see Retry-After",
    "500": "Our fault",
    "502": "A vendor refused",
    "503": "Something we need is away; try again",
}


@api.get("/openapi.json", permission=PUBLIC)
def document() -> Response:
    """This document."""
    return Response(dump_json(build()), content_type="application/json; charset=utf-8")


@api.get("/docs", permission=PUBLIC)
def page() -> Response:
    """The same, to be read. Loads nothing from other hosts."""
    spec = build()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            entry = {"path": path, "method": method.upper(), **operation}
            groups.setdefault(operation["tags"][0], []).append(entry)
    html = render_template("docs.html", spec=spec, groups=groups, dump=_pretty)
    return Response(html, content_type="text/html; charset=utf-8")


def build() -> dict[str, Any]:
    """The whole document as a dictionary."""
    spec = APISpec(
        title="Lightpost",
        version="1.0",
        openapi_version="3.1.0",
        info={"description": DESCRIPTION},
        plugins=[MarshmallowPlugin(schema_name_resolver=_schema_name)],
    )
    spec.components.schema("Error", ERROR)
    spec.components.security_scheme(
        "session", {"type": "apiKey", "in": "cookie", "name": _cookie_name()}
    )
    for operation in operations(current_app).values():
        spec.path(
            path=re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", operation.path),
            operations={operation.method.lower(): _describe(operation)},
        )
    document: dict[str, Any] = spec.to_dict()
    _allow_more(document)
    return document


def _allow_more(node: Any) -> None:
    """Unknown keys are never refused: requests drop them, and answers stand in the envelope."""
    if isinstance(node, dict):
        if node.get("additionalProperties") is False:
            del node["additionalProperties"]
        for value in node.values():
            _allow_more(value)
    elif isinstance(node, list):
        for value in node:
            _allow_more(value)


def _describe(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": _rules(operation),
        "operationId": f"{operation.method.lower()}{re.sub(r'[^a-z0-9]+', '_', operation.path)}",
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.permission != PUBLIC:
        described["security"] = [{"session": []}]
    if operation.body:
        described["requestBody"] = {
            "required": any(field.required for field in operation.body().fields.values()),
            "content": {"application/json": {"schema": operation.body}},
        }
    return described


def _rules(operation: Operation) -> str:
    """What the declaration says beyond the schemas, in words."""
    parts = [operation.description]
    if operation.permission != PUBLIC:
        parts.append(f"Permission: `{operation.permission}`.")
    if operation.project:
        parts.append("Works in the session's active project.")
    if operation.idempotent:
        parts.append("Honours `x-idempotency-key`.")
    if operation.errors:
        parts.append("Errors: " + ", ".join(f"`{code}`" for code in operation.errors) + ".")
    return " ".join(part for part in parts if part)


def _parameters(operation: Operation) -> list[Any]:
    parameters: list[Any] = [
        {
            "in": "path",
            "name": name,
            "required": True,
            "schema": {"type": "string", **({"format": "uuid"} if name.endswith("id") else {})},
        }
        for name in re.findall(r"<(?:\w+:)?(\w+)>", operation.path)
    ]
    if operation.query:
        parameters.append({"in": "query", "schema": operation.query})
    if operation.permission != PUBLIC and operation.method != "GET":
        parameters.append(
            {
                "in": "header",
                "name": "x-csrf-token",
                "required": False,
                "schema": {"type": "string"},
            }
        )
    return parameters


def _responses(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done"}
    envelope: dict[str, Any] = {
        "type": "object",
        "required": ["ok", "request_id"],
        "properties": {"ok": {"const": True}, "request_id": {"type": "string"}},
    }
    plain = operation.path in ("/metrics", "/docs", "/openapi.json", "/events/stream")
    if not plain:
        schema = {"allOf": [envelope, operation.reply]} if operation.reply else envelope
        success["content"] = {"application/json": {"schema": schema}}
    responses: dict[str, Any] = {str(operation.status): success}
    if operation.status == 200 and operation.limit == "job":
        responses["202"] = {"description": "Started; still at work"}
    for status, meaning in REFUSALS.items():
        responses[status] = {
            "description": meaning,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return responses


def _schema_name(schema: Any) -> str:
    """Domain and class: `ProjectsNewProject`. A part of a schema has no name: it is written out."""
    kind = schema if isinstance(schema, type) else type(schema)
    if isinstance(schema, Schema) and (schema.only or schema.exclude):
        return ""
    return f"{kind.__module__.split('.')[1].title()}{kind.__name__}"


def _cookie_name() -> str:
    return str(current_app.config["SETTINGS"].session_cookie_name)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
