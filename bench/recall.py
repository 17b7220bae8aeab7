"""How much of the true nearest chunks the vector index finds, and how long it and a scan take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from flask import Flask

from app.db import Connection, db
from app.rag.embeddings import provider
from app.rag.models import model_number
from app.rag.question_vectors import as_text
from bench.place import measure_sql
from bench.texts import questions
from bench.timing import Timing, timing

WANTED = 30  # chunks that the application asks for when ten answers are wanted
FIRST = 10
SAME = 1e-6  # the two ways add up in different orders


@dataclass(frozen=True)
class Recall:
    """`at_10` and `at_30`: shares (0 to 1) of the exact first chunks that the index finds as well.
    `uses_index` is what the application does in a project of this size."""

    chunks: int
    uses_index: bool
    at_10: float
    at_30: float
    index: Timing
    scan: Timing


def recall(app: Flask, project: dict[str, Any], sample: int) -> Recall:
    """Ask so many questions both ways."""
    settings = app.config["SETTINGS"]
    encoder = provider(settings)
    shares: dict[int, list[float]] = {FIRST: [], WANTED: []}
    durations: dict[bool, list[float]] = {False: [], True: []}
    with app.app_context(), db.connection() as connection:
        asked = {
            "project_id": project["id"],
            "model_id": model_number(encoder),
            "dimensions": encoder.dimensions,
            "wanted": WANTED,
            "width": settings.search_hnsw_ef_search,
        }
        for text in questions(sample, seed=4):
            asked["vector"] = as_text(encoder.embed_query(text))
            found, true = (_nearest(connection, asked, how, durations) for how in (False, True))
            for depth, values in shares.items():
                values.append(_share(found[:depth], true[:depth]))
    return Recall(
        project["chunks"],
        project["chunks"] >= settings.search_exact_below,
        sum(shares[FIRST]) / sample,
        sum(shares[WANTED]) / sample,
        timing(durations[False], sum(durations[False]) / 1000),
        timing(durations[True], sum(durations[True]) / 1000),
    )


def _nearest(
    connection: Connection, asked: dict[str, Any], exact: bool, durations: dict[bool, list[float]]
) -> list[float]:
    """Distances, in their order."""
    started = time.perf_counter()
    rows = measure_sql.nearest(connection, exact=exact, **asked)
    durations[exact].append((time.perf_counter() - started) * 1000)
    return [row["distance"] for row in rows]


def _share(found: list[float], true: list[float]) -> float:
    """How many of the found ones are as near as the last of the true ones. Many chunks have the same text:
    of several that are equally near, either will do."""
    if not true:
        return 1.0
    return sum(distance <= true[-1] + SAME for distance in found) / len(true)
