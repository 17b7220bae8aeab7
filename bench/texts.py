"""Client-service texts in Russian and English, composed of phrases, the same for the same seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from itertools import accumulate, product
from pathlib import Path
from random import Random
from typing import Any

import yaml

PHRASES = Path(__file__).with_name("phrases.yaml")
SLOT = re.compile(r"{(\w+?)2?}")
RUSSIAN_SHARE = 0.75
SHORT_SHARE = 0.1
LONG_SHARE = 0.09
# How many sentences a message has, by weight.
SENTENCES = (1, 1, 1, 2, 2, 3)
SENTENCES_OF_LONG = (7, 8, 9, 12)


@cache
def phrases() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(PHRASES.read_text())
    return found


@cache
def brands() -> tuple[str, ...]:
    """Some 2,400 made-up company names, common ones first."""
    names = ["".join(parts) for parts in product(*phrases()["brands"])]
    Random(7).shuffle(names)
    return tuple(names)


@cache
def _zipf(count: int) -> list[float]:
    """Cumulative weights 1, 1/2, 1/3, … as word frequencies have them."""
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def often_first(dice: Random, choices: Any) -> Any:
    """One of the choices, the first twice as often as the second."""
    return dice.choices(choices, cum_weights=_zipf(len(choices)))[0]


class Speaker:
    """Fills phrases of one language."""

    def __init__(self, dice: Random, language: str, today: datetime) -> None:
        self.dice = dice
        self.lists: dict[str, list[str]] = phrases()[language]
        self.language = language
        self.today = today
        self.key = f"{often_first(dice, phrases()['keys'])}-{dice.randrange(1, 900)}"

    def message(self, asks: bool) -> str:
        """What a client (`asks`) or the team writes: a word, some sentences or a long letter."""
        luck = self.dice.random()
        if luck < SHORT_SHARE:
            return str(self.pick("short"))
        lengths = SENTENCES_OF_LONG if luck > 1 - LONG_SHARE else SENTENCES
        kind = "asks" if asks else "tells"
        parts = [self.sentence(kind) for _ in range(self.dice.choice(lengths))]
        if self.dice.random() < 0.3:
            parts.insert(0, self.fill(self.pick("greetings")))
        if self.dice.random() < 0.2:
            parts.append(self.fill(self.pick("thanks")))
        return " ".join(parts)

    def question(self) -> str:
        """What somebody asks the search: a client's question."""
        return self.sentence("asks")

    def sentence(self, kind: str) -> str:
        text = self.fill(self.dice.choice(self.lists[kind]))
        return text[:1].upper() + text[1:]

    def fill(self, phrase: str) -> str:
        while SLOT.search(phrase):
            phrase = SLOT.sub(lambda match: str(self.slot(match[1])), phrase)
        return phrase

    def slot(self, name: str) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "amount": self._amount,
            "brand": lambda: often_first(self.dice, brands()),
            "code": lambda: often_first(self.dice, (500, 502, 403, 404, 429, 504, 1045, 2002)),
            "contract": lambda: f"{self.dice.randrange(1, 400)}/{self.dice.randrange(24, 27)}",
            "count": lambda: self.dice.randrange(2, 60),
            "date": self._date,
            "key": lambda: self.key,
            "number": lambda: f"№{self.dice.randrange(10_000, 99_999)}",
            "percent": lambda: often_first(self.dice, (10, 5, 15, 20, 7, 25, 30)),
            "time": lambda: f"{self.dice.randrange(9, 19)}:{self.dice.choice(('00', '15', '30'))}",
        }
        plural = {"access": "accesses", "city": "cities"}.get(name, f"{name}s")
        return made[name]() if name in made else self.pick(plural)

    def pick(self, name: str) -> str:
        return str(often_first(self.dice, self.lists[name]))

    def _amount(self) -> str:
        thousands, rest = self.dice.randrange(1, 900), self.dice.choice((0, 0, 500, 250, 990))
        return f"{thousands} {rest:03d} ₽" if self.language == "ru" else f"€{thousands},{rest:03d}"

    def _date(self) -> str:
        day = self.today + timedelta(days=self.dice.randrange(-20, 40))
        return f"{day:%d.%m}" if self.language == "ru" else f"{day.day} {day:%B}"


def language(dice: Random) -> str:
    return "ru" if dice.random() < RUSSIAN_SHARE else "en"


def questions(count: int, seed: int) -> list[str]:
    """Questions, all different; another seed gives others."""
    dice = Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[Speaker(dice, language(dice), datetime(2026, 11, 1)).question()] = None
    return list(found)
