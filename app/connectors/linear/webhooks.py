"""What Linear's webhooks set in motion: the objects that they name are read again, all in one question."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from app.connectors.breaker import Breaker
from app.connectors.connections import Connection
from app.connectors.engine import write_rows
from app.connectors.linear import writer
from app.connectors.linear.client import LinearClient
from app.connectors.linear.mapping import Names
from app.connectors.linear.streams import ListStream, lists
from app.connectors.webhooks.model import Delivery, Effect
from app.db import db
from app.scheduler.context import RunContext

# The stream that each kind of object is read by, and the prefix of its rows' ids.
STREAMS = {
    "Project": "projects",
    "ProjectUpdate": "projects",
    "Cycle": "cycles",
    "IssueLabel": "labels",
    "Issue": "issues",
    "IssueSLA": "issues",
    "Comment": "comments",
}
PREFIXES = {
    "projects": "linproj",
    "cycles": "lincycle",
    "labels": "linlabel",
    "issues": "linissue",
    "comments": "lincomment",
}

NOT_READ = "It stands where the connection does not read."
NOT_ANSWERED = "Linear does not answer it."


@dataclass
class Named:
    """The deliveries about objects of one stream, by the object's id; and those that say it is gone."""

    deliveries: dict[str, list[Delivery]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def add(self, external_id: str, delivery: Delivery) -> None:
        self.deliveries.setdefault(external_id, []).append(delivery)
        kind, _, action = delivery.event.partition(".")
        if action == "remove" and kind not in ("ProjectUpdate", "IssueSLA"):
            self.removed.add(external_id)


class LinearDeliveries:
    """A workspace opened for deliveries."""

    def __init__(self, connection: Connection, context: RunContext) -> None:
        self.connection = connection
        self.settings = context.settings
        self.names = Names(connection.external_account_id)
        breaker = Breaker(
            connection.project_id, connection.id, connection.base_url, context.settings
        )
        self.client = LinearClient(connection, context.settings, breaker, context.check)
        self.streams = lists(connection, self.client, self.names, context.settings)

    def apply(self, deliveries: list[Delivery]) -> Effect:
        """Read and write what the deliveries name, kind by kind: issues before their comments."""
        effect = Effect()
        named = self._sorted(deliveries, effect)
        for stream in self.streams:
            if stream.name in named:
                self._read(stream, named[stream.name], effect)
        return effect

    def close(self) -> None:
        self.client.close()

    def _sorted(self, deliveries: list[Delivery], effect: Effect) -> dict[str, Named]:
        """The deliveries by stream. Those of a person, a file or the like are nothing of ours."""
        named: dict[str, Named] = {}
        for delivery in deliveries:
            kind = delivery.event.partition(".")[0]
            external_id = _object(kind, delivery)
            if kind not in STREAMS:
                effect.ignored[delivery.id] = f"Nothing here is made of Linear's {kind}."
            elif external_id is None:
                effect.ignored[delivery.id] = "The payload names no object."
            else:
                named.setdefault(STREAMS[kind], Named()).add(external_id, delivery)
        return named

    def _read(self, stream: ListStream, named: Named, effect: Effect) -> None:
        ids = sorted(named.deliveries)
        reading = stream.named(ids)
        absent = set(ids) - reading.ids
        removed = named.removed & absent
        elsewhere = self._elsewhere(stream, absent - removed)
        gone = [self.names(PREFIXES[stream.name], found) for found in removed | elsewhere]
        with db.transaction() as tx:
            effect.add(
                write_rows(
                    tx,
                    self.connection,
                    stream.name,
                    lambda tx: stream.write(reading, tx),
                    reading.judged,
                    self.settings,
                )
            )
            effect.add(writer.remove(tx, self.connection, stream.name, gone))
        for found in absent - removed:
            for delivery in named.deliveries[found]:
                effect.ignored[delivery.id] = NOT_READ if found in elsewhere else NOT_ANSWERED

    def _elsewhere(self, stream: ListStream, absent: set[str]) -> set[str]:
        """Of what was not answered, what stands in a team or a project now that is not read.

        What is answered nowhere and was not said to be removed is left alone: the token may have lost
        rights. The daily sweep, which has a guard against that, decides.
        """
        if not absent or not self.connection.filters:
            return set()
        return stream.named(sorted(absent), scoped=False).ids & absent


def _object(kind: str, delivery: Delivery) -> str | None:
    """The id of what is to be read: of an update, its project; otherwise the object itself."""
    found: object = delivery.object_ref.partition(":")[2]
    if kind == "ProjectUpdate":
        data = delivery.payload.get("data") or {}
        found = data.get("projectId") or (data.get("project") or {}).get("id")
    try:
        return str(UUID(str(found)))
    except ValueError:
        return None
