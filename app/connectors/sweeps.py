"""The end of a sweep: what the vendor no longer has is marked as deleted here, unless it is too much
to be believed."""

from __future__ import annotations

from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.db import Connection as Tx
from app.db import statements

FEW = 50
SHARE = 0.3


def confirmation(stream: str) -> str:
    """The option of a connection by which a person says that a stream's sweep may remove as much as it found
    gone."""
    return f"sweep_confirmed:{stream}"


def confirmed(connection: Connection, stream: str) -> bool:
    return bool(connection.options.get(confirmation(stream)))


def refuse_too_many(
    connection: Connection, stream: str, what: str, missing: int, stored: int
) -> None:
    """Raise ConnectorError `sweep_guard` when a sweep would remove more than 30 % and 50 rows: a token
    that lost its rights looks just like that. A person who retries that error confirms it."""
    if confirmed(connection, stream):
        return
    if missing > FEW and missing > SHARE * stored:
        raise ConnectorError(
            "sweep_guard",
            f"{missing} of {stored} {what} are no longer listed; nothing was removed. If they were "
            "deleted on purpose, retry this error",
        )


def forget_confirmation(tx: Tx, connection: Connection, stream: str) -> None:
    """A confirmation is good for one sweep."""
    if confirmed(connection, stream):
        statements("connectors").forget_confirmation(
            tx,
            project_id=connection.project_id,
            connection_id=connection.id,
            option=confirmation(stream),
        )
