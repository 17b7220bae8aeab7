"""What was pulled from the inbox, to be read: contacts, conversations, messages; and forgetting a contact."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from app.contacts import erasure, service
from app.web.access import identity
from app.web.inputs import ClampedInt, Input, Moment, Word
from app.web.routing import Api

api = Api("contacts")

LARGEST_NUMBER = 2**63 - 1


def _day() -> Moment:
    return Moment(load_default=None, allow_none=True)


def _number() -> fields.Integer:
    return fields.Integer(load_default=None, validate=validate.Range(0, LARGEST_NUMBER))


class Page(Input):
    limit = ClampedInt(default=100, low=1, high=500)
    cursor = Word(700)


class ContactFilter(Page):
    q = Word()
    identifier = Word(500)
    has_email = fields.Boolean(load_default=None)
    updated_from = _day()
    updated_to = _day()


class ConversationFilter(Page):
    status = Word()
    inbox_id = _number()
    assignee_id = _number()
    contact_global_id = Word(500)
    date_from = _day()
    date_to = _day()


class MessageFilter(Page):
    q = Word()
    conversation_global_id = Word(500)
    contact_global_id = Word(500)
    sender_type = Word()
    private = fields.Boolean(load_default=None)
    date_from = _day()
    date_to = _day()
    order = fields.String(load_default="desc", validate=validate.OneOf(["asc", "desc"]))


class ListReply(Schema):
    next_cursor = fields.String(allow_none=True)
    has_more = fields.Boolean()


class Contacts(ListReply):
    contacts = fields.List(fields.Dict())


class Conversations(ListReply):
    conversations = fields.List(fields.Dict())


class Messages(ListReply):
    messages = fields.List(fields.Dict())


class Erased(Schema):
    erased = fields.Dict()


def _list(name: str, rows: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    return {name: rows, "next_cursor": cursor, "has_more": cursor is not None}


@api.get(
    "/contacts",
    permission="project.read",
    query=ContactFilter,
    reply=Contacts,
    errors=("invalid_date_range",),
)
def list_contacts(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """Contacts, the most recently changed first. `q` is a part of a name, an address or a phone number,
    which is compared by its digits."""
    return _list("contacts", *service.contacts(project_id, query))


@api.get(
    "/conversations",
    permission="project.read",
    query=ConversationFilter,
    reply=Conversations,
    errors=("invalid_date_range",),
)
def list_conversations(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """Conversations, the most recently active first."""
    return _list("conversations", *service.conversations(project_id, query, identity()))


@api.get("/conversations/<key>", permission="project.read", errors=("conversation_not_found",))
def show_conversation(project_id: UUID, key: str) -> dict[str, Any]:
    """One conversation with its contact and inbox."""
    return {"conversation": service.conversation(project_id, key, identity())}


@api.get(
    "/messages",
    permission="project.read",
    query=MessageFilter,
    reply=Messages,
    errors=("invalid_date_range",),
)
def list_messages(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """Messages, newest first (`order=asc`: oldest first), with the beginning of their text. `q` finds words
    in any inflection, and parts of three characters and more. Private notes need `messages.read_private`."""
    return _list("messages", *service.messages(project_id, query, identity()))


@api.get("/messages/<key>", permission="project.read", errors=("message_not_found",))
def show_message(project_id: UUID, key: str) -> dict[str, Any]:
    """One message with its whole text and its attachments."""
    return {"message": service.message(project_id, key, identity())}


@api.post(
    "/contacts/<key>/erase",
    permission="contacts.erase",
    reply=Erased,
    errors=("contact_not_found",),
)
def erase_contact(project_id: UUID, key: str) -> dict[str, Any]:
    """Forget a contact with everything said in its conversations, for good: no sync brings it back."""
    return {"erased": erasure.erase(project_id, key)}
