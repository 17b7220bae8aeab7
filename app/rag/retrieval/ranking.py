"""One scoring pass over what all legs found.

Each leg's score is normalised to 0..1 and they are added, not their ranks: a leg that found nothing
costs nothing, and a weak one cannot drown a strong one. To them is added what a source's place tells: a
message gains from the question's words in the rest of its conversation and from the message it answers, one
that only asks loses, a document that sums things up gains a little. How much of each was fitted on labelled
questions, as one softmax regression over all sources of a project (`python -m bench.practice --weights`); the
settings SEARCH_WEIGHT_* hold it, and `flask rag eval --compare` shows what a change does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from operator import mul

from app.db import Row
from app.rag.retrieval.cues import asked_for, asking, tells
from app.rag.retrieval.passages import best_passage
from app.rag.retrieval.words import Word
from config.settings import Settings

MESSAGE = "chatwoot_message"
AUTHORITY = {
    MESSAGE: 1.0,
    "linear_issue": 0.9,
    "attio_opportunity": 0.8,
    "attio_note": 0.8,
    "attio_account": 0.6,
    "attio_person": 0.6,
}
LEAST_AUTHORITY = 0.3
# What a document gains, as a share of SEARCH_WEIGHT_DOCUMENT: it has no conversation whose other messages
# could speak for it, and a note or an issue sums up what many messages say.
DOCUMENT = {
    "attio_note": 1.0,
    "linear_issue": 1.0,
    "attio_person": 0.5,
    "attio_account": 0.5,
    "attio_opportunity": 0.5,
}
LONG_ENOUGH = 400  # characters; what is longer gains no more by its length
ANSWERS_WITHIN = 3  # messages after a message that may be the answer to it
FADING = 0.6  # with each message between them


@dataclass(eq=False)
class Item:
    """A source that may answer."""

    source_type: str
    source_pk: str
    row: Row
    similarity: float = 0.0
    words: float = 0.0
    talk: float = (
        0.0  # the share of the question's words that its whole conversation has, itself included
    )
    own: float = 0.0  # similarity and words together, before its place is weighed
    matched_by: list[str] = field(default_factory=list)
    passage: str = ""
    chunk: Row | None = None  # the nearest one, when the vectors found it
    signs: dict[str, float] = field(
        default_factory=dict
    )  # each 0 to 1, as `weights_of` weighs them
    fit: float = 0.0  # their weighed sum
    relevance: float = 0.0
    score: float = 0.0
    breakdown: dict[str, float] = field(default_factory=dict)

    @property
    def occurred_at(self) -> datetime | None:
        moment: datetime | None = self.row["created_at"]
        return moment

    @property
    def chunk_index(self) -> int | None:
        return self.chunk["chunk_index"] if self.chunk else None

    @property
    def distance(self) -> float | None:
        found: float | None = self.row["distance"]
        return found

    @property
    def conversation(self) -> str | None:
        found: str | None = self.row["conversation_global_id"]
        return found


def worth_a_look(
    near: list[Row], worded: list[Row], everything: int, settings: Settings, most: int
) -> list[tuple[str, str]]:
    """The `most` sources (type, key) with the best sum of both legs' scores."""
    scores: dict[tuple[str, str], float] = {}
    weight = settings.search_weight_words + settings.search_weight_talk
    for row in near:
        ref = (row["source_type"], row["source_pk"])
        scores[ref] = max(scores.get(ref, 0.0), 1.0 - row["distance"])
    for row in worded:
        ref = (row["source_type"], row["source_pk"])
        share = share_of(row["hits"], worded[0]["word_matches"], everything, settings)
        scores[ref] = scores.get(ref, 0.0) + weight * share
    return sorted(scores, key=lambda ref: (-scores[ref], ref))[:most]


def rank(
    question: str, rows: list[Row], near: list[Row], counts: list[int], everything: int, settings: Settings
) -> list[Item]:  # fmt: skip
    """All sources above the threshold, best first; ties by date and then by key.

    `rows` are what `look_closer` answers, `counts` how often each word was found.
    """
    chunks = {(r["source_type"], r["source_pk"]): r for r in reversed(near)}
    items = [_item(row, chunks, counts, everything, settings) for row in rows]
    talks = _conversations(items)
    _hear_talks(talks, counts, everything, settings)
    _weigh_places(items, talks, question, settings)
    kept = [item for item in items if item.relevance >= settings.search_min_relevance]
    for item in kept:
        _score(item, settings)
    kept.sort(key=lambda item: (-item.score, -_seconds(item.occurred_at), item.source_pk))
    return kept


def _item(
    row: Row, chunks: dict[tuple[str, str], Row], counts: list[int], everything: int, settings: Settings
) -> Item:  # fmt: skip
    item = Item(row["source_type"], row["source_pk"], row)
    item.similarity = max(0.0, 1.0 - row["distance"]) if row["distance"] is not None else 0.0
    if counts and row["hits"]:
        item.words = item.talk = share_of(row["hits"], counts, everything, settings)
    item.own = item.similarity + settings.search_weight_words * item.words
    item.chunk = chunks.get((item.source_type, item.source_pk))
    if item.chunk is not None:
        item.matched_by.append("vector")
    if item.words:
        item.matched_by.append("keyword")
    return item


def passage_of(item: Item, words: list[Word]) -> str:
    """The part of a source that is shown: where the question's words stand, or the nearest chunk."""
    text = item.row["body"] or item.row["title"] or ""
    # A window holds more than its first message; of a long text the chunk is what was near.
    if item.chunk is not None and (len(text) < len(item.chunk["text"]) or not item.words):
        return str(item.chunk["text"])
    return best_passage(text, words)


def share_of(hits: list[float], counts: list[int], everything: int, settings: Settings) -> float:
    """The share of the question's words that a source has, 0 to 1, each weighed by its rarity.

    A word that nobody ever wrote counts for less: with many of those, the question is about something
    else, and that is told by `coverage` for the whole answer.
    """
    worth = _worth(tuple(counts), everything, settings.search_weight_unknown_word)
    whole = sum(worth)
    return sum(map(mul, worth, hits)) / whole if whole else 0.0


@lru_cache(maxsize=64)
def _worth(counts: tuple[int, ...], everything: int, unknown: float) -> list[float]:
    return [rarity(count, everything) * (1.0 if count else unknown) for count in counts]


@lru_cache(maxsize=1024)
def rarity(matches: int, everything: int) -> float:
    """How much a word tells: the logarithm of how few have it (inverse document frequency)."""
    return math.log(1 + max(everything, 1) / max(matches, 1))


def _conversations(items: list[Item]) -> dict[str, list[Item]]:
    talks: dict[str, list[Item]] = {}
    for item in items:
        if item.conversation:
            talks.setdefault(item.conversation, []).append(item)
    return talks


def _hear_talks(
    talks: dict[str, list[Item]], counts: list[int], everything: int, settings: Settings
) -> None:
    """What is talked about is seldom named again in the line that tells it."""
    for talk in talks.values():
        said = [item.row["hits"] for item in talk if item.words]
        if not said:
            continue
        together = [max(hits) for hits in zip(*said, strict=True)]
        share = share_of(together, counts, everything, settings)
        for item in talk:
            item.talk = share


def weights_of(settings: Settings) -> dict[str, float]:
    """What each of an item's signs counts, beside its similarity."""
    return {
        "similarity": 1.0,
        "words": settings.search_weight_words,
        "talk": settings.search_weight_talk,
        "reply": settings.search_weight_reply,
        "document": settings.search_weight_document,
        "length": settings.search_weight_length,
        "kind": settings.search_weight_kind,
        "asking": -settings.search_weight_asking,
    }


def _weigh_places(
    items: list[Item], talks: dict[str, list[Item]], question: str, settings: Settings
) -> None:
    """Relevance: what the item has itself, and what its kind and its place add or take."""
    kinds, weights = asked_for(question), weights_of(settings)
    for item in items:
        text = item.row["body"] or ""
        replied = _replied_to(item, talks[item.conversation]) if item.conversation else 0.0
        if replied and not item.matched_by:
            item.matched_by.append("conversation")
        item.signs = {
            "similarity": item.similarity,
            "words": item.words,
            "talk": item.talk,
            "reply": replied,
            "document": DOCUMENT.get(item.source_type, 0.0),
            "length": min(1.0, len(text) / LONG_ENOUGH),
            "kind": tells(text, kinds),
            "asking": asking(text) if item.conversation else 0.0,
        }
        if item.own or item.talk or replied:
            item.fit = max(0.0, sum(map(mul, weights.values(), item.signs.values())))
            # From open-ended to 0..1: the first half stands for a fit of 0.5, and so on.
            item.relevance = 1.0 - 2.0 ** (-2.0 * item.fit)


def _replied_to(item: Item, talk: list[Item]) -> float:
    """How well the best of the messages fits that this one may answer: others' messages just before it."""
    place = talk.index(item)
    best, fading = 0.0, 1.0
    for before in reversed(talk[max(0, place - ANSWERS_WITHIN) : place]):
        if before.row["author"] != item.row["author"]:
            best = max(best, before.own * fading)
        fading *= FADING
    return best


def _score(item: Item, settings: Settings) -> None:
    recency = recency_of(item.occurred_at, settings.search_recency_half_life_days)
    authority = AUTHORITY.get(item.source_type, LEAST_AUTHORITY)
    item.breakdown = {
        "semantic": round(item.relevance, 4),
        "recency": round(recency, 4),
        "authority": round(authority, 4),
        **{name: round(value, 4) for name, value in item.signs.items()},
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
