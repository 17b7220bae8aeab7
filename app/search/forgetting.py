"""Taking back what searches keep: a person's own history, and what quotes or names an erased contact."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.audit import service as audit
from app.db import Connection, Row, db, statements
from app.search.texts import normalised
from app.web.access import Identity

sql = statements("search")

SHORTEST_NUMBER = 7  # digits: fewer stand in many texts
SHORTEST_IDENTIFIER = 5


def erase_history(caller: Identity) -> dict[str, int]:
    """Everything the caller asked, in all projects."""
    with db.transaction() as tx:
        counts: dict[str, int] = dict(sql.erase_history(tx, user_id=caller.user_id))
        audit.record(
            tx,
            "search.erase_history",
            entity_type="user",
            entity_id=str(caller.user_id),
            payload=counts,
        )
    return counts


def forget_contact(
    tx: Connection,
    project_id: UUID,
    contact: Row,
    *,
    conversations: list[str],
    messages: list[str],
    chunks: list[str],
) -> dict[str, int]:
    """Take an erased contact out of answers, clicks and questions. Answers how many of each there were."""
    quoted = sql.forget_quotes(
        tx,
        project_id=project_id,
        contact_id=contact["id"],
        conversations=conversations,
        messages=messages,
        chunks=chunks,
    )
    named = sql.forget_mentions(tx, project_id=project_id, **_names(contact))
    return {"answers": quoted["runs"], "questions": named["runs"], "events": named["events"]}


def _names(contact: Row) -> dict[str, Any]:
    """What names this person and hardly anybody else; None for what would name many."""
    name = normalised(contact["name"] or "")
    digits = contact["phone_digits"] or ""
    identifier = normalised(contact["identifier"] or "")
    return {
        "email": normalised(contact["email"] or "") or None,
        "phone": digits[-10:] if len(digits) >= SHORTEST_NUMBER else None,
        "identifier": identifier if len(identifier) >= SHORTEST_IDENTIFIER else None,
        "name": name if " " in name else None,
    }
