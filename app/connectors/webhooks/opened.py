"""The connections that a run's deliveries came through, each opened once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from uuid import UUID

from app.connectors import connections
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.connectors.webhooks.handlers import HANDLERS
from app.connectors.webhooks.model import Applier, Ignored
from app.crypto import SecretUnreadable
from app.scheduler.context import RunContext


@dataclass(frozen=True)
class Opened:
    connection: Connection
    applier: Applier


class Openings:
    """One client a connection for the whole run, so that its pace, its quota and its breaker hold for
    all threads. `look_again` has the connections' rows read anew: a token may have changed."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._found: dict[UUID, Connection | None] = {}
        self._opened: dict[UUID, Opened] = {}

    def get(self, connection_id: UUID) -> Opened:
        """Raises Ignored for a connection that is switched off or has nothing to apply with, and
        ConnectorError `config_missing` when its token cannot be read."""
        with self._lock:
            if connection_id not in self._found:
                self._found[connection_id] = self._look(connection_id)
            connection = self._found[connection_id]
            if connection is None:
                raise Ignored("The connection is switched off.")
            opened = self._opened.get(connection_id)
            if opened is None or opened.connection != connection:
                self._close(connection_id)
                opened = self._opened[connection_id] = self._open(connection)
            return opened

    def look_again(self) -> None:
        with self._lock:
            self._found.clear()

    def close(self) -> None:
        with self._lock:
            for connection_id in list(self._opened):
                self._close(connection_id)

    def _look(self, connection_id: UUID) -> Connection | None:
        try:
            found = connections.find_by_id(self._context.project_id, connection_id)
        except SecretUnreadable as error:
            raise ConnectorError("config_missing", str(error)) from None
        return found if found and found.enabled else None

    def _open(self, connection: Connection) -> Opened:
        handler = HANDLERS.get(connection.connector)
        if handler is None:
            raise Ignored(f"Nothing here depends on deliveries of {connection.connector}.")
        return Opened(connection, handler.open(connection, self._context))

    def _close(self, connection_id: UUID) -> None:
        opened = self._opened.pop(connection_id, None)
        if opened is not None:
            opened.applier.close()
