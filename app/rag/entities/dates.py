"""Dates in a text, as Russian and English write them: 15 октября, by Friday 25 Oct, 2026-10-15, 15.10."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

_RUSSIAN = ["янв", "фев", "мар", "апр", "ма[йяею]", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"]
_ENGLISH = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_RUSSIAN_MONTHS = (
    "январ[ьяею]|феврал[ьяею]|март[ае]?|апрел[ьяею]|ма[йяею]|июн[ьяею]|июл[ьяею]|август[ае]?"
    "|сентябр[ьяею]|октябр[ьяею]|ноябр[ьяею]|декабр[ьяею]|(?:янв|фев|апр|авг|сент?|окт|нояб?|дек)\\."
)
_ENGLISH_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_MONTH = rf"(?P<month>{_RUSSIAN_MONTHS}|(?:{_ENGLISH_MONTHS})\b)"
_UNITS = (
    "первого", "второго", "третьего", "четвертого", "пятого", "шестого", "седьмого", "восьмого",
    "девятого",
)  # fmt: skip
_TEENS = (
    "десятого", "одиннадцатого", "двенадцатого", "тринадцатого", "четырнадцатого", "пятнадцатого",
    "шестнадцатого", "семнадцатого", "восемнадцатого", "девятнадцатого",
)  # fmt: skip
_DAY_WORDS = {
    **{word: day for day, word in enumerate((*_UNITS, *_TEENS), 1)},
    "двадцатого": 20,
    **{f"двадцать {word}": 20 + day for day, word in enumerate(_UNITS, 1)},
    "тридцатого": 30,
    "тридцать первого": 31,
}
# The longest first: двадцать первого before первого.
_DAY_IN_WORDS = "|".join(sorted(_DAY_WORDS, key=len, reverse=True))
_YEAR = r"(?:,?\s(?P<year>(?:19|20)\d\d)\b)?"
# What must not stand before a number is asked after its first digit: a search for digits is fast.
_WITH_DIGITS = (
    re.compile(r"(?P<year>[12](?<![\w-][12])\d{3})-(?P<month>\d\d)-(?P<day>\d\d)(?![\w-])"),
    re.compile(
        r"(?P<day>\d(?<![\w.,/:€£$₽-]\d)\d?)(?P<dot>[./])(?P<month>0[1-9]|1[0-2])"
        r"(?:(?P=dot)(?P<year>(?:19|20)\d\d|\d\d))?(?![\w/:-]|[.,]\d)"
        r"(?!\s?(?:%|€|£|\$|₽|руб|тыс|млн|млрд|к\b|k\b|час|дн|hours?|days?|версии|version))"
    ),
    re.compile(
        rf"(?P<day>\d(?<![\w.,]\d)\d?)(?:-?(?:го|е|ое|st|nd|rd|th))?\s(?:of\s)?{_MONTH}{_YEAR}"
    ),
    re.compile(
        rf"\b(?P<month>{_ENGLISH_MONTHS})\.?\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\w:.]\d|\w){_YEAR}"
    ),
)
_IN_WORDS = re.compile(rf"\b(?P<day>{_DAY_IN_WORDS})\s{_MONTH}{_YEAR}")
DIGIT = re.compile(r"\d")
IN_WORDS = re.compile(r"[ое]го (?:янв|фев|мар|апр|ма|ию|авг|сен|окт|ноя|дек)")
_NAMES_OF_MONTHS = [re.compile(rf"{ru}|{en}") for ru, en in zip(_RUSSIAN, _ENGLISH, strict=True)]


class Day(NamedTuple):
    """`text` as it is written, and the day that is meant."""

    text: str
    date: date


def dates_in(text: str, written: date | None) -> Iterator[Day]:
    """Every date, in its order. A date without a year is the one nearest to when it was written; without
    knowing that it is left out."""
    lowered = text.lower().replace("ё", "е")
    if len(lowered) != len(
        text
    ):  # a letter that is two in lower case: places would no longer agree
        lowered = text
    patterns = _WITH_DIGITS if DIGIT.search(text) else ()
    found: list[tuple[int, int, Day]] = []
    for pattern in (*patterns, *([_IN_WORDS] if IN_WORDS.search(lowered) else [])):
        for match in pattern.finditer(lowered):
            if any(start < match.end() and match.start() < end for start, end, _ in found):
                continue
            meant = _meant(match, written)
            if meant is not None:
                place = match.span()
                found.append((*place, Day(text[slice(*place)], meant)))
    return (day for _, _, day in sorted(found))


def _meant(match: re.Match[str], written: date | None) -> date | None:
    day = match["day"]
    number = int(day) if day.isdecimal() else _DAY_WORDS[day]
    month = _month(match["month"])
    year = match["year"]
    if year is not None:
        return _date(int(year) + (2000 if len(year) == 2 else 0), month, number)
    if written is None:
        return None
    near = [_date(written.year + step, month, number) for step in (-1, 0, 1)]
    return min((d for d in near if d), key=lambda d: abs((d - written).days), default=None)


def _month(written: str) -> int:
    if written.isdecimal():
        return int(written)
    return next(n for n, name in enumerate(_NAMES_OF_MONTHS, 1) if name.match(written))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
