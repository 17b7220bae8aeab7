"""How complete the data is, compared with the vendors."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app
from marshmallow import Schema, fields

from app.audit import service as audit
from app.connectors.reconciliation import reports
from app.connectors.reconciliation.service import JOB
from app.db import db
from app.scheduler import service as scheduler
from app.scheduler.by_hand import RunReply
from app.web.inputs import ClampedInt, Input
from app.web.routing import Api

api = Api("connector_reconciliation")


class Period(Input):
    days = ClampedInt(default=14, low=1, high=365)
    limit = ClampedInt(default=500, low=20, high=3000)


class Figures(Schema):
    completeness_pct = fields.Float()
    missing_count = fields.Integer(metadata={"description": "upstream and not here, as of then"})
    duplicate_count = fields.Integer()
    total_count = fields.Integer(metadata={"description": "records upstream"})


class Latest(Figures):
    connector = fields.String()
    source = fields.String()
    payload = fields.Dict()
    captured_at = fields.DateTime()


class Point(Figures):
    point = fields.Date()


class ConnectorPoint(Point):
    connector = fields.String()


class Overview(Schema):
    latest: fields.List = fields.List(fields.Nested(Latest))
    trend: fields.List = fields.List(fields.Nested(Point))
    by_connector: fields.List = fields.List(fields.Nested(ConnectorPoint))


class Difference(Schema):
    connector = fields.String()
    current_pct = fields.Float()
    previous_pct = fields.Float()
    delta_pct = fields.Float()
    current_total = fields.Integer()
    previous_total = fields.Integer()
    delta_total = fields.Integer()
    current_missing = fields.Integer()
    previous_missing = fields.Integer()
    captured_at = fields.DateTime()


class Differences(Schema):
    diff: fields.List = fields.List(fields.Nested(Difference))


@api.get("/connectors/reconciliation", permission="project.read", query=Period, reply=Overview)
def reconciliation(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """How much of what the vendors have is here: the newest figures, and a value for each day."""
    return reports.overview(project_id, query["days"], query["limit"])


@api.get("/connectors/reconciliation/diff", permission="project.read", reply=Differences)
def reconciliation_diff(project_id: UUID) -> dict[str, Any]:
    """The newest figures of each connector beside those of the day before."""
    return {"diff": reports.diff(project_id)}


@api.post(
    "/connectors/reconciliation/run",
    permission="connectors.run",
    reply=RunReply,
    limit="job",
    errors=("upstream_unavailable",),
)
def run(project_id: UUID) -> tuple[dict[str, Any], int]:
    """Ask every vendor what it has, and compare. Waits up to 10 s for the end, then answers 202."""
    answer, status = scheduler.run_and_wait(project_id, JOB, current_app.config["SETTINGS"])
    with db.transaction() as tx:
        audit.record(
            tx,
            "connectors.reconciliation.run",
            project_id=project_id,
            entity_type="sync_reconciliation",
            status="queued" if status == 202 else "ok",
            payload=answer["result"].get("summary", {"job_run_id": answer["job_run_id"]}),
        )
    return answer, status
