"""What a reconciliation finds of one connector: how much of what is upstream is here, and how whole it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.connectors.census import Upstream
from app.connectors.chatwoot.mapping import Names
from app.connectors.connections import Connection
from app.contacts import erasure
from app.db import Connection as Tx
from app.db import Row, statements

sql = statements("reconciliation")

RAW = {
    "companies": "attio_accounts_raw",
    "people": "attio_people_raw",
    "deals": "attio_opportunities_raw",
    "notes": "attio_notes_raw",
    "tasks": "attio_tasks_raw",
}
Found = Mapping[str, Upstream]


@dataclass(frozen=True)
class Kind:
    """One kind of record. `here` counts those that the vendor named and that are stored and current."""

    kind: str
    upstream: int
    here: int
    only_here: int  # stored, and no longer named by the vendor
    listed: bool  # by id; else the two numbers were compared

    @classmethod
    def of(cls, found: Upstream, stored: int, matched: int, behind: int = 0) -> Kind:
        if not found.listed:
            here = min(stored, found.total)
            return cls(found.kind, found.total, here, max(0, stored - found.total), False)
        only_here = max(0, stored - matched - behind - found.young)
        return cls(found.kind, found.total, matched, only_here, True)

    def public(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "upstream": self.upstream,
            "here": self.here,
            "missing": self.upstream - self.here,
            "only_here": self.only_here,
            "coverage_pct": share(self.here, self.upstream),
            "compared_by": "ids" if self.listed else "counts",
        }


@dataclass(frozen=True)
class Measure:
    """All that is said of one connector."""

    connector: str
    kinds: list[Kind]
    duplicates: int
    attribute_pct: float
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(kind.upstream for kind in self.kinds)

    @property
    def missing(self) -> int:
        return sum(kind.upstream - kind.here for kind in self.kinds)

    @property
    def completeness_pct(self) -> float:
        return share(self.total - self.missing, self.total)


def share(part: float, whole: float) -> float:
    """A percentage with two decimals, cut and not rounded: 100 means that nothing is missing."""
    if whole <= 0:
        return 100.0
    return math.floor(min(max(part / whole, 0.0), 1.0) * 10_000) / 100


def chatwoot(tx: Tx, connection: Connection, found: Found) -> Measure:
    names = Names(connection.project_id, int(connection.external_account_id))
    talks = _unerased(tx, connection.project_id, found.get("conversations"), names.conversation)
    people = _unerased(tx, connection.project_id, found.get("contacts"), names.contact)
    row: Row = sql.count_chatwoot(
        tx,
        project_id=connection.project_id,
        account=names.account,
        conversation_ids=talks.ids if talks else [],
        active_at=talks.active if talks else [],
        contact_ids=people.ids if people else [],
    )
    kinds = []
    if talks:
        matched, behind = row["conversations_matched"], row["conversations_behind"]
        kinds.append(Kind.of(talks, row["conversations_total"], matched, behind))
    if people:
        kinds.append(Kind.of(people, row["contacts_total"], row["contacts_matched"]))
    messages, conversations = row["messages_total"], row["conversations_total"]
    contacts, twins = row["contacts_total"], row["duplicate_contacts_by_email"]
    return Measure(
        "chatwoot",
        kinds,
        row["duplicates"],
        _mean(
            (messages - row["messages_without_contact"], messages),
            (conversations - row["conversations_without_contact"], conversations),
            (contacts - twins, contacts),
        ),
        _without(row, "duplicates", "conversations_matched", "contacts_matched"),
    )


def _unerased(
    tx: Tx, project_id: UUID, found: Upstream | None, ref_of: Callable[[int], str]
) -> Upstream | None:
    """What was erased on request stays away, and is not missing."""
    if found is None:
        return None
    refs = {ref_of(number): number for number in found.ids}
    return found.without({refs[ref] for ref in erasure.erased_among(tx, project_id, sorted(refs))})


def linear(tx: Tx, connection: Connection, found: Found) -> Measure:
    row: Row = sql.count_linear(
        tx,
        project_id=connection.project_id,
        workspace=connection.external_account_id,
        issue_ids=_ids(found, "issues"),
        comment_ids=_ids(found, "comments"),
    )
    issues = row["issues_total"]
    return Measure(
        "linear",
        [
            Kind.of(found[kind], row[f"{kind}_total"], row[f"{kind}_matched"])
            for kind in ("issues", "comments")
            if kind in found
        ],
        row["duplicates"],
        _mean(
            (issues - row["issues_without_state"], issues),
            (issues - row["issues_without_state_type"], issues),
            (issues - row["issues_without_title"], issues),
        ),
        _without(row, "duplicates", "issues_matched", "comments_matched")
        | {"duplicate_open_issues_by_title": row["duplicates"]},
    )


def attio(tx: Tx, connection: Connection, found: Found) -> Measure:
    place = {
        "project_id": connection.project_id,
        "workspace": connection.external_account_id.lower(),
    }
    row: Row = sql.count_attio(tx, **place)
    kinds = []
    for upstream in found.values():
        _, _, entries_of = upstream.kind.partition("list:")
        raw = RAW.get(upstream.kind, "attio_list_entries_raw")
        stored = sql.match_attio(tx, raw=raw, ids=upstream.ids, list=entries_of or None, **place)
        kinds.append(Kind.of(upstream, stored["stored"], stored["matched"]))
    accounts, deals = row["raw_accounts_total"], row["raw_opportunities_total"]
    with_company = deals - row["opportunities_without_account_ref"]
    return Measure(
        "attio",
        kinds,
        sum(row[name] for name in row if name.startswith("duplicate_")),
        _mean(
            (row["mapped_accounts_total"], accounts),
            (row["mapped_opportunities_total"], deals),
            (with_company - row["opportunities_unmapped_to_crm_account"], with_company),
            (with_company, deals),
        ),
        dict(row),
    )


MEASURES: dict[str, Callable[[Tx, Connection, Found], Measure]] = {
    "chatwoot": chatwoot,
    "linear": linear,
    "attio": attio,
}


def portfolio_pct(parts: Iterable[tuple[float, int]]) -> float | None:
    """Completeness over all connectors, each weighing as much as it has; None of nothing."""
    weighed = [(pct, max(1, total)) for pct, total in parts]
    if not weighed:
        return None
    weight = sum(total for _, total in weighed)
    return share(sum(pct * total for pct, total in weighed), 100 * weight)


def _mean(*parts: tuple[int, int]) -> float:
    shares = [share(part, whole) for part, whole in parts]
    return round(sum(shares) / len(shares), 2)


def _ids(found: Found, kind: str) -> list[Any]:
    return found[kind].ids if kind in found else []


def _without(row: Row, *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
