"""The ways to find something: by meaning (vectors) and by words. Each leg stands alone, has its own
connection and deadline, and may fail without the others."""

from __future__ import annotations

import math
import threading
import time
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg
import structlog

from app import metrics
from app.db import Row, Unavailable, db, statements
from app.rag.embeddings import ProviderError, Vector, provider
from app.rag.pipeline import as_text, model_number
from app.rag.retrieval.words import Word
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("retrieval")

MATCHES_PER_WORD = 300
VECTORS_KEPT = 2000  # question vectors remembered by a process


@dataclass(frozen=True)
class Query:
    """A checked question. `sources` None means all of them."""

    project_id: UUID
    text: str
    top_k: int
    source_limit: int
    sources: frozenset[str] | None = None
    since: datetime | None = None
    before: datetime | None = None
    mode: str = "hybrid"
    include_private: bool = False


@dataclass
class Found:
    """What a leg found, or why it did not look."""

    rows: list[Row] = field(default_factory=list)
    warning: str | None = None


class Remembered:
    """Vectors of recent questions, so that asking again costs nothing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[str, str], array[float]] = OrderedDict()

    def get(self, identity: str, text: str) -> Vector | None:
        with self._lock:
            found = self._vectors.get((identity, text))
            if found is None:
                return None
            self._vectors.move_to_end((identity, text))
        return found.tolist()

    def put(self, identity: str, text: str, vector: Vector) -> None:
        with self._lock:
            self._vectors[(identity, text)] = array("f", vector)
            if len(self._vectors) > self._most:
                self._vectors.popitem(last=False)


_remembered = Remembered(VECTORS_KEPT)
_models: dict[tuple[str, str], int] = {}  # by database and encoder


def by_meaning(query: Query, wanted: int, ready_chunks: int, settings: Settings) -> Found:
    """The nearest chunks with their cosine distance, nearest first."""
    try:
        encoder = provider(settings)
        model = (db.url, encoder.identity)
        if model not in _models:
            _models[model] = model_number(encoder)
        vector = _remembered.get(encoder.identity, query.text)
        if vector is None:
            vector = encoder.embed_query(query.text)
            _remembered.put(encoder.identity, query.text, vector)
        with db.transaction() as tx:
            sql.set_leg_timeout(tx, milliseconds=str(settings.search_leg_timeout_ms))
            rows = sql.nearest_chunks(
                tx,
                project_id=query.project_id,
                model_id=_models[model],
                dimensions=encoder.dimensions,
                vector=as_text(vector),
                wanted=wanted,
                exact=ready_chunks < settings.search_exact_below,
                ef_search=settings.search_hnsw_ef_search,
                sources=None,
                since=query.since,
                before=query.before,
            )
        return Found(rows)
    except ProviderError as error:
        return _dropped("vector", f"embedding provider: {error.kind}")
    except (psycopg.errors.QueryCanceled, Unavailable) as error:
        return _dropped("vector", type(error).__name__)


def by_words(query: Query, words: list[Word], settings: Settings) -> Found:
    """Messages that contain words of the question, with which ones and how rare each is."""
    if not words:
        return Found()
    try:
        with db.transaction() as tx:
            sql.set_leg_timeout(tx, milliseconds=str(settings.search_leg_timeout_ms))
            rows = sql.messages_with_words(
                tx,
                project_id=query.project_id,
                numbers=[n for n, word in enumerate(words, 1) for _ in word.forms],
                forms=[form for word in words for form in word.forms],
                exact_numbers=[n for n, word in enumerate(words, 1) if word.pattern],
                exact_patterns=[word.pattern for word in words if word.pattern],
                per_word=MATCHES_PER_WORD,
                since=query.since,
                before=query.before,
                most=max(4 * query.source_limit, 50),
            )
        return Found(rows)
    except (psycopg.errors.QueryCanceled, Unavailable) as error:
        return _dropped("keyword", type(error).__name__)


def _dropped(leg: str, reason: str) -> Found:
    metrics.DEGRADED_ANSWERS.labels(leg).inc()
    log.warning("leg_dropped", leg=leg, reason=reason)
    return Found(warning=f"{leg} search was left out ({reason})")


def rarity(matches: int, everything: int) -> float:
    """How much a word tells: the logarithm of how few have it (inverse document frequency)."""
    return math.log(1 + max(everything, 1) / max(matches, 1))


class Side:
    """A leg that runs beside the caller: a greenlet under gevent, a thread elsewhere."""

    def __init__(self, leg: object, *arguments: object) -> None:
        self._found: Found | None = None
        self._thread = threading.Thread(target=self._run, args=(leg, arguments), daemon=True)
        self._thread.start()

    def _run(self, leg: object, arguments: tuple[object, ...]) -> None:
        assert callable(leg)
        try:
            self._found = leg(*arguments)
        except Exception as error:
            log.error("leg_failed", error_type=type(error).__name__, exc_info=error)
            self._found = Found(warning=f"a leg of the search failed ({type(error).__name__})")

    def wait(self, deadline: float) -> Found:
        """What it found, or a warning when it is not done by `deadline` (time.monotonic())."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._found or Found(warning="a leg of the search was too slow")
