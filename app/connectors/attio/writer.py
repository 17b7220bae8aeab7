"""Attio's rows into Postgres: one statement a table, only what changed, then what is built on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from app.connectors.attio import derived
from app.connectors.connections import Connection
from app.connectors.records import Json
from app.connectors.sweeps import forget_confirmation, refuse_too_many
from app.crm import mirror
from app.db import Connection as Tx
from app.db import Row, statements
from app.web.responses import dump_json

sql = statements("attio")

Derive = Callable[[Tx, UUID, list[Row]], dict[str, int]]


@dataclass(frozen=True)
class Table:
    """A kind of row: its table, its upsert, what its changes are counted as, and what follows them."""

    name: str
    upsert: Callable[..., list[Row]]
    counted: str
    derive: Derive
    mirrored: bool = False
    empty: Callable[..., int] | None = None  # takes the text out of deleted rows
    list_slug: str | None = None


COMPANIES = Table(
    "attio_accounts_raw", sql.upsert_accounts, "accounts", derived.companies, mirrored=True
)
PEOPLE = Table("attio_people_raw", sql.upsert_people, "people", derived.people)
DEALS = Table(
    "attio_opportunities_raw",
    sql.upsert_opportunities,
    "opportunities",
    derived.deals,
    mirrored=True,
)
NOTES = Table(
    "attio_notes_raw", sql.upsert_notes, "activities", derived.notes, empty=sql.empty_notes
)
TASKS = Table(
    "attio_tasks_raw", sql.upsert_tasks, "activities", derived.tasks, empty=sql.empty_tasks
)


def entries(list_slug: str) -> Table:
    return Table(
        "attio_list_entries_raw",
        sql.upsert_entries,
        "list_entries",
        lambda tx, project_id, rows: {},
        list_slug=list_slug,
    )


@dataclass(frozen=True)
class Writer:
    """Writes the rows of one connection."""

    connection: Connection
    vendor_wins: frozenset[str]

    def write(
        self,
        tx: Tx,
        table: Table,
        rows: list[Json],
        seen: list[str],
        read_at: datetime,
        sweep_id: str | None = None,
    ) -> dict[str, int]:
        """What was asked for at `read_at`: its rows, and on every record that was named the mark of the
        sweep, if it was one. Answers counts."""
        project_id, connection_id = self.connection.project_id, self.connection.id
        counts: dict[str, int] = {f"processed_{table.counted}": len(rows)}
        changed: list[Row] = []
        if table.mirrored:
            mirror.take_turn(tx, project_id)
        if rows:
            # In the order of ids, so that two writers wait for each other in turn.
            unique = [row for _, row in sorted({row["id"]: row for row in rows}.items())]
            changed = table.upsert(
                tx,
                project_id=project_id,
                connection_id=connection_id,
                rows=Jsonb(unique, dumps=dump_json),
                read_at=read_at,
            )
        sql.see(
            tx,
            raw=table.name,
            project_id=project_id,
            workspace_id=self.connection.external_account_id.lower(),
            connection_id=connection_id,
            external_ids=seen,
            sweep_id=sweep_id,
            read_at=read_at,
        )
        counts[f"touched_{table.counted}"] = len(changed)
        if changed:
            counts |= table.derive(tx, project_id, changed)
        if table.mirrored:
            counts |= mirror.refresh(tx, project_id, self.vendor_wins)
        return counts

    def unseen(self, tx: Tx, table: Table, sweep_id: str, began: datetime, what: str) -> list[str]:
        """Rows that the whole sweep did not name, nor a webhook since it began. Raises ConnectorError
        `sweep_guard` when they are too many to be believed."""
        found = sql.unseen(
            tx,
            raw=table.name,
            project_id=self.connection.project_id,
            connection_id=self.connection.id,
            sweep_id=sweep_id,
            began=began,
            list=table.list_slug,
        )
        refuse_too_many(self.connection, what, what, len(found["ids"]), found["stored"])
        gone: list[str] = found["ids"]
        return gone

    def drop(self, tx: Tx, tables: list[Table], read_at: datetime) -> dict[str, int]:
        """Delete whatever the connection brought of these kinds, which it does not read any more."""
        counts: dict[str, int] = {}
        for table in tables:
            found: Row = sql.unseen(
                tx,
                raw=table.name,
                project_id=self.connection.project_id,
                connection_id=self.connection.id,
                sweep_id=str(uuid4()),  # which named none of them
                began=read_at,
                list=None,
            )
            for name, number in self.delete(tx, table, found["ids"], read_at).items():
                counts[name] = counts.get(name, 0) + number
        return counts

    def drop_lists(self, tx: Tx, kept: list[str], read_at: datetime) -> dict[str, int]:
        """Delete the entries of lists that the connection does not read any more; of the lists themselves
        nothing is left either, so that one that is named again is read at once and whole."""
        place = {
            "project_id": self.connection.project_id,
            "connection_id": self.connection.id,
            "lists": kept,
        }
        left: list[Row] = sql.entries_of_other_lists(tx, **place)
        sql.forget_other_lists(tx, **place)
        sql.settle_other_lists(tx, project_id=self.connection.project_id, lists=kept)
        return self.delete(tx, entries(""), [row["id"] for row in left], read_at)

    def sweep_out(
        self, tx: Tx, table: Table, gone: list[str], read_at: datetime, stream: str
    ) -> dict[str, int]:
        """Delete what a sweep found gone."""
        forget_confirmation(tx, self.connection, stream)
        return self.delete(tx, table, gone, read_at)

    def delete(self, tx: Tx, table: Table, gone: list[str], read_at: datetime) -> dict[str, int]:
        """Mark rows as gone, and with them what was built on them. A note loses its text, a deal of the
        CRM stays and says so."""
        if not gone:
            return {}
        project_id = self.connection.project_id
        if table.mirrored:
            mirror.take_turn(tx, project_id)
        marked: list[str] = sql.mark_deleted(
            tx, raw=table.name, project_id=project_id, ids=sorted(gone), read_at=read_at
        )
        if table.empty:
            table.empty(tx, project_id=project_id, ids=marked)
        if table.mirrored:
            mirror.flag_deleted(tx, project_id, marked)
        derived.forget(tx, project_id, table.name, marked)
        return {f"deleted_{table.counted}": len(marked)}

    def finish(self, tx: Tx) -> dict[str, Any]:
        """What waits for the CRM, and how much of everything is in it."""
        project_id = self.connection.project_id
        mirror.take_turn(tx, project_id)
        return mirror.refresh(tx, project_id, self.vendor_wins) | mirror.coverage(tx, project_id)
