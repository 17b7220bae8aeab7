"""Vectors of questions: remembered, so that asking again costs nothing, and counted when paid for."""

from __future__ import annotations

import hashlib
import threading
import unicodedata
from collections import OrderedDict
from uuid import UUID

import numpy as np
import orjson
from numpy.typing import ArrayLike, NDArray

from app.db import db, statements
from app.rag.chunking import estimate_tokens
from app.rag.embeddings import ProviderError
from app.rag.embeddings.answers import towards_answers
from app.rag.models import Model
from config.settings import Settings

sql = statements("rag")

Halves = NDArray[np.float16]  # the exactness that the database keeps

MOST_KEPT = 2000  # remembered by a process
HOURS_KEPT = 24  # remembered by the database


class Remembered:
    """Vectors of recent questions, by model and text."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[str, str], Halves] = OrderedDict()

    def get(self, identity: str, text: str) -> Halves | None:
        with self._lock:
            found = self._vectors.get((identity, text))
            if found is not None:
                self._vectors.move_to_end((identity, text))
        return found

    def put(self, identity: str, text: str, vector: Halves) -> None:
        with self._lock:
            self._vectors[(identity, text)] = vector
            if len(self._vectors) > self._most:
                self._vectors.popitem(last=False)


_remembered = Remembered(MOST_KEPT)


def as_text(vector: ArrayLike) -> str:
    """A vector as pgvector reads it, as exact as it keeps it."""
    return orjson.dumps(
        np.asarray(vector, dtype=np.float16), option=orjson.OPT_SERIALIZE_NUMPY
    ).decode()


def question_vector(project_id: UUID, text: str, model: Model, settings: Settings) -> str:
    """The question's vector as pgvector reads it. Raises ProviderError."""
    if model.encoder.paid:
        return _paid_vector(project_id, text, model, settings)
    vector = _remembered.get(model.encoder.identity, text)
    if vector is None:
        vector = np.asarray(model.encoder.embed_query(text), dtype=np.float16)
        _remembered.put(model.encoder.identity, text, vector)
    return as_text(towards_answers(vector) if settings.search_towards_answers else vector)


def _paid_vector(project_id: UUID, text: str, model: Model, settings: Settings) -> str:
    """From the database when it was paid for within a day, else from the provider and the budget."""
    normal = " ".join(unicodedata.normalize("NFKC", text).split())
    key = {
        "project_id": project_id,
        "model_id": model.id,
        "text_hash": hashlib.sha256(normal.encode()).digest(),
    }
    with db.connection() as connection:
        known = sql.remembered_question(connection, **key, hours=HOURS_KEPT)
    if known["vector"] is not None:
        return str(known["vector"])
    tokens = estimate_tokens(normal)
    if known["tokens_today"] + tokens > settings.embed_tokens_per_day:
        raise ProviderError("budget", "the project's tokens of this day are used up")
    vector = as_text(model.encoder.embed_query(normal))
    with db.connection() as connection:
        sql.remember_question(connection, **key, vector=vector, tokens=tokens)
    return vector
