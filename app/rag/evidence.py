"""A ranked source as the answer lists it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from app.rag.retrieval.legs import Query
from app.rag.retrieval.passages import SNIPPET
from app.rag.retrieval.ranking import MESSAGE, Item
from app.web.responses import iso

# What `entities` and `stats` call the three sources that the page knows.
ENTITIES = {"messages": MESSAGE, "issues": "linear_issue", "opportunities": "attio_opportunity"}
# What may be asked for in `sourceFilter`, and the source types it means. Chunks are not a source of their
# own: they are found with the text they were cut from.
FILTERS: dict[str, frozenset[str] | None] = {
    "messages": frozenset({MESSAGE}),
    "issues": frozenset({"linear_issue"}),
    "deals": frozenset({"attio_opportunity", "attio_note"}),
    "opportunities": frozenset({"attio_opportunity", "attio_note"}),
    "notes": frozenset({"attio_note"}),
    "companies": frozenset({"attio_account"}),
    "people": frozenset({"attio_person"}),
    "chunks": None,
}


def fits_filters(item: Item, query: Query) -> bool:
    """Neighbours of a message come with it unasked; they have to pass the question's filters too."""
    moment = item.occurred_at
    if query.since and (moment is None or moment < query.since):
        return False
    if query.before and (moment is None or moment >= query.before):
        return False
    return query.sources is None or item.source_type in query.sources


def within_limit(items: list[Item], most: int) -> list[Item]:
    """At most `most` items of a source type, beside what the vectors found; `topK` is their limit."""
    counts: Counter[str] = Counter()
    kept = []
    for item in items:
        if "vector" not in item.matched_by:
            counts[item.source_type] += 1
            if counts[item.source_type] > most:
                continue
        kept.append(item)
    return kept


def as_evidence(item: Item) -> dict[str, Any]:
    """An item as the answer lists it."""
    row = item.row
    return {
        "source_type": item.source_type,
        "source_pk": item.source_pk,
        "source_ref": row["source_ref"],
        "source_url": row["source_url"],
        "title": row["title"],
        "snippet": item.passage[:SNIPPET],
        # Written out here and not three times later: for the answer, for its history and for the memory.
        "created_at": iso(item.occurred_at) if item.occurred_at else None,
        "metadata": _metadata(item),
        "matched_by": item.matched_by,
        "_score": item.score,
        "_scoreBreakdown": item.breakdown,
    }


def _metadata(item: Item) -> dict[str, Any]:
    row = item.row
    place = {"distance": item.distance, "chunk_index": item.chunk_index}
    if item.source_type != MESSAGE:
        return {**row["facts"], "author": row["author"], **place}
    return {
        "sender_type": row["sender_type"],
        "sender_name": row["author"],
        "conversation_global_id": row["conversation_global_id"],
        "contact_global_id": row["contact_global_id"],
        "private": row["private"],
        **place,
    }


def entity_rows(evidence: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The evidence once more, by source, as rows."""
    return {
        name: [_entity(e) for e in evidence if e["source_type"] == kind]
        for name, kind in ENTITIES.items()
    }


def _entity(evidence: dict[str, Any]) -> dict[str, Any]:
    names = ("source_ref", "title", "snippet", "created_at", "metadata")
    moment = {} if evidence["source_type"] == MESSAGE else {"updated_at": evidence["created_at"]}
    return {"id": evidence["source_pk"], **{name: evidence[name] for name in names}, **moment}
