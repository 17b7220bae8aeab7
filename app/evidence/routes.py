"""Evidence, to be searched."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from app.evidence import service
from app.web.access import identity
from app.web.inputs import ClampedInt, Input, Moment, Word
from app.web.routing import Api

api = Api("evidence")


class EvidenceFilter(Input):
    q = Word(500)
    source_type = Word(100)
    source_table = Word(100)
    date_from = Moment(load_default=None, allow_none=True)
    date_to = Moment(load_default=None, allow_none=True)
    cursor = Word()
    limit = ClampedInt(default=30, low=1, high=200)


class Evidence(Schema):
    evidence = fields.List(fields.Dict())
    next_cursor = fields.String(allow_none=True)
    has_more = fields.Boolean()


@api.get(
    "/evidence/search",
    permission="project.read",
    query=EvidenceFilter,
    reply=Evidence,
    errors=("invalid_date_range",),
)
def search(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """What decisions were based on, by its words: `"as said"`, `-without`, `either or other`. When nothing
    has the words, by likeness. `highlight` is HTML: its text is escaped, and the words stand in `<mark>`."""
    rows, cursor = service.find(project_id, query, identity())
    return {"evidence": rows, "next_cursor": cursor, "has_more": cursor is not None}
