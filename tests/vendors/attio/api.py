"""The REST API of the simulated workspace, as the real one answers."""

from __future__ import annotations

import threading
from typing import Any

import orjson
from flask import Flask, Response, request

from tests.vendors import faults as faulty
from tests.vendors.attio.rules import refusal
from tests.vendors.attio.state import MEMBER, Kind, Record, State
from tests.vendors.faults import Faults
from tests.vendors.serving import RequestLog

SCOPES = (
    "record_permission:read object_configuration:read note:read task:read list_entry:read "
    "list_configuration:read user_management:read"
)


# How Attio names the page of a record in its own address.
PAGES = {"companies": "company", "people": "person", "deals": "deals/record"}


class AttioLog(RequestLog):
    """Every request with its body or query, so that tests can look at offsets."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def note_question(self, path: str, question: dict[str, Any]) -> None:
        self.note(path, "")
        with self._guard:
            self.asked.append((path, question))

    def clear(self) -> None:
        super().clear()
        with self._guard:
            self.asked.clear()


def make_api(state: State, token: str, faults: Faults, log: AttioLog) -> Flask:
    app = Flask("attio")
    app.before_request(lambda: _gate(token, faults, log))

    @app.get("/v2/self")
    def identify() -> Response:
        return _json(_self(state))

    @app.post("/v2/objects/<slug>/records/query")
    def records(slug: str) -> Response:
        with state.lock:
            kind = _find(state.objects, slug)
            if kind is None:
                return _error(404, "not_found", f'Object with slug/ID "{slug}" not found.')
            return _json({"data": [_record(state, kind, r) for r in _page(kind)]})

    @app.post("/v2/lists/<slug>/entries/query")
    def entries(slug: str) -> Response:
        with state.lock:
            kind = _find(state.lists, slug)
            if kind is None:
                return _error(404, "not_found", f'List with slug/ID "{slug}" not found.')
            return _json({"data": [_entry(state, kind, r) for r in _page(kind)]})

    @app.get("/v2/notes")
    def notes() -> Response:
        with state.lock:
            return _json({"data": _slice(list(state.notes.values()), request.args, 10)})

    @app.get("/v2/tasks")
    def tasks() -> Response:
        with state.lock:
            newest_first = request.args.get("sort") == "created_at:desc"
            found = sorted(
                state.tasks.values(), key=lambda t: t["created_at"], reverse=newest_first
            )
            return _json({"data": _slice(found, request.args, 500)})

    _single_things(app, state)
    return app


def _single_things(app: Flask, state: State) -> None:
    """What is asked for by its id."""

    @app.get("/v2/objects/<slug>")
    def object_(slug: str) -> Response:
        kind = _find(state.objects, slug)
        return _json({"data": _about_object(state, kind)}) if kind else _missing("Object", slug)

    @app.get("/v2/lists/<slug>")
    def list_(slug: str) -> Response:
        kind = _find(state.lists, slug)
        return _json({"data": _about_list(state, kind)}) if kind else _missing("List", slug)

    @app.get("/v2/objects/<slug>/records/<record_id>")
    def record(slug: str, record_id: str) -> Response:
        with state.lock:
            kind = _find(state.objects, slug)
            found = kind.records.get(record_id) if kind else None
            if kind is None or found is None:
                return _missing("Record", record_id)
            return _json({"data": _record(state, kind, found)})

    @app.get("/v2/lists/<slug>/entries/<entry_id>")
    def entry(slug: str, entry_id: str) -> Response:
        with state.lock:
            kind = _find(state.lists, slug)
            found = kind.records.get(entry_id) if kind else None
            if kind is None or found is None:
                return _missing("Entry", entry_id)
            return _json({"data": _entry(state, kind, found)})

    @app.get("/v2/notes/<note_id>")
    def note(note_id: str) -> Response:
        found = state.notes.get(note_id)
        return _json({"data": found}) if found else _missing("Note", note_id)

    @app.get("/v2/tasks/<task_id>")
    def task(task_id: str) -> Response:
        found = state.tasks.get(task_id)
        return _json({"data": found}) if found else _missing("Task", task_id)


def _missing(what: str, named: str) -> Response:
    return _error(404, "not_found", f'{what} with ID "{named}" not found.')


def _about_object(state: State, kind: Kind) -> dict[str, Any]:
    return {
        "id": {"workspace_id": state.workspace_id, "object_id": kind.id},
        "api_slug": kind.slug,
        "singular_noun": kind.slug.removesuffix("s").capitalize(),
        "plural_noun": kind.slug.capitalize(),
        "created_at": "2026-09-01T09:00:00.000000000Z",
    }


def _about_list(state: State, kind: Kind) -> dict[str, Any]:
    return {
        "id": {"workspace_id": state.workspace_id, "list_id": kind.id},
        "api_slug": kind.slug,
        "name": kind.slug.capitalize(),
        "parent_object": ["deals"],
        "workspace_access": "full-access",
        "workspace_member_access": [],
        "created_by_actor": {"type": "workspace-member", "id": MEMBER},
        "created_at": "2026-09-01T09:00:00.000000000Z",
    }


def _gate(token: str, faults: Faults, log: AttioLog) -> Response | None:
    body = request.get_json(silent=True)
    query = request.args.to_dict()
    log.note_question(request.path, body if isinstance(body, dict) else query)
    fault = faults.take(request.path)
    if fault is not None:
        answered = faulty.answer(fault)
        if answered is not None:
            return answered
    if request.headers.get("Authorization") != f"Bearer {token}":
        return _error(401, "unauthorized", "The access token is not valid.", "auth_error")
    refused = refusal(request.method, request.path, query, request.mimetype, body)
    return _error(*refused) if refused else None


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, mimetype="application/json")


def _error(status: int, code: str, message: str, kind: str = "invalid_request_error") -> Response:
    return _json({"status_code": status, "type": kind, "code": code, "message": message}, status)


def _find(kinds: dict[str, Kind], slug: str) -> Kind | None:
    """By slug or id; what is not enabled is not found."""
    return next((k for k in kinds.values() if slug in (k.slug, k.id) and k.enabled), None)


def _page(kind: Kind) -> list[Record]:
    """One page in the order asked for. Records of the same moment stand in the order of their ids."""
    question = request.get_json()
    found = sorted(kind.records.values(), key=lambda record: record.id)
    for sort in reversed(question.get("sorts") or []):
        assert sort["attribute"] == "created_at", "the simulator sorts by created_at only"
        found.sort(key=lambda record: record.created_at, reverse=sort["direction"] == "desc")
    assert not question.get("filter"), "the simulator does not filter"
    return _slice(found, question, 500)


def _slice(found: list[Any], question: Any, usual: int) -> list[Any]:
    start = int(question.get("offset") or 0)
    return found[start : start + int(question.get("limit") or usual)]


def _self(state: State) -> dict[str, Any]:
    if not state.active:
        return {"active": False}
    return {
        "active": True, "scope": SCOPES, "client_id": state.workspace_id, "token_type": "Bearer",
        "exp": None, "iat": 1_760_000_000, "sub": state.workspace_id, "aud": state.workspace_id,
        "iss": "attio.com", "authorized_by_workspace_member_id": MEMBER,
        "workspace_id": state.workspace_id, "workspace_name": state.workspace_name,
        "workspace_slug": "mayak", "workspace_logo_url": None,
    }  # fmt: skip


def _record(state: State, kind: Kind, record: Record) -> dict[str, Any]:
    return {
        "id": {
            "workspace_id": state.workspace_id,
            "object_id": kind.id,
            "record_id": record.id,
        },
        "created_at": record.created_at,
        "web_url": f"https://app.attio.com/mayak/{PAGES[kind.slug]}/{record.id}",
        "values": _values(state, record),
    }


def _entry(state: State, kind: Kind, entry: Record) -> dict[str, Any]:
    return {
        "id": {"workspace_id": state.workspace_id, "list_id": kind.id, "entry_id": entry.id},
        "parent_record_id": entry.parent_record_id,
        "parent_object": entry.parent_object,
        "created_at": entry.created_at,
        "entry_values": _values(state, entry),
    }


def _values(state: State, record: Record) -> dict[str, Any]:
    return {
        slug: [v for v in values if state.show_historic or v["active_until"] is None]
        for slug, values in record.values.items()
    }
