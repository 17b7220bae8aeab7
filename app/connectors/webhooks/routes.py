"""The receiver of vendors' webhooks, its addresses and secrets, and what became of deliveries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app, request
from marshmallow import Schema, fields, validate

from app.audit import service as audit
from app.connectors.webhooks import doors, receiver
from app.connectors.webhooks.signatures import SCHEMES
from app.db import db, statements
from app.scheduler.service import expect_run
from app.web import cursors
from app.web.errors import ApiError, invalid, not_found
from app.web.inputs import ClampedInt, Input, Text, path_number
from app.web.operation import PUBLIC
from app.web.routing import Api
from config.settings import Settings

api = Api("webhooks")
sql = statements("webhooks")

STATUSES = ("pending", "processing", "done", "ignored", "failed", "dead_letter")


class Received(Schema):
    duplicate = fields.Boolean()


class Rotation(Input):
    secret = Text(
        load_default=None,
        allow_none=True,
        blank_as_none=True,
        validate=validate.Length(8, 500),
        metadata={"description": "The secret that the vendor shows for this webhook."},
    )
    make_secret = fields.Boolean(
        load_default=False,
        metadata={"description": "Make a secret here, for a vendor that takes one."},
    )
    make_address = fields.Boolean(
        load_default=None,
        allow_none=True,
        metadata={"description": "Make a new address; the old one is gone at once."},
    )
    require_signature = fields.Boolean(load_default=None, allow_none=True)


class DeliveryFilter(Input):
    connector = Text(
        load_default=None,
        allow_none=True,
        blank_as_none=True,
        validate=validate.OneOf(sorted(SCHEMES)),
    )
    status = Text(
        load_default=None,
        allow_none=True,
        blank_as_none=True,
        validate=validate.OneOf(STATUSES),
    )
    event = Text(
        load_default=None, allow_none=True, blank_as_none=True, validate=validate.Length(max=200)
    )
    cursor = Text(
        load_default=None, allow_none=True, blank_as_none=True, validate=validate.Length(max=20)
    )
    limit = ClampedInt(default=50, low=1, high=200)


def _settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


@api.post(
    "/webhooks/<connector>/<token>",
    permission=PUBLIC,
    machine=True,
    reply=Received,
    errors=("invalid_signature", "invalid_json", "rate_limited", "payload_too_large"),
)
def receive(connector: str, token: str) -> dict[str, Any]:
    """Take in a vendor's delivery. `duplicate` when it came before."""
    settings = _settings()
    request.max_content_length = settings.webhook_max_body_bytes
    return receiver.receive(connector, token, request.headers, request.get_data, settings)


@api.post(
    "/connectors/connections/<connection_id>/rotate-webhook",
    permission="connectors.manage",
    body=Rotation,
    errors=("connection_not_found",),
)
def rotate_webhook(project_id: UUID, connection_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    """A new webhook address, a new secret, or both; with an empty body a new address.

    What is made here is shown this once. The secret before stays valid for 24 hours, the address does
    not. `require_signature` may be false for Chatwoot only, whose older servers sign nothing.
    """
    return {"webhook": doors.rotate(project_id, connection_id, **body)}


@api.post("/connectors/webhooks/loops", permission="connectors.manage", body=Rotation)
def rotate_loops_webhook(project_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    """The same for Loops, which has no connection to name: its key is the installation's."""
    connection_id = doors.loops_connection(project_id, _settings())
    return {"webhook": doors.rotate(project_id, connection_id, **body)}


@api.get("/connectors/webhooks/deliveries", permission="project.read", query=DeliveryFilter)
def list_deliveries(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """What vendors delivered, newest first. `next_cursor` continues it."""
    before = _cursor(query.pop("cursor"))
    limit = query.pop("limit")
    with db.connection() as connection:
        rows = sql.list_deliveries(
            connection, project_id=project_id, before_id=before, most=limit + 1, **query
        )
    more = len(rows) > limit
    rows = rows[:limit]
    return {
        "deliveries": rows,
        "next_cursor": rows[-1]["id"] if more else None,
        "has_more": more,
    }


@api.post(
    "/connectors/webhooks/deliveries/<delivery>/replay",
    permission="connectors.run",
    status=202,
    errors=("delivery_not_found", "invalid_id", "delivery_in_progress", "delivery_body_gone"),
)
def replay_delivery(project_id: UUID, delivery: str) -> dict[str, Any]:
    """Apply a delivery once more, whatever became of it."""
    number = path_number(delivery)
    with db.transaction() as tx:
        row = sql.replay_delivery(tx, project_id=project_id, id=number)
        if row is None:
            raise _not_replayable(sql.find_delivery(tx, project_id=project_id, id=number))
        audit.record(
            tx,
            "connector.webhook.replay",
            project_id=project_id,
            entity_type="webhook_delivery",
            entity_id=row["id"],
            payload={"connector": row["connector"], "event": row["event"]},
        )
    expect_run(project_id, receiver.JOB, trigger="webhook", delay=0.0)
    return {"delivery": row}


def _not_replayable(found: dict[str, Any] | None) -> ApiError:
    if found is None:
        return not_found("delivery_not_found", "The delivery")
    if found["status"] == "processing":
        return ApiError(409, "delivery_in_progress", "The delivery is being applied just now.")
    return ApiError(
        409,
        "delivery_body_gone",
        "The body of this delivery is not kept any more; a sync reads what it told of.",
    )


def _cursor(text: str | None) -> int | None:
    """The delivery that a page ends with. Raises 400 for what is none."""
    try:
        return None if text is None else cursors.bigint(text)
    except ValueError:
        raise invalid("This cursor is not one of ours.", "cursor") from None
