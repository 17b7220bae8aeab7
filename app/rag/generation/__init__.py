"""Answers in whole sentences by a language model, of which only what the evidence says is kept.

Nothing that the model writes is believed: each sentence must cite passages, and each must be found in
what it cites (`checking.py`). What does not pass is dropped; when nothing stays, or the model is late
or away, the caller is told why and falls back on the sentences of the evidence themselves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import structlog

from app.rag.generation.chat import ChatError, complete
from app.rag.generation.checking import checked
from app.rag.generation.prompt import NO_ANSWER, Passage, gives_orders, messages, redacted
from config.settings import Settings

__all__ = ["Generated", "Passage", "Unanswered", "generate", "gives_orders"]

log = structlog.get_logger(__name__)

ENOUGH_TIME = 0.3  # seconds: with less a question is not even sent


@dataclass(frozen=True)
class Generated:
    """The sentences that passed, the passages they cite, and how many did not pass."""

    text: str
    used: list[int]
    dropped: int


class Unanswered(Exception):
    """No generated answer; the text says why, in words for people."""


def generate(
    question: str, passages: list[Passage], deadline: float, settings: Settings
) -> Generated:
    """An answer from these passages alone. Raises Unanswered. `deadline` is of time.monotonic()."""
    seconds = min(deadline - time.monotonic(), settings.answer_timeout_ms / 1000)
    if seconds < ENOUGH_TIME:
        raise Unanswered("no time was left for it")
    try:
        written = complete(_conversation(question, passages, settings), seconds, settings)
    except ChatError as error:
        raise Unanswered(str(error)) from None
    if NO_ANSWER in written:
        raise Unanswered("the model found no answer in the evidence")
    kept = checked(written, passages)
    if kept.dropped:
        log.warning("sentences_dropped", dropped=kept.dropped, kept=len(kept.sentences))
    if not kept.sentences:
        raise Unanswered("nothing of it could be verified")
    return Generated(" ".join(kept.sentences), kept.used, kept.dropped)


def _conversation(
    question: str, passages: list[Passage], settings: Settings
) -> list[dict[str, str]]:
    if not settings.answer_redact:
        return messages(question, passages)
    shown = [replace(passage, text=redacted(passage.text)) for passage in passages]
    return messages(redacted(question), shown)
