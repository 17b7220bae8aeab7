"""The CRM as a mirror of Attio: only rows that changed there, and never over what a person wrote.

Runs in the transaction that wrote the vendor's rows, which has taken its turn first. Each of those
remembers whether it was mirrored, so that a deal whose company comes later, or a run that was cut off,
is made up for.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from app.crm import deals
from app.crm.matching import AccountMatcher, names_for
from app.db import Connection as Tx
from app.db import Row, statements
from app.web.responses import dump_json

sql = statements("crm")

ACTOR = "attio"


def take_turn(tx: Tx, project_id: UUID) -> None:
    """Until the end of the transaction, the project's one writer of what is mirrored. Take it before the
    vendor's rows: a sweep and a webhook that met in the mirror would tell each change of stage twice."""
    sql.take_turn(tx, project_id=project_id)


def refresh(tx: Tx, project_id: UUID, vendor_wins: Iterable[str] = ()) -> dict[str, int]:
    """Bring the CRM up to date with what is not mirrored yet. Answers how many rows were written."""
    sql.speak_as_mirror(tx, answer="on")
    counts = {
        "mirrored_crm_accounts": _accounts(tx, project_id, vendor_wins),
        "mirrored_crm_opportunities": _opportunities(tx, project_id, vendor_wins),
    }
    sql.speak_as_mirror(tx, answer="off")
    return counts


def flag_deleted(tx: Tx, project_id: UUID, raw_ids: list[str]) -> None:
    """Mark the CRM's rows of companies and deals that the vendor no longer has. They stay."""
    sql.flag_deleted_accounts(tx, project_id=project_id, raw_ids=raw_ids)
    sql.flag_deleted_opportunities(tx, project_id=project_id, raw_ids=raw_ids)


def coverage(tx: Tx, project_id: UUID) -> dict[str, int]:
    """How many companies and deals there are, and how many of them are in the CRM."""
    return dict(sql.coverage(tx, project_id=project_id))


def _accounts(tx: Tx, project_id: UUID, vendor_wins: Iterable[str]) -> int:
    companies: list[Row] = sql.unmirrored_accounts(tx, project_id=project_id)
    if not companies:
        return 0
    names = sorted({name for company in companies for name in names_for(company)})
    keys = {row["name"]: row["key"] for row in sql.name_keys(tx, names=names)}
    known: list[Row] = sql.accounts_to_match(
        tx,
        project_id=project_id,
        refs=[company["external_id"] for company in companies],
        domains=sorted({domain for company in companies for domain in company["domains"]}),
        keys=sorted(set(keys.values())),
    )
    matcher = AccountMatcher(known, keys, vendor_wins)
    for company in companies:
        matcher.place(company)
    if matcher.updates:
        sql.update_accounts(tx, project_id=project_id, rows=_json(matcher.updates))
    added: list[Row] = (
        sql.insert_accounts(tx, project_id=project_id, rows=_json(matcher.inserts))
        if matcher.inserts
        else []
    )
    missed = {row["external_ref"] for row in matcher.inserts} - {r["external_ref"] for r in added}
    done = [c["external_id"] for c in companies if c["external_id"] not in missed]
    sql.accounts_mirrored(tx, project_id=project_id, external_ids=done)
    return len(matcher.updates) + len(added)


def _opportunities(tx: Tx, project_id: UUID, vendor_wins: Iterable[str]) -> int:
    waiting: list[Row] = sql.unmirrored_opportunities(tx, project_id=project_id)
    if not waiting:
        return 0
    refs = [deal["external_id"] for deal in waiting]
    known = {
        row["external_ref"]: row
        for row in sql.opportunities_by_ref(tx, project_id=project_id, refs=refs)
    }
    updates: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for deal in waiting:
        current = known.get(deal["external_id"])
        change = deals.merged(current, deal, vendor_wins) if current else None
        if current and change:
            updates.append(change)
            if change["stage"] != current["stage"]:
                events.append(_event(current["id"], current["stage"], change))
    if updates:
        sql.update_opportunities(tx, project_id=project_id, rows=_json(updates))
    added = _open(tx, project_id, [deal for deal in waiting if deal["external_id"] not in known])
    events += [_event(UUID(row["id"]), None, row) for row in added]
    if events:
        sql.insert_stage_events(tx, project_id=project_id, rows=_json(events))
    sql.opportunities_mirrored(tx, project_id=project_id, external_ids=refs)
    return len(updates) + len(added)


def _open(tx: Tx, project_id: UUID, new: list[Row]) -> list[dict[str, Any]]:
    if not new:
        return []
    rows = {deal["external_id"]: deals.opened(deal) for deal in new}
    added: list[Row] = sql.insert_opportunities(
        tx, project_id=project_id, rows=_json(list(rows.values()))
    )
    return [{**rows[row["external_ref"]], "id": str(row["id"])} for row in added]


def _event(opportunity_id: UUID, before: str | None, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "opportunity_id": opportunity_id,
        "from_stage": before,
        "to_stage": row["stage"],
        "actor_username": ACTOR,
        "created_at": row["stage_changed_at"],
    }


def _json(rows: list[dict[str, Any]]) -> Jsonb:
    """Decimals as texts: JSON numbers would pass them on as binary fractions."""
    exact = [
        {name: str(v) if isinstance(v, Decimal) else v for name, v in row.items()} for row in rows
    ]
    return Jsonb(exact, dumps=dump_json)
