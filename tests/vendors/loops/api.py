"""The contacts API of a simulated team. A contact is created by POST and updated, or created, by PUT."""

from __future__ import annotations

import re
from typing import Any

import orjson
from flask import Flask, Response, request

from tests.vendors import faults as faulty
from tests.vendors.faults import Faults
from tests.vendors.loops.state import Team
from tests.vendors.serving import RequestLog

ROOT = "/api/v1"
LONGEST_TEXT = 500
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "date": (str, int),
}


def make_api(team: Team, token: str, faults: Faults, log: RequestLog) -> Flask:
    app = Flask("loops")
    app.before_request(lambda: _gate(team, token, faults, log))
    app.after_request(lambda response: _with_quota(team, response))
    app.register_error_handler(405, lambda error: _refusal(405, "Method not allowed"))
    app.register_error_handler(404, lambda error: _refusal(404, "Not found"))

    @app.get(f"{ROOT}/api-key")
    def api_key() -> Response:
        return _json({"success": True, "teamName": team.name})

    @app.get(f"{ROOT}/contacts/properties")
    def properties() -> Response:
        with team.lock:
            custom = [
                {"key": name, "label": name, "type": kind} for name, kind in team.properties.items()
            ]
        return _json(custom)

    @app.post(f"{ROOT}/contacts/properties")
    def create_property() -> Response:
        body = request.get_json()
        name, kind = body.get("name"), body.get("type")
        if kind not in TYPES or not re.fullmatch(r"[a-z][A-Za-z0-9]*", str(name)):
            return _refusal(400, "Property names are camelCase, types one of four.")
        with team.lock:
            if team.kind_of(name):
                return _refusal(400, "This property exists already.")
            team.properties[name] = kind
        return _json({"success": True})

    @app.post(f"{ROOT}/contacts/create")
    def create() -> Response:
        return _write(team, new_only=True)

    @app.put(f"{ROOT}/contacts/update")
    def update() -> Response:
        return _write(team, new_only=False)

    return app


def _gate(team: Team, token: str, faults: Faults, log: RequestLog) -> Response | None:
    log.note(f"{request.method} {request.path}", request.query_string.decode())
    fault = faults.take(request.path)
    if fault is not None:
        answered = faulty.answer(fault)
        if answered is not None:
            return answered
    if request.headers.get("Authorization") != f"Bearer {token}":
        return _json({"success": False, "error": "Invalid API key"}, 401)
    with team.lock:
        return None if team.quota.take() else _refusal(429, "Too many requests")


def _with_quota(team: Team, response: Response) -> Response:
    with team.lock:
        response.headers.update(team.quota.headers())
    return response


def _write(team: Team, new_only: bool) -> Response:
    body = request.get_json()
    email = body.get("email") if isinstance(body, dict) else None
    if not isinstance(email, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        return _refusal(400, "A valid email is needed.")
    with team.lock:
        for name, value in body.items():
            mistake = _mistake(team, name, value)
            if mistake:
                return _refusal(400, f"{name}: {mistake}")
        if new_only and email.lower() in team.contacts:
            return _refusal(409, "Email or userId is already on list.")
        return _json({"success": True, "id": team.put(body)["id"]})


def _mistake(team: Team, name: str, value: Any) -> str | None:
    if name == "mailingLists":
        return None if isinstance(value, dict) else "must be an object"
    kind = team.kind_of(name)
    if kind is None:
        return "no such property"
    if value is None:
        return None
    if isinstance(value, bool) and kind != "boolean":
        return f"must be a {kind}"
    if not isinstance(value, TYPES[kind]):
        return f"must be a {kind}"
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return "is too long"
    return None


def _refusal(status: int, message: str) -> Response:
    return _json({"success": False, "message": message}, status)


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, mimetype="application/json")
