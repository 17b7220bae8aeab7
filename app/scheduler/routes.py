"""Starting jobs, watching them, and their schedules."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app
from marshmallow import Schema, fields, validate

from app.audit import service as audit
from app.db import db, statements
from app.scheduler import by_hand, endings, status, ticks
from app.web import cursors
from app.web.errors import ApiError
from app.web.inputs import ClampedInt, Input, Text
from app.web.routing import Api
from config.settings import Settings

api = Api("jobs")
sql = statements("scheduler")


class JobRow(Schema):
    id = fields.UUID()
    job_name = fields.String()
    status = fields.String()
    started_at = fields.DateTime(allow_none=True)
    finished_at = fields.DateTime(allow_none=True)
    processed_count = fields.Integer()
    error = fields.String(allow_none=True)
    meta = fields.Dict()


class StatusReply(Schema):
    jobs = fields.List(fields.Nested(JobRow))
    rag_counts = fields.Dict(keys=fields.String(), values=fields.Integer())
    entities = fields.Dict(keys=fields.String(), values=fields.Integer())
    storage = fields.Dict()
    watermarks = fields.List(fields.Dict())


class Limit(Input):
    limit = ClampedInt(default=10, low=1, high=100)


class RunFilter(Input):
    job_type = Text(
        load_default=None, blank_as_none=True, allow_none=True, validate=validate.Length(max=100)
    )
    status = Text(
        load_default=None, blank_as_none=True, allow_none=True, validate=validate.Length(max=50)
    )
    cursor = Text(
        load_default=None, blank_as_none=True, allow_none=True, validate=validate.Length(max=200)
    )
    limit = ClampedInt(default=50, low=1, high=200)


def _settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


@api.post("/jobs/embeddings/run", permission="jobs.run", reply=by_hand.RunReply, limit="job")
def run_embeddings(project_id: UUID) -> tuple[dict[str, Any], int]:
    """Embed what waits. Waits up to 10 s for the end, then answers 202."""
    return by_hand.start(project_id, "embeddings_run", _settings())


@api.get("/jobs/status", permission="project.read", reply=StatusReply)
def jobs_status(project_id: UUID) -> dict[str, Any]:
    """The newest run of each job, counts and storage."""
    return status.jobs_status(project_id, _settings())


@api.get("/jobs/scheduler", permission="project.read")
def list_schedules(project_id: UUID) -> dict[str, Any]:
    """What runs by itself, and when next."""
    with db.connection() as connection:
        return {"jobs": sql.schedules(connection, project_id=project_id)}


@api.post("/jobs/scheduler/tick", permission="scheduler.tick", query=Limit, limit="job")
def tick(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """Start what is due in this project now, without waiting for the next tick."""
    result = ticks.tick_and_wait(project_id, query["limit"], _settings())
    with db.transaction() as tx:
        audit.record(
            tx,
            "job.scheduler_tick",
            project_id=project_id,
            entity_type="scheduler",
            entity_id=str(project_id),
            payload={name: result[name] for name in ("processed", "ok", "failed")},
        )
    return {"result": result}


@api.get("/jobs/runs", permission="project.read", query=RunFilter)
def list_runs(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """The history of runs, newest first. `next_cursor` continues it."""
    before_at, before_id = cursors.read(query["cursor"], UUID)
    with db.connection() as connection:
        rows = sql.list_runs(
            connection,
            project_id=project_id,
            job_type=query["job_type"],
            status=query["status"],
            before_at=before_at,
            before_id=before_id,
            most=query["limit"] + 1,
        )
    shown, cursor = cursors.page(rows, query["limit"], "queued_at")
    return {"runs": shown, "next_cursor": cursor, "has_more": cursor is not None}


@api.get("/jobs/runs/<run_id>", permission="project.read", errors=("job_run_not_found",))
def show_run(project_id: UUID, run_id: UUID) -> dict[str, Any]:
    """One run with its progress."""
    with db.connection() as connection:
        run = sql.find_run(connection, project_id=project_id, run_id=run_id)
    if run is None:
        raise ApiError(404, "job_run_not_found", "There is no such run in this project.")
    return {"run": run}


@api.post("/jobs/runs/<run_id>/cancel", permission="jobs.run", errors=("job_run_not_found",))
def cancel_run(project_id: UUID, run_id: UUID) -> dict[str, Any]:
    """End a waiting run, or ask a working one to stop at its next step."""
    with db.transaction() as tx:
        run = endings.cancel(tx, project_id, run_id, _settings())
        if run is None:
            raise ApiError(
                404, "job_run_not_found", "There is no such run at work in this project."
            )
        audit.record(
            tx, "job.cancel", project_id=project_id, entity_type="job_run", entity_id=str(run_id)
        )
    return {"run": {"id": run["id"], "status": run["status"]}}
