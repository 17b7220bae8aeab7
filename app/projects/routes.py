"""The projects of the installation, and the one a session works in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from app.projects import service
from app.web.access import identity
from app.web.inputs import Input, Text
from app.web.routing import Api

api = Api("projects")


class Project(Schema):
    id = fields.UUID()
    name = fields.String()
    account_scope_id = fields.UUID()
    phase = fields.String()
    created_at = fields.DateTime()


class ProjectList(Schema):
    projects = fields.List(fields.Nested(Project))
    active_project_id = fields.UUID(allow_none=True)
    account_scope_id = fields.UUID(allow_none=True)


class NewProject(Input):
    name = Text(required=True, validate=validate.Length(2, 160))
    account_scope_key = Text(
        blank_as_none=True, allow_none=True, load_default=None, validate=validate.Length(max=200)
    )
    account_scope_name = Text(
        load_default="Project account scope", validate=validate.Length(max=160)
    )


class ProjectReply(Schema):
    project = fields.Nested(Project)


class Selected(Schema):
    active_project_id = fields.UUID()
    project = fields.Nested(Project(only=("id", "name", "account_scope_id")))


@api.get("/projects", permission="project.read", project=False, reply=ProjectList)
def list_projects() -> dict[str, Any]:
    """The projects the caller may enter, newest first."""
    caller = identity()
    return {
        "projects": service.list_accessible(caller),
        "active_project_id": caller.project_id,
        "account_scope_id": caller.account_scope_id,
    }


@api.post(
    "/projects",
    permission="project.create",
    project=False,
    body=NewProject,
    reply=ProjectReply,
    status=201,
    idempotent=True,
    errors=("reserved_name", "project_name_taken"),
)
def create_project(body: dict[str, Any]) -> dict[str, Any]:
    """Create a project."""
    project = service.create(
        identity(), body["name"], body["account_scope_key"], body["account_scope_name"]
    )
    return {"project": project}


@api.post(
    "/projects/<project_id>/select",
    permission="project.select",
    project=False,
    reply=Selected,
    errors=("project_not_found", "project_access_denied"),
)
def select_project(project_id: UUID) -> dict[str, Any]:
    """Work in this project from now on."""
    project = service.select(identity(), project_id)
    return {"active_project_id": project["id"], "project": project}
