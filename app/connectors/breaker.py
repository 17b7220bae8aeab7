"""The circuit breaker of one connection and host, shared by all processes through a row.

Closed until so many failures in a row, then open for a while: calls fail at once. After that the next
call is the probe. Only its connection is affected: another project's calls go on.
"""

from __future__ import annotations

import time
from uuid import UUID

from app.connectors.errors import ConnectorError
from app.db import db, statements
from config.settings import Settings

sql = statements("connectors")
FRESH_SECONDS = 1.0  # how long a look at the row is good for


class Breaker:
    def __init__(
        self, project_id: UUID, connection_id: UUID, host: str, settings: Settings
    ) -> None:
        self._place = {"project_id": project_id, "connection_id": connection_id, "host": host}
        self._settings = settings
        self._looked = 0.0
        self._failures = 0
        self._open_seconds = 0.0

    def refuse_when_open(self) -> None:
        """Raise ConnectorError `circuit_open` while calls would only add to the vendor's trouble."""
        self._look()
        if self._open_seconds > 0:
            raise ConnectorError(
                "circuit_open",
                f"{self._place['host']} failed {self._failures} times in a row and is left alone for now",
                retry_after=self._open_seconds,
            )

    def failed(self) -> None:
        with db.connection() as connection:
            sql.breaker_failed(
                connection,
                **self._place,
                limit=self._settings.connector_breaker_failures,
                seconds=self._settings.connector_breaker_seconds,
            )
        self._looked = 0.0

    def succeeded(self) -> None:
        if self._failures:
            with db.connection() as connection:
                sql.breaker_succeeded(connection, **self._place)
            self._failures = 0
            self._looked = 0.0

    def _look(self) -> None:
        if time.monotonic() - self._looked < FRESH_SECONDS:
            return
        with db.connection() as connection:
            row = sql.breaker_state(connection, **self._place)
        self._looked = time.monotonic()
        self._failures = row["failures"] if row else 0
        self._open_seconds = float(row["open_seconds"] or 0) if row else 0.0
