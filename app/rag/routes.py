"""Questions and answers, and the state of the embeddings."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import orjson
from flask import current_app
from marshmallow import Schema, ValidationError, fields, validate

from app.audit import service as audit
from app.db import db, statements
from app.rag import service
from app.rag.evidence import FILTERS
from app.rag.retrieval.legs import Query
from app.scheduler.service import run_and_wait
from app.web.access import identity, require
from app.web.errors import ApiError, invalid
from app.web.inputs import ClampedInt, Input, Moment, Text, Whole, period
from app.web.responses import dump_json
from app.web.routing import Api
from config.settings import Settings

api = Api("lightrag")
sql = statements("retrieval")
rag_sql = statements("rag")

LARGEST_ID = 2**63 - 1


class SourceFilter(fields.List):
    """Names of sources, answered as source types; empty and null mean all of them, as chunks does."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.String(), allow_none=True, load_default=None, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        given: list[Any] = super()._deserialize(value, attr, data, **kwargs)
        names = [str(name).strip().lower() for name in given]
        unknown = [name for name in names if name not in FILTERS]
        if unknown:
            raise ValidationError(f"Unknown source; known are {', '.join(sorted(FILTERS))}.")
        wanted = [FILTERS[name] for name in names]
        return frozenset().union(*(w for w in wanted if w)) if wanted and all(wanted) else None


class Question(Input):
    query = Text(required=True, validate=validate.Length(1, 4000))
    topK = Whole(load_default=10, validate=validate.Range(1, 50))  # noqa: N815 - the UI's name
    sourceLimit = Whole(load_default=8, validate=validate.Range(1, 25))  # noqa: N815
    sourceFilter = SourceFilter()  # noqa: N815
    date_from = Moment(load_default=None, allow_none=True)
    date_to = Moment(load_default=None, allow_none=True)
    mode = fields.String(
        load_default="hybrid", validate=validate.OneOf(["hybrid", "vector", "keyword"])
    )
    include_private = fields.Boolean(load_default=False)
    offset = Whole(load_default=None, allow_none=True, validate=validate.Range(0, 10_000))
    limit = Whole(load_default=None, allow_none=True, validate=validate.Range(1, 100))


class Answer(Schema):
    query = fields.String()
    topK = fields.Integer()  # noqa: N815
    query_run_id = fields.String(allow_none=True)
    answer = fields.String()
    generated = fields.Boolean()
    quality_score = fields.Integer()
    confidence = fields.Float()
    sufficient = fields.Boolean()
    chunks = fields.List(fields.Dict())
    evidence = fields.List(fields.Dict())
    citations = fields.List(fields.Dict())
    entities = fields.Dict()
    stats = fields.Dict(keys=fields.String(), values=fields.Integer())
    ranking_stats = fields.Dict()
    duration_ms = fields.Integer()
    degraded = fields.Boolean()
    warnings = fields.List(fields.String())


class Refresh(Input):
    retry_failed = fields.Boolean(load_default=False)
    reembed_stale_model = fields.Boolean(load_default=False)


class Feedback(Input):
    query_run_id = Whole(required=True, validate=validate.Range(1, LARGEST_ID))
    rating = Whole(required=True, validate=validate.Range(-1, 1))
    comment = Text(
        load_default=None, allow_none=True, blank_as_none=True, validate=validate.Length(max=2000)
    )


class History(Input):
    limit = ClampedInt(default=50, low=1, high=200)
    cursor = Text(
        load_default=None,
        allow_none=True,
        blank_as_none=True,
        validate=validate.Regexp(r"^[0-9]{1,18}$"),
    )


def _settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


def _query(project_id: UUID, body: dict[str, Any]) -> Query:
    since, before = period(body["date_from"], body["date_to"])
    return Query(
        project_id=project_id,
        text=body["query"],
        top_k=body["topK"],
        source_limit=body["sourceLimit"],
        sources=body["sourceFilter"],
        since=since,
        before=before,
        mode=body["mode"],
        include_private=body["include_private"],
    )


def _answer(project_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    """Private notes are for those who may read them; a page of the evidence for who asks for pages."""
    caller = require("messages.read_private") if body["include_private"] else identity()
    found = service.ask(_query(project_id, body), caller, _settings())
    if body["offset"] is None and body["limit"] is None:
        return found
    first, most = body["offset"] or 0, body["limit"] or service.MOST_EVIDENCE
    return {
        **found,
        "evidence": found["evidence"][first : first + most],
        "evidence_total": len(found["evidence"]),
        "evidence_offset": first,
        "evidence_limit": most,
    }


@api.post(
    "/lightrag/query",
    permission="rag.query",
    body=Question,
    reply=Answer,
    limit="query",
    errors=("invalid_date_range", "forbidden"),
)
def ask(project_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    """Answer a question from the project's data, with evidence."""
    return _answer(project_id, body)


@api.post(
    "/search",
    permission="rag.query",
    body=Question,
    reply=Answer,
    limit="query",
    errors=("invalid_date_range", "forbidden"),
)
def search(project_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    """The same under its older name, with `results`."""
    found = _answer(project_id, body)
    return {**found, "results": found["chunks"], "mode": "lightrag"}


@api.get("/lightrag/status", permission="project.read")
def status(project_id: UUID) -> dict[str, Any]:
    """How many chunks wait, are ready and have failed."""
    return service.status(project_id, _settings())


@api.post("/lightrag/refresh", permission="rag.refresh", body=Refresh, limit="job")
def refresh(project_id: UUID, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Embed what waits, now. Waits up to 5 s for the end."""
    settings = _settings()
    with db.transaction() as tx:
        if body["retry_failed"]:
            rag_sql.retry_failed(tx, project_id=project_id)
        if body["reembed_stale_model"]:
            service.retry_stale(tx, project_id, settings)
    started, code = run_and_wait(
        project_id, "embeddings_run", settings, seconds=min(5.0, settings.job_wait_seconds)
    )
    result = {
        "embeddings": started["result"],
        "status": service.status(project_id, settings),
        "job_id": started["job_run_id"],
        "queued": code == 202,
    }
    with db.transaction() as tx:
        audit.record(
            tx,
            "lightrag.refresh",
            project_id=project_id,
            entity_type="lightrag",
            entity_id=str(project_id),
            status=str(started["result"].get("status", "queued")),
            payload=orjson.loads(dump_json(result)),
        )
    return {"result": result}, 200


@api.post(
    "/lightrag/feedback",
    permission="rag.feedback",
    body=Feedback,
    errors=("query_run_not_found",),
)
def feedback(project_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    """Say whether an answer was good (1), bad (-1) or neither (0). The last word counts."""
    with db.connection() as connection:
        row = sql.give_feedback(
            connection,
            project_id=project_id,
            run_id=body["query_run_id"],
            user_id=identity().user_id,
            rating=body["rating"],
            comment=body["comment"],
        )
    if row is None:
        raise ApiError(404, "query_run_not_found", "There is no such query run in this project.")
    return dict(row)


def _whose() -> UUID | None:
    """Whose questions the caller may read; None for everybody's."""
    caller = identity()
    return None if caller.may("rag.analytics") else caller.user_id


@api.get("/lightrag/runs", permission="project.read", query=History)
def list_runs(project_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    """Questions asked in the project, newest first: one's own, and everybody's with `rag.analytics`."""
    with db.connection() as connection:
        rows = sql.list_runs(
            connection,
            project_id=project_id,
            user_id=_whose(),
            before_id=int(query["cursor"]) if query["cursor"] else None,
            most=query["limit"] + 1,
        )
    more = len(rows) > query["limit"]
    rows = rows[: query["limit"]]
    return {"runs": rows, "next_cursor": rows[-1]["id"] if more else None, "has_more": more}


@api.get("/lightrag/runs/<number>", permission="project.read", errors=("query_run_not_found",))
def show_run(project_id: UUID, number: str) -> dict[str, Any]:
    """One question with its evidence and answer, as far as they may still be read. Evidence that has been
    deleted or made private since is left out and counted; an answer that quotes it is empty."""
    if not re.fullmatch(r"[0-9]{1,18}", number):
        raise invalid("A run is named by its number.", "number")
    with db.connection() as connection:
        run = sql.find_run(
            connection,
            project_id=project_id,
            user_id=_whose(),
            run_id=int(number),
            private=identity().may("messages.read_private"),
        )
    if run is None:
        raise ApiError(404, "query_run_not_found", "There is no such query run in this project.")
    return {"run": run}
