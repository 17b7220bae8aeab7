"""The audit log: who did what, written in the transaction of the deed itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import g, has_request_context
from psycopg.types.json import Jsonb

from app.db import Connection, statements
from app.evidence import service as evidence
from app.evidence.refs import EvidenceRef
from app.web.responses import dump_json

sql = statements("audit")


def record(
    tx: Connection,
    action: str,
    *,
    project_id: UUID | None = None,
    entity_type: str = "",
    entity_id: str = "",
    status: str = "ok",
    payload: dict[str, Any] | None = None,
    evidence_refs: Sequence[EvidenceRef] = (),
    actor_username: str | None = None,
    actor_user_id: UUID | None = None,
) -> None:
    """Write one event, and keep what it was based on. The actor and the request id are the current
    request's unless given; outside of a request the actor is `system`."""
    caller = g.get("identity") if has_request_context() else None
    if actor_username is None:
        actor_username = caller.username if caller else "system"
        actor_user_id = caller.user_id if caller else None
    sql.insert_event(
        tx,
        project_id=project_id,
        actor_user_id=actor_user_id,
        actor_username=actor_username[:200],
        action=action,
        entity_type=entity_type,
        entity_id=entity_id[:200],
        status=status,
        request_id=g.get("request_id") if has_request_context() else None,
        payload=Jsonb(payload or {}),
        evidence_refs=Jsonb([ref.named for ref in evidence_refs], dumps=dump_json),
    )
    if project_id is not None:
        evidence.keep(tx, project_id, list(evidence_refs))
