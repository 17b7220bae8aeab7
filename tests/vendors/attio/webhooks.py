"""Payloads as Attio's webhooks carry them: ids and nothing else, several events in one."""

from __future__ import annotations

from typing import Any

from tests.vendors.attio.state import MEMBER, Record, State

Json = dict[str, Any]


def payload(*events: Json) -> Json:
    return {"webhook_id": "23e42eaf-323a-41da-b5bb-fd67eebda553", "events": list(events)}


def record_event(state: State, slug: str, record: Record, event: str = "updated") -> Json:
    return _event(state, f"record.{event}", object_id=state.objects[slug].id, record_id=record.id)


def merge_event(state: State, slug: str, kept: Record, duplicate: Record) -> Json:
    place = state.objects[slug].id
    return {
        **record_event(state, slug, kept, "merged"),
        "duplicate_object_id": place,
        "duplicate_record_id": duplicate.id,
    }


def entry_event(state: State, slug: str, entry: Record, event: str = "updated") -> Json:
    return _event(state, f"list-entry.{event}", list_id=state.lists[slug].id, entry_id=entry.id)


def note_event(state: State, note: Json, event: str = "created") -> Json:
    return _event(state, f"note.{event}", note_id=note["id"]["note_id"])


def task_event(state: State, task: Json, event: str = "created") -> Json:
    return _event(state, f"task.{event}", task_id=task["id"]["task_id"])


def _event(state: State, event_type: str, **ids: str) -> Json:
    return {
        "event_type": event_type,
        "id": {"workspace_id": state.workspace_id, **ids},
        "actor": {"type": "workspace-member", "id": MEMBER},
    }
