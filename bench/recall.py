"""How much of the true nearest chunks the application's vector search finds."""

from __future__ import annotations

from uuid import UUID

from flask import Flask

from app.db import db
from app.rag.embeddings import provider
from app.rag.pipeline import as_text, model_number
from bench.place import measure_sql
from bench.texts import questions

WANTED = 60  # chunks that the application asks for when ten answers are wanted
FIRST = 10


def recall(app: Flask, project_id: UUID, chunks: int, sample: int) -> dict[str, float]:
    """Shares (0 to 1) of the exact first 10 and first 60 chunks that the search finds as well."""
    settings = app.config["SETTINGS"]
    encoder = provider(settings)
    shares: dict[str, list[float]] = {"recall@10": [], "recall@60": []}
    with app.app_context(), db.connection() as connection:
        model = model_number(encoder)
        for text in questions(sample, seed=4):
            vector = as_text(encoder.embed_query(text))
            found, exact = (
                [
                    row["chunk_id"]
                    for row in measure_sql.nearest(
                        connection, project_id=project_id, model_id=model, dimensions=encoder.dimensions,
                        vector=vector, wanted=WANTED, exact=how, width=settings.search_hnsw_ef_search,
                    )
                ]
                for how in (chunks < settings.search_exact_below, True)
            )  # fmt: skip
            for name, depth in (("recall@10", FIRST), ("recall@60", WANTED)):
                right = set(exact[:depth])
                shares[name].append(len(right & set(found[:depth])) / max(1, len(right)))
    return {name: sum(found) / len(found) for name, found in shares.items()}
