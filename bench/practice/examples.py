"""Labelled questions with everything that ranking sees of every source of their project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import aiosql
import numpy as np
import orjson
from numpy.typing import NDArray

from app.db import db, statements
from app.db.statements import MeasuredAdapter
from app.rag.evaluation import Labelled
from app.rag.retrieval.legs import Query, by_words, direction_of, look_closer
from app.rag.retrieval.ranking import Item, rank
from bench.place import FOLDER
from config.settings import Settings

Floats = NDArray[np.float32]

retrieval_sql = statements("retrieval")
sql: Any = aiosql.from_path(FOLDER / "practice" / "practice.sql", MeasuredAdapter)


@dataclass(frozen=True)
class Example:
    """A question's vector (512), the vector of each source's nearest chunk (n×512), the other signs of each
    source (n×7, named as in `weights_of`, without the similarity), and which of the sources answer (n)."""

    question: Floats
    sources: Floats
    signs: Floats
    right: NDArray[np.bool_]


def examples_of(
    project_id: UUID, questions: list[Labelled], settings: Settings
) -> Iterator[Example]:
    """One for each question that some source answers."""
    plain = replace(settings, search_towards_answers=False, search_min_relevance=0.0)
    with db.connection() as connection:
        context = retrieval_sql.query_context(connection, project_id=project_id)
        refs = [
            tuple(row.values()) for row in sql.public_sources(connection, project_id=project_id)
        ]
        vectors: dict[tuple[str, str], list[Any]] = {}
        for row in sql.chunk_vectors(connection, project_id=project_id):
            ref = (row["source_type"], row["source_pk"])
            vectors.setdefault(ref, []).append(orjson.loads(row["vector"]))
    lengths = {ref: np.array(found, dtype=np.float32) for ref, found in vectors.items()}
    for asked in questions:
        query = Query(project_id, asked.text, top_k=10, source_limit=10)
        towards = direction_of(query, context, plain)
        words = query.words
        counts = by_words(query, words).word_matches if words else []
        rows = look_closer(query, towards, words, counts, refs).rows
        items = rank(asked.text, rows, [], counts, context["sources"], plain)
        example = _example(np.array(orjson.loads(towards.vector)), items, lengths, asked)
        if example.right.any():
            yield example


def _example(
    question: Any, items: list[Item], vectors: dict[tuple[str, str], Floats], asked: Labelled
) -> Example:
    return Example(
        question=question.astype(np.float32),
        sources=np.array([_nearest(question, vectors.get((i.source_type, i.source_pk))) for i in items]),
        signs=np.array([list(item.signs.values())[1:] for item in items], dtype=np.float32),
        right=np.array([(i.source_type, i.row["source_ref"]) in asked.answers for i in items]),
    )  # fmt: skip


def _nearest(question: Any, chunks: Floats | None) -> Floats:
    """The nearest chunk of a source; nothing for a text too short to be embedded by itself."""
    if chunks is None:
        return np.zeros_like(question, dtype=np.float32)
    nearest: Floats = chunks[(chunks @ question).argmax()]
    return nearest
