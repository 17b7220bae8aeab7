"""Answering questions: one function for the page, the alias, the command line and the measurements."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from app import metrics
from app.db import Connection, Row, db, statements
from app.rag.answering import answer_from
from app.rag.cache import cache
from app.rag.embeddings import ProviderError
from app.rag.entities import entities_in, known_names
from app.rag.evidence import ENTITIES, as_evidence, entity_rows, fits_filters, within_limit
from app.rag.models import searchable_model, wanted_encoder
from app.rag.retrieval.confidence import confidence
from app.rag.retrieval.legs import (
    Direction,
    Found,
    LeftOut,
    Query,
    Side,
    by_meaning,
    by_words,
    direction_of,
    look_closer,
    without_direction,
)
from app.rag.retrieval.ranking import Item, passage_of, rank, worth_a_look
from app.rag.retrieval.spelling import spelled_right
from app.rag.retrieval.words import Word, fold, is_russian
from app.web.access import Identity
from app.web.responses import dump_json
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("retrieval")
rag_sql = statements("rag")

MOST_EVIDENCE = 50
LOOKED_AT = 12  # sources that are weighed with their neighbours, if not more are wanted
CHUNK_FIELDS = (
    "id",
    "source_type",
    "source_pk",
    "conversation_global_id",
    "message_global_id",
    "chunk_index",
    "distance",
)
CHUNK_STATES = ("pending", "processing", "ready", "failed")


def ask(query: Query, caller: Identity | None, settings: Settings) -> dict[str, Any]:
    """The whole answer to a question, recorded as a run of its own, remembered or not."""
    started = time.perf_counter()
    with db.search_connection() as connection:
        context = sql.query_context(connection, project_id=query.project_id)
    model = searchable_model(context, settings)
    key = (
        query.project_id, context["data_version"], model.encoder.identity, " ".join(fold(query.text).split()),
        query.top_k, query.source_limit, query.sources, query.since, query.before, query.mode,
        query.include_private,
    )  # fmt: skip
    found, remembered = cache.answer(
        key, lambda: search(query, context, settings), settings.search_deadline_ms / 1000
    )
    metrics.ANSWERS.labels("remembered" if remembered else "made").inc()
    duration = round((time.perf_counter() - started) * 1000)
    run_id = _record(query, found, caller, model.id, remembered, duration)
    # The same question may have been remembered in other capitals.
    reply = {
        **found,
        "query": query.text,
        "entities": {**entity_rows(found["evidence"]), **found["entities"]},
        "query_run_id": run_id,
        "duration_ms": duration,
    }
    return {**reply, "cached": True} if remembered else reply


def search(query: Query, context: Row, settings: Settings) -> dict[str, Any]:
    """Both legs side by side, one ranking, one answer. A leg that fails leaves a warning.

    The evidence once more by source, which `ask` adds, is left out: it would be kept twice.
    """
    deadline = time.monotonic() + settings.search_deadline_ms / 1000
    found = retrieve(query, context, settings)
    evidence = found.items
    naming = Side("names", known_names, query.project_id, evidence)
    # Something is always nearest; where nothing is relevant, that is nothing.
    chunks = [_chunk(row) for row in found.near[: query.top_k]] if evidence else []
    stats = {"chunks": len(chunks), **_hits_by_source(evidence)}
    answering = evidence if found.sufficient else []
    filtered = any(f is not None for f in (query.sources, query.since, query.before))
    answer = answer_from(query.text, answering, found.words, stats, settings, deadline, filtered)
    cited = {citation["document_ref"] for citation in answer.citations}
    listed = [{**as_evidence(item), "cited": item.source_pk in cited} for item in evidence]
    names = naming.wait(deadline)
    russian = is_russian(query.text)
    left_out = [*found.warnings, *filter(None, [names.warning])]
    warnings = [*(leg.told(russian) for leg in left_out), *answer.warnings]
    model = searchable_model(context, settings)
    return {
        "query": query.text,
        "topK": query.top_k,
        "embedding_model": model.encoder.model if found.vectors_ran else None,
        "search_config": {"ivfflat_probes": 0, "hnsw_ef_search": settings.search_hnsw_ef_search},
        "quality_score": quality(answering, len(chunks)),
        "confidence": found.confidence,
        "sufficient": found.sufficient,
        "source_diversity": len({item.source_type for item in evidence}),
        "answer": answer.text,
        "generated": answer.generated,
        "citations": answer.citations,
        "chunks": chunks,
        "evidence": listed,
        "entities": entities_in(evidence, names.rows),
        "stats": stats,
        "ranking_stats": _ranking_stats(evidence),
        "degraded": bool(warnings),
        "warnings": warnings,
    }


@dataclass
class Retrieved:
    """Ranked sources, the chunks nearest to the question, and warnings of legs that were left out."""

    items: list[Item]
    words: list[Word]  # of the question, mistyped ones as they were meant
    near: list[Row]
    warnings: list[LeftOut]
    vectors_ran: bool
    confidence: float  # that the answer is among the items, 0 to 1
    sufficient: bool  # whether that is enough to answer from


def retrieve(query: Query, context: Row, settings: Settings) -> Retrieved:
    """What may answer the question, best first. Marks, pictures and little words alone ask for nothing;
    the vectors would find something near to them all the same."""
    if not query.words:
        return Retrieved([], [], [], [], False, 0.0, False)
    deadline = time.monotonic() + settings.search_deadline_ms / 1000
    legs = _both_legs(query, context, settings, deadline)
    mistyped = None
    if query.mode != "vector":
        meant, mistyped = spelled_right(query, legs.worded)
        if meant is not query:
            query, legs = meant, _both_legs(meant, context, settings, deadline)
    words = query.words if query.mode != "vector" else []
    counts, everything = legs.worded.word_matches, context["sources"]
    refs = worth_a_look(
        legs.meaning.rows, legs.worded.rows, everything, settings, max(LOOKED_AT, query.top_k)
    )
    closer = look_closer(query, legs.towards, words, counts, refs) if refs else Found()
    items = rank(query.text, closer.rows, legs.meaning.rows, counts, everything, settings)
    items = [item for item in items if fits_filters(item, query)]
    sure = confidence(items[:MOST_EVIDENCE], words, counts, everything)
    items = within_limit(items, query.source_limit)[:MOST_EVIDENCE]
    for item in items:
        item.passage = passage_of(item, words)
    left_out = (legs.meaning.warning, legs.worded.warning, mistyped, closer.warning)
    return Retrieved(
        items=items,
        words=query.words,
        near=legs.meaning.rows,
        warnings=[warning for warning in left_out if warning],
        vectors_ran=legs.towards is not None and not legs.meaning.warning,
        confidence=sure,
        sufficient=sure >= settings.search_min_confidence,
    )


@dataclass(frozen=True)
class _Legs:
    """What both legs found, and where the question points (None: its vector could not be had)."""

    worded: Found
    meaning: Found
    towards: Direction | None


def _both_legs(query: Query, context: Row, settings: Settings, deadline: float) -> _Legs:
    """Words and vectors side by side, as far as the question's mode wants them."""
    beside = Side("keyword", by_words, query, query.words) if query.mode != "vector" else None
    meaning, towards = Found(), None
    if query.mode != "keyword":
        # Several chunks of one source are one item: look for more chunks than items are wanted.
        wanted = max(3 * query.top_k, 30)
        try:
            towards = direction_of(query, context, settings)
            meaning = by_meaning(query, towards, wanted, context["ready_chunks"], settings)
        except ProviderError as error:
            meaning = without_direction(error)
    return _Legs(beside.wait(deadline) if beside else Found(), meaning, towards)


def quality(items: list[Item], chunks: int) -> int:
    """0 to 100: how much stands behind the answer, counting only what passed the threshold."""
    if not items:
        return 0
    kinds = len({item.source_type for item in items})
    supporting = sum("vector" in item.matched_by for item in items[:chunks])
    relevance = items[0].relevance
    volume = 40 * min(1, len(items) / 10) + 35 * min(1, kinds / 3) + 25 * min(1, supporting / 5)
    return min(100, round(volume * relevance))


def _chunk(row: Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in CHUNK_FIELDS},
        "created_at": row["occurred_at"],
        "text": row["text"][:500],
    }


def _hits_by_source(items: list[Item]) -> dict[str, int]:
    kinds = Counter(item.source_type for item in items)
    return {name: kinds[kind] for name, kind in ENTITIES.items()}


def _ranking_stats(items: list[Item]) -> dict[str, float]:
    scores = [item.score for item in items]
    if not scores:
        return {"avgScore": 0, "maxScore": 0, "minScore": 0, "count": 0}
    return {
        "avgScore": round(sum(scores) / len(scores), 4),
        "maxScore": max(scores),
        "minScore": min(scores),
        "count": len(scores),
    }


def _record(
    query: Query,
    found: dict[str, Any],
    caller: Identity | None,
    model_id: int,
    remembered: bool,
    duration: int,
) -> str | None:
    """The run's id for feedback. A run that cannot be recorded does not cost the answer."""
    filters = {
        "sourceFilter": sorted(query.sources) if query.sources else None,
        "topK": query.top_k,
        "dateFrom": query.since,
        "dateTo": query.before - timedelta(hours=24) if query.before else None,  # as it was asked
    }
    try:
        with db.search_connection() as connection:
            run_id: str = sql.record_run(
                connection,
                project_id=query.project_id,
                user_id=caller.user_id if caller else None,
                created_by=caller.username if caller else "system",
                query_text=query.text,
                query_norm=" ".join(fold(query.text).split())[:4000],
                mode=query.mode,
                filters=Jsonb(filters, dumps=dump_json),
                top_k=query.top_k,
                chunk_hits=found["stats"]["chunks"],
                source_hits=sum(found["stats"].values()) - found["stats"]["chunks"],
                evidence=Jsonb(found["evidence"], dumps=dump_json),
                answer=found["answer"],
                quality_score=found["quality_score"],
                source_diversity=found["source_diversity"],
                cached=remembered,
                degraded=found["degraded"],
                embedding_model_id=model_id if found["embedding_model"] else None,
                duration_ms=duration,
                result_count=len(found["evidence"]),
            )
        return run_id
    except Exception as error:
        log.warning("run_not_recorded", error_type=type(error).__name__)
        return None


def status(project_id: UUID, settings: Settings) -> dict[str, Any]:
    """Where the project's embeddings stand; the payload of GET /lightrag/status."""
    with db.connection() as connection:
        row: Row = rag_sql.status(
            connection,
            project_id=project_id,
            configured=wanted_encoder("as_is", settings).identity,
            local=wanted_encoder("local_only", settings).identity,
        )
    encoder = wanted_encoder(row["embedding_policy"], settings)
    counters = row.pop("counters") or {}
    return {
        **row,
        "embeddings": {state: counters.get(f"chunks.{state}", 0) for state in CHUNK_STATES},
        "sources": {
            "messages_total": counters.get("messages", 0),
            "linear_issues_total": counters.get("issues", 0),
            "opportunities_total": counters.get("attio_opportunities", 0),
        },
        "embedding_model": encoder.model,
        "embedding_dim": encoder.dimensions,
        "provider_configured": True,
        "token_budget_today": settings.embed_tokens_per_day if encoder.paid else None,
    }


def retry_stale(tx: Connection, project_id: UUID, settings: Settings) -> None:
    """Try again what the wanted model refused while another model's vectors are searched. All else
    that has another model's vectors is embedded anew by every run."""
    context = sql.query_context(tx, project_id=project_id)
    wanted = wanted_encoder(context["embedding_policy"], settings)
    rag_sql.retry_stale(tx, project_id=project_id, identity=wanted.identity)
