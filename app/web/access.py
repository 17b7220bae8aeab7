"""Who is asking, what they may do, and in which project.

A route declares one permission (or that it is public). Roles carry permissions in the table below and
nowhere else. Deny by default: `app.web.routing.verify` refuses to start the application when a route
has no declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import g

from app.web.errors import ApiError

ROLES = ("owner", "pm", "delivery_lead", "executor", "viewer")

_EVERYONE = frozenset(ROLES)
_DOERS = frozenset({"owner", "pm", "delivery_lead", "executor"})
_LEADS = frozenset({"owner", "pm", "delivery_lead"})
_MANAGERS = frozenset({"owner", "pm"})
_OWNER = frozenset({"owner"})

PERMISSIONS: dict[str, frozenset[str]] = {
    "session.self": _EVERYONE,  # one's own session, nothing of a project
    "project.read": _EVERYONE,
    "project.create": _OWNER,
    "project.select": _EVERYONE,
    "rag.query": _EVERYONE,
    "rag.feedback": _EVERYONE,
    "rag.refresh": _MANAGERS,
    "rag.analytics": _MANAGERS,
    "connectors.run": _MANAGERS,
    "connectors.manage": _OWNER,
    "loops.sync": _MANAGERS,
    "jobs.run": _MANAGERS,
    "scheduler.tick": _OWNER,
    "events.read": _EVERYONE,
    "messages.read_private": _LEADS,
    "contacts.erase": _OWNER,
}


@dataclass(frozen=True)
class Identity:
    """The authenticated caller of this request, as one row of sessions joined to users tells it."""

    user_id: UUID
    username: str
    role: str
    session_hash: bytes
    session_created_at: Any
    session_last_seen_at: Any
    csrf_secret: str
    project_id: UUID | None
    account_scope_id: UUID | None

    # What flask-login asks of a user.
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return str(self.user_id)

    def may(self, permission: str) -> bool:
        return self.role in PERMISSIONS[permission]


def identity() -> Identity:
    """The caller. Raises 401 `unauthorized` when there is none."""
    caller: Identity | None = g.get("identity")
    if caller is None:
        raise ApiError(401, "unauthorized", "Sign in first.")
    return caller


def require(permission: str) -> Identity:
    """The caller, who has the permission. Raises 401 `unauthorized` or 403 `forbidden`."""
    caller = identity()
    if not caller.may(permission):
        raise ApiError(
            403, "forbidden", f"Your role ({caller.role}) does not include {permission}."
        )
    return caller


def active_project() -> UUID:
    """The project this request works in. Raises 409 `active_project_required`."""
    project_id = identity().project_id
    if project_id is None:
        raise ApiError(
            409, "active_project_required", "Choose a project first (POST /projects/:id/select)."
        )
    return project_id
