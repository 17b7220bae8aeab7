"""What a question asks for, and how likely a text is to tell it: small signs that no vector sees."""

from __future__ import annotations

import re

from app.rag.retrieval.words import fold

SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")

_MONTHS = (
    "янв|фев|мар|апр|ма[йя]\\b|июн|июл|авг|сен|окт|ноя|дек|"
    "jan|feb|mar|apr|may\\b|jun|jul|aug|sep|oct|nov|dec"
)
_DAYS = (
    "понедельник|вторник|сред[уаы]\\b|четверг|пятниц|суббот|воскресень|завтра|сегодня|"
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday|tomorrow|today"
)
# What is asked for, by how it is asked, and what a text that tells it has.
KINDS: dict[str, tuple[re.Pattern[str], re.Pattern[str]]] = {
    "date": (
        re.compile(
            r"\bкогда\b|какого числа|до какого|какой срок|к какому"
            r"|\bwhen\b|(?:which|what) (?:date|day)|deadline"
        ),
        re.compile(
            rf"\b\d{{1,2}}[./]\d{{1,2}}\b|\b\d{{4}}-\d\d-\d\d\b|\b\d{{1,2}}:\d\d\b"
            rf"|\b\d{{1,2}}(?:-?го|-?е|st|nd|rd|th)?\s+(?:of\s+)?(?:{_MONTHS})|\b(?:{_MONTHS})[a-z]*\s+\d"
            rf"|\b(?:{_DAYS})|\b\d{{1,2}}-?(?:го|th|st|nd|rd)\b"
        ),
    ),
    "amount": (
        re.compile(
            r"сколько|стоимост|\bстоит\b|\bцен[аеуы]|скидк|процент|\bсумм|бюджет|лимит"
            r"|how (?:much|many)|price|\bcosts?\b|discount|budget|\brate\b|limit"
        ),
        re.compile(r"\d"),
    ),
    "reason": (
        re.compile(
            r"почему|зачем|из-за чего|по какой причине|откуда|\bwhy\b|what caused|the reason"
        ),
        re.compile(
            r"потому|из-за|причин|так как|поскольку|оказал|наш[её]л|because|\bsince\b|reason|found|due to"
            r"|caused|turned out|\bso\b"
        ),
    ),
}


def asked_for(question: str) -> list[str]:
    """The kinds of answer that the question's wording asks for; often none."""
    folded = fold(question)
    return [kind for kind, (asks, _) in KINDS.items() if asks.search(folded)]


def tells(text: str, kinds: list[str]) -> float:
    """The share of the kinds that the text has a sign of, 0 to 1."""
    if not kinds:
        return 0.0
    folded = fold(text)
    return sum(bool(KINDS[kind][1].search(folded)) for kind in kinds) / len(kinds)


def asking(text: str) -> float:
    """The share of a text, by length, that is questions, 0 to 1."""
    if "?" not in text:
        return 0.0
    sentences = [s.strip() for s in SENTENCE_END.split(text)]
    whole = sum(map(len, sentences))
    asks = sum(len(s) for s in sentences if s.rstrip(" )\"»'").endswith("?"))
    return asks / whole if whole else 0.0


def ends_asking(text: str) -> bool:
    return text.rstrip().endswith("?")
