"""Attio's JSON as rows. Pure functions; what cannot be understood raises ValueError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.connectors.attio import values
from app.connectors.attio.configured import Configured
from app.connectors.records import Json, clean, moment, sealed, short
from app.contacts.identity import email_of, phone_of

MOST_TEXT = 200_000
CENTS = Decimal("0.01")
MOST_MONEY = Decimal(10) ** 12  # of one deal: what the CRM's column holds


@dataclass(frozen=True)
class Mapper:
    """Rows of one workspace as its connection wants them. `require_workspace` raises for a record of
    another workspace: it must not end up in this project."""

    workspace_id: str
    configured: Configured
    require_workspace: Callable[[Any], None]

    def company(self, record: Json) -> Json:
        head, found = self._record(record, "attioacct", "record_id")
        fields = self.configured.fields["companies"]
        stage = short(values.text(found, fields["stage"]), 100)
        domains = [_host(text) for text in values.texts(found, fields["domain"])]
        return _complete(
            head,
            found,
            {
                "name": short(values.text(found, fields["name"]), 300),
                "domain": domains[0] if domains else None,
                "domains": domains,
                "stage": stage,
                "crm_stage": self.configured.account_stage(stage),
                "annual_revenue": _money(values.number(found, fields["annual_revenue"])),
                "description": _long(values.text(found, fields["description"])),
                "owner_id": values.text(found, fields["owner"]),
                "last_interaction_at": _when(found, fields["last_interaction"]),
                "data": {
                    "categories": values.texts(found, fields["categories"]),
                    "location": short(values.text(found, fields["location"]), 300),
                },
            },
        )

    def person(self, record: Json) -> Json:
        head, found = self._record(record, "attioperson", "record_id")
        fields = self.configured.fields["people"]
        emails = _unified(email_of, values.texts(found, fields["email"]))
        phones = _unified(phone_of, values.texts(found, fields["phone"]))
        return _complete(
            head,
            found,
            {
                "full_name": short(values.text(found, fields["name"]), 300),
                "email": short(emails[0], 320) if emails else None,
                "emails": emails,
                "phone": short(phones[0], 100) if phones else None,
                "phones": phones,
                "role": short(values.text(found, fields["role"]), 200),
                "account_external_id": values.reference(found, fields["account"]),
                "last_interaction_at": _when(found, fields["last_interaction"]),
            },
        )

    def deal(self, record: Json) -> Json:
        head, found = self._record(record, "attiodeal", "record_id")
        fields = self.configured.fields["deals"]
        probability = self.configured.probability(values.number(found, fields["probability"]))
        return _complete(
            head,
            found,
            {
                "title": short(values.text(found, fields["title"]), 500),
                **self._stage(found, fields["stage"]),
                **_amount(found, fields["amount"]),
                "probability": format(probability, "f") if probability is not None else None,
                "expected_close_date": values.day(found, fields["expected_close_date"]),
                "account_external_id": values.reference(found, fields["account"]),
                "people_external_ids": values.references(found, fields["people"]),
                "next_step": short(values.text(found, fields["next_step"]), 1000),
                "next_step_due_at": _when(found, fields["next_step_due"]),
                "lost_reason": short(values.text(found, fields["lost_reason"]), 1000),
                "description": _long(values.text(found, fields["description"])),
                "owner_id": values.text(found, fields["owner"]),
            },
        )

    def entry(self, list_slug: str, record: Json) -> Json:
        """A place of a record in a list, which may be a pipeline with its own stages."""
        head, found = self._record(record, "attioentry", "entry_id", "entry_values")
        fields = self.configured.lists[list_slug]
        return _complete(
            head,
            found,
            {
                "list_slug": list_slug,
                "parent_object": short(record["parent_object"], 200),
                "parent_record_id": _uuid(record["parent_record_id"]),
                **self._stage(found, fields["stage"]),
                **_amount(found, fields["amount"]),
                "owner_id": values.text(found, fields["owner"]),
            },
        )

    def note(self, record: Json) -> Json:
        head = self._head(record, "attionote", "note_id")
        return _complete(
            head,
            {},
            {
                "parent_object": short(record["parent_object"], 200),
                "parent_record_id": _uuid(record["parent_record_id"]),
                "title": short(record.get("title"), 1000),
                "content": _long(record.get("content_plaintext")),
                **_author(record),
            },
        )

    def task(self, record: Json) -> Json:
        head = self._head(record, "attiotask", "task_id")
        linked = record.get("linked_records") or []
        assigned = record.get("assignees") or []
        return _complete(
            head,
            {},
            {
                "content": _long(record.get("content_plaintext")),
                "deadline_at": moment(record.get("deadline_at")),
                "is_completed": record.get("is_completed") is True,
                "linked_record_ids": [_uuid(item["target_record_id"]) for item in linked],
                "assignee_ids": [_uuid(item["referenced_actor_id"]) for item in assigned],
                **_author(record),
            },
        )

    def _stage(self, found: Json, slugs: tuple[str, ...]) -> Json:
        """The stage as it is called there, what it is here, and since when."""
        value = values.first(found, slugs) or {}
        title = short(values.text(found, slugs), 120)
        status = value.get("status")
        celebrated = isinstance(status, dict) and status.get("celebration_enabled") is True
        return {
            "stage": title,
            "crm_stage": self.configured.stage(title, celebrated),
            "stage_changed_at": moment(value.get("active_from")),
        }

    def _record(
        self, record: Json, prefix: str, key: str, under: str = "values"
    ) -> tuple[Json, Json]:
        found = record[under]
        if not isinstance(found, dict):
            raise ValueError(f"{under} is not an object")
        return self._head(record, prefix, key), found

    def _head(self, record: Json, prefix: str, key: str) -> Json:
        """What every row begins with. Ids are objects; the text of one would be the same for all."""
        workspace = record["id"]["workspace_id"]
        if not isinstance(workspace, str):
            raise ValueError("workspace_id is not a text")
        self.require_workspace(workspace)
        external_id = _uuid(record["id"][key])
        link = record.get("web_url")
        return {
            "id": f"{prefix}:{self.workspace_id}:{external_id}",
            "workspace_id": self.workspace_id,
            "external_id": external_id,
            "source_created_at": moment(record.get("created_at")),
            "url": short(link, 2000) if str(link).startswith("https://") else None,
        }


def external_id(record: Any) -> str | None:
    """The id of a record of any kind, also of one that cannot be understood otherwise."""
    found = record.get("id") if isinstance(record, dict) else None
    if isinstance(found, dict):
        for key in ("record_id", "entry_id", "note_id", "task_id"):
            if isinstance(found.get(key), str):
                return str(found[key]).lower()
    return None


def _complete(head: Json, found: Json, own: Json) -> Json:
    """The row with its hash. A time of change is no content: it moves with values that nobody mapped."""
    changed = values.newest_change(found) or head["source_created_at"]
    return {**sealed({**head, **own}), "source_updated_at": changed}


def _uuid(value: Any) -> str:
    return str(UUID(value))


def _amount(found: Json, slugs: tuple[str, ...]) -> Json:
    """The amount of the first slug that has one, zero included, and its currency if it has one."""
    value = values.first(found, slugs) or {}
    amount = values.number(found, slugs)
    if amount is not None and abs(amount) >= MOST_MONEY:
        raise ValueError("amount is out of range")
    return {
        "amount": _money(amount),
        "currency": short(value.get("currency_code"), 3),
    }


def _money(amount: Decimal | None) -> str | None:
    """As a text, since JSON numbers lose cents on their way."""
    return format(amount.quantize(CENTS), "f") if amount is not None else None


def _when(found: Json, slugs: tuple[str, ...]) -> Any:
    value = values.first(found, slugs)
    return moment(values.as_text(values.read(value))) if value else None


def _author(record: Json) -> Json:
    actor = record.get("created_by_actor") or {}
    return {"actor_type": short(actor.get("type"), 100), "actor_id": short(actor.get("id"), 100)}


def _long(text: str | None) -> str | None:
    cleaned = clean(text)
    return cleaned[:MOST_TEXT].strip() or None if cleaned else None


def _host(text: str) -> str:
    """A domain as one compares it: no scheme, no www, lower case."""
    host = text.lower().partition("://")[2] or text.lower()
    return host.partition("/")[0].removeprefix("www.")[:300]


def _unified(form: Callable[[Any], str | None], texts: list[str]) -> list[str]:
    """Addresses or numbers in their one form, each once, in their order."""
    return list(dict.fromkeys(found for found in map(form, texts) if found))
