"""Whether the evidence says what a generated sentence says.

A sentence stays when it cites passages, all of them exist, its numbers, identifiers and names stand in
what it cites (dates and amounts may be written in another form), what it denies is denied there, and
most of its other words stand there by their stems, in either language of the glossary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from app.rag.entities.amounts import amounts_in
from app.rag.entities.dates import dates_in
from app.rag.entities.numerals import numbers_in_words
from app.rag.generation.prompt import MOST_SENTENCES, Passage
from app.rag.retrieval.letters import other_letters
from app.rag.retrieval.words import STOP_WORDS, WORD, fold, in_other_language, stem

CITED = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]")
# A sentence ends after its mark, or after the citations that follow the mark.
END = re.compile(r"(?<=[.!?…])\s+(?=[A-ZА-ЯЁ«\"“])|(?<=\])[.!?]?\s+(?=[A-ZА-ЯЁ«\"“])|\n+")
ABBREVIATION = re.compile(
    r"\b(?:ул|им|руб|тыс|млн|млрд|стр|mr|mrs|ms|dr|st|no|vs|inc|ltd|e\.g|i\.e|т\.\s?[едп])\.$",
    re.IGNORECASE,
)
CLAUSE_END = re.compile(r"[.!?;:,…]\s|\s[—–-]\s|\n+")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
LINK = re.compile(r"https?:|www\.|\]\(|<[a-z/!]|\S@\S+\.\w", re.IGNORECASE)
DENIAL = re.compile(
    r"\b(?:не|нет|ни|нельзя|никогда|никто|ничего|без|never|not|no|none|nobody|nothing|cannot|without"
    r"|\w+n[’']t)\b"
)
# Lower-case words that tell a day; a wrong one is a lie, however well the others fit.
DAYS = re.compile(
    r"понедельник|вторник|сред[уыеа]\b|четверг|пятниц|суббот|воскресень|завтра|сегодня|вчера"
)
LONGEST_SENTENCE = 600
ENOUGH_WORDS = 0.6  # share of a sentence's words that must stand in what it cites
ENOUGH_ABROAD = 0.3  # the same when passage and sentence are in different languages
CYRILLIC = re.compile("[а-я]")
# With these a sentence may begin though the evidence has them not; any other first word may be a name.
OPENINGS = frozenset(
    """according also because however therefore they yes currently согласно также да однако поэтому потому
    причина сейчас они""".split()  # noqa: SIM905 - a list of words reads best as words
)


@dataclass(frozen=True)
class Checked:
    """What passed, with its citations; the numbers that are cited; how many sentences did not pass."""

    sentences: list[str]
    used: list[int]
    dropped: int


def checked(written: str, passages: list[Passage]) -> Checked:
    """The sentences that the passages bear out, in their order."""
    by_number = {passage.number: passage for passage in passages}
    kept: list[str] = []
    used: dict[int, None] = {}
    dropped = 0
    for sentence in sentences_of(written):
        numbers = cited_numbers(sentence)
        said = _without_citations(sentence)
        passes = numbers and all(number in by_number for number in numbers)
        if not passes or len(kept) == MOST_SENTENCES or len(said) > LONGEST_SENTENCE:
            dropped += 1
        elif supported(said, [by_number[number] for number in numbers]):
            used.update(dict.fromkeys(numbers))
            kept.append(f"{said} {''.join(f'[{n}]' for n in numbers)}")
        else:
            dropped += 1
    return Checked(kept, list(used), dropped)


def sentences_of(written: str) -> list[str]:
    """The sentences, each with its citations. A point of an abbreviation ends none."""
    found: list[str] = []
    for piece in END.split(written):
        if found and ABBREVIATION.search(found[-1]):
            found[-1] += f" {piece.strip()}"
        elif any(c.isalnum() for c in CITED.sub("", piece)):
            found.append(piece.strip())
    return found


def _without_citations(sentence: str) -> str:
    said = re.sub(r"\s+(?=[.,!?…])", "", " ".join(CITED.sub(" ", sentence).split()))
    return said if said.endswith(("!", "?", "…")) else f"{said.rstrip(' .')}."


def cited_numbers(sentence: str) -> list[int]:
    """The numbers in brackets, each once: [1][3] and [1, 3] alike."""
    found = (int(n) for group in CITED.findall(sentence) for n in re.findall(r"\d+", group))
    return list(dict.fromkeys(found))


def supported(sentence: str, passages: list[Passage]) -> bool:
    """Whether the passages say it together, and each of them has a part in it."""
    if LINK.search(sentence):
        return False
    texts = [_whole(passage) for passage in passages]
    together = "\n".join(texts)
    return (
        _figures_stand(sentence, together, [p.written_at.date() for p in passages if p.written_at])
        and _names_stand(sentence, together)
        and _denies_the_same(sentence, together)
        and _share(sentence, together) >= _enough(sentence, together)
        and all(_has_a_part(sentence, text) for text in texts)
    )


def _whole(passage: Passage) -> str:
    return f"{passage.text}\n{passage.author or ''}\n{passage.source}"


def _figures_stand(sentence: str, text: str, written: list[date]) -> bool:
    """Amounts by their value and currency, dates by their day, all other numbers as they are written."""
    rest = sentence
    there = [(amount.value, amount.currency) for amount in amounts_in(text)]
    for amount in amounts_in(sentence):
        if not any(_same(amount.value, amount.currency, *other) for other in there):
            return False
        rest = rest.replace(amount.text, " ")
    near = written[0] if written else None
    days = {day.date for day in dates_in(text, near)} | set(written)
    for day in dates_in(sentence, near):
        if day.date not in days:
            return False
        rest = rest.replace(day.text, " ")
    numbers = set(NUMBER.findall(text))
    values = {int(n) for n in numbers if n.isdecimal()} | set(numbers_in_words(text))
    return (
        all(n in numbers or (n.isdecimal() and int(n) in values) for n in NUMBER.findall(rest))
        and all(value in values for value in numbers_in_words(rest))
        and set(DAYS.findall(fold(rest))) <= set(DAYS.findall(fold(text)))
    )


def _same(value: Decimal, currency: str | None, other: Decimal, others: str | None) -> bool:
    return value == other and (currency == others or currency is None)


def _names_stand(sentence: str, text: str) -> bool:
    """Identifiers and words with a capital within the sentence stand in the text, in either alphabet."""
    there = _known_stems(text)
    folded = fold(text)
    for place, match in enumerate(WORD.finditer(sentence)):
        raw = match.group()
        word = fold(raw)
        if not raw.isalpha():
            if word not in folded and not NUMBER.fullmatch(raw) and any(c.isdigit() for c in raw):
                return False
        elif place == 0 and word in STOP_WORDS | OPENINGS:
            continue
        elif raw[0].isupper() and len(raw) > 2 and not _stands(word, there):
            return False
    return True


def _denies_the_same(sentence: str, text: str) -> bool:
    """Each clause denies what is denied in the clause of the text that is most like it, and no more."""
    theirs = [(set(_stems_of(clause)), _denies(clause)) for clause in CLAUSE_END.split(text)]
    for clause in CLAUSE_END.split(f"{sentence} "):
        own = set(_stems_of(clause))
        nearest = max((len(own & there) for there, _ in theirs), default=0)
        alike = {denies for there, denies in theirs if nearest and len(own & there) == nearest}
        if alike and _denies(clause) not in alike:
            return False
        if not alike and _denies(clause):
            return False
    return True


def _denies(clause: str) -> bool:
    return bool(DENIAL.search(fold(clause)))


def _stems_of(text: str) -> list[str]:
    """With their translations, so that clauses in two languages can be alike."""
    roots = [stem(word) for word in _telling_words(text)]
    return [*roots, *(stem(other) for root in roots for other in in_other_language(root))]


def _share(sentence: str, text: str) -> float:
    words = _telling_words(sentence)
    if not words:
        return 1.0 if NUMBER.search(sentence) else 0.0
    there = _known_stems(text)
    return sum(_stands(word, there) for word in words) / len(words)


def _enough(sentence: str, text: str) -> float:
    """A translation shares names, numbers, and what the glossary knows."""
    same = _is_cyrillic(sentence) == _is_cyrillic(text)
    return ENOUGH_WORDS if same else ENOUGH_ABROAD


def _has_a_part(sentence: str, text: str) -> bool:
    there = _known_stems(text)
    figures = set(NUMBER.findall(sentence)) & set(NUMBER.findall(text))
    return bool(figures) or any(_stands(word, there) for word in _telling_words(sentence))


def _telling_words(text: str) -> list[str]:
    words = (fold(word) for word in WORD.findall(text))
    return [word for word in words if len(word) > 2 and word.isalpha() and word not in STOP_WORDS]


def _stands(word: str, stems: frozenset[str]) -> bool:
    own = stem(word)
    others = (stem(other) for other in (*in_other_language(own), other_letters(word)) if other)
    return own in stems or any(other in stems for other in others)


@lru_cache(maxsize=64)
def _known_stems(text: str) -> frozenset[str]:
    return frozenset(stem(fold(word)) for word in re.findall(r"[^\W\d_]+", text))


def _is_cyrillic(text: str) -> bool:
    letters = [c for c in fold(text) if c.isalpha()]
    return len(CYRILLIC.findall(fold(text))) * 2 >= len(letters)
