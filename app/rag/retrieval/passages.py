"""The part of a long text that is shown."""

from __future__ import annotations

from app.rag.retrieval.words import Word, fold

SNIPPET = 500
MOST_PLACES = 20  # of one word; more of them make no difference to where most words stand


def best_passage(text: str, words: list[Word]) -> str:
    """The stretch of a long text in which most words of the question stand; its beginning without any."""
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
    while start >= 0 and len(found) < MOST_PLACES:
        found.append(start)
        start = text.find(stem, start + 1)
    return found
