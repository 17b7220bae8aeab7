"""A client project's Attio side of the demo's story, as a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests.vendors import calendar
from tests.vendors.attio import typed
from tests.vendors.attio.state import Json, Record, State

KINDS = {"companies": "company", "people": "person", "deals": "deal"}


@dataclass
class AttioStory:
    """A workspace, and the id of the record behind each key of the golden questions."""

    state: State
    refs: dict[str, str] = field(default_factory=dict)


def load_attio(path: Path, today: date | None = None) -> AttioStory:
    """The workspace of one file, its dates moved as those of the conversations."""
    told = yaml.safe_load(path.read_text())
    return _Teller(told, calendar.last_day(today)).tell()


class _Teller:
    def __init__(self, told: dict[str, Any], end: date) -> None:
        self.told = told
        self.end = end
        self.state = State(told["workspace"]["id"])
        self.state.objects["deals"].enabled = True
        self.records: dict[str, tuple[str, Record]] = {}  # by object and key: `deals/co3`
        self.refs: dict[str, str] = {}

    def tell(self) -> AttioStory:
        for slug, make in (
            ("companies", self._company), ("people", self._person), ("deals", self._deal),
        ):  # fmt: skip
            for item in self.told[slug]:
                self._at(item.get("day", 1))
                record = make(item)
                self.records[f"{slug}/{item['key']}"] = (slug, record)
                self.refs[f"{KINDS[slug]}:{item['key']}"] = record.id
        for item in self.told["notes"]:
            self._at(item["day"])
            note = self.state.add_note(*self.records[item["about"]], item["title"], item["text"])
            self.refs[f"note:{item['key']}"] = note["id"]["note_id"]
        for item in self.told["tasks"]:
            self._at(item["day"])
            due = calendar.moment(item["due"], "10:00", self.end).isoformat()
            self.state.add_task(
                item["text"], *(self.records[key] for key in item["about"]), deadline=due
            )
        return AttioStory(self.state, self.refs)

    def _at(self, day: int) -> None:
        self.state.at(calendar.moment(day, "15:00", self.end))

    def _company(self, item: dict[str, Any]) -> Record:
        return self.state.add_company(
            item["name"],
            item.get("domain"),
            description=typed.text(item["description"]),
            stage=typed.text(item["stage"]),
        )

    def _person(self, item: dict[str, Any]) -> Record:
        told = {"job_title": typed.text(item["role"])}
        if "phone" in item:
            told["phone_numbers"] = typed.phone(item["phone"])
        company = self._found("companies", item["company"])
        return self.state.add_person(item["name"], item.get("email"), company, **told)

    def _deal(self, item: dict[str, Any]) -> Record:
        told: dict[str, Any] = {
            "expected_close_date": typed.date(calendar.day(item["close"], self.end).isoformat()),
            "description": typed.text(item["description"]),
            "associated_people": [self._person_of(key) for key in item["people"]],
        }
        if "amount" in item:
            currency = item.get("currency", self.told["currency"])
            told["value"] = typed.currency(item["amount"], currency)
        if "probability" in item:
            told["probability"] = typed.number(item["probability"])
        if "next" in item:
            told["next_step"] = typed.text(item["next"])
        if "lost" in item:
            told["lost_reason"] = typed.text(item["lost"])
        company = self._found("companies", item["company"])
        return self.state.add_deal(item["name"], item["stage"], None, company, **told)

    def _person_of(self, key: str) -> Json:
        return typed.reference("people", self._found("people", key).id)

    def _found(self, slug: str, key: str) -> Record:
        return self.records[f"{slug}/{key}"][1]
