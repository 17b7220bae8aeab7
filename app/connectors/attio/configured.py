"""What a connection says about its workspace: every workspace names its attributes and stages itself.

    {"objects": {"deals": "projects"},
     "fields": {"deals": {"probability": "win_chance", "amount": ["budget", "value"]}},
     "stages": {"Согласование договора": "negotiation"},
     "account_stages": {"Клиент": "active"},
     "probability_scale": 100,
     "lists": {"sales": {"stage": "phase"}},
     "vendor_wins": ["amount_estimate"]}

All of it is optional; what is not said is as in a new workspace. A connection's `filters` name the
objects and lists that it may read, `{"objects": ["deals"], "lists": ["sales"]}`, and nothing else is read
then: notes and tasks belong to records of any kind.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.connectors.errors import ConnectorError
from app.connectors.records import Json
from app.crm.deals import FIELDS as DEAL_FIELDS

OWNABLE = frozenset({"name", "domain", "stage", *DEAL_FIELDS})
OBJECTS = ("companies", "people", "deals")
OPPORTUNITY_STAGES = ("discovery", "qualified", "proposal", "negotiation", "won", "lost")
ACCOUNT_STAGES = ("active", "inactive", "prospect")

# Slugs by target field, the standard ones of Attio first, then what people commonly call it.
FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "companies": {
        "name": ("name", "company_name", "legal_name"),
        "domain": ("domains", "domain", "website", "company_domain"),
        "stage": ("stage", "account_stage", "lifecycle_stage"),
        "annual_revenue": ("annual_revenue", "revenue", "arr", "acv"),
        "description": ("description",),
        "owner": ("owner", "account_owner"),
        "categories": ("categories",),
        "location": ("primary_location",),
        "last_interaction": ("last_interaction",),
    },
    "people": {
        "name": ("name", "full_name"),
        "email": ("email_addresses", "email", "work_email"),
        "phone": ("phone_numbers", "phone"),
        "role": ("job_title", "role"),
        "account": ("company", "associated_company"),
        "last_interaction": ("last_interaction",),
    },
    "deals": {
        "title": ("name", "title", "deal_name", "opportunity_name"),
        "stage": ("stage", "status", "deal_stage"),
        "amount": ("value", "amount", "amount_estimate", "deal_value", "acv"),
        "probability": ("probability", "win_probability", "likelihood"),
        "expected_close_date": ("expected_close_date", "close_date", "target_close_date"),
        "account": ("associated_company", "company", "account"),
        "people": ("associated_people",),
        "next_step": ("next_step", "next_action", "next_task"),
        "next_step_due": ("next_step_due", "next_step_date"),
        "lost_reason": ("lost_reason", "loss_reason"),
        "description": ("description",),
        "owner": ("owner",),
    },
    "entries": {
        "stage": ("stage", "status"),
        "amount": ("value", "amount", "deal_value"),
        "owner": ("owner",),
    },
}

STAGE_WORDS = {
    "discovery": ("discovery", "lead", "new", "in progress", "лид", "новая", "в работе"),
    "qualified": ("qualified", "qualification", "квалификация", "квалифицирована"),
    "proposal": ("proposal", "proposal sent", "предложение", "кп отправлено"),
    "negotiation": ("negotiation", "negotiations", "переговоры"),
    "won": ("won", "closed won", "выиграна", "выиграно", "успешно завершена"),
    "lost": ("lost", "closed lost", "проиграна", "проиграно", "отказ"),
}
ACCOUNT_WORDS = {
    "active": ("active", "customer", "won", "closed won", "клиент", "активный"),
    "inactive": ("inactive", "churned", "lost", "closed lost", "неактивный", "ушёл"),
    "prospect": ("prospect", "lead"),
}


def plain(title: str) -> str:
    """A title without what decorates it: `Won 🎉` and `won!` are the same stage."""
    letters = unicodedata.normalize("NFKC", title).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())


@dataclass(frozen=True)
class Configured:
    """A connection's `mapping`, checked and completed."""

    objects: dict[str, str]
    fields: dict[str, dict[str, tuple[str, ...]]]
    lists: dict[str, dict[str, tuple[str, ...]]]
    stages: dict[str, str]
    account_stages: dict[str, str]
    probability_scale: Decimal | None
    vendor_wins: frozenset[str]
    everything: bool  # no filters: whatever the token may read

    @classmethod
    def of(cls, mapping: Json, filters: Json) -> Configured:
        """Raises ConnectorError `config_missing` naming what cannot be used."""
        unknown = set(mapping) - KEYS
        if unknown:
            raise _wrong(f"{', '.join(sorted(unknown))} is not known")
        lists = _lists(mapping.get("lists"), filters)
        said = _table(mapping.get("fields"), "fields")
        if set(said) - set(OBJECTS):
            raise _wrong(f"fields can be told of {', '.join(OBJECTS)}")
        return cls(
            objects=_objects(_table(mapping.get("objects"), "objects"), filters),
            fields={name: _fields(name, said.get(name)) for name in OBJECTS},
            lists={
                str(slug): _fields("entries", own) for slug, own in _table(lists, "lists").items()
            },
            stages=_stages(mapping.get("stages"), STAGE_WORDS, OPPORTUNITY_STAGES),
            account_stages=_stages(mapping.get("account_stages"), ACCOUNT_WORDS, ACCOUNT_STAGES),
            probability_scale=_scale(mapping.get("probability_scale")),
            vendor_wins=_vendor_wins(mapping.get("vendor_wins") or []),
            everything=not filters,
        )

    def stage(self, title: str | None, celebrated: bool = False) -> str:
        """The CRM's stage for a title. One that nobody mapped is won when Attio celebrates it."""
        found = self.stages.get(plain(title)) if title else None
        return found or ("won" if celebrated else "discovery")

    def account_stage(self, title: str | None) -> str:
        return (self.account_stages.get(plain(title)) if title else None) or "prospect"

    def probability(self, value: Decimal | None) -> Decimal | None:
        """A share from 0 to 1. Without a configured scale a number from 1 on is a percentage: nobody
        means certainty by 1 where others have 40. What is no probability is none."""
        if value is None:
            return None
        scale = self.probability_scale
        if scale is None:
            scale = Decimal(100) if value >= 1 else Decimal(1)
        share = value / scale
        return share.quantize(Decimal("0.0001")) if 0 <= share <= 1 else None


KEYS = {
    "objects",
    "fields",
    "lists",
    "stages",
    "account_stages",
    "probability_scale",
    "vendor_wins",
}


def _objects(own: Json, filters: Json) -> dict[str, str]:
    """The slug of each object that is read."""
    slugs = {name: str(own.get(name) or name) for name in OBJECTS}
    wanted = filters.get("objects") or []
    return {name: slug for name, slug in slugs.items() if not filters or {name, slug} & set(wanted)}


def _lists(own: Any, filters: Json) -> Json:
    """The lists that are read, each with its own slugs of fields."""
    told = dict.fromkeys(_names(own, "lists")) if isinstance(own, list) else _table(own, "lists")
    if not filters:
        return told
    return {slug: told.get(slug) for slug in filters.get("lists") or []}


def _fields(kind: str, own: Any) -> dict[str, tuple[str, ...]]:
    """The slugs of each field: the connection's own where it names some, and no others then."""
    known = FIELDS[kind]
    own = _table(own, f"fields of {kind}")
    unknown = set(own) - set(known)
    if unknown:
        raise _wrong(f"{kind} have no field {', '.join(sorted(unknown))}")
    return known | {name: _slugs(slugs) for name, slugs in own.items()}


def _slugs(found: Any) -> tuple[str, ...]:
    if isinstance(found, str):
        return (found,)
    if isinstance(found, list) and all(isinstance(slug, str) for slug in found):
        return tuple(found)
    raise _wrong("a field is mapped to a slug or a list of slugs")


def _stages(own: Any, usual: dict[str, tuple[str, ...]], allowed: Iterable[str]) -> dict[str, str]:
    found = {word: stage for stage, words in usual.items() for word in words}
    for title, stage in _table(own, "stages").items():
        if stage not in allowed:
            raise _wrong(f"{stage!r} is no stage; there are {', '.join(allowed)}")
        found[plain(title)] = stage
    return found


def _scale(found: Any) -> Decimal | None:
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 1e9:
        raise _wrong("probability_scale is the number that means certainty, like 1 or 100")
    return Decimal(str(found))


def _vendor_wins(found: Any) -> frozenset[str]:
    """The CRM's fields that the vendor may write over what a person wrote."""
    names = frozenset(_names(found, "vendor_wins"))
    if names - OWNABLE:
        raise _wrong(f"vendor_wins cannot name {', '.join(sorted(names - OWNABLE))}")
    return names


def _names(found: Any, what: str) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise _wrong(f"{what} must be a list of names")
    return found


def _table(found: Any, what: str) -> Json:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong(f"{what} must be an object")
    return found


def _wrong(what: str) -> ConnectorError:
    return ConnectorError("config_missing", f"the connection's mapping cannot be used: {what}")
