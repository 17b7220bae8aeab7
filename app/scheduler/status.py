"""What the jobs page shows: newest runs, counts and sizes, none of it counted row by row."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.db import Row, db, statements
from config.settings import Settings

sql = statements("scheduler")

CHUNK_STATES = ("pending", "processing", "ready", "failed")
ENTITIES = ("contacts", "conversations", "messages")


def jobs_status(project_id: UUID, settings: Settings) -> dict[str, Any]:
    """The payload of GET /jobs/status."""
    with db.connection() as connection:
        jobs: list[Row] = sql.latest_runs(connection, project_id=project_id)
        counts = {
            row["name"]: row["value"] for row in sql.counters(connection, project_id=project_id)
        }
        sizes = sql.storage(connection, project_id=project_id)
        watermarks: list[Row] = sql.watermarks(connection, project_id=project_id)
    chunks = {state: counts.get(f"chunks.{state}", 0) for state in CHUNK_STATES}
    return {
        "jobs": jobs,
        "rag_counts": chunks,
        "entities": {
            **{name: counts.get(name, 0) for name in ENTITIES},
            "rag_chunks": sum(chunks.values()),
        },
        "storage": storage(sizes, settings),
        "watermarks": watermarks,
    }


def storage(sizes: list[Row], settings: Settings) -> dict[str, Any]:
    """Sizes in bytes and the share of the budget in percent."""
    budget = int(settings.storage_budget_gb * 1024**3)
    database = sizes[0]["database_bytes"] if sizes else 0
    tables = {row["name"]: _share(row) for row in sizes}
    used = round(100 * database / budget, 2)
    return {
        "database_bytes": database,
        "scoped_logical_bytes": sum(tables.values()),
        "budget_bytes": budget,
        "usage_percent": used,
        "warning": used >= settings.storage_alert_threshold_pct,
        "tables": tables,
    }


def _share(row: Row) -> int:
    """The project's part of a table: its size by the share of rows."""
    own = row["own_rows"] or 0
    everybody = max(row["all_rows"], own, 1)
    return int(row["bytes"] * own / everybody)
