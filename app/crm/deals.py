"""What an opportunity of the CRM takes from the vendor's deal. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from app.crm.matching import owned
from app.db import Row

# What is likely when nobody said: by stage, and certain once it is closed.
PROBABILITIES = {
    "discovery": Decimal("0.1"),
    "qualified": Decimal("0.25"),
    "proposal": Decimal("0.5"),
    "negotiation": Decimal("0.7"),
    "won": Decimal(1),
    "lost": Decimal(0),
}
CLOSED = ("won", "lost")
FIELDS = (
    "account_id",
    "title",
    "amount_estimate",
    "currency",
    "probability",
    "expected_close_date",
    "next_step",
    "next_step_due_at",
    "lost_reason",
)


def opened(deal: Row) -> dict[str, Any]:
    """A new opportunity for a deal."""
    stage = deal["crm_stage"]
    return {
        **_fields(deal, stage),
        "external_ref": deal["external_id"],
        "stage": stage,
        "source_stage": deal["stage"],
        "stage_changed_at": deal["stage_changed_at"],
        "closed_at": deal["stage_changed_at"] if stage in CLOSED else None,
        "source_url": deal["url"],
    }


def merged(current: Row, deal: Row, vendor_wins: Iterable[str]) -> dict[str, Any] | None:
    """The opportunity with what the vendor has; None when it shows all that already.

    A stage that a person chose stands until the deal's own stage changes.
    """
    overridden = (
        current["stage_override_at"] is not None
        and deal["stage"] == current["source_stage"]
        and "stage" not in vendor_wins
    )
    stage = current["stage"] if overridden else deal["crm_stage"]
    moved = stage != current["stage"]
    wanted = _fields(deal, stage)
    for name in owned(current, vendor_wins) & set(FIELDS):
        wanted[name] = current[name]
    wanted |= {
        "stage": stage,
        "source_stage": deal["stage"],
        "stage_changed_at": deal["stage_changed_at"] if moved else current["stage_changed_at"],
        "stage_override_at": current["stage_override_at"] if overridden else None,
        "closed_at": _closed_at(current, deal, stage, moved),
        "source_url": deal["url"],
    }
    if current["source_deleted_at"] is None and all(
        current[name] == value for name, value in wanted.items()
    ):
        return None
    return {"id": current["id"], **wanted}


def _fields(deal: Row, stage: str) -> dict[str, Any]:
    probability = PROBABILITIES[stage] if stage in CLOSED else deal["probability"]
    return {
        "account_id": deal["account_id"],
        "title": deal["title"] or deal["external_id"],
        "amount_estimate": max(deal["amount"] or Decimal(0), Decimal(0)),
        "currency": deal["currency"],
        "probability": probability if probability is not None else PROBABILITIES[stage],
        "expected_close_date": deal["expected_close_date"],
        "next_step": deal["next_step"] or "",
        "next_step_due_at": deal["next_step_due_at"],
        "lost_reason": deal["lost_reason"],
    }


def _closed_at(current: Row, deal: Row, stage: str, moved: bool) -> Any:
    if stage not in CLOSED:
        return None
    return deal["stage_changed_at"] if moved else current["closed_at"]
