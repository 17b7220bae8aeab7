"""Signed deliveries of each vendor, as the vendor would send them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psycopg
from flask import Flask
from werkzeug.test import TestResponse

from app import crypto
from app.connectors.webhooks.receiver import hash_token

SECRETS = {
    "chatwoot": "chatwoot signing secret",
    "linear": "lin_wh_secret",
    "attio": "attio signing secret",
    "loops": "whsec_" + base64.b64encode(b"a loops signing secret").decode(),
}
ACCOUNTS = {
    "chatwoot": "1",
    "linear": "5c4b1a2e-0000-4000-8000-00000000aaaa",
    "attio": "7d1f2b3c-0000-4000-8000-00000000bbbb",
    "loops": "team",
}
PAYLOADS: dict[str, dict[str, Any]] = {
    "chatwoot": {
        "event": "message_created",
        "id": 5,
        "content": "Добрый день",
        "message_type": "incoming",
        "conversation": {"id": 17},
        "account": {"id": 1, "name": "Studio"},
    },
    "linear": {
        "action": "update",
        "type": "Issue",
        "data": {"id": "issue-1", "title": "Корзина"},
        "organizationId": ACCOUNTS["linear"],
    },
    "attio": {
        "webhook_id": "w-1",
        "events": [
            {
                "event_type": "record.updated",
                "id": {
                    "workspace_id": ACCOUNTS["attio"],
                    "object_id": "deals",
                    "record_id": "r-1",
                    "attribute_id": "stage",
                },
            }
        ],
    },
    "loops": {
        "eventName": "contact.unsubscribed",
        "eventTime": 1_760_000_000,
        "webhookSchemaVersion": "1.0.0",
        "contactIdentity": {"id": "c-1", "email": "olga@x.example"},
    },
}
VENDORS = tuple(SECRETS)


@dataclass
class Sent:
    """One delivery: its body and its headers."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def sign(
    connector: str,
    payload: dict[str, Any] | bytes | None = None,
    *,
    secret: str | None = None,
    delivery: str | None = None,
    at: float | None = None,
) -> Sent:
    """A delivery signed by the vendor's own rules, written down here a second time on purpose."""
    at = time.time() if at is None else at
    given = payload if isinstance(payload, bytes) else None
    payload = {} if isinstance(payload, bytes) else dict(payload or PAYLOADS[connector])
    delivery = delivery or str(uuid.uuid4())
    secret = secret or SECRETS[connector]
    if connector == "linear":
        payload.setdefault("webhookTimestamp", int(at * 1000))
    body = given or json.dumps(payload, ensure_ascii=False).encode()
    seconds = str(int(at))

    def digest(key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, hashlib.sha256).digest()

    if connector == "chatwoot":
        signed = digest(secret.encode(), seconds.encode() + b"." + body).hex()
        headers = {
            "X-Chatwoot-Signature": f"sha256={signed}",
            "X-Chatwoot-Timestamp": seconds,
            "X-Chatwoot-Delivery": delivery,
        }
    elif connector == "linear":
        headers = {
            "Linear-Signature": digest(secret.encode(), body).hex(),
            "Linear-Delivery": delivery,
            "Linear-Event": str(payload.get("type")),
        }
    elif connector == "attio":
        signed = digest(secret.encode(), body).hex()
        headers = {
            "Attio-Signature": signed,
            "X-Attio-Signature": signed,
            "Idempotency-Key": delivery,
        }
    else:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = base64.b64encode(digest(key, f"{delivery}.{seconds}.".encode() + body)).decode()
        headers = {
            "webhook-id": delivery,
            "webhook-timestamp": seconds,
            "webhook-signature": f"v1,{signed} v1,{base64.b64encode(b'other').decode()}",
        }
    return Sent(body, {"content-type": "application/json", **headers})


class Door:
    """A connection's webhook address in an application of this process."""

    def __init__(self, app: Flask, connector: str, token: str) -> None:
        self.app = app
        self.connector = connector
        self.token = token

    @property
    def path(self) -> str:
        return f"/webhooks/{self.connector}/{self.token}"

    def send(self, sent: Sent) -> TestResponse:
        return self.app.test_client().post(self.path, data=sent.body, headers=sent.headers)


def add_connection(
    app: Flask, project_id: str, connector: str, account: str | None = None
) -> tuple[str, Door]:
    """A connection with a door, straight into the tables: its id and the door."""
    token = secrets.token_urlsafe(32)
    with (
        app.app_context(),
        psycopg.connect(app.config["SETTINGS"].database_url, autocommit=True) as connection,
    ):
        row = connection.execute(
            "INSERT INTO connector_connections (project_id, connector, base_url, external_account_id, "
            "credentials_enc, webhook_token_hash, webhook_secret_enc) "
            "VALUES (%s, %s, 'https://vendor.example', %s, %s, %s, %s) RETURNING id",
            (
                project_id,
                connector,
                account or ACCOUNTS[connector],
                crypto.encrypt("token"),
                hash_token(token),
                crypto.encrypt(SECRETS[connector]),
            ),
        ).fetchone()
    assert row is not None
    return str(row[0]), Door(app, connector, token)


def stored(app: Flask, columns: str = "delivery_id, status") -> list[Any]:
    with psycopg.connect(app.config["SETTINGS"].database_url) as connection:
        return connection.execute(
            f"SELECT {columns} FROM webhook_deliveries ORDER BY id".encode()
        ).fetchall()
