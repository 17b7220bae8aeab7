"""What Attio's webhooks set in motion: each object that an event names is read again.

The events hold ids and nothing else, and there is no question for several ids at once: every object is
a call of its own, and what was read of a kind is written together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.connectors.attio.client import AttioClient
from app.connectors.attio.mapping import external_id
from app.connectors.attio.streams import AttioReader, SweepStream
from app.connectors.breaker import Breaker
from app.connectors.connections import Connection
from app.connectors.engine import write_rows
from app.connectors.errors import ConnectorError
from app.connectors.records import Json
from app.connectors.webhooks.model import Delivery, Effect
from app.db import db, statements
from app.scheduler.context import RunContext

sql = statements("attio")

OF_RECORDS = ("record", "list-entry")


@dataclass(frozen=True)
class Named:
    """An object that an event names: what kind, in which object or list if it stands in one, its id."""

    kind: str
    place: str
    id: str


@dataclass
class Found:
    """What was read of one kind: records as they are now, and the ids of those that are gone."""

    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    records: list[Json] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


class AttioDeliveries:
    """A workspace opened for deliveries."""

    def __init__(self, connection: Connection, context: RunContext) -> None:
        self.connection = connection
        self.settings = context.settings
        breaker = Breaker(
            connection.project_id, connection.id, connection.base_url, context.settings
        )
        self.client = AttioClient(connection, context.settings, breaker, context.check)
        self.reader = AttioReader(connection, self.client, context.settings)
        self._slugs: dict[tuple[str, str], str | None] = {}

    def apply(self, deliveries: list[Delivery]) -> Effect:
        """Read and write what the deliveries name, kind by kind: companies before their deals."""
        effect = Effect()
        about = {delivery.id: set(_named(delivery)) for delivery in deliveries}
        kinds = {one: self._kind(one) for one in set().union(*about.values())}
        read: set[str] = set()
        for stream in self.reader.kinds:
            ids = sorted(one.id for one, kind in kinds.items() if kind == stream.name)
            found = self._read(stream, ids) if ids else None
            if found:
                self._apply(stream, found, effect)
                read.add(stream.name)
        for delivery_id, named in about.items():
            if not any(kinds[one] in read for one in named):
                effect.ignored[delivery_id] = "It names nothing that the connection reads."
        return effect

    def close(self) -> None:
        self.client.close()

    def _kind(self, named: Named) -> str | None:
        """The stream that reads such objects; None when none does."""
        name: str | None = {"note": "notes", "task": "tasks"}.get(named.kind)
        if named.kind in OF_RECORDS:
            slug = self._slug(named.kind, named.place) or ""
            objects = {slug: name for name, slug in self.reader.configured.objects.items()}
            name = objects.get(slug) if named.kind == "record" else f"list:{slug}"
        return name if any(stream.name == name for stream in self.reader.kinds) else None

    def _slug(self, kind: str, place: str) -> str | None:
        """Events name objects and lists by id; the connection does by what they are called."""
        if (kind, place) not in self._slugs:
            ask = self.client.object_slug if kind == "record" else self.client.list_slug
            self._slugs[kind, place] = ask(place)
        return self._slugs[kind, place]

    def _read(self, stream: SweepStream, ids: list[str]) -> Found | None:
        """Raises ConnectorError. None for a kind that the token may not read, of which the sync tells."""
        found = Found()
        for asked in ids:
            try:
                record = stream.one(asked)
            except ConnectorError as error:
                if error.kind == "forbidden":
                    return None
                raise
            # A merged record may be answered under the id of the one that it became.
            if record is None or external_id(record) != asked:
                found.gone.append(asked)
            else:
                found.records.append(record)
        return found

    def _apply(self, stream: SweepStream, found: Found, effect: Effect) -> None:
        rows, seen, judged = stream.understood(found.records)
        writer, table = self.reader.writer, stream.table
        with db.transaction() as tx:
            gone = sql.row_ids(
                tx,
                raw=table.name,
                project_id=self.connection.project_id,
                workspace_id=self.client.workspace_id,
                external_ids=found.gone,
            )
            effect.add(
                write_rows(
                    tx,
                    self.connection,
                    stream.name,
                    lambda tx: writer.write(tx, table, rows, seen, found.read_at),
                    judged,
                    self.settings,
                )
            )
            effect.add(writer.delete(tx, table, gone, found.read_at))


def _named(delivery: Delivery) -> Iterator[Named]:
    """Every object that a delivery's events name; of a merge, also the record that is no more."""
    for event in delivery.payload.get("events") or []:
        kind = str(event.get("event_type")).partition(".")[0].removesuffix("-content")
        ids = event.get("id") or {}
        if kind == "record":
            told = {**event, **ids}
            place = ids.get("object_id")
            yield from _one(kind, place, ids.get("record_id"))
            yield from _one(
                kind, told.get("duplicate_object_id", place), told.get("duplicate_record_id")
            )
        elif kind == "list-entry":
            yield from _one(kind, ids.get("list_id"), ids.get("entry_id"))
        elif kind in ("note", "task"):
            yield from _one(kind, "workspace", ids.get(f"{kind}_id"))


def _one(kind: str, place: Any, found: Any) -> Iterator[Named]:
    """Nothing when one of the ids is none."""
    try:
        if place:
            yield Named(kind, str(place), str(UUID(str(found))))
    except ValueError:
        return
