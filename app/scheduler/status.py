"""What the jobs page shows: newest runs, counts and sizes, none of it counted row by row."""

from __future__ import annotations

import threading
import time
from typing import Any
from uuid import UUID

from app.db import Row, db, statements
from config.settings import Settings

sql = statements("scheduler")

CHUNK_STATES = ("pending", "processing", "ready", "failed")
ENTITIES = ("contacts", "conversations", "messages")
# The tables that grow with a project, and the counters of its rows in each.
TABLES = {
    "cw_contacts": ("contacts",),
    "cw_conversations": ("conversations",),
    "cw_messages": ("messages",),
    "rag_chunks": ("chunks",),
    "rag_vectors": ("chunks.ready",),
    "search_texts": (
        "messages",
        "issues",
        "attio_opportunities",
        "attio_accounts",
        "attio_people",
    ),
}


class Sizes:
    """The sizes of the installation's tables, asked for at most every half minute: the file system
    answers slowly, and they do not change quickly."""

    SECONDS = 30.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, list[Row]]] = {}

    def get(self) -> list[Row]:
        """A row a table: name, bytes, all_rows, database_bytes."""
        with self._lock:
            looked, rows = self._known.get(db.url, (0.0, []))
            if not rows or time.monotonic() - looked > self.SECONDS:
                with db.connection() as connection:
                    rows = sql.table_sizes(connection, names=list(TABLES))
                self._known[db.url] = (time.monotonic(), rows)
            return rows


sizes = Sizes()


def jobs_status(project_id: UUID, settings: Settings) -> dict[str, Any]:
    """The payload of GET /jobs/status."""
    with db.connection() as connection:
        jobs: list[Row] = sql.latest_runs(connection, project_id=project_id)
        counts = {
            row["name"]: row["value"] for row in sql.counters(connection, project_id=project_id)
        }
        watermarks: list[Row] = sql.watermarks(connection, project_id=project_id)
    chunks = {state: counts.get(f"chunks.{state}", 0) for state in CHUNK_STATES}
    return {
        "jobs": jobs,
        "rag_counts": chunks,
        "entities": {
            **{name: counts.get(name, 0) for name in ENTITIES},
            "rag_chunks": sum(chunks.values()),
        },
        "storage": storage(sizes.get(), counts, settings),
        "watermarks": watermarks,
    }


def storage(tables: list[Row], counts: dict[str, int], settings: Settings) -> dict[str, Any]:
    """Sizes in bytes and the share of the budget in percent. A project has the share of a table that
    it has of its rows."""
    budget = int(settings.storage_budget_gb * 1024**3)
    database = tables[0]["database_bytes"] if tables else 0
    shares = {row["name"]: _share(row, counts) for row in tables}
    used = round(100 * database / budget, 2)
    return {
        "database_bytes": database,
        "scoped_logical_bytes": sum(shares.values()),
        "budget_bytes": budget,
        "usage_percent": used,
        "warning": used >= settings.storage_alert_threshold_pct,
        "tables": shares,
    }


def _share(table: Row, counts: dict[str, int]) -> int:
    counters = TABLES[table["name"]]
    own = sum(
        value
        for name, value in counts.items()
        if any(name == counter or name.startswith(f"{counter}.") for counter in counters)
    )
    return int(table["bytes"] * own / max(table["all_rows"], own, 1))
