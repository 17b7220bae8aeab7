"""Measuring the search on labelled questions, through the code that answers them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from app.db import db, statements
from app.rag.retrieval.legs import Query
from app.rag.service import retrieve
from config.settings import Settings

sql = statements("retrieval")
LEGS = ("hybrid", "vector", "keyword")
DEPTH = 10


@dataclass(frozen=True)
class Labelled:
    """A question and the numbers of the messages that answer it."""

    id: str
    text: str
    pair: str  # language of the question, then of the answer: ru→en
    answers: frozenset[str]


@dataclass
class Figures:
    """hit@k: the share of questions with an answer among the first k. MRR: the mean of 1/rank."""

    count: int = 0
    first: int = 0
    in_five: int = 0
    reciprocal: float = 0.0

    def add(self, rank: int | None) -> None:
        self.count += 1
        if rank is not None:
            self.first += rank == 1
            self.in_five += rank <= 5
            self.reciprocal += 1 / rank

    def merge(self, other: Figures) -> None:
        self.count += other.count
        self.first += other.first
        self.in_five += other.in_five
        self.reciprocal += other.reciprocal

    @property
    def hit1(self) -> float:
        return self.first / self.count if self.count else 0.0

    @property
    def hit5(self) -> float:
        return self.in_five / self.count if self.count else 0.0

    @property
    def mrr(self) -> float:
        return self.reciprocal / self.count if self.count else 0.0


def load_questions(file: Path, numbers: dict[str, Any]) -> list[Labelled]:
    """Labelled questions of a YAML file; `numbers` maps its message keys to message numbers."""
    document = yaml.safe_load(file.read_text())
    return [
        Labelled(
            item["id"],
            item["question"],
            f"{item['language']}→{item['answer_language']}",
            frozenset(str(numbers[key]) for key in item["answers"]),
        )
        for item in document["questions"]
    ]


def rank_of(question: Labelled, project_id: UUID, leg: str, settings: Settings) -> int | None:
    """At which place the first right message stands, within the first ten."""
    with db.connection() as connection:
        context = sql.query_context(connection, project_id=project_id)
    query = Query(project_id, question.text, top_k=10, source_limit=8, mode=leg)
    items = retrieve(query, context, settings).items
    for place, item in enumerate(items[:DEPTH], 1):
        if item.row["source_ref"] in question.answers:
            return place
    return None


def evaluate(
    questions: list[Labelled], project_id: UUID, leg: str, settings: Settings
) -> dict[str, Figures]:
    """Figures by language pair, and over all of them."""
    figures: dict[str, Figures] = {}
    for question in questions:
        rank = rank_of(question, project_id, leg, settings)
        for name in (question.pair, "all"):
            figures.setdefault(name, Figures()).add(rank)
    return figures
