"""The addresses that vendors deliver to, and the secrets they sign with."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from app import crypto
from app.audit import service as audit
from app.connectors.webhooks.receiver import hash_token
from app.connectors.webhooks.signatures import SCHEMES
from app.db import Row, db, statements
from app.web.errors import ApiError, invalid
from config.settings import Settings

sql = statements("webhooks")

OVERLAP_HOURS = 24  # how long a secret that gave way is accepted


def rotate(
    project_id: UUID,
    connection_id: UUID,
    *,
    secret: str | None,
    make_secret: bool,
    make_address: bool | None,
    require_signature: bool | None,
) -> dict[str, Any]:
    """Give a connection a new address, a new secret, or both. What is made is shown this once.

    Raises 404 `connection_not_found`, 400 for a connector that always signs.
    """
    made = secrets.token_hex(32) if make_secret and secret is None else None
    if make_address is None:  # asked for nothing in particular
        make_address = not (secret or made) and require_signature is None
    with db.transaction() as tx:
        door: Row | None = sql.lock_door(tx, project_id=project_id, connection_id=connection_id)
        if door is None:
            raise ApiError(404, "connection_not_found", "There is no such connection.")
        if require_signature is False and not SCHEMES[door["connector"]].may_be_unsigned:
            raise invalid(
                f"{door['connector'].capitalize()} signs every delivery.", "require_signature"
            )
        new = made or secret
        token = secrets.token_urlsafe(32) if make_address or not door["has_token"] else None
        row: Row = sql.rotate_door(
            tx,
            project_id=project_id,
            connection_id=connection_id,
            token_hash=hash_token(token) if token else None,
            secret_enc=crypto.encrypt(new) if new else None,
            require_signature=require_signature,
            overlap_hours=OVERLAP_HOURS,
        )
        audit.record(
            tx,
            "connector.connection.rotate_webhook",
            project_id=project_id,
            entity_type="connector_connection",
            entity_id=str(connection_id),
            payload={
                "address": token is not None,
                "secret": new is not None,
                "require_signature": row["require_signature"],
            },
        )
    shown = {"address": f"/webhooks/{door['connector']}/{token}"} if token else {}
    return {**row, **shown, **({"secret": made} if made else {})}


def loops_connection(project_id: UUID, settings: Settings) -> UUID:
    """The row that holds the project's door for Loops, made at first use."""
    with db.connection() as connection:
        found: UUID = sql.ensure_loops(
            connection,
            project_id=project_id,
            base_url=settings.loops_api_base_url,
            credentials_enc=crypto.encrypt(""),
        )
    return found
