"""What people search for: reporting it, summing it up, suggesting it, forgetting it; and the palette."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app
from marshmallow import Schema, ValidationError, fields, validate

from app.search import forgetting, palette, service
from app.web.access import identity
from app.web.inputs import Input, Moment, Text, Whole, Word
from app.web.responses import dump_json
from app.web.routing import Api

api = Api("search")

LARGEST_ID = 2**63 - 1
LARGEST_FILTERS = 4096  # bytes


class Bounded(fields.Integer):
    """A whole number that is moved to its bounds; anything else is refused."""

    def __init__(self, default: int, low: int, high: int) -> None:
        bounds = {"description": f"{low} to {high}, default {default}"}
        super().__init__(load_default=default, metadata=bounds)
        self.low, self.high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        number: int = super()._deserialize(value, attr, data, **kwargs)
        return min(max(number, self.low), self.high)


class Listed(fields.Field[list[Any]]):
    """Values with commas between them; none means all."""

    def __init__(self, read: Any) -> None:
        super().__init__(load_default=None, allow_none=True, metadata={"type": "string"})
        self.read = read

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self.read(str(value)) or None
        except ValueError as error:
            raise ValidationError(str(error)) from None


def _small(filters: dict[str, Any]) -> None:
    if len(dump_json(filters)) > LARGEST_FILTERS:
        raise ValidationError("Filters may take 4 KiB at most.")


def _types(text: str) -> list[str]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(palette.TYPES))
    if unknown:
        raise ValueError(f"Unknown type; known are {', '.join(palette.TYPES)}.")
    return names


def _clicked(most: int) -> Text:
    return Text(
        load_default=None, allow_none=True, blank_as_none=True, validate=validate.Length(max=most)
    )


class SearchEvent(Input):
    query = Text(required=True, validate=validate.Length(1, 4000))
    result_count = Whole(load_default=0, validate=validate.Range(0, 10_000))
    filters = fields.Dict(keys=fields.String(), load_default=dict, validate=_small)
    clicked_result_id = _clicked(500)
    clicked_source_type = _clicked(100)
    event_type = fields.String(
        load_default="search", validate=validate.OneOf(["search", "click", "suggestion"])
    )
    duration_ms = Whole(load_default=None, allow_none=True, validate=validate.Range(0, 300_000))
    query_run_id = Whole(load_default=None, allow_none=True, validate=validate.Range(1, LARGEST_ID))


class Tracked(Schema):
    tracked = fields.Boolean()
    event_id = fields.UUID(allow_none=True)


class SummaryQuery(Input):
    days = Bounded(30, 1, 365)
    top_queries_limit = Bounded(20, 1, 100)


class Summary(Schema):
    period_days = fields.Integer()
    overview = fields.Dict()
    top_queries = fields.List(fields.Dict())
    zero_result_queries = fields.List(fields.Dict())
    daily_volume = fields.List(fields.Dict())
    source_clicks = fields.List(fields.Dict())
    feedback = fields.Dict()


class QualityQuery(Input):
    weeks = Bounded(12, 1, 52)


class SuggestionQuery(Input):
    q = Word(4000)
    limit = Bounded(8, 1, 20)
    days = Bounded(30, 1, 365)


class Suggestions(Schema):
    suggestions = fields.List(fields.Dict())


class PaletteQuery(Input):
    q = Text(required=True, validate=validate.Length(2, 200))
    types = Listed(_types)
    project_id = Listed(palette.uuids)
    status = Word(50)
    date_from = Moment(load_default=None, allow_none=True)
    date_to = Moment(load_default=None, allow_none=True)


class Palette(Schema):
    results = fields.List(fields.Dict())
    totalCount = fields.Integer()  # noqa: N815 - the UI's name
    countsByType = fields.Dict(keys=fields.String(), values=fields.Integer())  # noqa: N815
    suggestions = fields.List(fields.String())


def _time_zone() -> str:
    zone: str = current_app.config["SETTINGS"].time_zone
    return zone


@api.post("/search/analytics", permission="rag.query", body=SearchEvent, reply=Tracked)
def track(project_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    """Report a search or a click. The server records each search itself: reporting it again within a
    minute answers that event. A click counts for the run that is named, else for the last search of the
    same words."""
    event_id = service.track(project_id, body, identity())
    return {"tracked": event_id is not None, "event_id": event_id}


@api.get("/search/analytics/summary", permission="rag.analytics", query=SummaryQuery, reply=Summary)
def summary(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """What was searched for in the last days: how much, what, what found nothing, what was opened."""
    days = query["days"]
    found = service.summary(project_id, days, query["top_queries_limit"], _time_zone())
    return {"period_days": days, **found}


@api.get("/search/analytics/quality", permission="rag.analytics", query=QualityQuery)
def quality(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """What people thought of answers, week by week, by how good each answer took itself for."""
    weeks = query["weeks"]
    return {"period_weeks": weeks, "weeks": service.quality(project_id, weeks, _time_zone())}


@api.get("/search/suggestions", permission="rag.query", query=SuggestionQuery, reply=Suggestions)
def suggestions(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """Questions that found something before: one's own, and those that two people have asked."""
    found = service.suggestions(project_id, query["q"], query["days"], query["limit"], identity())
    return {"suggestions": found}


@api.post("/search/history/erase", permission="session.self", project=False)
def erase_history() -> dict[str, Any]:
    """Erase everything that the caller has asked, in all projects."""
    return {"erased": forgetting.erase_history(identity())}


@api.get(
    "/search",
    permission="project.read",
    project=False,
    query=PaletteQuery,
    reply=Palette,
    errors=("invalid_date_range",),
)
def search(query: dict[str, Any]) -> dict[str, Any]:
    """One box for everything: the best of each type over all projects that the caller may enter."""
    return palette.search(query, identity())
