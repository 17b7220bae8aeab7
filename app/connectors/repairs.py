"""What a person does about errors: retry what is due, give a dead letter another chance."""

from __future__ import annotations

from uuid import UUID

from psycopg.types.json import Jsonb

from app.audit import service as audit
from app.connectors.sweeps import CONFIRMED
from app.db import Row, db, statements
from app.scheduler import queue
from app.scheduler.service import add_run
from app.web.errors import ApiError, not_found

sql = statements("connectors")


def retry_dead_letter(project_id: UUID, error_id: int) -> tuple[Row, str]:
    """Make a dead letter pending again and start a sync of its connector at once.

    Answers the error's row and the run's id. Raises 404 `error_not_found`, 409 `error_not_dead`.
    """
    with db.transaction() as tx:
        row: Row | None = sql.lock_error(tx, project_id=project_id, error_id=error_id)
        if row is None:
            raise not_found("error_not_found", "The error")
        if row["status"] != "dead_letter":
            raise ApiError(
                409,
                "error_already_open"
                if row["status"] in ("pending", "retrying")
                else "error_not_dead",
                f"This error is {row['status']}: only dead letters are retried by hand.",
            )
        revived: Row = sql.revive_error(tx, project_id=project_id, error_id=error_id)
        confirmed = {CONFIRMED: True} if row["error_kind"] == "sweep_guard" else {}
        sql.clear_attention(
            tx, project_id=project_id, connector=row["connector"], options=Jsonb(confirmed)
        )
        run = add_run(tx, project_id, f"{row['connector']}_sync", trigger="retry")
        audit.record(
            tx,
            "connector_error.dead_letter_retry",
            project_id=project_id,
            entity_type="connector_error",
            entity_id=str(error_id),
            payload={"connector": row["connector"], "error_kind": row["error_kind"]},
        )
    queue.wake()
    return revived, str(run.id)
