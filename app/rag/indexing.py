"""Keeping the words and chunks of messages in step with them, inside the transaction that changes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from flask import current_app
from psycopg.types.json import Jsonb

from app.db import Connection, Row, statements
from app.rag.chunking import CHUNKER_VERSION, clean, estimate_tokens, split
from app.web.responses import dump_json
from config.settings import Settings

sql = statements("rag")

SOURCE_TYPE = "chatwoot_message"
WINDOW_MOST = 8  # messages in one window
WINDOW_LEAD = 200  # characters of the message before it, for what "ok" refers to


@dataclass(frozen=True)
class IndexCounts:
    """Chunks that were added, replaced (to be embedded again) and removed."""

    inserted: int
    updated: int
    deleted: int


def messages_changed(tx: Connection, project_id: UUID, message_ids: list[str]) -> IndexCounts:
    """Bring what these messages are found by up to date: new, edited, made private or deleted ones.

    Private, deleted, system and very short messages have no chunk of their own; very short ones are
    found through the window of their neighbours.
    """
    settings: Settings = current_app.config["SETTINGS"]
    sql.put_message_words(tx, project_id=project_id, message_ids=message_ids)
    sql.drop_message_words(tx, project_id=project_id, message_ids=message_ids)
    messages: list[Row] = sql.messages_to_index(tx, project_id=project_id, message_ids=message_ids)
    chunks = [chunk for message in messages for chunk in _chunks(message, settings)]
    conversations = sorted({message["conversation_global_id"] for message in messages})
    neighbours: list[Row] = sql.short_message_runs(
        tx,
        project_id=project_id,
        conversation_ids=conversations,
        message_ids=message_ids,
        shortest=settings.min_embed_chars,
    )
    windows = _windows(neighbours, settings)
    deleted = sql.drop_surplus_chunks(
        tx,
        project_id=project_id,
        source_type=SOURCE_TYPE,
        message_ids=message_ids,
        looked_at=[row["id"] for row in neighbours],
        kept=_json(
            [{k: c[k] for k in ("source_pk", "kind", "chunk_index")} for c in chunks + windows]
        ),
    )
    written = sql.upsert_chunks(
        tx,
        project_id=project_id,
        source_type=SOURCE_TYPE,
        version=CHUNKER_VERSION,
        rows=_json(chunks + windows),
    )
    inserted = sum(row["inserted"] for row in written)
    updated = [row["id"] for row in written if not row["inserted"]]
    if updated:
        sql.drop_vectors(tx, project_id=project_id, chunk_ids=updated)
    sql.bump_data_version(tx, project_id=project_id)
    return IndexCounts(inserted, len(updated), deleted)


def _chunks(message: Row, settings: Settings) -> list[dict[str, Any]]:
    if not message["indexable"]:
        return []
    text = clean(message["content"] or "")
    if len(text) < settings.min_embed_chars:
        return []
    pieces = split(text, settings.chunk_size, settings.chunk_overlap, settings.min_embed_chars)
    return [
        _chunk(message, "text", number, piece.text, piece.start, piece.end)
        for number, piece in enumerate(pieces)
    ]


def _windows(rows: list[Row], settings: Settings) -> list[dict[str, Any]]:
    """One window for each run of short messages, with the end of the message that it follows."""
    windows = []
    for _, conversation in groupby(rows, key=lambda row: row["conversation_global_id"]):
        lead: Row | None = None
        run: list[Row] = []
        for row in [*conversation, None]:
            if row is not None and row["short"] and len(run) < WINDOW_MOST:
                run.append(row)
                continue
            if run:
                windows.append(_window(lead, run))
            lead = row if row is None or not row["short"] else run[-1]
            run = [row] if row is not None and row["short"] else []
    return [window for window in windows if len(window["text"]) >= settings.min_embed_chars]


def _window(lead: Row | None, run: list[Row]) -> dict[str, Any]:
    lines = []
    if lead is not None:
        lines.append(f"{lead['sender_name'] or '–'}: {clean(lead['content'] or '')[-WINDOW_LEAD:]}")
    lines += [f"{row['sender_name'] or '–'}: {clean(row['content'] or '')}" for row in run]
    text = "\n".join(lines)
    return _chunk(run[0], "window", 0, text, 0, len(text))


def _chunk(message: Row, kind: str, number: int, text: str, start: int, end: int) -> dict[str, Any]:
    return {
        "source_pk": message["id"],
        "kind": kind,
        "chunk_index": number,
        "conversation_global_id": message["conversation_global_id"],
        "message_global_id": message["id"],
        "text": text,
        # Alone: what it replies to is weighed when a question is asked, and would only blur it here.
        "context": "",
        "text_hash": hashlib.sha256(text.encode()).hexdigest(),
        "content_tokens": estimate_tokens(text),
        "start_offset": start,
        "end_offset": end,
        "occurred_at": message["created_at"],
    }


def _json(rows: list[dict[str, Any]]) -> Jsonb:
    return Jsonb(rows, dumps=dump_json)
