"""Contacts, conversations and messages, as lists and one by one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import Row, db, statements, unprepared
from app.search.texts import containing, fold, phone_pattern
from app.web import cursors
from app.web.access import Identity
from app.web.errors import ApiError, not_found
from app.web.inputs import period

sql = statements("contacts")

READ_PRIVATE = "messages.read_private"
SHORTEST_PART = 3  # characters of a text that is looked for inside of words; shorter ones are words


def contacts(project_id: UUID, query: dict[str, Any]) -> tuple[list[Row], str | None]:
    """A page of contacts, the most recently changed first, and the cursor to the next."""
    updated_from, updated_before = period(query["updated_from"], query["updated_to"])
    after_at, after_id = _after(query)
    wanted = query["q"]
    with db.connection() as connection:
        rows = sql.list_contacts(
            unprepared(connection),
            project_id=project_id,
            pattern=containing(wanted) if wanted else None,
            digits=phone_pattern(wanted) if wanted else None,
            identifier=query["identifier"],
            has_email=query["has_email"],
            updated_from=updated_from,
            updated_before=updated_before,
            after_at=after_at,
            after_id=after_id,
            most=query["limit"] + 1,
        )
    return cursors.page(rows, query["limit"], "updated_at")


def conversations(
    project_id: UUID, query: dict[str, Any], caller: Identity
) -> tuple[list[Row], str | None]:
    """A page of conversations, the most recently active first, and the cursor to the next."""
    since, before = period(query["date_from"], query["date_to"])
    after_at, after_id = _after(query)
    with db.connection() as connection:
        rows = sql.list_conversations(
            unprepared(connection),
            project_id=project_id,
            private=caller.may(READ_PRIVATE),
            status=query["status"],
            inbox_id=query["inbox_id"],
            assignee_id=query["assignee_id"],
            contact_global_id=query["contact_global_id"],
            since=since,
            before=before,
            after_at=after_at,
            after_id=after_id,
            most=query["limit"] + 1,
        )
    shown, cursor = cursors.page(rows, query["limit"], "listed_at")
    for row in shown:
        del row["listed_at"]
    return shown, cursor


def conversation(project_id: UUID, key: str, caller: Identity) -> Row:
    """One conversation with its contact and inbox. Raises 404 `conversation_not_found`."""
    with db.connection() as connection:
        row: Row | None = sql.find_conversation(
            connection, project_id=project_id, private=caller.may(READ_PRIVATE), id=key
        )
    if row is None:
        raise not_found("conversation_not_found", "The conversation")
    return row


def messages(
    project_id: UUID, query: dict[str, Any], caller: Identity
) -> tuple[list[Row], str | None]:
    """A page of messages, and the cursor to the next. Raises 403 `forbidden` when private ones are asked
    for by somebody who may not read them."""
    since, before = period(query["date_from"], query["date_to"])
    after_at, after_id = _after(query)
    may_read_private = caller.may(READ_PRIVATE)
    if query["private"] and not may_read_private:
        raise ApiError(403, "forbidden", f"Your role ({caller.role}) does not read private notes.")
    with db.connection() as connection:
        rows = sql.list_messages(
            unprepared(connection),
            project_id=project_id,
            private=may_read_private,
            only_private=query["private"],
            conversation_global_id=query["conversation_global_id"],
            contact_global_id=query["contact_global_id"],
            sender_type=query["sender_type"].lower() if query["sender_type"] else None,
            since=since,
            before=before,
            **_text(query["q"]),
            oldest_first=query["order"] == "asc",
            after_at=after_at,
            after_id=after_id,
            most=query["limit"] + 1,
        )
    return cursors.page(rows, query["limit"], "created_at")


def message(project_id: UUID, key: str, caller: Identity) -> Row:
    """One message whole, with its attachments. Raises 404 `message_not_found`."""
    with db.connection() as connection:
        row: Row | None = sql.find_message(
            connection, project_id=project_id, private=caller.may(READ_PRIVATE), id=key
        )
    if row is None:
        raise not_found("message_not_found", "The message")
    return row


def _text(wanted: str | None) -> dict[str, Any]:
    """How messages are looked for: by a part of their text, or by the words in any inflection."""
    if not wanted:
        return {"searching": False, "pattern": None, "words": None}
    part = containing(wanted) if len(wanted) >= SHORTEST_PART else None
    return {"searching": True, "pattern": part, "words": fold(wanted)}


def _after(query: dict[str, Any]) -> tuple[datetime | None, str | None]:
    return cursors.read(query["cursor"], str, undated=True)
