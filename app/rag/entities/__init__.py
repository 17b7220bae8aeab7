"""Whom and what the evidence speaks of: people, companies, issue keys, amounts, dates.

Each entity says in which evidence it stands (`evidence`: the keys of the sources), so that a page can
mark it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from app.db import Row, statements
from app.rag.entities.amounts import amounts_in
from app.rag.entities.dates import dates_in
from app.rag.entities.names import Names, name_of, pairs_in, phrases_in
from app.rag.retrieval.legs import Found, run_leg
from app.rag.retrieval.ranking import Item

sql = statements("entities")

ISSUE_KEY = re.compile(r"[A-Z](?<![\w-].)[A-Z0-9]{1,9}-[1-9]\d{0,6}(?![\w-])")
MOST_READ = 20  # sources: the first pages of the evidence
# What looks like the key of an issue and is none.
NO_ISSUES = frozenset("UTF ISO SHA RFC COVID GPT UTC GMT INV CV".split())  # noqa: SIM905


def known_names(project_id: UUID, items: list[Item]) -> Found:
    """The project's people and companies that the evidence may name. One look-up."""
    read = items[:MOST_READ]
    if not read:
        return Found()
    texts = [_text(item) for item in read]
    return run_leg(
        "names",
        sql.known_names,
        project_id=project_id,
        contact_ids=sorted({str(i.row["contact_global_id"]) for i in read}),
        person_ids=[i.source_pk for i in read if i.source_type == "attio_person"],
        pairs=pairs_in(texts),
        phrases="\n".join(phrases_in(texts)),
    )


def entities_in(items: list[Item], known: Iterable[Row] = ()) -> dict[str, list[dict[str, Any]]]:
    """Everything the best of the evidence names, each once, in the order in which it comes."""
    rows = list(known)
    names = Names(name_of(**row) for row in rows if row["kind"] != "issues")
    # Where issues are tracked, their teams tell a key from an order's or an invoice's number.
    teams = {row["name"] for row in rows if row["kind"] == "issues"}
    found = _Entities()
    for item in items[:MOST_READ]:
        text, key = _text(item), item.source_pk
        author = item.row["author"]
        if author:
            found.add("people", author.casefold(), key, name=author, known_as="author", id=None)
        for name in names.found_in(f"{author or ''}\n{text}"):
            kind = "people" if name.kind == "person" else "companies"
            found.add(
                kind, name.name.casefold(), key, name=name.name, known_as=name.known_as, id=name.id
            )
        for issue in ISSUE_KEY.findall(text):
            team = issue.split("-")[0]
            if team in teams or (not teams and team not in NO_ISSUES):
                found.add("issue_keys", issue, key, key=issue)
        for amount in amounts_in(text):
            value = int(amount.value) if amount.value % 1 == 0 else float(amount.value)
            found.add(
                "amounts",
                (amount.value, amount.currency),
                key,
                text=amount.text,
                value=value,
                currency=amount.currency,
            )
        written = item.occurred_at.date() if item.occurred_at else None
        for day in dates_in(text, written):
            found.add("dates", day.date, key, text=day.text, date=day.date.isoformat())
    return found.lists


class _Entities:
    """Entities by what they are, each with the evidence it stands in."""

    def __init__(self) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = {
            kind: [] for kind in ("people", "companies", "issue_keys", "amounts", "dates")
        }
        self._seen: dict[tuple[str, Any], dict[str, Any]] = {}

    def add(self, kind: str, identity: Any, evidence: str, **told: Any) -> None:
        entity = self._seen.get((kind, identity))
        if entity is None:
            entity = self._seen[(kind, identity)] = {**told, "evidence": []}
            self.lists[kind].append(entity)
        elif entity.get("known_as") == "author" and told["id"]:
            entity.update(told)  # an author whom the project knows
        if evidence not in entity["evidence"]:
            entity["evidence"].append(evidence)


def _text(item: Item) -> str:
    """What is shown of a source; of one with a title, that too."""
    title = item.row["title"]
    return f"{title}\n{item.passage}" if title else item.passage
