"""What reconciliations found, for a person to look at: now, over the days, and since the last time."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from uuid import UUID

from app.connectors.reconciliation.measures import portfolio_pct
from app.db import Row, db, statements

sql = statements("reconciliation")


def overview(project_id: UUID, days: int, limit: int) -> dict[str, Any]:
    """The newest figures of each connector, and how they stood at the end of each day."""
    with db.connection() as connection:
        latest: list[Row] = sql.latest(connection, project_id=project_id)
        daily: list[Row] = sql.by_day(connection, project_id=project_id, days=days)
    trend = [
        _together(point, list(rows)) for point, rows in groupby(daily, lambda row: row["point"])
    ]
    return {"latest": latest, "trend": trend, "by_connector": daily[-limit:]}


def diff(project_id: UUID) -> list[Row]:
    """Each connector's newest figures beside those of the day before."""
    with db.connection() as connection:
        rows: list[Row] = sql.diff(connection, project_id=project_id)
    return rows


def _together(point: str, rows: list[Row]) -> dict[str, Any]:
    return {
        "point": point,
        "completeness_pct": portfolio_pct(
            (row["completeness_pct"], row["total_count"]) for row in rows
        ),
        **{
            name: sum(row[name] for row in rows)
            for name in ("missing_count", "duplicate_count", "total_count")
        },
    }
