"""Linear's nodes as rows. Pure functions; what cannot be understood raises ValueError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.connectors.records import Json, clean, moment, real, sealed, short, whole

MOST_PROGRESS = 999  # of a cycle: what the column holds
SEEN_BLOCKERS = (
    "blocks"  # of an inverse relation's types, the one that says: `issue` blocks this one
)


@dataclass(frozen=True)
class Names:
    """The global ids of one workspace."""

    workspace: str

    def __call__(self, prefix: str, external_id: Any) -> str:
        return f"{prefix}:{self.workspace}:{external_id}"


Mapping = Callable[[Names, Json], Json]


def _common(names: Names, prefix: str, node: Json) -> Json:
    external_id = node["id"]
    if not isinstance(external_id, str) or not external_id:
        raise ValueError("id is not a text")
    return {
        "id": names(prefix, external_id),
        "workspace_id": names.workspace,
        "external_id": external_id,
        "archived_at": moment(node.get("archivedAt")),
        "source_updated_at": moment(node.get("updatedAt")),
    }


def _of(node: Json, field: str, key: str = "id") -> Any:
    """A field of a node's neighbour, None when there is no neighbour."""
    neighbour = node.get(field)
    return neighbour.get(key) if isinstance(neighbour, dict) else None


def day(value: Any) -> date | None:
    """A date without a time."""
    try:
        return date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None


def team(names: Names, node: Json) -> Json:
    return sealed(
        {
            **_common(names, "linteam", node),
            "key": short(node.get("key"), 20),
            "name": short(node.get("name"), 200),
        }
    )


def state(names: Names, node: Json) -> Json:
    return sealed(
        {
            **_common(names, "linstate", node),
            "team_external_id": _of(node, "team"),
            "name": short(node.get("name"), 100),
            "type": short(node.get("type"), 120),
            "position": real(node.get("position")),
        }
    )


def project(names: Names, node: Json) -> Json:
    return sealed(
        {
            **_common(names, "linproj", node),
            "name": short(node.get("name"), 300) or f"Project {node['id']}",
            "description": clean(node.get("description")),
            "url": short(node.get("url"), 2000),
            "state": short(_of(node, "status", "name"), 80),
            "state_type": short(_of(node, "status", "type"), 80),
            "health": short(node.get("health"), 40),
            "progress": real(node.get("progress")),
            "lead_name": short(_of(node, "lead", "name"), 200),
            "start_date": day(node.get("startDate")),
            "target_date": day(node.get("targetDate")),
            "completed_at": moment(node.get("completedAt")),
            "canceled_at": moment(node.get("canceledAt")),
            "trashed": bool(node.get("trashed")),
            "source_created_at": moment(node.get("createdAt")),
        }
    )


def cycle(names: Names, node: Json) -> Json:
    return sealed(
        {
            **_common(names, "lincycle", node),
            "team_external_id": _of(node, "team"),
            "number": whole(node.get("number")),
            "name": short(node.get("name"), 200),
            "starts_at": moment(node.get("startsAt")),
            "ends_at": moment(node.get("endsAt")),
            "completed_at": moment(node.get("completedAt")),
            "progress": real(node.get("progress"), MOST_PROGRESS),
        }
    )


def label(names: Names, node: Json) -> Json:
    return sealed(
        {
            **_common(names, "linlabel", node),
            "team_external_id": _of(node, "team"),
            "name": short(node.get("name"), 200) or "–",
        }
    )


def issue(names: Names, node: Json) -> Json:
    """An issue; `blockers` are those told with it."""
    number = whole((node.get("cycle") or {}).get("number"))
    return sealed(
        {
            **_common(names, "linissue", node),
            "identifier": short(node.get("identifier"), 40),
            "number": whole(node.get("number")),
            "url": short(node.get("url"), 2000),
            "title": short(node.get("title"), 500) or "–",
            "description": clean(node.get("description")),
            "team_external_id": _of(node, "team"),
            "team_key": short(_of(node, "team", "key"), 20),
            "linear_project_external_id": _of(node, "project"),
            "state": short(_of(node, "state", "name"), 100),
            "state_external_id": _of(node, "state"),
            "state_type": short(_of(node, "state", "type"), 80),
            "cycle_external_id": _of(node, "cycle"),
            "cycle_name": f"Cycle {number}" if number is not None else None,
            "parent_external_id": _of(node, "parent"),
            "label_ids": sorted(str(found) for found in node.get("labelIds") or []),
            "priority": whole(node.get("priority")),
            "estimate": real(node.get("estimate")),
            "assignee_external_id": _of(node, "assignee"),
            "assignee_name": short(_of(node, "assignee", "name"), 200),
            "assignee_email": short(_of(node, "assignee", "email"), 320),
            "creator_name": short(_of(node, "creator", "name"), 200),
            "due_date": day(node.get("dueDate")),
            "started_at": moment(node.get("startedAt")),
            "completed_at": moment(node.get("completedAt")),
            "canceled_at": moment(node.get("canceledAt")),
            "trashed": bool(node.get("trashed")),
            "source_created_at": moment(node.get("createdAt")),
            "blockers": blockers(((node.get("inverseRelations") or {}).get("nodes")) or []),
        }
    )


def blockers(relations: list[Json]) -> list[Json]:
    """Of the relations that point at an issue, the issues that block it."""
    found = {}
    for relation in relations:
        blocker = relation.get("issue")
        if relation.get("type") == SEEN_BLOCKERS and isinstance(blocker, dict):
            found[blocker["id"]] = {
                "blocker_external_id": blocker["id"],
                "blocker_identifier": short(blocker.get("identifier"), 40),
                "blocker_state_type": _of(blocker, "state", "type"),
            }
    return sorted(found.values(), key=lambda row: str(row["blocker_external_id"]))


def comment(names: Names, node: Json) -> Json | None:
    """A comment of an issue; None for one of a project or a document."""
    issue_id = _of(node, "issue")
    if issue_id is None:
        return None
    author = node.get("user") or node.get("externalUser") or {}
    return sealed(
        {
            **_common(names, "lincomment", node),
            "issue_external_id": issue_id,
            "parent_external_id": _of(node, "parent"),
            "body": clean(node.get("body")) or "",
            "url": short(node.get("url"), 2000),
            "author_name": short(author.get("name"), 200),
            "author_email": short(author.get("email"), 320),
            "source_created_at": moment(node.get("createdAt")),
        }
    )
