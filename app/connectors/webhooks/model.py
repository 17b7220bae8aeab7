"""What appliers of deliveries are given, what they answer, and how they decline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

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


@dataclass
class Effect:
    """What deliveries brought about: counts by name, as a sync of the vendor would answer them, and of
    the deliveries that changed nothing because they are not about ours, by id, the reason."""

    counts: dict[str, int] = field(default_factory=dict)
    ignored: dict[int, str] = field(default_factory=dict)

    def add(self, counts: dict[str, int]) -> None:
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + number


class Ignored(Exception):
    """Raised by an applier: these deliveries are all of nothing that the connection reads."""


class Applier(Protocol):
    """A connection opened for a run's deliveries; called from several threads at once."""

    def apply(self, deliveries: list[Delivery]) -> Effect:
        """Apply all that waits about some objects, oldest first. Raises ConnectorError when it should be
        tried again, Ignored when it need not."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Handler:
    """How a vendor's deliveries are applied. One call takes up to `together` objects; so many as
    `at_least` are not spread over several threads."""

    open: Callable[[Connection, RunContext], Applier]
    together: int = 1
    at_least: int = 1

    def share(self, objects: int, threads: int) -> int:
        """How many of so many objects each call takes."""
        return min(self.together, max(self.at_least, -(-objects // threads)))
