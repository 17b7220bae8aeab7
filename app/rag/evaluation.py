"""Measuring the search on labelled questions, through the code that answers them.

hit@k is the share of questions with a right source among the first k; MRR the mean of 1/rank of the
first right one (0 beyond the tenth); `declined` the share of unanswerable questions that are told so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from app.db import Row, db, statements
from app.rag.retrieval.legs import Query
from app.rag.retrieval.words import is_russian
from app.rag.service import Retrieved, retrieve
from config.settings import Settings, load

sql = statements("retrieval")
LEGS = ("hybrid", "vector", "keyword")
DEPTH = 10
# How a labelled file names a source: `issue:<ref>`, and a message by its key or `message:<number>`.
KINDS = {
    "message": "chatwoot_message",
    "issue": "linear_issue",
    "deal": "attio_opportunity",
    "note": "attio_note",
    "person": "attio_person",
    "company": "attio_account",
}
Source = tuple[str, str]  # source type and source_ref


@dataclass(frozen=True)
class Labelled:
    """A question and the sources that answer it, each by itself; none when the data cannot."""

    id: str
    text: str
    pair: str  # language of the question, then of the answer: ru→en
    answers: frozenset[Source]
    split: str = ""


@dataclass
class Figures:
    """What came of a group of questions."""

    ranks: list[int | None] = field(default_factory=list)
    declined: list[bool] = field(default_factory=list)  # of unanswerable questions
    refused: list[bool] = field(default_factory=list)  # of answerable ones
    seconds: list[float] = field(default_factory=list)

    def merge(self, other: Figures) -> None:
        self.ranks += other.ranks
        self.declined += other.declined
        self.refused += other.refused
        self.seconds += other.seconds

    @property
    def count(self) -> int:
        return len(self.ranks) + len(self.declined)

    def hit(self, k: int) -> float:
        return _share(rank is not None and rank <= k for rank in self.ranks)

    @property
    def mrr(self) -> float:
        return sum(1 / rank for rank in self.ranks if rank) / max(1, len(self.ranks))

    @property
    def declined_share(self) -> float:
        return _share(self.declined)

    @property
    def refused_share(self) -> float:
        return _share(self.refused)

    def latency(self, share: float) -> float:
        """Seconds within which `share` of the questions were answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

    def __str__(self) -> str:
        shown = f"{self.count:3} questions"
        if self.ranks:
            shown += f"  hit@1 {self.hit(1):.2f}  hit@5 {self.hit(5):.2f}  MRR {self.mrr:.2f}"
            shown += f"  wrongly declined {self.refused_share:.2f}"
        return shown + (f"  declined {self.declined_share:.2f}" if self.declined else "")


def load_questions(file: Path, refs: dict[str, Any] | None = None) -> list[Labelled]:
    """Labelled questions of a YAML file; `refs` maps its keys to the sources' own references."""
    document = yaml.safe_load(file.read_text())
    return [
        Labelled(
            item["id"],
            item["question"],
            f"{item['language']}→{item['answer_language']}" if item.get("answers") else "–",
            frozenset(source_of(key, refs or {}) for key in item.get("answers", ())),
            item.get("split", ""),
        )
        for item in document["questions"]
    ]


def source_of(key: str, refs: dict[str, Any]) -> Source:
    """The source that a key names: `issue:FLT-61`, `message:1204`, or a bare key of a message.

    Raises ValueError when the kind or the message is unknown.
    """
    kind, separator, name = key.partition(":")
    if not separator:
        kind, name = "message", key
    if kind not in KINDS:
        raise ValueError(f"{key!r} names no source: kinds are {', '.join(KINDS)}")
    ref = str(refs.get(key, name))
    if kind == "message" and not ref.isdecimal():
        raise ValueError(f"{key!r} is no number of a message, and no key that stands for one")
    return KINDS[kind], ref


def evaluate(
    questions: Iterable[Labelled], project_id: UUID, leg: str, settings: Settings,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Figures]:  # fmt: skip
    """Figures by language pair, and over all of them. `tick` is called after each question."""
    figures: dict[str, Figures] = {}
    with db.connection() as connection:
        context = sql.query_context(connection, project_id=project_id)
    for question in questions:
        query = Query(project_id, question.text, top_k=10, source_limit=8, mode=leg)
        started = time.perf_counter()
        found = retrieve(query, context, settings)
        seconds = time.perf_counter() - started
        for name in (question.pair, "all"):
            _note(figures.setdefault(name, Figures()), question, found, seconds)
        tick()
    return figures


def _note(figures: Figures, question: Labelled, found: Retrieved, seconds: float) -> None:
    figures.seconds.append(seconds)
    if not question.answers:
        figures.declined.append(not found.sufficient)
        return
    figures.refused.append(not found.sufficient)
    figures.ranks.append(
        next(
            (
                place
                for place, item in enumerate(found.items[:DEPTH], 1)
                if (item.source_type, item.row["source_ref"]) in question.answers
            ),
            None,
        )
    )


def configured(settings: Settings, changes: str) -> Settings:
    """These settings with some replaced, as in `SEARCH_WEIGHT_REPLY=0,SEARCH_EXACT_BELOW=0`.

    Raises ValueError, in words.
    """
    given = {}
    for part in filter(None, (part.strip() for part in changes.split(","))):
        name, separator, value = part.partition("=")
        if not separator or not hasattr(settings, name.lower()):
            raise ValueError(f"{part!r} should read as SETTING=value")
        given[name.upper()] = value
    kept = {
        f.name: getattr(settings, f.name) for f in fields(settings) if f.name.upper() not in given
    }
    return load(given, **kept)


def as_labelled(row: Row) -> dict[str, Any]:
    """A liked answer as a labelled question: what it cited is taken for what answers."""
    kinds = {source_type: kind for kind, source_type in KINDS.items()}
    language = "ru" if is_russian(row["query_text"]) else "en"
    return {
        "id": f"run-{row['id']}",
        "language": language,
        "answer_language": "ru" if is_russian(row["cited"][0]["snippet"]) else "en",
        "question": row["query_text"],
        "answers": [
            f"{kinds[cited['source_type']]}:{cited['source_ref']}" for cited in row["cited"]
        ],
    }


def _share(found: Iterable[bool]) -> float:
    given = list(found)
    return sum(given) / len(given) if given else 0.0
