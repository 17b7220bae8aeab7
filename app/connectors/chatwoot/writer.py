"""Chatwoot's rows into Postgres: one statement a table, only what changed, then the chunks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from app.connectors.chatwoot import happenings
from app.connectors.chatwoot.mapping import Rows
from app.connectors.connections import Connection
from app.contacts import erasure
from app.db import Connection as Tx
from app.db import Row, statements
from app.rag.indexing import messages_changed
from app.web.responses import dump_json

sql = statements("chatwoot")


def write(tx: Tx, connection: Connection, rows: Rows) -> dict[str, int]:
    """Upsert everything of a page, in the order of its foreign keys. Answers counts by name."""
    rows = _without_erased(tx, connection.project_id, rows)
    scope = {"project_id": connection.project_id, "connection_id": connection.id}
    counts = {
        "touched_inboxes": _upsert(tx, "upsert_inboxes", rows.inboxes, **scope),
        "touched_agents": _upsert(
            tx, "upsert_agents", rows.agents, project_id=connection.project_id
        ),
        "touched_contacts": _upsert(
            tx, "upsert_contacts", _unique(list(rows.contacts.values())), **scope
        ),
        "touched_conversations": _upsert(
            tx, "upsert_conversations", _unique(rows.conversations), **scope
        ),
        "processed_conversations": sum(row.get("read", False) for row in rows.conversations),
        "processed_messages": len(rows.messages),
    }
    changed: list[Row] = []
    if rows.messages:
        changed = sql.upsert_messages(
            tx, rows=_json(_unique(rows.messages)), read_at=rows.read_at, **scope
        )
        counts["touched_attachments"] = _upsert(
            tx, "upsert_attachments", _unique(rows.attachments), project_id=connection.project_id
        )
    if rows.gone:
        changed += _bury(tx, connection.project_id, rows.gone)
        counts["deleted_conversations"] = len(rows.gone)
    for kind, ids in (
        ("contacts", rows.gone_contacts),
        ("inboxes", rows.gone_inboxes),
        ("agents", rows.gone_agents),
    ):
        if ids:
            bury = getattr(sql, f"bury_{kind}")
            counts[f"deleted_{kind}"] = bury(tx, project_id=connection.project_id, ids=ids)
    if changed:
        sql.drop_attachments_of_deleted(
            tx,
            project_id=connection.project_id,
            message_ids=[row["id"] for row in changed],
        )
    if rows.conversations:
        sql.mark_read(tx, project_id=connection.project_id, rows=_json(rows.conversations))
    if changed:
        happenings.record(tx, connection, rows, changed)
        chunks = messages_changed(tx, connection.project_id, [row["id"] for row in changed])
        counts |= {"inserted_chunks": chunks.inserted, "reembedded_chunks": chunks.updated}
    counts["touched_messages"] = len(changed)
    return counts


def _without_erased(tx: Tx, project_id: UUID, rows: Rows) -> Rows:
    """The rows but those of contacts that were erased, and of their conversations, old and new."""
    told = {row["id"]: row["contact_global_id"] for row in rows.conversations}
    spoken = {row["id"]: row["conversation_global_id"] for row in rows.messages}
    refs = {*rows.contacts, *told, *told.values(), *spoken.values()}
    refs |= {row["contact_global_id"] for row in rows.messages}
    erased = erasure.erased_among(tx, project_id, sorted(ref for ref in refs if ref))
    if not erased:
        return rows
    begun_later = {ref for ref, contact in told.items() if contact in erased} - erased
    erasure.remember(tx, project_id, sorted(begun_later))
    erased |= begun_later
    messages = [
        row
        for row in rows.messages
        if not erased & {row["conversation_global_id"], row["contact_global_id"]}
    ]
    kept = {row["id"] for row in messages}
    return replace(
        rows,
        contacts={ref: row for ref, row in rows.contacts.items() if ref not in erased},
        conversations=[row for row in rows.conversations if row["id"] not in erased],
        messages=messages,
        attachments=[row for row in rows.attachments if row["message_global_id"] in kept],
    )


def stored_conversations(connection: Tx, project_id: UUID, ids: list[str]) -> dict[str, Row]:
    """What is known of these conversations: their hash, how far they were read, where to read again."""
    return {
        row["id"]: row
        for row in sql.stored_conversations(connection, project_id=project_id, ids=ids)
    }


def _bury(tx: Tx, project_id: UUID, conversations: list[str]) -> list[Row]:
    """Take back conversations that are no longer there. Answers their messages."""
    buried: list[Row] = sql.bury_conversations(tx, project_id=project_id, ids=conversations)
    sql.hide_snippets(tx, project_id=project_id, message_ids=[row["id"] for row in buried])
    return buried


def _upsert(tx: Tx, statement: str, rows: list[dict[str, Any]], **scope: Any) -> int:
    if not rows:
        return 0
    touched: int = getattr(sql, statement)(tx, rows=_json(rows), **scope)
    return touched


def _unique(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last reading of each id: one statement cannot touch a row twice. In the order of ids, so that
    two writers that meet in the same rows wait for each other instead of both."""
    return [row for _, row in sorted({row["id"]: row for row in rows}.items())]


def _json(rows: list[dict[str, Any]]) -> Jsonb:
    return Jsonb(rows, dumps=dump_json)
