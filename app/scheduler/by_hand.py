"""A job that a person starts: waited for a while, and written into the audit log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from app.audit import service as audit
from app.db import db
from app.scheduler import service
from app.web.errors import ApiError
from config.settings import Settings


class RunReply(Schema):
    """The result when the run ended in time; else `queued`, and the run to ask for later."""

    result = fields.Dict()
    job_run_id = fields.String()


def start(project_id: UUID, job_type: str, settings: Settings) -> tuple[dict[str, Any], int]:
    """Start (or join) a run and wait for its end; the answer and its status.

    Raises the ApiError that fits the run's error when it failed.
    """
    try:
        payload, code = service.run_and_wait(project_id, job_type, settings)
    except ApiError as error:
        _audit(project_id, job_type, "failed", {"error": error.code}, "")
        raise
    outcome = payload["result"].get("status", "ok") if code == 200 else "queued"
    _audit(project_id, job_type, outcome, payload["result"], payload["job_run_id"])
    return payload, code


def _audit(
    project_id: UUID, job_type: str, outcome: str, payload: dict[str, Any], run_id: str
) -> None:
    with db.transaction() as tx:
        audit.record(
            tx,
            f"job.{job_type}",
            project_id=project_id,
            entity_type="job_run",
            entity_id=run_id,
            status=str(outcome),
            payload=payload,
        )
