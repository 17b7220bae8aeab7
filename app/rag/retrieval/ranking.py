"""One scoring pass over what all legs found.

Each leg's score is normalised to 0..1 and they are added, not their ranks: a leg that found nothing
costs nothing, and a weak one cannot drown a strong one. Several chunks of a message are one item.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.db import Row
from app.rag.retrieval.legs import rarity
from app.rag.retrieval.words import Word, fold
from config.settings import Settings

AUTHORITY = {
    "chatwoot_message": 1.0,
    "rag_chunk": 0.85,
    "linear_issue": 0.7,
    "attio_opportunity": 0.5,
}
LEAST_AUTHORITY = 0.3
# Chosen on the golden questions: the words' score beside the vectors', and how much a message gains
# from its conversation when that speaks of the question in several places.
WORDS_WEIGHT = 0.7
CONVERSATION_WEIGHT = 0.3
# A message that only asks is rarely the answer to who asks the same.
QUESTION_FACTOR = 0.85
SNIPPET = 500


@dataclass
class Item:
    """A source that may answer: a message, later an issue or a deal."""

    source_type: str
    source_pk: str
    row: Row
    similarity: float = 0.0
    words: float = 0.0
    matched_by: list[str] = field(default_factory=list)
    passage: str = ""
    distance: float | None = None
    chunk_index: int | None = None
    relevance: float = 0.0
    score: float = 0.0
    breakdown: dict[str, float] = field(default_factory=dict)

    @property
    def occurred_at(self) -> datetime | None:
        moment: datetime | None = self.row["created_at"]
        return moment


def rank(
    near: list[Row], worded: list[Row], words: list[Word], everything: int, settings: Settings
) -> list[Item]:
    """All items above the threshold, best first; ties by date and then by id."""
    items: dict[str, Item] = {}
    for row in near:
        item = items.setdefault(row["source_pk"], Item(row["source_type"], row["source_pk"], row))
        similarity = max(0.0, 1.0 - row["distance"])
        if similarity > item.similarity:
            item.similarity = similarity
            item.passage, item.distance = row["text"], row["distance"]
            item.chunk_index = row["chunk_index"]
        _mark(item, "vector")
    for row, share in _shares(worded, words, everything):
        item = items.setdefault(row["source_pk"], Item(row["source_type"], row["source_pk"], row))
        item.words = share
        if not item.passage:
            item.passage = best_passage(row["content"] or "", words)
        _mark(item, "keyword")
    _relate(list(items.values()))
    kept = [i for i in items.values() if i.relevance >= settings.search_min_relevance]
    for item in kept:
        _score(item, settings)
    kept.sort(key=lambda item: (-item.score, -_seconds(item.occurred_at), item.source_pk))
    return kept


def _mark(item: Item, leg: str) -> None:
    if leg not in item.matched_by:
        item.matched_by.append(leg)


def _shares(rows: list[Row], words: list[Word], everything: int) -> list[tuple[Row, float]]:
    """For each row the share of the question's words that it has, each word weighed by its rarity.

    A word that nobody ever wrote counts for half in what is missing: with many of those, the question
    is about something else.
    """
    if not rows:
        return []
    counts = rows[0]["word_matches"]
    weights = [rarity(matches, everything) * (1.0 if matches else 0.5) for matches in counts]
    total = sum(weights)
    return [
        (row, sum(w for w, hit in zip(weights, row["hits"], strict=True) if hit) / total)
        for row in rows
    ]


def _relate(items: list[Item]) -> None:
    """Relevance: both legs' scores added, and a part of what the conversation's best messages have."""
    best: dict[str, list[float]] = {}
    for item in items:
        item.relevance = item.similarity + WORDS_WEIGHT * item.words
        best.setdefault(item.row["conversation_global_id"], []).append(item.relevance)
    around = {key: sum(sorted(found)[-3:]) / 3 for key, found in best.items()}
    whole = (1 + WORDS_WEIGHT) * (1 + CONVERSATION_WEIGHT)
    for item in items:
        nearby = around[item.row["conversation_global_id"]]
        found = (item.relevance + CONVERSATION_WEIGHT * nearby) / whole
        only_asks = (item.row["content"] or "").rstrip().endswith("?")
        item.relevance = min(1.0, found * (QUESTION_FACTOR if only_asks else 1.0))


def _score(item: Item, settings: Settings) -> None:
    recency = recency_of(item.occurred_at, settings.search_recency_half_life_days)
    authority = AUTHORITY.get(item.source_type, LEAST_AUTHORITY)
    item.breakdown = {
        "semantic": round(item.relevance, 4),
        "recency": round(recency, 4),
        "authority": round(authority, 4),
    }
    item.score = round(
        settings.search_weight_semantic * item.relevance
        + settings.search_weight_recency * recency
        + settings.search_weight_authority * authority,
        4,
    )


def recency_of(moment: datetime | None, half_life_days: float) -> float:
    """1 for now and the future, half after each half-life, 0 without a date."""
    if moment is None:
        return 0.0
    days = (datetime.now(UTC) - moment).total_seconds() / 86_400
    return float(min(1.0, 2 ** (-days / half_life_days)))


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def best_passage(text: str, words: list[Word]) -> str:
    """The stretch of a long text in which most words of the question stand."""
    if len(text) <= SNIPPET:
        return text
    folded = fold(text)
    places = sorted(
        place
        for word in words
        for stem in word.stems
        for place in _places(folded, stem)
        if place < len(text)
    )
    if not places:
        return text[:SNIPPET]
    best = max(places, key=lambda start: sum(start <= p < start + SNIPPET - 80 for p in places))
    start = max(0, best - 80)
    return text[start : start + SNIPPET].strip()


def _places(text: str, stem: str) -> list[int]:
    found: list[int] = []
    start = text.find(stem)
    while start >= 0 and len(found) < 20:
        found.append(start)
        start = text.find(stem, start + 1)
    return found


def as_evidence(item: Item) -> dict[str, Any]:
    """An item as the answer lists it."""
    row = item.row
    return {
        "source_type": item.source_type,
        "source_pk": item.source_pk,
        "source_ref": str(row["message_id"]),
        "source_url": row["source_url"],
        "title": None,
        "snippet": item.passage[:SNIPPET],
        "created_at": item.occurred_at,
        "metadata": {
            "sender_type": row["sender_type"],
            "sender_name": row["sender_name"],
            "conversation_global_id": row["conversation_global_id"],
            "contact_global_id": row["contact_global_id"],
            "distance": item.distance,
            "chunk_index": item.chunk_index,
        },
        "matched_by": item.matched_by,
        "_score": item.score,
        "_scoreBreakdown": item.breakdown,
    }
