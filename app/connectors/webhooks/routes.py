"""The receiver of vendors' webhooks, and what became of their deliveries."""

from __future__ import annotations

from typing import Any

from flask import current_app, request
from marshmallow import Schema, fields

from app.connectors.webhooks import receiver
from app.web.routing import PUBLIC, Api
from config.settings import Settings

api = Api("webhooks")


class Received(Schema):
    duplicate = fields.Boolean()


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
