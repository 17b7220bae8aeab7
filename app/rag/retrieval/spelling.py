"""Mistyped words of a question. A word that nobody wrote and that is in no glossary is taken for the one of
the project's that is spelled almost like it (догавор for договор)."""

from __future__ import annotations

import re
from dataclasses import replace

from app.rag.retrieval.legs import Found, LeftOut, Query, run_leg, sql
from app.rag.retrieval.words import Word, fold, in_other_language

SHORTEST = 5  # letters; of shorter words too many are alike
LOOKED_AT = 100  # sources that are read for words alike
LETTERS = re.compile(r"[^\W\d_]+")


def spelled_right(query: Query, worded: Found) -> tuple[Query, LeftOut | None]:
    """The question as it was meant, itself where nothing is mistyped, and why nobody looked for that.

    `worded` is what the word leg found by the words as they were typed.
    """
    if worded.warning:
        return query, None
    counts = worded.word_matches or [0] * len(query.words)
    counted = zip(query.words, counts, strict=True)
    doubtful = [word.text for word, count in counted if not count and _unknown(word)]
    if not doubtful:
        return query, None
    alike = run_leg(
        "spelling",
        sql.spelled_alike,
        project_id=query.project_id,
        words=doubtful,
        private=query.include_private,
        looked_at=LOOKED_AT,
    )
    meant = {row["mistyped"]: row["word"] for row in alike.rows}
    text = LETTERS.sub(lambda word: meant.get(fold(word.group()), word.group()), query.text)
    return (replace(query, text=text) if meant else query), alike.warning


def _unknown(word: Word) -> bool:
    """Whether it may be mistyped. A name that nobody wrote is somebody else's, not a wrong letter."""
    return (
        len(word.text) >= SHORTEST
        and word.text.isalpha()
        and not word.name
        and not in_other_language(word.stem)
    )
