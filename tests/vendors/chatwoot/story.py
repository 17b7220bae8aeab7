"""The demo's story as the state of a server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests.vendors import calendar
from tests.vendors.chatwoot.state import ACTIVITY, Account, Conversation, Person, State


@dataclass(frozen=True)
class Story:
    """A server's state, and which message each key of the story became: `ids[file][key]`."""

    state: State
    ids: dict[str, dict[str, int]]


def load_story(folder: Path, today: date | None = None) -> Story:
    """All files of the folder; messages are numbered in the order of their times over all files."""
    state = State()
    ids: dict[str, dict[str, int]] = {}
    end = calendar.last_day(today)
    waiting: list[tuple[int, int, str, Conversation, dict[str, Any], Person | None]] = []
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        account = _account(state, document)
        people = _people(state, account, document)
        for item in document["conversations"]:
            conversation = _conversation(state, account, item, people, end)
            for message in item["messages"]:
                sender = None if message.get("activity") else people[message["from"]]
                entry = (
                    _moment(message, end),
                    len(waiting),
                    path.stem,
                    conversation,
                    message,
                    sender,
                )
                waiting.append(entry)
    for moment, _, file, conversation, message, sender in sorted(waiting, key=lambda e: e[:2]):
        made = state.add_message(
            conversation,
            message["text"],
            sender,
            at=moment,
            private=message.get("private", False),
            type=ACTIVITY if message.get("activity") else None,
            attachments=message.get("attachments"),
        )
        made.deleted = message.get("deleted", False)
        conversation.updated_at = float(moment)
        ids.setdefault(file, {})[message["key"]] = made.id
    return Story(state, ids)


def _account(state: State, document: dict[str, Any]) -> Account:
    account = state.add_account(document["account_id"], document["project"])
    account.inboxes.clear()
    for inbox in document["inboxes"]:
        state.add_inbox(account, inbox["id"], inbox["name"], inbox["channel_type"])
    return account


def _people(state: State, account: Account, document: dict[str, Any]) -> dict[str, Person]:
    people = {
        item["key"]: state.add_agent(account, item["id"], item["name"], item.get("email"))
        for item in document["agents"]
    }
    for item in document["contacts"]:
        people[item["key"]] = state.add_contact(
            account, item["id"], item["name"], item.get("email"), item.get("phone")
        )
    return people


def _conversation(
    state: State, account: Account, item: dict[str, Any], people: dict[str, Person], end: date
) -> Conversation:
    return state.add_conversation(
        account,
        people[item["contact"]],
        number=item["id"],
        inbox=item["inbox"],
        status=item["status"],
        at=_moment(item["messages"][0], end),
        assignee=people[item["assignee"]] if item.get("assignee") else None,
        labels=item.get("labels") or [],
    )


def _moment(message: dict[str, Any], end: date) -> int:
    return int(calendar.moment(message["day"], str(message["at"]), end).timestamp())
