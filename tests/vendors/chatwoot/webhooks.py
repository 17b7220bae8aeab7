"""Payloads as Chatwoot's webhooks carry them: words for types, ISO times, the account beside them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.vendors.chatwoot.state import Account, Conversation, Message, Person

TYPES = {0: "incoming", 1: "outgoing", 2: "activity", 3: "template"}


def message_event(
    account: Account, conversation: Conversation, message: Message, event: str = "message_created"
) -> dict[str, Any]:
    return {
        "event": event,
        "id": message.id,
        "content": message.text,
        "message_type": TYPES[message.type],
        "private": message.private,
        "created_at": datetime.fromtimestamp(message.created_at, UTC).isoformat(),
        "content_attributes": {"deleted": True} if message.deleted else {},
        "conversation": {"id": conversation.id, "status": conversation.status},
        "sender": {"id": message.sender.id, "name": message.sender.name}
        if message.sender
        else None,
        "account": {"id": account.id, "name": account.name},
    }


def conversation_event(
    account: Account, conversation: Conversation, event: str = "conversation_status_changed"
) -> dict[str, Any]:
    """A conversation names its account in its messages only."""
    return {
        "event": event,
        "id": conversation.id,
        "status": conversation.status,
        "meta": {"sender": {"id": conversation.contact.id}},
        "messages": [{"id": m.id, "account_id": account.id} for m in conversation.messages[-1:]],
    }


def contact_event(
    account: Account, contact: Person, event: str = "contact_updated"
) -> dict[str, Any]:
    return {
        "event": event,
        "id": contact.id,
        "name": contact.name,
        "email": contact.email,
        "account": {"id": account.id, "name": account.name},
    }
