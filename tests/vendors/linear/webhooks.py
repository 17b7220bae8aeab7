"""Payloads as Linear's webhooks carry them: the object as it was when they were sent."""

from __future__ import annotations

from typing import Any

from tests.vendors.linear.state import Node, Workspace

PLAIN = ("id", "title", "identifier", "body", "name", "createdAt", "updatedAt", "archivedAt", "url")


def event(workspace: Workspace, kind: str, node: Node, action: str = "update") -> dict[str, Any]:
    return {
        "action": action,
        "type": kind,
        "data": {name: node[name] for name in PLAIN if name in node},
        "url": node.get("url"),
        "createdAt": node["updatedAt"],
        "organizationId": workspace.organization["id"],
        "webhookId": "6c0a2f4e-0000-4000-8000-000000000001",
    }
