"""Which account of the CRM is which company of the vendor, and what it takes from there. Pure.

By the vendor's id first, then by domain, then by name; never by something that two accounts share, and
never an account that is another company already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.db import Row

SUFFIXED = 200  # a name is cut to this where a suffix follows


def names_for(company: Row) -> list[str]:
    """Names for a company's account, the best first: the CRM's names are unique, the vendor's are not."""
    ref = company["external_id"][:8]
    name = company["name"] or company["domain"] or f"Company {ref}"
    found = [name]
    if company["domain"]:
        found.append(f"{name[:SUFFIXED]} ({company['domain'][:80]})")
    return [*found, f"{name[:SUFFIXED]} ({ref})"]


def owned(current: Row, vendor_wins: Iterable[str]) -> set[str]:
    """The fields of a row that a person wrote and the vendor must leave alone."""
    return set(current["edited_fields"]) - set(vendor_wins)


@dataclass
class AccountMatcher:
    """Finds each company's account among those that may be it. `keys` gives the form of a name in which
    names must differ."""

    accounts: list[Row]
    keys: dict[str, str]
    vendor_wins: Iterable[str]
    inserts: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_ref = {a["external_ref"]: a for a in self.accounts if a["external_ref"]}
        self._holders: dict[str, Any] = {a["key"]: a["id"] for a in self.accounts}
        self._free = {a["id"]: a for a in self.accounts if not a["external_ref"]}

    def place(self, company: Row) -> None:
        """Note what must be written so that the company's account shows it."""
        account = (
            self._by_ref.get(company["external_id"])
            or self._by_domain(company)
            or self._by_name(company)
        )
        if account is None:
            name = self._name(company, None)
            if name is not None:
                self.inserts.append(_shown(company, name, company["crm_stage"]))
            return
        self._free.pop(account["id"], None)
        change = self._merge(account, company)
        if change:
            self.updates.append(change)

    def _by_domain(self, company: Row) -> Row | None:
        found = [a for a in self._free.values() if a["domain"] in company["domains"]]
        return found[0] if len(found) == 1 else None

    def _by_name(self, company: Row) -> Row | None:
        if not company["name"]:
            return None
        account = self._free.get(self._holders.get(self.keys[company["name"]]))
        if account is None or (
            account["domain"] and company["domains"] and account["domain"] not in company["domains"]
        ):
            return None  # of the same name, but somebody else
        return account

    def _name(self, company: Row, account: Row | None) -> str | None:
        """The best name that no other account has; it is then this one's."""
        own = account["id"] if account else company["external_id"]
        for name in names_for(company):
            if self._holders.setdefault(self.keys[name], own) == own:
                return name
        return None

    def _merge(self, account: Row, company: Row) -> dict[str, Any] | None:
        """The account with what the vendor has; None when it shows all that already."""
        kept = owned(account, self.vendor_wins)
        stage = company["crm_stage"] if company["stage"] else account["stage"]
        name = account["name"] if "name" in kept else self._name(company, account)
        wanted = _shown(company, name or account["name"], stage)
        for name in kept & {"domain", "stage"}:
            wanted[name] = account[name]
        if account["source_deleted_at"] is None and all(
            account[name] == value for name, value in wanted.items()
        ):
            return None
        return {"id": account["id"], **wanted}


def _shown(company: Row, name: str, stage: str) -> dict[str, Any]:
    return {
        "name": name,
        "domain": company["domain"],
        "stage": stage,
        "external_ref": company["external_id"],
        "source_url": company["url"],
    }
