"""Projects: which there are, making one, working in one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg.errors

from app.audit import service as audit
from app.auth.service import short_id
from app.db import Connection, Row, db, statements
from app.scheduler.service import create_default_schedules
from app.web.access import Identity
from app.web.errors import ApiError

sql = statements("projects")
auth_sql = statements("auth")

RESERVED_NAME = "__legacy_scope__"
DEFAULT_SCOPE = "default"


def list_accessible(caller: Identity) -> list[Row]:
    """The projects the caller may enter, newest first."""
    with db.connection() as connection:
        rows: list[Row] = sql.list_accessible(connection, user_id=caller.user_id, role=caller.role)
    return rows


def create(caller: Identity, name: str, scope_key: str | None, scope_name: str) -> Row:
    """Make a project with its schedules. Raises 400 `reserved_name`, 409 `project_name_taken`."""
    with db.transaction() as tx:
        project = make(tx, name, scope_key or DEFAULT_SCOPE, scope_name)
        sql.enter_when_nowhere(tx, token_hash=caller.session_hash, project_id=project["id"])
        audit.record(
            tx,
            "project.create",
            project_id=project["id"],
            entity_type="project",
            entity_id=str(project["id"]),
            payload={"name": name},
        )
    return project


def make(tx: Connection, name: str, scope_key: str, scope_name: str, is_demo: bool = False) -> Row:
    """The rows of a new project, for the route and for commands."""
    if name.strip().lower() == RESERVED_NAME:
        raise ApiError(400, "reserved_name", "This name is reserved.")
    scope = sql.ensure_scope(tx, scope_key=scope_key.lower(), name=scope_name)
    try:
        project: Row = sql.create(tx, name=name, account_scope_id=scope["id"], is_demo=is_demo)
    except psycopg.errors.UniqueViolation:
        raise ApiError(
            409, "project_name_taken", "There is a project of this name already."
        ) from None
    create_default_schedules(tx, project["id"])
    return project


def select(caller: Identity, project_id: UUID) -> dict[str, Any]:
    """Work in another project from now on.

    Raises 404 `project_not_found`, 403 `project_access_denied`.
    """
    with db.transaction() as tx:
        project = sql.find_selectable(
            tx, project_id=project_id, user_id=caller.user_id, role=caller.role
        )
        if project is None:
            raise ApiError(404, "project_not_found", "There is no such project.")
        if not project.pop("accessible"):
            raise ApiError(403, "project_access_denied", "You are not assigned to this project.")
        auth_sql.select_project(tx, token_hash=caller.session_hash, project_id=project_id)
        audit.record(
            tx,
            "project.select",
            project_id=project_id,
            entity_type="session",
            entity_id=short_id(caller.session_hash),
            payload={"selected_project_id": str(project_id)},
        )
    return project
