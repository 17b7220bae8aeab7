"""What the health and metrics routes report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
from flask import current_app
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.db import Row, Unavailable, db, migrations, statements

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
    stored = CollectorRegistry()
    stored.register(StoredGauges())
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        own = current_app.extensions["prometheus"].registry
        return generate_latest(REGISTRY) + generate_latest(own) + generate_latest(stored)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry) + generate_latest(stored)


class StoredGauges(Collector):
    """What no process counts, since it stands in Postgres. None of it while Postgres is away: the rest of
    the metrics is wanted then most of all."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            with db.connection() as connection:
                rows: list[Row] = sql.connector_gauges(connection)
                embeddings: list[Row] = sql.embedding_gauges(connection)
        except (Unavailable, psycopg.Error):
            return
        lag = GaugeMetricFamily(
            "app_connector_sync_lag_seconds",
            "Age of the oldest data of any project",
            labels=["connector"],
        )
        errors = GaugeMetricFamily(
            "app_connector_errors_open",
            "Errors that are not resolved",
            labels=["connector", "kind", "status"],
        )
        breakers = GaugeMetricFamily(
            "app_circuit_breaker_state", "Connections by state", labels=["host", "state"]
        )
        failures = GaugeMetricFamily(
            "app_circuit_breaker_failures", "Most failures in a row", labels=["host"]
        )
        worst: dict[str, float] = {}
        for row in rows:
            if row["gauge"] == "lag":
                lag.add_metric([row["place"]], row["value"])
            elif row["gauge"] == "errors":
                errors.add_metric([row["place"], row["kind"], row["status"]], row["value"])
            else:
                breakers.add_metric([row["place"], row["status"]], row["value"])
                worst[row["place"]] = max(worst.get(row["place"], 0.0), row["failures"])
        for host, most in worst.items():
            failures.add_metric([host], most)
        yield from (lag, errors, breakers, failures)
        yield from _embeddings(embeddings)


def _embeddings(rows: list[Row]) -> Iterator[GaugeMetricFamily]:
    chunks = GaugeMetricFamily(
        "app_embedding_chunks", "Chunks of all projects by state", labels=["state"]
    )
    oldest = GaugeMetricFamily(
        "app_embedding_oldest_pending_seconds", "Since when the oldest chunk waits for its vector"
    )
    for row in rows:
        chunks.add_metric([row["state"]], row["chunks"])
    oldest.add_metric([], max((row["oldest_seconds"] or 0.0 for row in rows), default=0.0))
    yield from (chunks, oldest)
