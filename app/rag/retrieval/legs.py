"""The ways to find something: by meaning (vectors) and by words. Each leg stands alone, has its own
connection and time limit, and may fail without the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson
import psycopg
import structlog
from psycopg.types.json import Jsonb

from app import metrics
from app.db import Row, Unavailable, db, statements
from app.rag.embeddings import ProviderError
from app.rag.models import searchable_model
from app.rag.question_vectors import question_vector
from app.rag.retrieval.words import Word, words_of
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("retrieval")

MATCHES_PER_WORD = 200
OFTEN = 20  # sources of the sample (every 32nd) that have a common word
RARE = 20  # a word with fewer matches is also looked for inside longer words
CANDIDATES = 30  # of the keyword leg, if not more answers are wanted
NEIGHBOURS = 2  # messages before and after one that was found


@dataclass(frozen=True)
class Query:
    """A checked question. `sources` are source types; None means all of them."""

    project_id: UUID
    text: str
    top_k: int
    source_limit: int
    sources: frozenset[str] | None = None
    since: datetime | None = None
    before: datetime | None = None
    mode: str = "hybrid"
    include_private: bool = False

    @cached_property
    def words(self) -> list[Word]:
        """The words of the question worth looking for."""
        return words_of(self.text)

    @property
    def source_list(self) -> list[str] | None:
        return None if self.sources is None else sorted(self.sources)


LEGS = {
    "vector": ("Поиск по смыслу не участвовал в ответе", "Search by meaning was left out"),
    "keyword": ("Поиск по словам не участвовал в ответе", "Search by words was left out"),
    "spelling": ("Опечатки не проверены", "Spelling was not looked at"),
    "evidence": ("Найденное не удалось прочитать", "What was found could not be read"),
    "names": ("Имена в найденном не определены", "Names were not looked up"),
}


@dataclass(frozen=True)
class LeftOut:
    """A leg that does not contribute, and the technical reason."""

    leg: str
    reason: str

    def told(self, russian: bool) -> str:
        """For whoever asked, in the language of the question."""
        return f"{LEGS[self.leg][0 if russian else 1]} ({self.reason})."


@dataclass
class Found:
    """What a leg found, or why it did not look."""

    rows: list[Row] = field(default_factory=list)
    warning: LeftOut | None = None

    @property
    def word_matches(self) -> list[int]:
        """Of the leg by words: how often each word was found. Empty when no source has any of them."""
        return self.rows[0]["word_matches"] if self.rows else []


@dataclass(frozen=True)
class Direction:
    """Where the question points: its vector, as pgvector reads it, and the model it belongs to."""

    vector: str
    model_id: int
    dimensions: int


def direction_of(query: Query, context: Row, settings: Settings) -> Direction:
    """The question's vector, of the model that the project is searched by. Raises ProviderError."""
    model = searchable_model(context, settings)
    vector = question_vector(query.project_id, query.text, model, settings)
    return Direction(vector, model.id, model.encoder.dimensions)


def by_meaning(
    query: Query, towards: Direction, wanted: int, ready_chunks: int, settings: Settings
) -> Found:
    """The nearest chunks with their cosine distance, nearest first."""
    return run_leg(
        "vector",
        sql.nearest_chunks,
        project_id=query.project_id,
        model_id=towards.model_id,
        dimensions=towards.dimensions,
        vector=towards.vector,
        wanted=wanted,
        exact=ready_chunks < settings.search_exact_below,
        ef_search=settings.search_hnsw_ef_search,
        sources=query.source_list,
        since=query.since,
        before=query.before,
    )


def by_words(query: Query, words: list[Word]) -> Found:
    """Sources that contain words of the question, with which ones and how rare each is."""
    return run_leg(
        "keyword",
        sql.sources_with_words,
        project_id=query.project_id,
        sources=query.source_list,
        since=query.since,
        before=query.before,
        private=query.include_private,
        per_word=MATCHES_PER_WORD,
        often=OFTEN,
        rare=RARE,
        most=max(CANDIDATES, query.top_k),
        words=as_json(words),
    )


def look_closer(
    query: Query, towards: Direction | None, words: list[Word], counts: list[int],
    refs: list[tuple[str, str]],
) -> Found:  # fmt: skip
    """The sources named by (type, key), each message with its neighbours, with what ranking asks for.

    `counts` tells how often each word was found: only rare ones are looked for inside longer words.
    """
    messages = [key for kind, key in refs if kind == "chatwoot_message"]
    others = [key for kind, key in refs if kind != "chatwoot_message"]
    return run_leg(
        "evidence",
        sql.look_closer,
        project_id=query.project_id,
        message_ids=messages,
        document_ids=others,
        vector=towards.vector if towards else None,
        model_id=towards.model_id if towards else None,
        private=query.include_private,
        neighbours=NEIGHBOURS,
        words=as_json(words, [count < RARE for count in counts]),
    )


def as_json(words: list[Word], in_parts: list[bool] | None = None) -> Jsonb:
    """Words as the statements take them. `in_parts` says which are also looked for inside longer words;
    without it all are."""
    return Jsonb(
        [
            {
                "number": number,
                "forms": word.forms,
                "exact": [word.pattern] if word.pattern else [],
                "parts": word.part_patterns if parts else [],
            }
            for number, (word, parts) in enumerate(
                zip(words, in_parts or [True] * len(words), strict=True), 1
            )
        ],
        dumps=orjson.dumps,
    )


def run_leg(leg: str, statement: Callable[..., list[Row]], **parameters: Any) -> Found:
    """A search within its time limit. One that takes longer is left out, with a warning."""
    try:
        with db.search_connection() as connection:
            return Found(statement(connection, **parameters))
    except (psycopg.errors.QueryCanceled, Unavailable) as error:
        return dropped(leg, type(error).__name__)


def dropped(leg: str, reason: str) -> Found:
    """What is told of a leg that was left out."""
    metrics.DEGRADED_ANSWERS.labels(leg).inc()
    log.warning("leg_dropped", leg=leg, reason=reason)
    return Found(warning=LeftOut(leg, reason))


def without_direction(error: ProviderError) -> Found:
    return dropped("vector", f"embedding provider: {error.kind}")


class Side:
    """A search beside the caller: a greenlet under gevent, a thread elsewhere."""

    def __init__(self, leg: str, search: Callable[..., Found], *arguments: object) -> None:
        self._leg = leg
        self._found: Found | None = None
        self._thread = threading.Thread(target=self._run, args=(search, arguments), daemon=True)
        self._thread.start()

    def _run(self, search: Callable[..., Found], arguments: tuple[object, ...]) -> None:
        try:
            self._found = search(*arguments)
        except Exception as error:
            log.error("leg_failed", leg=self._leg, error_type=type(error).__name__, exc_info=error)
            self._found = dropped(self._leg, type(error).__name__)

    def wait(self, deadline: float) -> Found:
        """What it found, or a warning when it is not done by `deadline` (time.monotonic())."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._found or dropped(self._leg, "too slow")
