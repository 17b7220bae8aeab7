"""Whether the answer is there at all: what the best sources have of the question, taken together.

The formula is a logistic regression over four signs, fitted on the demo's answerable questions and on
questions that its data cannot answer (`flask rag eval` shows the share of each that it gets right).
"""

from __future__ import annotations

import math

from app.rag.retrieval.ranking import Item, rarity
from app.rag.retrieval.words import Word

CONSTANT = -6.3
RELEVANCE = 5.4  # of the best source
SIMILARITY = 8.2  # the greatest cosine similarity
COVERAGE = 0.84  # the share of the question's words in one conversation or document
UNKNOWN_NAMES = -5.4  # the share of the question in names that nobody ever wrote
LOOKED_AT = 3
# What is taken for a sign that a leg could not give: what answerable questions have on average.
USUAL_SIMILARITY = 0.40
USUAL_COVERAGE = 0.55


def confidence(items: list[Item], words: list[Word], counts: list[int], everything: int) -> float:
    """0 to 1: how likely it is that the best sources answer the question."""
    if not items:
        return 0.0
    worth = [rarity(count, everything) for count in counts]
    whole = sum(worth)
    similarity = max(item.similarity for item in items) or USUAL_SIMILARITY
    coverage, unknown_names = USUAL_COVERAGE, 0.0
    if whole:
        coverage = max(_covered(item, items, worth) for item in items[:LOOKED_AT]) / whole
        named = zip(worth, words, counts, strict=True)
        unknown_names = sum(w for w, word, count in named if word.name and not count) / whole
    signs = (
        CONSTANT
        + RELEVANCE * items[0].relevance
        + SIMILARITY * similarity
        + COVERAGE * coverage
        + UNKNOWN_NAMES * unknown_names
    )
    return round(1.0 / (1.0 + math.exp(-signs)), 4)


def _covered(item: Item, items: list[Item], worth: list[float]) -> float:
    """How much of the question's words the item and the rest of its conversation have together."""
    talk = [i for i in items if item.conversation and i.conversation == item.conversation] or [item]
    return sum(
        w * max((other.row["hits"] or [0.0] * len(worth))[n] for other in talk)
        for n, w in enumerate(worth)
    )
