"""What people search for: reported, summed up, suggested again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from app.db import Row, db, statements, unprepared
from app.rag.evidence import FILTERS
from app.search.texts import containing, normalised
from app.web.access import Identity
from app.web.responses import dump_json

log = structlog.get_logger(__name__)
sql = statements("search")

LONGEST_QUERY = 4000
SHORTEST_PART = 3
DEFAULT_TOP_K = 10


def track(project_id: UUID, event: dict[str, Any], caller: Identity) -> str | None:
    """The id of the event that stands for what the page reports; None when it could not be written,
    which must not disturb whoever searches."""
    filters = event["filters"]
    try:
        with db.transaction() as tx:
            found: UUID = sql.track(
                tx,
                project_id=project_id,
                user_id=caller.user_id,
                event_type=event["event_type"],
                query=event["query"],
                query_norm=normalised(event["query"])[:LONGEST_QUERY],
                query_run_id=event["query_run_id"],
                result_count=event["result_count"],
                filters=Jsonb(filters, dumps=dump_json),
                source_filter=Jsonb(_sources(filters.get("sourceFilter")), dumps=dump_json),
                top_k=Jsonb(filters.get("topK", DEFAULT_TOP_K), dumps=dump_json),
                clicked_result_id=event["clicked_result_id"],
                clicked_source_type=event["clicked_source_type"],
                duration_ms=event["duration_ms"],
            )
        return str(found)
    except Exception as error:
        log.warning("search_not_tracked", error_type=type(error).__name__)
        return None


def summary(project_id: UUID, days: int, most: int, time_zone: str) -> Row:
    """What was searched for in the last days, today included."""
    with db.connection() as connection:
        row: Row = sql.summary(
            unprepared(connection),
            project_id=project_id,
            days=days,
            time_zone=time_zone,
            most=most,
        )
    return row


def quality(project_id: UUID, weeks: int, time_zone: str) -> list[Row]:
    """What people thought of answers in the last weeks."""
    with db.connection() as connection:
        rows: list[Row] = sql.quality_weeks(
            connection, project_id=project_id, weeks=weeks, time_zone=time_zone
        )
    return rows


def suggestions(
    project_id: UUID, wanted: str | None, days: int, most: int, caller: Identity
) -> list[Row]:
    """Questions that were asked here before, found something, and fit what is being typed."""
    text = normalised(wanted or "") or None
    pattern = containing(text) if text else None
    # With less than three letters everything holds them, or is like them.
    inside = text is not None and len(text) >= SHORTEST_PART
    with db.connection() as connection:
        rows: list[Row] = sql.suggestions(
            unprepared(connection),
            project_id=project_id,
            user_id=caller.user_id,
            days=days,
            wanted=text,
            pattern=pattern if inside else None,
            prefix=pattern[1:] if pattern else None,
            like_this=text if inside else None,
            most=most,
        )
    return rows


def _sources(given: Any) -> list[str] | None:
    """A page's source filter as the record of a search holds it: source types, or null for all."""
    names = given if isinstance(given, list) else []
    wanted = [FILTERS.get(str(name).strip().lower(), frozenset()) for name in names]
    if not wanted or not all(wanted):
        return None
    return sorted(frozenset[str]().union(*(types for types in wanted if types)))
