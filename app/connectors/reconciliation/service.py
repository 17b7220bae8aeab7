"""Reconciliation: the vendors are asked what they have, and it is compared with what is here.

A vendor that cannot be asked is left out of a run, and its last figures stand: that it is away says
nothing about what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from app.audit import service as audit
from app.connectors import connections
from app.connectors.breaker import Breaker
from app.connectors.census import Patience, Upstream
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.connectors.reconciliation.measures import MEASURES, Measure, portfolio_pct
from app.connectors.vendors import VENDORS
from app.crypto import SecretUnreadable
from app.db import Connection as Tx
from app.db import Row, db, statements
from app.events import service as events
from app.scheduler.context import JobResult, RunContext
from app.web.responses import dump_json

log = structlog.get_logger(__name__)
sql = statements("reconciliation")

JOB = "connectors_reconciliation_daily"
RULE = "completeness_under_threshold"


@dataclass(frozen=True)
class Skipped:
    """A connector that could not be counted, and why."""

    connector: str
    error_kind: str
    reason: str


def run_reconciliation(context: RunContext) -> JobResult:
    """Count every connected vendor of the project, and write what was found in one transaction."""
    counted: list[tuple[Connection, list[Upstream]]] = []
    skipped: list[Skipped] = []
    for connector in VENDORS:
        try:
            connection = _ready(context.project_id, connector)
            if connection is not None:
                context.progress(connector=connector)
                counted.append((connection, _count_upstream(connection, context)))
        except (ConnectorError, SecretUnreadable) as error:
            kind = error.kind if isinstance(error, ConnectorError) else "config_missing"
            log.warning("connector_not_counted", connector=connector, kind=kind)
            skipped.append(Skipped(connector, kind, str(error)))
    source = "daily_job" if context.trigger == "schedule" else "manual"
    with db.transaction() as tx:
        result = _write(tx, context, source, counted)
    first = skipped[0] if skipped else None
    return JobResult(
        status="completed" if first is None else "partial" if counted else "failed",
        processed_count=len(result["metrics"]),
        result=result | {"skipped": [vars(one) for one in skipped]},
        error_kind=first.error_kind if first else None,
        error=f"{first.connector} was not counted: {first.reason}" if first else None,
    )


def _ready(project_id: UUID, connector: str) -> Connection | None:
    """The connection, if there is one that may be called. Raises ConnectorError for one that waits for
    a person."""
    connection = connections.find(project_id, connector)
    if connection is not None and connection.health == "needs_attention":
        raise ConnectorError("config_missing", "its connection needs attention")
    return connection


def _count_upstream(connection: Connection, context: RunContext) -> list[Upstream]:
    settings = context.settings
    vendor = VENDORS[connection.connector]
    breaker = Breaker(connection.project_id, connection.id, connection.base_url, settings)
    reader = vendor.open(connection, settings, breaker, context.check)
    try:
        return list(vendor.census(reader, Patience(settings.connector_run_seconds, context.check)))
    finally:
        reader.close()


def _write(
    tx: Tx, context: RunContext, source: str, counted: list[tuple[Connection, list[Upstream]]]
) -> dict[str, Any]:
    """Compare, store, and tell what has dropped or recovered. Answers the run's result."""
    threshold = context.settings.connector_reconciliation_min_completeness_pct
    metrics = []
    for connection, kinds in counted:
        measure = MEASURES[connection.connector](
            tx, connection, {found.kind: found for found in kinds}
        )
        standing: Row = sql.standing(
            tx, project_id=connection.project_id, connector=connection.connector
        )
        metrics.append(_metric(measure, standing, threshold))
    summary = _summary(metrics)
    stored: list[Row] = []
    if metrics:
        was_below = _were_below(tx, context)
        portfolio = {
            "connector": "portfolio",
            **summary,
            "below_threshold": summary["completeness_pct"] < threshold,
            "payload": {"completeness_pct": summary["completeness_pct"], "by_connector": [
                {name: value for name, value in metric.items() if name != "payload"} for metric in metrics
            ]},
        }  # fmt: skip
        stored = sql.store_metrics(
            tx,
            project_id=context.project_id,
            run_id=context.run_id,
            source=source,
            rows=Jsonb([*metrics, portfolio], dumps=dump_json),
        )
        for metric in metrics:
            if metric["below_threshold"] != was_below.get(metric["connector"], False):
                _tell(tx, context.project_id, metric, threshold)
        metrics = [*metrics, portfolio]
    return {
        "source": source,
        "captured_at": stored[0]["captured_at"].isoformat() if stored else None,
        "metrics": [{"source": source, **metric} for metric in metrics],
        "summary": summary,
    }


def _metric(measure: Measure, standing: Row, threshold: float) -> dict[str, Any]:
    pct = measure.completeness_pct
    return {
        "connector": measure.connector,
        "completeness_pct": pct,
        "duplicate_count": measure.duplicates,
        "missing_count": measure.missing,
        "total_count": measure.total,
        "below_threshold": pct < threshold,
        "payload": {
            **measure.details,
            "completeness_pct": pct,
            "coverage_pct": pct,
            "attribute_completeness_pct": measure.attribute_pct,
            "kinds": [kind.public() for kind in measure.kinds],
            "lag_seconds": standing["lag_seconds"],
            "records_in_quarantine": standing["quarantined"],
        },
    }


def _summary(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """All connectors together; of none, nothing is claimed."""
    pct = portfolio_pct((m["completeness_pct"], m["total_count"]) for m in metrics)
    return {
        "completeness_pct": pct,
        **{
            name: sum(metric[name] for metric in metrics)
            for name in ("missing_count", "duplicate_count", "total_count")
        },
    }


def _were_below(tx: Tx, context: RunContext) -> dict[str, bool]:
    rows: list[Row] = sql.were_below(tx, project_id=context.project_id, run_id=context.run_id)
    return {row["connector"]: row["below_threshold"] for row in rows}


def _tell(tx: Tx, project_id: UUID, metric: dict[str, Any], threshold: float) -> None:
    """A drop under the threshold, or the recovery from one: each is told once."""
    dropped = metric["below_threshold"]
    told = {
        "connector": metric["connector"],
        "completeness_pct": metric["completeness_pct"],
        "threshold_pct": threshold,
        "missing_count": metric["missing_count"],
        "duplicate_count": metric["duplicate_count"],
    }
    audit.record(
        tx,
        f"reconciliation.completeness_{'drop' if dropped else 'recovered'}",
        project_id=project_id,
        entity_type="sync_reconciliation",
        entity_id=metric["connector"],
        status="warning" if dropped else "ok",
        payload=told,
    )
    event = {"rule": RULE, "project_id": project_id, **told}
    events.publish(tx, project_id, "alert_opened" if dropped else "alert_closed", event)
