"""Embedding what waits: claim, encode, store, until nothing is left or the budget ends.

A vector is stored only if its chunk is still claimed by this run and still has the text that was
encoded. A worker killed in the middle leaves claims whose lease ends; nothing is embedded twice within
a lease, and nothing is lost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.db import Row, db, statements
from app.rag.embeddings import Provider, ProviderError, Vector, provider
from app.scheduler.context import JobResult, RunContext
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("rag")

BACKOFF_BASE, BACKOFF_CAP = 30.0, 3600.0


@dataclass
class Tally:
    processed: int = 0
    failed: int = 0
    tokens: int = 0
    stopped: ProviderError | None = None
    unfinished: bool = False
    retry_later: int = field(default=0)


def run_embeddings(context: RunContext) -> JobResult:
    """The job `embeddings_run`: all waiting chunks of one project."""
    settings = context.settings
    encoder = provider(settings)
    model_id = model_number(encoder)
    tally = Tally()
    deadline = time.monotonic() + settings.embed_run_seconds
    with db.connection() as connection:
        sql.release_lost_chunks(
            connection,
            project_id=context.project_id,
            run_id=context.run_id,
            max_attempts=settings.embed_max_attempts,
        )
    with Writer() as writer:
        while tally.stopped is None:
            context.progress(tally.processed, processed=tally.processed, failed=tally.failed)
            if time.monotonic() > deadline or _over_budget(
                context.project_id, model_id, encoder, settings
            ):
                tally.unfinished = True
                break
            if not _batch(context, model_id, encoder, tally, writer):
                break
    if tally.processed:
        with db.connection() as connection:
            sql.bump_data_version(connection, project_id=context.project_id)
    return _result(tally, encoder)


def model_number(encoder: Provider) -> int:
    """The database's number for an encoder; its vector index is made at its first use."""
    with db.connection() as connection:
        found: int = sql.ensure_model(
            connection, identity=encoder.identity, dimensions=encoder.dimensions
        )
    return found


def _over_budget(project_id: UUID, model_id: int, encoder: Provider, settings: Settings) -> bool:
    if not encoder.paid:
        return False
    with db.connection() as connection:
        used = sql.tokens_today(connection, project_id=project_id, model_id=model_id)
    return bool(used >= settings.embed_tokens_per_day)


class Writer:
    """Stores one batch while the next is being encoded: the database and the encoder work side by
    side. Leaving the block waits for the last batch; an error of a batch is raised by what follows."""

    def __enter__(self) -> Writer:
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)
        self._settle()

    def put(self, store: Callable[[], None]) -> None:
        self._settle()
        self._last = self._pool.submit(store)

    def _settle(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()


def _batch(
    context: RunContext, model_id: int, encoder: Provider, tally: Tally, writer: Writer
) -> bool:
    """Claim, encode and store one batch; False when nothing waits."""
    settings = context.settings
    token = uuid4()
    with db.connection() as connection:
        chunks: list[Row] = sql.claim_chunks(
            connection,
            project_id=context.project_id,
            run_id=context.run_id,
            claim_token=token,
            lease_seconds=settings.embed_lease_seconds,
            most=settings.embed_batch_size,
        )
    if not chunks:
        return False
    claim = Claim(context.project_id, model_id, token, encoder, settings, tally)
    try:
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
    model_id: int
    token: UUID
    encoder: Provider
    settings: Settings
    tally: Tally

    def encode(self, chunks: list[Row]) -> list[Vector]:
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
        with db.transaction() as tx:
            stored = sql.store_vectors(
                tx,
                project_id=self.project_id,
                model_id=self.model_id,
                claim_token=self.token,
                chunk_ids=[chunk["id"] for chunk in chunks],
                hashes=[chunk["text_hash"] for chunk in chunks],
                vectors=[as_text(vector) for vector in vectors],
            )
            tokens = sum(chunk["content_tokens"] for chunk in chunks)
            sql.count_usage(
                tx,
                project_id=self.project_id,
                model_id=self.model_id,
                purpose="chunks",
                tokens=tokens,
            )
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


def as_text(vector: Vector) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(f"{x:.6g}" for x in vector) + "]"


def _result(tally: Tally, encoder: Provider) -> JobResult:
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
    )
