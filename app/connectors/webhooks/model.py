"""What the handlers of deliveries are given, and how they decline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.connectors.connections import Connection
from app.scheduler.context import RunContext


@dataclass(frozen=True)
class Delivery:
    """One delivery of a vendor. `payload` is what was signed, and still only a hint: what counts is
    what the vendor answers when it is asked."""

    id: int
    delivery_id: str
    event: str
    object_ref: str
    payload: dict[str, Any]
    received_at: datetime
    attempts: int


class Ignored(Exception):
    """Raised by a handler: these deliveries are of nothing that the connection reads."""


# All deliveries of one object, oldest first, as rows: the counts by name that a sync of the vendor
# would answer. Raises ConnectorError when it should be tried again, Ignored when it need not.
DeliveryHandler = Callable[[Connection, RunContext, list[Delivery]], dict[str, int]]
