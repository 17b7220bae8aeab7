"""Texts of every source but messages: kept whole, and cut into chunks that are embedded.

An issue, a deal, a note is one document. Whoever changes its row calls `store` or `remove` in the same
transaction, so that what can be found and what is there never differ.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app
from psycopg.types.json import Jsonb

from app.db import Connection, Row, statements
from app.rag.chunking import CHUNKER_VERSION, clean, estimate_tokens, split
from app.rag.indexing import IndexCounts
from app.web.responses import dump_json
from config.settings import Settings

sql = statements("rag")

CONTEXT_LENGTH = 200
KEY_OF_CHUNK = ("source_pk", "chunk_index")
BODY_LENGTH = 200_000  # characters of a text that are kept


@dataclass(frozen=True)
class Document:
    """A text with what it is shown with. `id` is the row's own global id; `facts` are for display and
    not searched."""

    id: str
    source_type: str
    title: str
    body: str
    author: str | None = None
    source_url: str | None = None
    occurred_at: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def store(tx: Connection, project_id: UUID, documents: list[Document]) -> IndexCounts:
    """Write these documents and bring their chunks up to date. Unchanged ones cost no embedding."""
    if not documents:
        return IndexCounts(0, 0, 0)
    rows = [_row(document) for document in documents]
    changed: dict[str, bool] = {
        row["id"]: row["inserted"]
        for row in sql.upsert_documents(tx, project_id=project_id, rows=_json(rows))
    }
    texts = [row for row in rows if row["id"] in changed]
    if not texts:
        return IndexCounts(0, 0, 0)
    settings: Settings = current_app.config["SETTINGS"]
    sql.put_document_words(tx, project_id=project_id, ids=[row["id"] for row in texts])
    chunks = [chunk for row in texts for chunk in _chunks(row, settings)]
    # A new one has no chunks that it could have too many of.
    known = [row for row in texts if not changed[row["id"]]]
    counts = _replace(tx, project_id, known, chunks)
    if known:
        sql.date_document_chunks(tx, project_id=project_id, ids=[row["id"] for row in known])
    return counts


def remove(tx: Connection, project_id: UUID, source_type: str, ids: list[str]) -> int:
    """Forget documents whose rows are gone. Answers how many there were."""
    if not ids:
        return 0
    removed: int = sql.delete_documents(tx, project_id=project_id, ids=ids)
    sql.drop_document_words(tx, project_id=project_id, source_type=source_type, ids=ids)
    gone = [{"id": document_id, "source_type": source_type} for document_id in ids]
    _replace(tx, project_id, gone, [])
    return removed


def _replace(
    tx: Connection, project_id: UUID, known: list[dict[str, Any]], chunks: list[dict[str, Any]]
) -> IndexCounts:
    """Write chunks, and take away what known documents have no more."""
    deleted = 0
    if known:
        ids = {row["id"] for row in known}
        kept = [{k: c[k] for k in KEY_OF_CHUNK} for c in chunks if c["source_pk"] in ids]
        deleted = sql.drop_surplus_document_chunks(
            tx,
            project_id=project_id,
            source_types=sorted({row["source_type"] for row in known}),
            ids=sorted(ids),
            kept=_json(kept),
        )
    written: list[Row] = sql.upsert_document_chunks(
        tx, project_id=project_id, version=CHUNKER_VERSION, rows=_json(chunks)
    )
    updated = [row["id"] for row in written if not row["inserted"]]
    if updated:
        sql.drop_vectors(tx, project_id=project_id, chunk_ids=updated)
    sql.bump_data_version(tx, project_id=project_id)
    return IndexCounts(sum(row["inserted"] for row in written), len(updated), deleted)


def _row(document: Document) -> dict[str, Any]:
    row = asdict(document)
    row["title"] = clean(document.title)[:1000] or "–"
    row["body"] = clean(document.body)[:BODY_LENGTH]
    # The facts of an issue change more often than its text; both show in an answer.
    row["content_hash"] = hashlib.sha256(dump_json(row)).hexdigest()
    return row


def _chunks(row: dict[str, Any], settings: Settings) -> list[dict[str, Any]]:
    """Pieces of the body, each embedded with the title; a document without a body is its title."""
    pieces = split(
        row["body"], settings.chunk_size, settings.chunk_overlap, settings.min_embed_chars
    )
    context = row["title"][:CONTEXT_LENGTH]
    texts = [(piece.text, context, piece.start, piece.end) for piece in pieces]
    if not texts:
        texts = [(row["title"], "", 0, len(row["title"]))]
    return [
        {
            "source_pk": row["id"],
            "source_type": row["source_type"],
            "chunk_index": number,
            "text": text,
            "context": lead,
            "text_hash": hashlib.sha256(f"{lead}\n{text}".encode()).hexdigest(),
            "content_tokens": estimate_tokens(text),
            "start_offset": start,
            "end_offset": end,
            "occurred_at": row["occurred_at"],
        }
        for number, (text, lead, start, end) in enumerate(texts)
    ]


def _json(rows: list[dict[str, Any]]) -> Jsonb:
    return Jsonb(rows, dumps=dump_json)
