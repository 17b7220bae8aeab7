"""What a person does about errors: retry what is due, give a dead letter another chance."""

from __future__ import annotations

from uuid import UUID

from psycopg.types.json import Jsonb

from app.audit import service as audit
from app.connectors.sweeps import confirmation
from app.db import Connection, Row, db, statements
from app.scheduler import queue
from app.scheduler.service import add_run
from app.web.errors import ApiError, not_found

sql = statements("connectors")
chatwoot_sql = statements("chatwoot")


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
        if row["error_kind"] == "record_invalid":
            _read_again(tx, project_id, row)
        revived: Row = sql.revive_error(tx, project_id=project_id, error_id=error_id)
        held = row["error_kind"] == "sweep_guard"
        confirmed = {confirmation(row["stream"]): True} if held else {}
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


def _read_again(tx: Connection, project_id: UUID, row: Row) -> None:
    """Have the next sync meet a record that lies in quarantine: it reads all of its stream, and of a
    message all of its conversation."""
    sql.forget_place(tx, project_id=project_id, connector=row["connector"], stream=row["stream"])
    record = row["record"]
    number = record.get("conversation_id") if isinstance(record, dict) else None
    if row["connector"] == "chatwoot" and isinstance(number, int):
        chatwoot_sql.forget_reading(tx, project_id=project_id, number=number)
