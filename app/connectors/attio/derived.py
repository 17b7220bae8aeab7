"""What changed rows of Attio mean elsewhere: texts that can be found, and events."""

from __future__ import annotations

from uuid import UUID

from app.connectors import events
from app.connectors.events import Event
from app.db import Connection as Tx
from app.db import Row, statements
from app.rag import documents
from app.rag.documents import Document

sql = statements("attio")

SOURCE_TYPES = {
    "attio_accounts_raw": "attio_account",
    "attio_opportunities_raw": "attio_opportunity",
    "attio_notes_raw": "attio_note",
    "attio_people_raw": "attio_person",
}


def companies(tx: Tx, project_id: UUID, changed: list[Row]) -> dict[str, int]:
    """A company is found by its name and by what is noted of it."""
    ids = [row["id"] for row in changed]
    rows: list[Row] = sql.account_texts(tx, project_id=project_id, ids=ids)
    found = [
        Document(
            id=row["id"],
            source_type="attio_account",
            title=row["name"] or row["domain"] or "–",
            body=_lines(
                row["description"],
                ("Domains", ", ".join(row["domains"])),
                ("Stage", row["stage"]),
                ("Annual revenue", row["annual_revenue"]),
            ),
            source_url=row["url"],
            occurred_at=row["source_updated_at"],
            facts={"domain": row["domain"], "stage": row["stage"]},
        )
        for row in rows
    ]
    return _store(tx, project_id, "attio_account", ids, found)


def deals(tx: Tx, project_id: UUID, changed: list[Row]) -> dict[str, int]:
    events.record(tx, project_id, [event for row in changed for event in _deal_events(row)])
    ids = [row["id"] for row in changed]
    rows: list[Row] = sql.opportunity_texts(tx, project_id=project_id, ids=ids)
    found = [
        Document(
            id=row["id"],
            source_type="attio_opportunity",
            title=" · ".join(part for part in (row["title"], row["account_name"]) if part) or "–",
            body=_lines(
                row["description"],
                ("Next step", row["next_step"]),
                ("Stage", row["stage"]),
                ("Amount", f"{row['amount']:,} {row['currency'] or ''}" if row["amount"] else None),
                ("Expected close", row["expected_close_date"]),
                ("Lost because", row["lost_reason"]),
                ("People", ", ".join(row["people"])),
            ),
            source_url=row["url"],
            occurred_at=row["source_updated_at"],
            facts={
                "stage": row["stage"],
                "amount": row["amount"],
                "currency": row["currency"],
                "probability": row["probability"],
                "expected_close_date": row["expected_close_date"],
                "account": row["account_name"],
            },
        )
        for row in rows
    ]
    return _store(tx, project_id, "attio_opportunity", ids, found)


def people(tx: Tx, project_id: UUID, changed: list[Row]) -> dict[str, int]:
    happened = [
        Event(
            "contact_updated",
            source="attio",
            source_ref=row["id"],
            source_url=row["url"],
            actor="team",
            payload={"name": row["full_name"]},
        )
        for row in changed
        if not row["inserted"] and row["who_changed"]
    ]
    events.record(tx, project_id, happened)
    ids = [row["id"] for row in changed]
    rows: list[Row] = sql.person_texts(tx, project_id=project_id, ids=ids)
    found = [
        Document(
            id=row["id"],
            source_type="attio_person",
            title=" · ".join(part for part in (row["full_name"], row["account_name"]) if part)
            or "–",
            body=_lines(
                None,
                ("Role", row["role"]),
                ("Company", row["account_name"]),
                ("Email", ", ".join(row["emails"])),
                ("Phone", ", ".join(row["phones"])),
            ),
            source_url=row["url"],
            occurred_at=row["source_updated_at"],
            facts={"role": row["role"], "account": row["account_name"], "email": row["email"]},
        )
        for row in rows
    ]
    return _store(tx, project_id, "attio_person", ids, found)


def notes(tx: Tx, project_id: UUID, changed: list[Row]) -> dict[str, int]:
    happened = [
        Event(
            "note_logged",
            source="attio",
            source_ref=row["id"],
            source_url=row["url"],
            actor="team",
            occurred_at=row["source_created_at"],
            payload={"title": row["title"], "about": row["parent_record_id"]},
        )
        for row in changed
        if row["inserted"]
    ]
    events.record(tx, project_id, happened)
    ids = [row["id"] for row in changed]
    rows: list[Row] = sql.note_texts(tx, project_id=project_id, ids=ids)
    found = [
        Document(
            id=row["id"],
            source_type="attio_note",
            title=" · ".join(part for part in (row["title"], row["about"]) if part) or "–",
            body=row["content"],
            source_url=row["url"],
            occurred_at=row["source_created_at"],
            facts={"about": row["about"]},
        )
        for row in rows
        if row["content"]
    ]
    return _store(tx, project_id, "attio_note", ids, found)


def tasks(tx: Tx, project_id: UUID, changed: list[Row]) -> dict[str, int]:
    happened = [
        Event(
            "task_logged",
            source="attio",
            source_ref=row["id"],
            source_url=row["url"],
            actor="team",
            occurred_at=row["source_created_at"],
            payload={
                "deadline_at": row["deadline_at"],
                "is_completed": row["is_completed"],
                "about": row["linked_record_ids"],
            },
        )
        for row in changed
        if row["inserted"]
    ]
    events.record(tx, project_id, happened)
    return {}


def forget(tx: Tx, project_id: UUID, table: str, ids: list[str]) -> None:
    """Rows that are gone cannot be found any more."""
    if table in SOURCE_TYPES:
        documents.remove(tx, project_id, SOURCE_TYPES[table], ids)


def _lines(text: str | None, *facts: tuple[str, object]) -> str:
    """A record as it can be read: its text, then what is known of it, a line each."""
    known = [f"{name}: {value}" for name, value in facts if value]
    return "\n".join([text, *known] if text else known)


def _deal_events(row: Row) -> list[Event]:
    """A new deal, or a deal in another stage. An edit of anything else is neither."""
    shown = {"title": row["title"], "stage": row["stage"], "crm_stage": row["crm_stage"],
             "amount": row["amount"], "currency": row["currency"]}  # fmt: skip
    if row["inserted"]:
        kind, occurred_at, change = "deal_created", row["source_created_at"], ""
    elif row["was_stage"] != row["stage"]:
        kind, occurred_at = "deal_stage_changed", row["stage_changed_at"]
        change = f"{row['was_stage']} -> {row['stage']}"
        shown |= {"from": row["was_stage"], "to": row["stage"]}
    else:
        return []
    return [
        Event(
            kind,
            source="attio",
            source_ref=row["id"],
            source_url=row["url"],
            actor="team",
            occurred_at=occurred_at,
            change=change,
            payload=shown,
        )
    ]


def _store(
    tx: Tx, project_id: UUID, source_type: str, ids: list[str], found: list[Document]
) -> dict[str, int]:
    """Write the documents of changed rows; those that have no text now lose theirs."""
    with_text = {document.id for document in found}
    documents.remove(tx, project_id, source_type, [i for i in ids if i not in with_text])
    counts = documents.store(tx, project_id, found)
    return {"inserted_chunks": counts.inserted, "reembedded_chunks": counts.updated}
