"""Embedding what waits: claim, encode, store, until nothing is left or the budget ends.

A vector is stored only if its chunk is still claimed by this run and still has the text that was
encoded. A worker killed in the middle leaves claims whose lease ends; nothing is embedded twice within
a lease, and nothing is lost.

When another model is wanted than the one that the project is searched by, what is new goes to the
searched model first, so that it is found at once; then everything is embedded anew by the wanted one;
then questions go there, and the former vectors are thrown away.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.db import Row, db, statements
from app.rag.embeddings import Provider, ProviderError, Vector
from app.rag.models import Model, model_number, searchable_model, wanted_encoder
from app.rag.question_vectors import as_text
from app.scheduler.context import JobResult, RunContext
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("rag")
retrieval_sql = statements("retrieval")

BACKOFF_BASE, BACKOFF_CAP = 30.0, 3600.0
FORMER_AT_ONCE = 5000  # vectors thrown away in one statement
FORMER_KEPT_SECONDS = 60.0  # longer than any question takes
OVER_BUDGET = ProviderError("budget", "the project's tokens of this day are used up")


@dataclass
class Tally:
    processed: int = 0
    failed: int = 0
    tokens: int = 0
    stopped: ProviderError | None = None
    unfinished: bool = False
    retry_later: int = field(default=0)


@dataclass(frozen=True)
class Stage:
    """Chunks of one kind, and the model that embeds them."""

    claim: Callable[..., list[Row]]
    model: Model
    wanted: bool  # False: the model that is about to be replaced
    searched: bool  # whether questions go to this model now


def run_embeddings(context: RunContext) -> JobResult:
    """The job `embeddings_run`: all waiting chunks of one project."""
    settings, project_id = context.settings, context.project_id
    with db.connection() as connection:
        state = retrieval_sql.query_context(connection, project_id=project_id)
        sql.release_lost_chunks(
            connection,
            project_id=project_id,
            run_id=context.run_id,
            max_attempts=settings.embed_max_attempts,
        )
    encoder = wanted_encoder(state["embedding_policy"], settings)
    wanted = Model(model_number(encoder), encoder)
    tally = Tally()
    deadline = time.monotonic() + settings.embed_run_seconds
    with Writer() as writer:
        for stage in _stages(searchable_model(state, settings), wanted):
            _work_off(context, stage, tally, writer, deadline)
            if tally.stopped is not None and not stage.wanted:
                tally.stopped = None  # a model that is being replaced holds nothing up
            if tally.stopped is not None or tally.unfinished:
                break
    replaced = not tally.stopped and _replace_model(project_id, wanted, deadline)
    return _result(tally, encoder, replaced and state["search_model_id"] is not None)


def _stages(searched: Model, wanted: Model) -> list[Stage]:
    same = searched.id == wanted.id
    former = [] if same else [Stage(sql.claim_chunks, searched, wanted=False, searched=True)]
    stale = partial(sql.claim_stale_chunks, model_id=wanted.id)
    return [
        *former,
        Stage(sql.claim_chunks, wanted, wanted=True, searched=same),
        Stage(stale, wanted, wanted=True, searched=same),
    ]


def _work_off(
    context: RunContext, stage: Stage, tally: Tally, writer: Writer, deadline: float
) -> None:
    """Batch after batch of a stage, until nothing is left, time is up or the encoder gives up."""
    while tally.stopped is None and not tally.unfinished:
        context.progress(tally.processed, processed=tally.processed, failed=tally.failed)
        if time.monotonic() > deadline:
            tally.unfinished = True
        elif not _batch(context, stage, tally, writer):
            break
    writer.settle()


def _replace_model(project_id: UUID, wanted: Model, deadline: float) -> bool:
    """Search by the wanted model when it is complete. Vectors of former models go with the run after
    that: questions that are being answered now may still be looking at them."""
    with db.connection() as connection:
        if sql.search_by(connection, project_id=project_id, model_id=wanted.id):
            log.info("searched_by", project_id=str(project_id), model=wanted.encoder.identity)
            return True
    gone = FORMER_AT_ONCE
    while gone == FORMER_AT_ONCE and time.monotonic() < deadline:
        with db.connection() as connection:
            gone = sql.drop_former_vectors(
                connection, project_id=project_id, model_id=wanted.id, most=FORMER_AT_ONCE
            )
    return False


class Writer:
    """Stores one batch while the next is being encoded: the database and the encoder work side by
    side. Leaving the block waits for the last batch; an error of a batch is raised by what follows."""

    def __enter__(self) -> Writer:
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)
        self.settle()

    def put(self, store: Callable[[], None]) -> None:
        self.settle()
        self._last = self._pool.submit(store)

    def settle(self) -> None:
        """Wait for the last batch."""
        last, self._last = self._last, None
        if last is not None:
            last.result()


def _batch(context: RunContext, stage: Stage, tally: Tally, writer: Writer) -> bool:
    """Claim, encode and store one batch; False when nothing waits."""
    settings = context.settings
    token = uuid4()
    with db.connection() as connection:
        chunks: list[Row] = stage.claim(
            connection,
            project_id=context.project_id,
            run_id=context.run_id,
            claim_token=token,
            lease_seconds=settings.embed_lease_seconds,
            most=settings.embed_batch_size,
        )
    if not chunks:
        return False
    claim = Claim(context.project_id, stage, token, settings, tally)
    try:
        chunks = claim.affordable(chunks, writer)
        vectors = claim.encode(chunks)
    except ProviderError as error:
        claim.handle(chunks, error)
    else:
        writer.put(lambda: claim.store(chunks, vectors))
    return True


@dataclass
class Claim:
    """A batch in hand, and what may happen to it."""

    project_id: UUID
    stage: Stage
    token: UUID
    settings: Settings
    tally: Tally

    @property
    def encoder(self) -> Provider:
        return self.stage.model.encoder

    def affordable(self, chunks: list[Row], writer: Writer) -> list[Row]:
        """Those that the project's budget of the day allows; the others wait, and the run ends."""
        if not self.encoder.paid:
            return chunks
        writer.settle()  # what the batch before cost is counted with its vectors
        with db.connection() as connection:
            left = self.settings.embed_tokens_per_day - sql.tokens_today(
                connection, project_id=self.project_id
            )
        costs = accumulate(chunk["content_tokens"] for chunk in chunks)
        count = sum(cost <= left for cost in costs)
        if count < len(chunks):
            self.tally.unfinished = True
            self._give_back(chunks[count:], OVER_BUDGET, costs_attempt=False)
        return chunks[:count]

    def encode(self, chunks: list[Row]) -> list[Vector]:
        if not chunks:
            return []
        texts = [f"{chunk['context']}\n{chunk['text']}".strip() for chunk in chunks]
        if not self.encoder.paid or len(texts) < 2 * self.settings.embed_concurrency:
            return self.encoder.embed_documents(texts)
        # A provider over the network: several calls at once.
        size = -(-len(texts) // self.settings.embed_concurrency)
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        with ThreadPoolExecutor(len(parts)) as pool:
            return [
                vector for part in pool.map(self.encoder.embed_documents, parts) for vector in part
            ]

    def store(self, chunks: list[Row], vectors: list[Vector]) -> None:
        """Vectors in, chunks ready; a chunk whose text changed meanwhile is left waiting."""
        if not chunks:
            return
        with db.transaction() as tx:
            stored = sql.store_vectors(
                tx,
                project_id=self.project_id,
                model_id=self.stage.model.id,
                final=self.stage.wanted,
                claim_token=self.token,
                chunk_ids=[chunk["id"] for chunk in chunks],
                hashes=[chunk["text_hash"] for chunk in chunks],
                vectors=[as_text(vector) for vector in vectors],
            )
            tokens = sum(chunk["content_tokens"] for chunk in chunks)
            sql.count_usage(
                tx,
                project_id=self.project_id,
                model_id=self.stage.model.id,
                purpose="chunks",
                tokens=tokens,
            )
            if stored and self.stage.searched:
                sql.bump_data_version(tx, project_id=self.project_id)
        self.tally.processed += stored
        self.tally.tokens += tokens

    def handle(self, chunks: list[Row], error: ProviderError) -> None:
        """What an encoder's failure means for the batch."""
        if error.kind == "input" and len(chunks) > 1:
            self._halve(chunks)
            return
        if error.kind == "input":
            self._give_back(chunks, error, costs_attempt=True)
            self.tally.failed += 1
            return
        # The provider's fault and not the texts': they wait, and cost no attempt.
        self._give_back(chunks, error, costs_attempt=False)
        self.tally.stopped = error
        log.warning("embeddings_stopped", kind=error.kind, reason=str(error))

    def _halve(self, chunks: list[Row]) -> None:
        """Find the text that is refused by halving, so that its neighbours are not refused with it."""
        middle = len(chunks) // 2
        for part in (chunks[:middle], chunks[middle:]):
            if self.tally.stopped is not None:
                self._give_back(part, self.tally.stopped, costs_attempt=False)
                continue
            try:
                vectors = self.encode(part)
            except ProviderError as error:
                self.handle(part, error)
            else:
                self.store(part, vectors)

    def _give_back(self, chunks: list[Row], error: ProviderError, costs_attempt: bool) -> None:
        attempts = max(chunk["embedding_attempts"] for chunk in chunks)
        pause = min(BACKOFF_CAP, BACKOFF_BASE * 2 ** (attempts - 1)) * random.uniform(0.8, 1.2)
        with db.connection() as connection:
            sql.give_back_chunks(
                connection,
                project_id=self.project_id,
                claim_token=self.token,
                chunk_ids=[chunk["id"] for chunk in chunks],
                error=str(error)[:400],
                costs_attempt=costs_attempt,
                max_attempts=self.settings.embed_max_attempts,
                pause_seconds=pause if costs_attempt else 0.0,
            )


def _result(tally: Tally, encoder: Provider, replaced: bool) -> JobResult:
    result: dict[str, Any] = {
        "processed": tally.processed,
        "failed": tally.failed,
        "model": encoder.model,
        "totalTokens": tally.tokens,
    }
    if tally.stopped is not None:
        kind = (
            "provider_configuration"
            if tally.stopped.kind == "configuration"
            else "provider_unavailable"
        )
        return JobResult(
            "failed",
            tally.processed,
            {**result, "status": "failed"},
            changed=tally.processed > 0,
            error_kind=kind,
            error=str(tally.stopped),
            retry_after=tally.stopped.retry_after,
        )
    partial = tally.failed or tally.unfinished
    status = "partial" if partial else "ok" if tally.processed else "idle"
    return JobResult(
        "partial" if partial else "completed",
        tally.processed,
        {**result, "status": status},
        changed=tally.processed > 0,
        again_after=FORMER_KEPT_SECONDS if replaced else None,
    )
