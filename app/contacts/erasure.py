"""Forgetting a contact: everything that was said in its conversations, wherever it left a trace, for good.

Chatwoot still has the person, so the next sync would bring it back. What was erased is therefore remembered
by its id, without a name, and whoever writes conversations asks `erased_among` first.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.audit import service as audit
from app.db import Connection, Row, db, statements
from app.evidence import service as evidence
from app.rag.indexing import messages_changed
from app.search import forgetting
from app.web.errors import not_found

sql = statements("contacts")
rag_sql = statements("rag")


def erased_among(tx: Connection, project_id: UUID, refs: list[str]) -> set[str]:
    """Which of these contacts and conversations were erased. Holds off erasures until the end of `tx`."""
    sql.writing(tx, project_id=project_id)
    return {row["ref"] for row in sql.erased_among(tx, project_id=project_id, refs=refs)}


def remember(tx: Connection, project_id: UUID, refs: list[str]) -> None:
    """Treat these as erased from now on: conversations that an erased contact began later."""
    sql.remember_erased(tx, project_id=project_id, refs=refs)


def erase(project_id: UUID, contact_id: str) -> dict[str, Any]:
    """Erase a contact of the project and answer how much there was of it.

    A second time there is nothing left to do. Raises 404 `contact_not_found`.
    """
    with db.transaction() as tx:
        sql.erasing(tx, project_id=project_id)
        contact: Row | None = sql.find_traces(tx, project_id=project_id, id=contact_id)
        if contact is None:
            if not sql.erased_among(tx, project_id=project_id, refs=[contact_id]):
                raise not_found("contact_not_found", "The contact")
            return {"contact_id": contact_id, "already": True}
        sql.remember_erased(tx, project_id=project_id, refs=[contact_id, *contact["conversations"]])
        counts = _erase_traces(tx, project_id, contact)
        counts |= _erase_rows(tx, project_id, contact)
        email = contact["email"] or None
        elsewhere = sql.same_person_elsewhere(tx, project_id=project_id, email=email)
        audit.record(
            tx,
            "contact.erase",
            project_id=project_id,
            entity_type="contact",
            entity_id=contact_id,
            payload=counts,
        )
    return {"contact_id": contact_id, "already": False, **counts, "elsewhere": elsewhere}


def _erase_traces(tx: Connection, project_id: UUID, contact: Row) -> dict[str, int]:
    """What was made of the messages: words, chunks, vectors, evidence, answers, events."""
    ids = {name: contact[name] for name in ("conversations", "messages", "chunks")}
    counts = {
        "evidence": evidence.forget(tx, project_id, contact["id"], **ids),
        **forgetting.forget_contact(tx, project_id, contact, **ids),
    }
    sql.blank_messages(tx, project_id=project_id, messages=ids["messages"])
    if ids["messages"]:
        messages_changed(tx, project_id, ids["messages"])
    sql.forget_happenings(tx, project_id=project_id, refs=[*ids["messages"], *ids["conversations"]])
    objects = [f"contact:{contact['contact_id']}", *contact["objects"]]
    sql.forget_deliveries(
        tx, project_id=project_id, connection_id=contact["connection_id"], objects=objects
    )
    messages = [f"message:{ref.rpartition(':')[2]}" for ref in ids["messages"]]
    sql.forget_failures(tx, project_id=project_id, objects=[*objects, *messages])
    return counts


def _erase_rows(tx: Connection, project_id: UUID, contact: Row) -> dict[str, int]:
    """The rows themselves, and what Loops was told of the address."""
    counts = {
        "messages": sql.delete_messages(tx, project_id=project_id, messages=contact["messages"]),
        "conversations": sql.delete_conversations(
            tx, project_id=project_id, conversations=contact["conversations"]
        ),
        "chunks": len(contact["chunks"]),
    }
    sql.delete_contact(tx, project_id=project_id, id=contact["id"])
    email = contact["email"] or None
    sql.leave_alone(tx, project_id=project_id, id=contact["id"], email=email)
    if email:
        sql.forget_pushed(tx, project_id=project_id, email=email)
    rag_sql.bump_data_version(tx, project_id=project_id)
    return counts
