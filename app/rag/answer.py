"""A short answer built only of sentences from the evidence, each with its citation."""

from __future__ import annotations

import re
from typing import Any

from app.rag.retrieval.passages import SNIPPET
from app.rag.retrieval.ranking import Item
from app.rag.retrieval.words import Word, fold, is_russian

MOST_CITED = 3
LONGEST_SENTENCE = 320
ANSWER_LIMIT = 10_000
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
NEAR_THE_BEST = 0.8  # an item far behind the best one supports no sentence

NOTHING = {
    True: "Недостаточно данных: в проекте не нашлось сообщений, которые отвечают на этот вопрос.",
    False: "There is not enough evidence in this project to answer this question.",
}


def compose(
    question: str, items: list[Item], words: list[Word], stats: dict[str, int]
) -> tuple[str, list[dict[str, Any]]]:
    """The answer's text and its citations. Without evidence it says so, and cites nothing."""
    russian = is_russian(question)
    counts = _counts(stats, russian)
    if not items:
        return f"{NOTHING[russian]} {counts}", []
    cited = [
        item for item in items[:MOST_CITED] if item.relevance >= NEAR_THE_BEST * items[0].relevance
    ]
    lines = []
    for number, item in enumerate(cited, 1):
        lines.append(f"{best_sentence(item.passage, words)} [{number}]")
    sources = "; ".join(f"[{n}] {_source(item, russian)}" for n, item in enumerate(cited, 1))
    label = "Источники" if russian else "Sources"
    text = "\n".join([*lines, f"{label}: {sources}.", counts])
    return text[:ANSWER_LIMIT], [_citation(n, item) for n, item in enumerate(cited, 1)]


def best_sentence(passage: str, words: list[Word]) -> str:
    """The sentence with most of the question's words; the longest one when none has any."""
    sentences = [s.strip() for s in SENTENCE_END.split(passage) if s.strip()]
    if not sentences:
        return passage[:LONGEST_SENTENCE]

    def telling(sentence: str) -> tuple[int, int]:
        folded = fold(sentence)
        return sum(any(stem in folded for stem in word.stems) for word in words), len(sentence)

    best = max(sentences, key=telling)
    return best if len(best) <= LONGEST_SENTENCE else best[: LONGEST_SENTENCE - 1].rstrip() + "…"


def _source(item: Item, russian: bool) -> str:
    who = item.row["author"] or ("автор неизвестен" if russian else "unknown author")
    when = item.occurred_at
    return f"{who}, {when:%d.%m.%Y}" if when else str(who)


def _citation(number: int, item: Item) -> dict[str, Any]:
    return {
        "number": number,
        "source_url": item.row["source_url"],
        "source_system": "chatwoot",
        "source_type": item.source_type,
        "document_ref": item.source_pk,
        "snippet": item.passage[:SNIPPET],
        "author": item.row["author"],
        "created_at": item.occurred_at,
        "score": item.score,
    }


def _counts(stats: dict[str, int], russian: bool) -> str:
    if russian:
        return f"Найдено: фрагментов {stats['chunks']}, сообщений {stats['messages']}."
    return f"Found: {stats['chunks']} passages, {stats['messages']} messages."
