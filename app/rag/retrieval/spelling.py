"""Mistyped words of a question. A word that nobody wrote and that is in no glossary is taken for the one of
the project's that is spelled almost like it (догавор for договор)."""

from __future__ import annotations

from dataclasses import replace

from app.rag.retrieval.legs import Found, Query, by_words, run_leg, sql
from app.rag.retrieval.words import Word, in_other_language

SHORTEST = 5  # letters; of shorter words too many are alike
LOOKED_AT = 100  # sources that are read for words alike


def spelled_right(query: Query, words: list[Word], worded: Found) -> tuple[list[Word], Found]:
    """The words as they were meant, and what the word leg finds by them.

    `worded` is what it found by the words as they were typed, which stays where nothing is mistyped.
    """
    if worded.warning:
        return words, worded
    counts = worded.rows[0]["word_matches"] if worded.rows else [0] * len(words)
    doubtful = [
        word.text for word, count in zip(words, counts, strict=True) if not count and _unknown(word)
    ]
    alike = _spelled_alike(query, doubtful) if doubtful else Found()
    if not alike.rows:
        return words, Found(worded.rows, alike.warning)
    meant = {row["mistyped"]: row["word"] for row in alike.rows}
    words = [
        replace(word, also=(*word.also, meant[word.text])) if word.text in meant else word
        for word in words
    ]
    return words, by_words(query, words)


def _unknown(word: Word) -> bool:
    """Whether it may be mistyped. A name that nobody wrote is somebody else's, not a wrong letter."""
    return (
        len(word.text) >= SHORTEST
        and word.text.isalpha()
        and not word.name
        and not in_other_language(word.stem)
    )


def _spelled_alike(query: Query, mistyped: list[str]) -> Found:
    return run_leg(
        "spelling",
        sql.spelled_alike,
        project_id=query.project_id,
        words=mistyped,
        private=query.include_private,
        looked_at=LOOKED_AT,
    )
