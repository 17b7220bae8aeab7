"""Searches as the server records them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from psycopg.types.json import Jsonb

from app.db import db, statements
from app.search.texts import normalised
from tests.conftest import Browser


@pytest.fixture
def searched(app: Flask, project: dict[str, Any], database_url: str) -> Callable[..., str]:
    """Somebody has searched; the number of the run. Written as the search itself writes it."""

    def record(
        query: str,
        who: Browser,
        results: int = 3,
        at: str | datetime | None = None,
        project_id: str = "",
        quality: int = 50,
        ms: int = 100,
    ) -> str:
        user_id = who.get("/auth/me").get_json()["user_id"]
        with app.app_context(), db.connection() as connection:
            run: str = statements("retrieval").record_run(
                connection,
                project_id=UUID(project_id or project["id"]),
                user_id=UUID(user_id),
                created_by="somebody",
                query_text=query,
                query_norm=normalised(query),
                mode="hybrid",
                filters=Jsonb({"sourceFilter": None, "topK": 10, "dateFrom": None, "dateTo": None}),
                top_k=10,
                chunk_hits=0,
                source_hits=results,
                evidence=Jsonb([]),
                answer="answer",
                quality_score=quality,
                source_diversity=1,
                cached=False,
                degraded=False,
                embedding_model_id=None,
                duration_ms=ms,
                result_count=results,
            )
        if at is not None:
            with psycopg.connect(database_url) as direct:
                direct.execute(
                    "UPDATE search_analytics SET created_at = %s WHERE query_run_id = %s", (at, run)
                )
                direct.execute(
                    "UPDATE lightrag_query_runs SET created_at = %s WHERE id = %s", (at, run)
                )
        return run

    return record
