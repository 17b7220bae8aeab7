"""Keeping evidence with the deed that was based on it, finding it, and forgetting it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from app.db import Connection, Row, db, statements, unprepared
from app.evidence.refs import EvidenceRef
from app.search.texts import containing, fold
from app.web import cursors
from app.web.access import Identity
from app.web.inputs import period
from app.web.responses import dump_json

sql = statements("evidence")

# Who quotes or excludes means it: what is only alike is no answer then.
OPERATORS = re.compile(r'"|(^|\s)-\S')


def keep(tx: Connection, project_id: UUID, refs: list[EvidenceRef]) -> None:
    """Keep what is referred to, in the transaction of the deed. Two sources of one reference are one row:
    the one with words, else the first."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for ref in refs:
        known = rows.get((ref.table, ref.ref))
        if known is None or (known["snippet"] is None and ref.snippet is not None):
            rows[ref.table, ref.ref] = {
                "source_type": ref.source,
                "source_table": ref.table,
                "source_pk": ref.ref,
                "snippet": ref.snippet,
                "payload": ref.meta,
            }
    if rows:
        ordered = [row for _, row in sorted(rows.items())]
        sql.keep(tx, project_id=project_id, rows=Jsonb(ordered, dumps=dump_json))


def find(project_id: UUID, query: dict[str, Any], caller: Identity) -> tuple[list[Row], str | None]:
    """A page of evidence with these words, the best and then the newest first; nothing for no words."""
    since, before = period(query["date_from"], query["date_to"])
    after_at, (after_id, after_rank) = (
        cursors.read(query["cursor"], _place) if query["cursor"] else (None, (None, None))
    )
    if not query["q"]:
        return [], None
    with db.connection() as connection:
        rows = sql.find(
            unprepared(connection),
            project_id=project_id,
            private=caller.may("messages.read_private"),
            text=fold(query["q"]),
            pattern=containing(query["q"]),
            exactly=OPERATORS.search(query["q"]) is not None,
            source_type=query["source_type"].lower() if query["source_type"] else None,
            source_table=query["source_table"],
            since=since,
            before=before,
            after_rank=after_rank,
            after_at=after_at,
            after_id=after_id,
            most=query["limit"] + 1,
        )
    shown, cursor = cursors.page(rows, query["limit"], "created_at", "place")
    for row in shown:
        del row["place"]
    return shown, cursor


def forget(
    tx: Connection,
    project_id: UUID,
    contact_id: str,
    *,
    conversations: list[str],
    messages: list[str],
    chunks: list[str],
) -> int:
    """Forget what came from a contact and from what was said with it. Answers how many there were."""
    forgotten: int = sql.forget(
        tx,
        project_id=project_id,
        contact_id=contact_id,
        conversations=conversations,
        messages=messages,
        refs=[contact_id, *conversations, *messages, *chunks],
    )
    return forgotten


def _place(text: str) -> tuple[UUID, int]:
    number, separator, rank = text.partition("~")
    if not separator or not rank.isdecimal() or len(rank) > 9:
        raise ValueError("no place in a list of evidence")
    return UUID(number), int(rank)
