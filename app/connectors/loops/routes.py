"""Pushing contacts to Loops by hand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app
from marshmallow import Schema, fields, validate

from app.connectors.loops import service
from app.web.access import identity
from app.web.inputs import Input, Whole
from app.web.routing import Api

api = Api("loops")


class SyncRequest(Input):
    project_ids: fields.List = fields.List(
        fields.UUID(), load_default=list, validate=validate.Length(max=100)
    )
    limit = Whole(load_default=300, validate=validate.Range(1, 5000))


class ContactError(Schema):
    email = fields.String(metadata={"description": "masked: a***@d.com"})
    code = fields.String()
    message = fields.String()


class Push(Schema):
    enabled = fields.Boolean()
    reason = fields.String(metadata={"description": "why it is not enabled"})
    selected_project_ids: fields.List = fields.List(fields.UUID())
    processed = fields.Integer(metadata={"description": "contacts that cost a call"})
    created = fields.Integer(metadata={"description": "pushed for the first time"})
    updated = fields.Integer()
    failed = fields.Integer()
    skipped = fields.Integer()
    skipped_reasons = fields.Dict(keys=fields.String(), values=fields.Integer())
    unchanged = fields.Integer()
    remaining = fields.Integer(metadata={"description": "changed, and left to another run"})
    errors: fields.List = fields.List(fields.Nested(ContactError))
    queued = fields.Boolean()
    job_run_id = fields.String()
    stopped_by = fields.String()


class SyncReply(Schema):
    loops = fields.Nested(Push)


@api.post(
    "/loops/sync",
    permission="loops.sync",
    project=False,
    body=SyncRequest,
    reply=SyncReply,
    limit="job",
    errors=("account_scope_required", "sync_in_progress", "upstream_auth_failed"),
)
def sync_contacts(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Tell Loops of the contacts that changed. Many are pushed by the worker: 202 after 10 s."""
    project_ids: list[UUID] = body["project_ids"]
    return service.sync(identity(), project_ids, body["limit"], current_app.config["SETTINGS"])
