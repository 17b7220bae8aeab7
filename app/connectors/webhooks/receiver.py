"""A delivery at the door: whose it is, whether it is genuine, and into the table with it.

Three statements and no call to anybody else, so that the vendor has its answer at once. What is
refused leaves no trace but a count.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import structlog
from psycopg.types.json import Jsonb

from app import crypto, metrics
from app.connectors.records import Json, read_json, short
from app.connectors.webhooks import signatures
from app.connectors.webhooks.signatures import SCHEMES, Facts, Headers, Refused, Scheme
from app.db import Row, db, statements
from app.scheduler.service import expect_run
from app.web.errors import ApiError
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("webhooks")

JOB = "webhook_deliveries"
KEPT_HEADERS = (
    "Content-Type", "User-Agent", "X-Chatwoot-Delivery", "X-Chatwoot-Timestamp", "Linear-Delivery",
    "Linear-Event", "Linear-Timestamp", "Idempotency-Key", "webhook-id", "webhook-timestamp",
)  # fmt: skip


def receive(
    connector: str,
    token: str,
    headers: Headers,
    read_body: Callable[[], bytes],
    settings: Settings,
) -> dict[str, Any]:
    """Take a delivery in. Answers the reply's fields; the delivery is committed by then.

    Raises 404 for an unknown door, 429 `rate_limited`, 413, 401 `invalid_signature`, 400 `invalid_json`.
    """
    door = _open_door(connector, token, settings)
    scheme = SCHEMES[connector]
    body = read_body()
    state = _check_signature(door, scheme, headers, body)
    payload = _parse(body)
    if state == "valid":
        _refuse(connector, lambda: signatures.refuse_stale(scheme, headers, payload, time.time()))
    facts = signatures.read(scheme, headers, payload, body)
    stored = _store(door, headers, body, state, facts, settings)
    if stored and facts.wanted:
        expect_run(
            door["project_id"], JOB, trigger="webhook", delay=settings.webhook_debounce_seconds
        )
    _count(connector, ("stored" if facts.wanted else "ignored") if stored else "duplicate")
    return {} if stored else {"duplicate": True}


def hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _open_door(connector: str, token: str, settings: Settings) -> Row:
    """The connection that the address belongs to, with what is needed to check a signature."""
    door: Row | None = None
    if connector in SCHEMES:
        with db.connection() as connection:
            door = sql.open_door(
                connection,
                token_hash=hash_token(token),
                connector=connector,
                limited=settings.rate_limit_enabled,
                per_second=settings.webhook_rate_per_second,
                burst=settings.webhook_burst,
            )
    if door is None:
        raise ApiError(404, "not_found", "There is no such address.")
    if not door["allowed"]:
        _count(connector, "rate_limited")
        raise ApiError(
            429, "rate_limited", "Too many deliveries at once.", headers={"Retry-After": "1"}
        )
    return door


def _check_signature(door: Row, scheme: Scheme, headers: Headers, body: bytes) -> str:
    """How the signature stands: `valid`, or `absent_allowed` where none is asked for."""
    if scheme.may_be_unsigned and not door["webhook_require_signature"]:
        return "absent_allowed"
    _refuse(door["connector"], lambda: signatures.verify(scheme, headers, body, _secrets(door)))
    return "valid"


def _secrets(door: Row) -> list[str]:
    """The secret in force, and for a day after a change the one before."""
    kept = (door["webhook_secret_enc"], door["webhook_previous_enc"])
    try:
        return [crypto.decrypt(secret) for secret in kept if secret is not None]
    except crypto.SecretUnreadable as error:
        log.error("webhook_secret_unreadable", connector=door["connector"])
        raise ApiError(503, "unavailable", "Deliveries cannot be checked just now.") from error


def _refuse(connector: str, check: Callable[[], None]) -> None:
    try:
        check()
    except Refused as refused:
        _count(connector, "invalid_signature")
        log.info("webhook_refused", connector=connector, reason=refused.reason)
        raise ApiError(
            401, "invalid_signature", "The signature is missing, wrong or too old."
        ) from None


def _parse(body: bytes) -> Json:
    try:
        payload = read_json(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise ApiError(400, "invalid_json", "The body is not a JSON object.")
    return payload


def _store(
    door: Row, headers: Headers, body: bytes, state: str, facts: Facts, settings: Settings
) -> bool:
    """Keep the delivery. False when it was there already."""
    kept = {name: short(headers[name], 300) for name in KEPT_HEADERS if name in headers}
    with db.connection() as connection:
        row = sql.store_delivery(
            connection,
            project_id=door["project_id"],
            connection_id=door["id"],
            connector=door["connector"],
            delivery_id=facts.delivery_id,
            event=facts.event,
            object_ref=facts.object_ref,
            tenant=facts.tenant,
            signature_state=state,
            headers=Jsonb(kept),
            body=body,
            wanted=facts.wanted,
            debounce=settings.webhook_debounce_seconds,
        )
    return row is not None


def _count(connector: str, result: str) -> None:
    metrics.WEBHOOK_DELIVERIES.labels(connector, result).inc()
