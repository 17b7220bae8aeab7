"""Amounts of money in a text, as Russian and English write them: £6,400, 6 400 ₽, 120 тыс. руб., €2.5k."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

_SPACE = "[ \u00a0\u202f\u2009]"
_NUMBER = (
    rf"\d{{1,3}}(?:(?:{_SPACE}|[,.'])\d{{3}})+(?:[.,]\d{{1,2}})?(?!\d)"
    r"|\d{1,15}(?:[.,]\d{1,3})?(?!\d)"
)
_FACTOR = r"тыс(?:\.|яч[аиу]?)?|млн\.?|миллион(?:ов|а)?|млрд\.?|k|m|thousand|million|bn|billion|к"
_AFTER = (
    r"₽|€|£|\$|руб(?:\.|л(?:ей|ь|я|ях|ям|и))?|р\.|доллар(?:ов|а|ы)?|фунт(?:ов|а|ы)?|евро"
    r"|rub|usd|eur|gbp|pounds?|dollars?|euros?|roubles?|rubles?"
)
AMOUNT = re.compile(
    rf"(?<![\w.,-])(?:(?P<sign>[₽€£$]|(?:rub|usd|eur|gbp)\b){_SPACE}?)?(?P<number>{_NUMBER})"
    rf"(?:{_SPACE}?(?P<factor>{_FACTOR})(?![^\W\d_]))?(?:{_SPACE}?(?P<after>{_AFTER})(?![^\W\d_]))?"
)
_CURRENCIES = {
    "RUB": ("₽", "руб", "р.", "rub", "rouble"),
    "USD": ("$", "доллар", "usd", "dollar"),
    "EUR": ("€", "евро", "eur"),
    "GBP": ("£", "фунт", "gbp", "pound"),
}
_FACTORS = {
    ("k", "к", "тыс", "thousand"): 1_000,
    ("млрд", "bn", "billion"): 1_000_000_000,
    ("млн", "миллион", "m", "million"): 1_000_000,
}
# Without a currency only these say that money or so much of something is meant; `5 k` or `3 m` do not.
_PLAIN_FACTORS = ("тыс", "млн", "миллион", "млрд", "thousand", "million", "billion", "bn")


class Amount(NamedTuple):
    """`text` as it is written, its value in units, and the currency's code when one is named."""

    text: str
    value: Decimal
    currency: str | None


def amounts_in(text: str) -> Iterator[Amount]:
    """Every amount, in its order."""
    lowered = text.lower()
    if len(lowered) != len(
        text
    ):  # a letter that is two in lower case: places would no longer agree
        lowered = text
    for found in AMOUNT.finditer(lowered):
        named = found["sign"] or found["after"]
        factor = found["factor"] or ""
        if not named and not factor.startswith(_PLAIN_FACTORS):
            continue
        value = _value(found["number"]) * _times(factor)
        yield Amount(text[slice(*found.span())].strip(), value, _currency(named))


def _value(number: str) -> Decimal:
    """Three digits after a separator are thousands; fewer are a fraction. So is a single 0.125."""
    plain = re.sub(rf"{_SPACE}|'", "", number)
    whole, separator, rest = _last_separated(plain)
    thousands = len(rest) == 3 and whole.lstrip("0") != ""
    digits = re.sub("[.,]", "", whole)
    if not separator:
        return Decimal(digits)
    return Decimal(digits + rest) if thousands else Decimal(f"{digits}.{rest}")


def _last_separated(plain: str) -> tuple[str, str, str]:
    place = max(plain.rfind(","), plain.rfind("."))
    return (plain[:place], plain[place], plain[place + 1 :]) if place >= 0 else (plain, "", "")


def _times(factor: str) -> int:
    for beginnings, times in _FACTORS.items():
        if factor and factor.startswith(beginnings):
            return times
    return 1


def _currency(written: str | None) -> str | None:
    for code, beginnings in _CURRENCIES.items():
        if written and written.startswith(beginnings):
            return code
    return None
