"""Known people and companies in a text, in any inflection and in either alphabet.

Not every name of a project is held in memory: what is written with capitals may be a name and is asked
for in the database, and what comes back is looked for in the text word by word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from app.rag.retrieval.letters import other_letters
from app.rag.retrieval.words import STOP_WORDS, escaped, fold, stem

CAPITAL = re.compile(r"\b[A-ZА-ЯЁ][\w]{2,}")
TOKEN = re.compile(r"[^\W_]+")
PAIR = re.compile(r"\b([A-ZА-ЯЁ]\w{2,})\s(?=([A-ZА-ЯЁ]\w{2,}))")
PHRASE = re.compile(r"[\w&-]+(?:[ ][\w&-]+){0,2}")
MOST_PAIRS = 40
MOST_PHRASES = 400
LONGEST_ENDING = 4  # of an inflected name over its stem: Севериной


@dataclass(frozen=True)
class Name:
    """A person or a company that the project knows."""

    kind: str  # person or company
    known_as: str
    id: str | None
    name: str
    words: tuple[frozenset[str], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(map(_spellings, TOKEN.findall(fold(self.name)))))


@lru_cache(maxsize=2048)
def name_of(kind: str, known_as: str, id: str | None, name: str) -> Name:
    """The name with its stems, made once: the team and frequent clients come with every answer."""
    return Name(kind, known_as, id, name)


def pairs_in(texts: Iterable[str]) -> list[str]:
    """LIKE patterns of two words with capitals in a row, as a name is written in any inflection and in
    either alphabet. One word alone would be looked for in vain too often."""
    found: dict[str, None] = {}
    for text in texts:
        for first, second in PAIR.findall(text):
            words = (_folded(first), _folded(second))
            if not STOP_WORDS.isdisjoint(words):
                continue
            begun = tuple(map(_beginning, words))
            for one, two in (begun, tuple(map(other_letters, begun))):
                found.setdefault(f"%{escaped(one)}%{escaped(two)}%")
        if len(found) >= MOST_PAIRS:
            break
    return list(found)[:MOST_PAIRS]


def phrases_in(texts: Iterable[str]) -> list[str]:
    """What may be the name of a company as it is written: one to three words from a capital on."""
    found: dict[str, None] = {}
    for text in texts:
        for match in CAPITAL.finditer(text):
            line = text[match.start() : match.start() + 100].partition("\n")[0].lower()
            words = PHRASE.match(line)
            parts = words.group().split() if words else []
            for count in range(1, len(parts) + 1):
                found.setdefault(" ".join(parts[:count]))
    return list(found)[:MOST_PHRASES]


class Names:
    """Names that may be looked for in many texts: by how their words begin."""

    def __init__(self, known: Iterable[Name]) -> None:
        names = [name for name in known if name.words]
        alone = _unmistakable(names)
        self._whole: dict[str, list[Name]] = {}
        self._alone: dict[str, list[tuple[frozenset[str], Name]]] = {}
        for name in names:
            for start in _starts(name.words[0]):
                self._whole.setdefault(start, []).append(name)
            for word in alone.get(name, ()):
                for start in _starts(word):
                    self._alone.setdefault(start, []).append((word, name))

    def found_in(self, text: str) -> list[Name]:
        """The names that a text has: whole; of a person one word will do that nobody else is called."""
        found: dict[Name, None] = {}
        for match in CAPITAL.finditer(text):
            word = _folded(match.group())
            start = word[:3]
            for spellings, name in self._alone.get(start, ()):
                if _is(word, spellings):
                    found.setdefault(name)
            for name in self._whole.get(start, ()):
                if name not in found and _begins_at(text, match.start(), name):
                    found.setdefault(name)
        return list(found)


def _begins_at(text: str, start: int, name: Name) -> bool:
    """Whether all words of a name stand there, one after another."""
    count = len(name.words)
    here = [
        _folded(m.group()) for m, _ in zip(TOKEN.finditer(text, start), range(count), strict=False)
    ]
    return len(here) == count and all(map(_is, here, name.words))


@lru_cache(maxsize=8192)
def _folded(word: str) -> str:
    return fold(word)


def _starts(spellings: frozenset[str]) -> set[str]:
    return {spelling[:3] for spelling in spellings}


def _unmistakable(names: list[Name]) -> dict[Name, list[frozenset[str]]]:
    """Of each person the words of the name that no other person's name has."""
    people = [name for name in names if name.kind == "person"]
    bearers: dict[str, set[str]] = {}
    for person in people:
        for spelling in (s for word in person.words for s in word):
            bearers.setdefault(spelling, set()).add(fold(person.name))
    return {
        person: [
            word for word in person.words if all(len(s) > 2 and len(bearers[s]) == 1 for s in word)
        ]
        for person in people
    }


def _is(word: str, spellings: frozenset[str]) -> bool:
    return any(
        word.startswith(spelling) and len(word) - len(spelling) <= LONGEST_ENDING
        if len(spelling) > 2
        else word == spelling
        for spelling in spellings
    )


@lru_cache(maxsize=4096)
def _spellings(word: str) -> frozenset[str]:
    """The stem of a word of a name, in its own letters and in the others."""
    other = other_letters(word)
    return frozenset({stem(word), stem(other) if other else stem(word)})


def _beginning(folded: str) -> str:
    """A word without what an inflection may have changed; an English one has no such ending."""
    cut = 0 if folded.isascii() else 3 if len(folded) > 7 else 2 if len(folded) > 4 else 1
    return folded[: max(3, len(folded) - cut)]
