"""One search box over everything that the caller may see: clients, projects, messages, jobs, offers."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from app.db import Row, db, statements, unprepared
from app.search.texts import containing, normalised, phone_pattern
from app.web.access import Identity
from app.web.inputs import period

sql = statements("search")

TYPES = ("client", "project", "message", "job", "agreement", "risk", "offer", "signal", "digest")
PAGES = {
    "client": "/crm",
    "project": "/projects",
    "message": "/control-tower/messages",
    "job": "/jobs",
    "offer": "/control-tower/offers",
}
PER_TYPE = 10
SHORTEST_PART = 3  # characters for which the trigram index helps inside of words
SUGGESTED = 5


def search(query: dict[str, Any], caller: Identity) -> dict[str, Any]:
    """The best of each type, how many there are of each, and how the typed text may go on."""
    text = normalised(query["q"])
    since, before = period(query["date_from"], query["date_to"])
    pattern = containing(text)
    with db.connection() as connection:
        rows: list[Row] = sql.palette(
            unprepared(connection),
            user_id=caller.user_id,
            role=caller.role,
            private=caller.may("messages.read_private"),
            project_ids=query["project_id"],
            types=query["types"] or list(TYPES),
            text=text,
            pattern=pattern if len(text) >= SHORTEST_PART else None,
            beginning=pattern[1:],
            digits=phone_pattern(text),
            words=_words(text),
            status=query["status"].lower() if query["status"] else None,
            since=since,
            before=before,
            most=PER_TYPE,
        )
    counts = {row["type"]: row["of_type"] for row in rows}
    return {
        "results": [_result(row) for row in rows],
        "totalCount": sum(counts.values()),
        "countsByType": {kind: counts.get(kind, 0) for kind in TYPES},
        "suggestions": _suggestions(rows, text),
    }


def _words(text: str) -> str:
    """All words, of which the last one is still being typed, in the language of full text."""
    words = re.findall(r"[^\W_]+", text)
    return " & ".join([*words[:-1], f"{words[-1]}:*"]) if words else ""


def _result(row: Row) -> dict[str, Any]:
    is_client = row["type"] == "client"
    return {
        "id": row["id"],
        "type": row["type"],
        "title": row["title"] or row["id"],
        "excerpt": row["excerpt"] or "",
        "status": row["status"],
        "score": row["score"],
        "href": PAGES[row["type"]],
        "projectId": row["project_id"],
        "projectName": row["project_name"],
        "clientId": row["id"] if is_client else None,
        "clientName": row["title"] if is_client else None,
        "updatedAt": row["updated_at"],
        "highlights": [],
        "metadata": {"conversation_global_id": row["conversation_global_id"]}
        if row["conversation_global_id"]
        else {},
    }


def _suggestions(rows: list[Row], text: str) -> list[str]:
    """Titles that begin with what was typed."""
    titles = [row["title"] for row in rows if row["type"] != "message" and row["title"]]
    return list(dict.fromkeys(t for t in titles if normalised(t).startswith(text)))[:SUGGESTED]


def uuids(text: str) -> list[UUID]:
    """Ids from a list with commas. Raises ValueError when one is no UUID."""
    return [UUID(part.strip()) for part in text.split(",") if part.strip()]
