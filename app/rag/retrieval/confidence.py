"""Whether the answer is there at all: what the best source has, and how far it stands out.

The formula is a logistic regression over four signs, fitted on the demo's answerable questions and on
questions that its data cannot answer (`flask rag eval` shows the share of each that it gets right).
"""

from __future__ import annotations

import math

from app.rag.retrieval.ranking import Item, rarity
from app.rag.retrieval.words import Word

CONSTANT = -6.85
RELEVANCE = 2.2  # of the best source
SIMILARITY = 13.1  # the greatest cosine similarity
LEAD = 5.0  # of the best source over the tenth: a question that anything fits is about nothing here
UNKNOWN_NAMES = -8.1  # the share of the question in names that nobody ever wrote
FIELD = 10
# Taken for a similarity that the vectors could not give: a little less than answerable questions have.
USUAL_SIMILARITY = 0.34


def confidence(items: list[Item], words: list[Word], counts: list[int], everything: int) -> float:
    """0 to 1: how likely it is that the best sources answer the question."""
    if not items:
        return 0.0
    fits = sorted((item.fit for item in items), reverse=True)
    lead = fits[0] - (fits[FIELD - 1] if len(fits) >= FIELD else 0.0)
    similarity = max(item.similarity for item in items) or USUAL_SIMILARITY
    signs = (
        CONSTANT
        + RELEVANCE * items[0].relevance
        + SIMILARITY * similarity
        + LEAD * lead
        + UNKNOWN_NAMES * _unknown_names(words, counts, everything)
    )
    return round(1.0 / (1.0 + math.exp(-signs)), 4)


def _unknown_names(words: list[Word], counts: list[int], everything: int) -> float:
    """The share of the question, by rarity, that is names which nobody ever wrote."""
    worth = [rarity(count, everything) for count in counts]
    named = zip(worth, words, counts, strict=True) if counts else ()
    return sum(w for w, word, count in named if word.name and not count) / (sum(worth) or 1.0)
