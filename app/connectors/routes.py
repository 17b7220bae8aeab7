"""Connections of the active project, and their state."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from flask import current_app
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from app.connectors import addresses, connections, service, state
from app.connectors.vendors import VENDORS
from app.db import statements
from app.web.access import identity
from app.web.inputs import Input, Text
from app.web.routing import Api

api = Api("connectors")
sql = statements("connectors")


class Filters(Schema):
    """What a connection may read of its account. Several projects may share an account when each has
    filters."""

    class Meta:
        unknown = RAISE

    inbox_ids = fields.List(fields.Integer(validate=validate.Range(0, 2**53)))
    team_ids = fields.List(Text(validate=validate.Length(1, 64)))
    project_ids = fields.List(Text(validate=validate.Length(1, 64)))
    objects = fields.List(Text(validate=validate.Length(1, 100)))
    lists = fields.List(Text(validate=validate.Length(1, 100)))

    @post_load
    def without_empty_ones(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: sorted(set(values)) for name, values in data.items() if values}


class NewConnection(Input):
    connector = fields.String(required=True, validate=validate.OneOf(sorted(VENDORS)))
    base_url = Text(load_default=None, allow_none=True, validate=validate.Length(8, 500))
    external_account_id = Text(required=True, validate=validate.Length(1, 64))
    api_token = Text(required=True, validate=validate.Length(4, 500))
    display_name = Text(load_default="", validate=validate.Length(max=200))
    filters = fields.Nested(Filters, load_default=None, allow_none=True)
    mapping = fields.Dict(keys=fields.String(), load_default=None, allow_none=True)
    verify = fields.Boolean(load_default=True)

    @post_load
    def of_the_vendor(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        vendor = VENDORS[data["connector"]]
        if not re.fullmatch(vendor.account_pattern, data["external_account_id"]):
            raise ValidationError(
                f"This is not {vendor.account_hint}.", field_name="external_account_id"
            )
        data["base_url"] = data["base_url"] or vendor.base_url(current_app.config["SETTINGS"])
        if not data["base_url"]:
            raise ValidationError("Missing data for required field.", field_name="base_url")
        return data


class Changes(Input):
    display_name = Text(validate=validate.Length(max=200))
    api_token = Text(validate=validate.Length(4, 500))
    filters = fields.Nested(Filters)
    mapping = fields.Dict(keys=fields.String())


@api.get("/connectors/state", permission="project.read")
def connector_state(project_id: UUID) -> dict[str, Any]:
    """Which connector of which project is behind, since when, why, and what happens next: `summary` in a
    sentence, `connectors` of the active project, and in `elsewhere` those that are behind in other
    projects of the caller's."""
    return state.overview(identity(), project_id, connections.settings())


@api.get("/connectors/connections", permission="connectors.manage")
def list_connections(project_id: UUID) -> dict[str, Any]:
    """The project's connections; tokens are never shown."""
    return {"connections": connections.list_public(project_id)}


@api.post(
    "/connectors/connections",
    permission="connectors.manage",
    body=NewConnection,
    status=201,
    idempotent=True,
    errors=("connection_url_refused", "chatwoot_source_binding_error", "upstream_auth_failed"),
)
def create_connection(project_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    """Connect the project to an account; for a known account, give it a new token."""
    verify = body.pop("verify")
    addresses.refuse_unsafe_url(body["base_url"], current_app.config["SETTINGS"])
    service.check_mapping(body["connector"], body["mapping"] or {}, body["filters"] or {})
    if verify:
        service.verify(connections.draft(project_id, **body))
    return {"connection": connections.store(project_id, caller=identity(), **body)}


@api.post(
    "/connectors/connections/<connection_id>/update",
    permission="connectors.manage",
    body=Changes,
    errors=("connection_not_found", "chatwoot_source_binding_error"),
)
def update_connection(
    project_id: UUID, connection_id: UUID, body: dict[str, Any]
) -> dict[str, Any]:
    """Change a connection's name, token, filters or mapping; what is left out stays."""
    changed = connections.change(project_id, connection_id, **body, check=service.check_mapping)
    return {"connection": changed}


@api.post(
    "/connectors/connections/<connection_id>/disable",
    permission="connectors.manage",
    errors=("connection_not_found",),
)
def disable_connection(project_id: UUID, connection_id: UUID) -> dict[str, Any]:
    """Switch a connection off: nothing is read through it until it is switched on."""
    return {"connection": connections.change(project_id, connection_id, enabled=False)}


@api.post(
    "/connectors/connections/<connection_id>/enable",
    permission="connectors.manage",
    errors=("connection_not_found", "chatwoot_source_binding_error"),
)
def enable_connection(project_id: UUID, connection_id: UUID) -> dict[str, Any]:
    """Switch a connection on again; it goes on where it was."""
    return {"connection": connections.change(project_id, connection_id, enabled=True)}


@api.post(
    "/connectors/connections/<connection_id>/remove",
    permission="connectors.manage",
    errors=("connection_not_found",),
)
def remove_connection(project_id: UUID, connection_id: UUID) -> dict[str, Any]:
    """Forget a connection and its token. What it brought stays in the project."""
    return {"removed": connections.remove(project_id, connection_id)}


@api.post(
    "/connectors/connections/<connection_id>/test",
    permission="connectors.manage",
    errors=("connection_not_found", "upstream_auth_failed", "upstream_unavailable"),
)
def test_connection(project_id: UUID, connection_id: UUID) -> dict[str, Any]:
    """Ask the vendor whether the connection works; also one that is switched off."""
    return {"verified": service.verify(connections.require_by_id(project_id, connection_id))}
