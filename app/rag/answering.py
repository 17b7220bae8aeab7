"""The answer to a question: written by a model and verified where one is configured, else the sentences
of the evidence themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from app import metrics
from app.rag import answer
from app.rag.generation import Passage, Unanswered, generate, gives_orders
from app.rag.retrieval.ranking import Item
from app.rag.retrieval.words import Word, is_russian
from config.settings import Settings

log = structlog.get_logger(__name__)

CITATION = re.compile(r"\[(\d{1,3})\]")


@dataclass(frozen=True)
class Answer:
    """The text with its citations; `warning` tells why it is not the generated one that was wanted."""

    text: str
    citations: list[dict[str, Any]]
    generated: bool = False
    warnings: list[str] = field(default_factory=list)


def answer_from(
    question: str,
    items: list[Item],
    words: list[Word],
    stats: dict[str, int],
    settings: Settings,
    deadline: float,
    filtered: bool,
) -> Answer:
    """An answer that says nothing but what `items` say; `deadline` is of time.monotonic(). `filtered`:
    that a part of the project was looked at."""
    if settings.answer_provider == "extractive" or not items:
        return Answer(*answer.compose(question, items, words, stats, filtered))
    try:
        return _generated(question, items, stats, settings, deadline)
    except Unanswered as error:
        metrics.DEGRADED_ANSWERS.labels("generation").inc()
        log.warning("answer_not_generated", reason=str(error))
        made = (
            "Ответ составлен из предложений самих источников"
            if is_russian(question)
            else "The answer is made of the evidence's own sentences"
        )
        warning = f"{made} ({error})."
        return Answer(*answer.compose(question, items, words, stats), warnings=[warning])


def _generated(
    question: str, items: list[Item], stats: dict[str, int], settings: Settings, deadline: float
) -> Answer:
    """Private notes are for people here, and are sent nowhere; what gives a model orders is not either."""
    fit = (i for i in items if not i.row["private"] and not gives_orders(i.passage))
    shown = list(islice(fit, settings.answer_passages))
    if not shown:
        raise Unanswered("private notes, and texts that give a model orders, are not sent to one")
    russian = is_russian(question)
    passages = [
        Passage(
            n,
            item.passage,
            item.row["author"],
            item.occurred_at,
            answer.source_label(item, russian),
        )
        for n, item in enumerate(shown, 1)
    ]
    found = generate(question, passages, deadline, settings)
    # Citations are counted anew: the reader sees [1], [2] in the order in which they come.
    numbers = {old: new for new, old in enumerate(found.used, 1)}
    text = CITATION.sub(lambda m: f"[{numbers[int(m[1])]}]", found.text)
    cited = [shown[number - 1] for number in found.used]
    return Answer(*answer.with_sources(question, text, cited, stats), generated=True)
