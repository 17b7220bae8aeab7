"""The REST API of the simulated server, as the real one answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, request

from tests.vendors import faults as faulty
from tests.vendors.chatwoot.state import (
    ACTIVITY,
    DELETED_TEXT,
    Account,
    Conversation,
    Message,
    Person,
    State,
)
from tests.vendors.faults import Faults
from tests.vendors.serving import RequestLog

CONVERSATIONS_PER_PAGE = 25
CONTACTS_PER_PAGE = 15
STATUSES = {"open", "resolved", "pending", "snoozed"}


def make_api(state: State, token: str, faults: Faults, log: RequestLog) -> Flask:
    app = Flask("chatwoot")
    app.before_request(lambda: _gate(state, token, faults, log))
    root = "/api/v1/accounts/<int:number>"

    @app.get("/api/v1/profile")
    def profile() -> Response:
        return _json(
            {
                "id": 1,
                "name": "Administrator",
                "email": "admin@example.com",
                "role": "administrator",
            }
        )

    def route(path: str) -> Callable[[Callable[..., Any]], None]:
        """A GET below an account, under the state's lock."""

        def attach(handler: Callable[..., Any]) -> None:
            def view(number: int, **rest: Any) -> Response:
                account = state.accounts.get(number)
                if account is None:
                    return _json({"error": "Account not found"}, 404)
                with state.lock:
                    found = handler(account, **rest)
                return found if isinstance(found, Response) else _json(found)

            app.add_url_rule(root + path, handler.__name__, view)

        return attach

    route("")(lambda_named("account", lambda a: {"id": a.id, "name": a.name}))
    route("/inboxes")(lambda_named("inboxes", lambda a: {"payload": list(a.inboxes.values())}))
    route("/agents")(lambda_named("agents", lambda a: [_agent(p) for p in a.agents.values()]))
    route("/contacts")(_contacts)
    route("/contacts/<int:contact>")(_contact_by_id)
    route("/conversations")(_conversations)
    route("/conversations/<int:conversation>")(_conversation_by_id)
    route("/conversations/<int:conversation>/messages")(_messages)
    return app


def lambda_named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = name
    return function


def _gate(state: State, token: str, faults: Faults, log: RequestLog) -> Response | None:
    if request.path.startswith("/__control__"):
        return None
    log.note(request.path, request.query_string.decode())
    fault = faults.take(request.path)
    if fault is not None:
        answered = faulty.answer(fault)
        if answered is not None:
            return answered
    if request.headers.get("api_access_token") != token:
        return _json({"error": "Invalid Access Token"}, 401)
    return None


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, mimetype="application/json")


def _page() -> int:
    return max(1, int(request.args.get("page", "1")))


def _contacts(account: Account) -> dict[str, Any]:
    """15 a page; the most recently active first, those never active last."""
    everybody = list(account.contacts.values())
    key = request.args.get("sort", "name")
    if key.lstrip("-") == "last_activity_at":
        everybody.sort(key=lambda p: (p.last_activity_at is None, -(p.last_activity_at or 0), p.id))
    else:
        everybody.sort(key=lambda p: (p.name, p.id))
    start = (_page() - 1) * CONTACTS_PER_PAGE
    payload = [_contact(p) for p in everybody[start : start + CONTACTS_PER_PAGE]]
    return {"meta": {"count": len(everybody), "current_page": _page()}, "payload": payload}


def _contact_by_id(account: Account, contact: int) -> Any:
    found = account.contacts.get(contact)
    if found is None:
        return _json({"error": "Resource could not be found"}, 404)
    return {"payload": _contact(found)}


def _conversations(account: Account) -> dict[str, Any]:
    """25 a page whatever `per_page` says; open ones only unless asked for others."""
    status = request.args.get("status", "open")
    found = [c for c in account.conversations.values() if status == "all" or c.status == status]
    inbox = request.args.get("inbox_id")
    if inbox:
        found = [c for c in found if c.inbox_id == int(inbox)]
    if request.args.get("sort_by") == "created_at_asc":
        found.sort(key=lambda c: (c.created_at, c.id))
    else:
        found.sort(key=lambda c: (-c.last_activity_at, -c.id))
    start = (_page() - 1) * CONVERSATIONS_PER_PAGE
    payload = [_conversation(c) for c in found[start : start + CONVERSATIONS_PER_PAGE]]
    return {"data": {"meta": {"all_count": len(found)}, "payload": payload}}


def _conversation_by_id(account: Account, conversation: int) -> Any:
    found = account.conversations.get(conversation)
    return _conversation(found) if found else _json({"error": "Resource could not be found"}, 404)


def _messages(account: Account, conversation: int) -> Any:
    """The newest 20; 20 before an id; up to 100 after one; up to 1000 between two."""
    found = account.conversations.get(conversation)
    if found is None:
        return _json({"error": "Resource could not be found"}, 404)
    before, after = request.args.get("before"), request.args.get("after")
    messages = found.messages
    if after is not None and before is not None:
        chosen = [m for m in messages if int(after) < m.id < int(before)][:1000]
    elif after is not None:
        chosen = [m for m in messages if m.id > int(after)][:100]
    elif before is not None:
        chosen = [m for m in messages if m.id < int(before)][-20:]
    else:
        chosen = messages[-20:]
    return {"meta": {"labels": found.labels, "contact": _contact(found.contact)},
            "payload": [_message(m, account) for m in chosen]}  # fmt: skip


def _contact(person: Person) -> dict[str, Any]:
    return {
        "id": person.id, "name": person.name, "email": person.email, "phone_number": person.phone,
        "identifier": None, "type": "contact", "additional_attributes": {}, "custom_attributes": {},
        "created_at": person.created_at, "last_activity_at": person.last_activity_at,
    }  # fmt: skip


def _agent(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "role": "agent",
        "type": "user",
    }


def _conversation(c: Conversation) -> dict[str, Any]:
    return {
        "id": c.id,
        "meta": {
            "sender": _contact(c.contact),
            "channel": "Channel::Api",
            "assignee": _agent(c.assignee) if c.assignee else None,
        },
        "inbox_id": c.inbox_id, "status": c.status, "labels": c.labels, "priority": None,
        "custom_attributes": {}, "additional_attributes": {}, "unread_count": 0, "waiting_since": 0,
        "snoozed_until": None, "first_reply_created_at": 0, "created_at": c.created_at,
        "timestamp": c.last_activity_at, "last_activity_at": c.last_activity_at, "updated_at": c.updated_at,
    }  # fmt: skip


def _message(m: Message, account: Account) -> dict[str, Any]:
    """As REST has it: epoch seconds, numeric types, no updated_at, no sender for activity lines."""
    body: dict[str, Any] = {
        "id": m.id,
        "content": DELETED_TEXT if m.deleted else m.text,
        "conversation_id": m.conversation_id,
        "message_type": m.type,
        "created_at": m.created_at,
        "private": m.private,
        "status": "sent",
        "content_type": "text",
        "content_attributes": {"deleted": True} if m.deleted else {},
        "source_id": None,
    }
    if m.sender is not None and m.type != ACTIVITY:
        body["sender"] = _contact(m.sender) if m.sender.kind == "contact" else _agent(m.sender)
    if m.attachments and not m.deleted:
        body["attachments"] = [
            {
                "id": m.id * 100 + n, "message_id": m.id, "file_type": item.get("type", "file"),
                "data_url": f"https://files.example/{item['file']}", "thumb_url": "",
                "file_size": item.get("size", 0), "extension": None,
            }
            for n, item in enumerate(m.attachments)
        ]  # fmt: skip
    return body
