"""What the health and metrics routes report."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from flask import current_app
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.db import Unavailable, db, migrations, statements

sql = statements("system")


def readiness() -> dict[str, dict[str, Any]]:
    """One check a line: `{name: {ok, message}}`. Never raises."""
    try:
        with db.connection() as connection:
            row = sql.readiness(connection)
    except (Unavailable, psycopg.Error) as error:
        message = "Postgres cannot be reached" if isinstance(error, Unavailable) else str(error)
        return {"database": {"ok": False, "message": message}}
    newest = migrations.files()[-1].name
    late = row["oldest_queued_seconds"] or 0
    return {
        "database": {"ok": True, "message": "answers"},
        "migrations": {
            "ok": row["newest_migration"] == newest,
            "message": f"{row['newest_migration']} of {newest}",
        },
        "queue": {
            "ok": late < 300,
            "message": f"{row['queued']} waiting, the oldest for {late:.0f} s",
        },
    }


def metrics_text() -> bytes:
    """All processes' metrics where they share a folder, else this process's."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        own = current_app.extensions["prometheus"].registry
        return generate_latest(REGISTRY) + generate_latest(own)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)
