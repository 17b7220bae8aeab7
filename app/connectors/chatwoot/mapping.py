"""Chatwoot's JSON as rows. Pure functions; what cannot be understood raises ValueError."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.connectors.failures import Judged
from app.connectors.records import (
    Json,
    clean,
    findable,
    moment,
    number,
    number_or_none,
    sealed,
    short,
)
from app.contacts.identity import email_of, phone_of

DIRECTIONS = {0: "inbound", 1: "outbound", 2: "activity", 3: "template"}
TYPE_WORDS = {"incoming": 0, "outgoing": 1, "activity": 2, "template": 3}


@dataclass(frozen=True)
class Names:
    """The global ids of one account in one project."""

    project_id: UUID
    account: int

    def _of(self, prefix: str, number: Any) -> str:
        return f"{prefix}:{self.project_id}:{self.account}:{number}"

    def conversation(self, number: Any) -> str:
        return self._of("cw", number)

    def message(self, number: Any) -> str:
        return self._of("cwmsg", number)

    def contact(self, number: Any) -> str:
        return self._of("cwc", number)

    def inbox(self, number: Any) -> str:
        return self._of("cwinbox", number)

    def agent(self, number: Any) -> str:
        return self._of("cwagent", number)

    def attachment(self, number: Any) -> str:
        return self._of("cwa", number)


@dataclass
class Rows:
    """What one reading holds, ready to be written; records that do not parse stand apart. `read_at` is
    when its messages were asked for: REST gives them no time of change."""

    inboxes: list[Json] = field(default_factory=list)
    agents: list[Json] = field(default_factory=list)
    contacts: dict[str, Json] = field(default_factory=dict)
    conversations: list[Json] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)  # conversations that are no longer there
    gone_contacts: list[str] = field(default_factory=list)
    gone_inboxes: list[str] = field(default_factory=list)
    gone_agents: list[str] = field(default_factory=list)
    judged: Judged = field(default_factory=Judged)
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def add_contact(self, contact: Json | None) -> None:
        """Keep of each contact the newest reading of every field: a thin payload never empties one, and an
        older one only fills what is empty."""
        if contact is None:
            return
        known = self.contacts.get(contact["id"])
        if known is None:
            self.contacts[contact["id"]] = contact
            return
        times = known["updated_at"], contact["updated_at"]
        late = times[0] is not None and times[1] is not None and times[1] < times[0]
        first, then = (contact, known) if late else (known, contact)
        merged = first | {name: value for name, value in then.items() if value not in (None, "")}
        merged["custom_attributes"] = first["custom_attributes"] | then["custom_attributes"]
        self.contacts[contact["id"]] = merged


def inbox(names: Names, record: Json) -> Json:
    return sealed(
        {
            "id": names.inbox(number(record["id"])),
            "account_id": names.account,
            "inbox_id": number(record["id"]),
            "name": short(record.get("name"), 300),
            "channel_type": short(record.get("channel_type") or record.get("channel"), 100),
        }
    )


def agent(names: Names, record: Json) -> Json:
    return {
        "id": names.agent(number(record["id"])),
        "account_id": names.account,
        "agent_id": number(record["id"]),
        "name": short(record.get("name") or record.get("available_name"), 300),
        "email": short(email_of(record.get("email")), 320),
    }


def contact(names: Names, record: Json | None) -> Json | None:
    """A contact, from a list or from the sender of a conversation or message."""
    if not record or record.get("id") is None:
        return None
    kind = str(record.get("type") or record.get("role") or "contact").lower()
    if "contact" not in kind and "customer" not in kind:
        return None
    attributes = record.get("custom_attributes")
    return {
        "id": names.contact(number(record["id"])),
        "account_id": names.account,
        "contact_id": number(record["id"]),
        "name": short(record.get("name"), 500),
        "email": short(email_of(record.get("email")), 500),
        "phone_number": short(phone_of(record.get("phone_number")), 100),
        "identifier": short(record.get("identifier"), 500),
        "custom_attributes": _said(attributes) if isinstance(attributes, dict) else {},
        "source_created_at": moment(record.get("created_at")),
        "updated_at": moment(record.get("updated_at")) or moment(record.get("last_activity_at")),
    }


def _said(attributes: Json) -> Json:
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def conversation(names: Names, record: Json) -> Json:
    """A conversation; `data` keeps the few fields that pages and later parts read."""
    meta = record.get("meta") or {}
    assignee = meta.get("assignee") or {}
    sender = contact(names, meta.get("sender") or record.get("contact"))
    return sealed(
        {
            "id": names.conversation(number(record["id"])),
            "account_id": names.account,
            "conversation_id": number(record["id"]),
            "contact_global_id": sender["id"] if sender else None,
            "inbox_id": number_or_none(record.get("inbox_id")),
            "status": short(record.get("status"), 100),
            "assignee_id": number_or_none(assignee.get("id")),
            "assignee_name": short(assignee.get("name"), 300),
            "labels": [str(clean(label)) for label in record.get("labels") or []],
            "data": {
                "priority": record.get("priority"),
                "channel": meta.get("channel"),
                "team": (meta.get("team") or {}).get("name"),
                "waiting_since": record.get("waiting_since"),
                "snoozed_until": record.get("snoozed_until"),
                "first_reply_created_at": record.get("first_reply_created_at"),
                "custom_attributes": record.get("custom_attributes") or {},
            },
            "last_activity_at": moment(record.get("last_activity_at")),
            "source_created_at": moment(record.get("created_at")),
            "source_updated_at": moment(record.get("updated_at")),
        }
    )


def message(
    names: Names, conversation_number: int, record: Json
) -> tuple[Json, list[Json], Json | None]:
    """A message, its attachments, and its sender when that is a contact."""
    sender = record.get("sender") or {}
    kind = _kind(record.get("message_type"))
    sender_type = record.get("sender_type") or sender.get("type")
    is_contact = "contact" in str(sender_type or "").lower() or (sender_type is None and kind == 0)
    sending_contact = contact(names, sender) if is_contact and sender else None
    deleted = bool((record.get("content_attributes") or {}).get("deleted"))
    identifier = names.message(number(record["id"]))
    row = {
        "id": identifier,
        "account_id": names.account,
        "message_id": number(record["id"]),
        "conversation_id": conversation_number,
        "conversation_global_id": names.conversation(conversation_number),
        "contact_global_id": sending_contact["id"] if sending_contact else None,
        "sender_type": short(sender_type, 100),
        "sender_id": number_or_none(sender.get("id") or record.get("sender_id")),
        "sender_name": short(sender.get("name"), 300),
        "private": bool(record.get("private")),
        "message_type": kind,
        "direction": DIRECTIONS[kind] if kind is not None else None,
        "content": None if deleted else findable(record.get("content")),
        "created_at": moment(record.get("created_at")),
        "source_updated_at": moment(record.get("updated_at")),
        "deleted": deleted,
    }
    attachments = (
        []
        if deleted
        else [
            _attachment(names, row, position, item)
            for position, item in enumerate(record.get("attachments") or [])
        ]
    )
    row["data"] = {"attachments": len(attachments), "status": record.get("status")}
    return sealed(row), attachments, sending_contact


def _kind(value: Any) -> int | None:
    """The number of a message's type; None for one that we do not know."""
    if isinstance(value, str):
        return TYPE_WORDS.get(value)
    return value if type(value) is int and value in DIRECTIONS else None


def _attachment(names: Names, message_row: Json, position: int, record: Json) -> Json:
    key = record.get("id") or record.get("file_id") or f"{message_row['message_id']}:{position}"
    url = clean(
        record.get("data_url")
        or record.get("file_url")
        or record.get("url")
        or record.get("download_url")
    )
    return {
        "id": names.attachment(key),
        "account_id": names.account,
        "message_global_id": message_row["id"],
        "conversation_global_id": message_row["conversation_global_id"],
        "content_type": short(
            record.get("file_type") or record.get("content_type") or record.get("type"), 120
        ),
        "file_name": short((url or "").rpartition("/")[2].partition("?")[0], 300),
        "file_size": number_or_none(record.get("file_size")),
        "file_url": (url or "")[:2000] or None,
        "thumb_url": short(record.get("thumb_url"), 2000),
    }
