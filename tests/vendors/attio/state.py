"""What an Attio workspace holds, and how it changes. Thread-safe by one lock."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.vendors.attio import typed

Json = dict[str, Any]
WORKSPACE = "14beef7a-99f7-4534-a87e-70b564330a4c"
MEMBER = "50cf242c-7fa3-4cad-87d0-75b1af71c57b"
ROOT = uuid.UUID("2f1a9c1e-33a5-4a8e-9d0a-0d2a5b0d5a11")


@dataclass
class Record:
    """A record or a list entry: its values by slug, each a list of value objects, old ones included."""

    id: str
    created_at: str
    values: dict[str, list[Json]]
    parent_object: str | None = None
    parent_record_id: str | None = None


@dataclass
class Kind:
    """An object or a list. One that is not enabled is not found."""

    slug: str
    id: str
    enabled: bool = True
    records: dict[str, Record] = field(default_factory=dict)


class State:
    """One workspace. Ids are made from names and numbers, so that they are the same in every run."""

    def __init__(self, workspace_id: str = WORKSPACE) -> None:
        self.lock = threading.RLock()
        self.workspace_id = workspace_id
        self.workspace_name = "Студия «Маяк»"
        self.active = True
        # Real answers hold current values only; a test may ask for old ones beside them.
        self.show_historic = False
        self.objects = {
            slug: Kind(slug, self._id(slug), enabled=slug != "deals")
            for slug in ("companies", "people", "deals")
        }
        self.lists: dict[str, Kind] = {}
        self.notes: dict[str, Json] = {}
        self.tasks: dict[str, Json] = {}
        self._number = 0
        self._clock = datetime(2026, 10, 1, 9, 0, tzinfo=UTC)

    def _id(self, name: str) -> str:
        return str(uuid.uuid5(ROOT, f"{self.workspace_id}:{name}"))

    def _next_id(self) -> str:
        self._number += 1
        return self._id(str(self._number))

    def now(self) -> str:
        """A moment later than every one before, with nine digits as the real API writes it."""
        self._clock += timedelta(minutes=1)
        return self._clock.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"

    def at(self, moment: datetime) -> None:
        """What happens next happens then."""
        self._clock = moment.astimezone(UTC)

    def value(self, **typed_keys: Any) -> Json:
        """A value object as of now."""
        return {
            "active_from": self.now(),
            "active_until": None,
            "created_by_actor": {"type": "workspace-member", "id": MEMBER},
            **typed_keys,
        }

    def add(self, slug: str, /, created_at: str | None = None, **values: Any) -> Record:
        """A record; each value is a typed one (see typed.py) or a list of them."""
        with self.lock:
            record = Record(self._next_id(), created_at or self.now(), {})
            self._system_values(record)
            for name, found in values.items():
                self.change(record, name, found)
            self.objects[slug].records[record.id] = record
            return record

    def _system_values(self, record: Record) -> None:
        record.values["created_at"] = [self.value(**typed.timestamp(record.created_at))]
        record.values["created_by"] = [self.value(**typed.actor(MEMBER))]

    def change(self, record: Record, slug: str, found: Any) -> None:
        """Replace the values of a slug; the old ones end now. None leaves the slug empty."""
        with self.lock:
            kept = record.values.setdefault(slug, [])
            for old in kept:
                old["active_until"] = old["active_until"] or self.now()
            fresh = found if isinstance(found, list) else [] if found is None else [found]
            kept.extend(self.value(**value) for value in fresh)

    def delete(self, slug: str, record: Record) -> None:
        with self.lock:
            del self.objects[slug].records[record.id]

    def merge(self, slug: str, kept: Record, duplicate: Record) -> None:
        """Two records become one; what pointed at the duplicate points at the other."""
        with self.lock:
            self.delete(slug, duplicate)
            for kind in self.objects.values():
                for record in kind.records.values():
                    for values in record.values.values():
                        for value in values:
                            if value.get("target_record_id") == duplicate.id:
                                value["target_record_id"] = kept.id

    def add_company(self, name: str, domain: str | None = None, **values: Any) -> Record:
        if domain:
            values["domains"] = typed.domain(domain)
        return self.add("companies", name=typed.text(name), **values)

    def add_person(
        self, name: str, email: str | None = None, company: Record | None = None, **values: Any
    ) -> Record:
        if email:
            values["email_addresses"] = typed.email(email)
        if company:
            values["company"] = typed.reference("companies", company.id)
        return self.add("people", name=typed.person(name), **values)

    def add_deal(
        self, name: str, stage: str = "Lead", amount: float | None = None,
        company: Record | None = None, **values: Any,
    ) -> Record:  # fmt: skip
        if amount is not None:
            values["value"] = typed.currency(amount)
        if company:
            values["associated_company"] = typed.reference("companies", company.id)
        return self.add("deals", name=typed.text(name), stage=self.stage(stage), **values)

    def stage(self, title: str, attribute: str = "stage") -> Json:
        """A status value; the title that has the party popper celebrates, as in a new workspace."""
        return typed.status(
            title, self.workspace_id, self._id("deals"), self._id(attribute), self._id(title)
        )

    def option(self, title: str, attribute: str) -> Json:
        return typed.select(
            title, self.workspace_id, self._id("deals"), self._id(attribute), self._id(title)
        )

    def add_list(self, slug: str) -> Kind:
        return self.lists.setdefault(slug, Kind(slug, self._id(slug)))

    def add_entry(self, slug: str, parent_object: str, parent: Record, **values: Any) -> Record:
        with self.lock:
            entry = Record(self._next_id(), self.now(), {}, parent_object, parent.id)
            self._system_values(entry)
            for name, found in values.items():
                self.change(entry, name, found)
            self.lists[slug].records[entry.id] = entry
            return entry

    def add_note(self, parent_object: str, parent: Record, title: str, text: str) -> Json:
        with self.lock:
            note = {
                "id": {"workspace_id": self.workspace_id, "note_id": self._next_id()},
                "parent_object": parent_object,
                "parent_record_id": parent.id,
                "title": title,
                "content_plaintext": text,
                "content_markdown": text,
                "created_by_actor": {"type": "workspace-member", "id": MEMBER},
                "created_at": self.now(),
            }
            self.notes[note["id"]["note_id"]] = note
            return note

    def add_task(self, text: str, *linked: tuple[str, Record], deadline: str | None = None) -> Json:
        with self.lock:
            task = {
                "id": {"workspace_id": self.workspace_id, "task_id": self._next_id()},
                "content_plaintext": text,
                "deadline_at": deadline,
                "is_completed": False,
                "linked_records": [
                    {"target_object_id": slug, "target_record_id": record.id}
                    for slug, record in linked
                ],
                "assignees": [
                    {"referenced_actor_type": "workspace-member", "referenced_actor_id": MEMBER}
                ],
                "created_by_actor": {"type": "workspace-member", "id": MEMBER},
                "created_at": self.now(),
            }
            self.tasks[task["id"]["task_id"]] = task
            return task
