"""Leaving out of a text what tells of a person before it goes to a provider outside."""

from __future__ import annotations

import re

from app.rag.embeddings import Provider, Vector

MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
# Digits in groups, as cards and phones are written; the length tells which it is.
NUMBER = re.compile(r"(?<![\w.])\+?\(?\d(?:[ \u00a0().-]{0,3}\d){9,18}(?!\w)")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}")
CARD_DIGITS = range(13, 20)


def redact(text: str) -> str:
    """The text with [email], [card] and [phone] in their places."""
    return NUMBER.sub(_number, MAIL.sub("[email]", text))


def _number(found: re.Match[str]) -> str:
    written = found[0]
    digits = [int(sign) for sign in written if sign.isdigit()]
    if len(digits) in CARD_DIGITS and _is_card(digits):
        return "[card]"
    if len(digits) <= 15 and not DATE.search(written):
        return "[phone]"
    return written


def _is_card(digits: list[int]) -> bool:
    """Luhn's check: it holds for every card, and for one other number in ten."""
    doubled = (d * 2 - 9 * (d > 4) if place % 2 else d for place, d in enumerate(reversed(digits)))
    return sum(doubled) % 10 == 0


class Redacting:
    """An encoder that is shown redacted texts."""

    def __init__(self, encoder: Provider) -> None:
        self._encoder = encoder
        self.identity = encoder.identity
        self.model = encoder.model
        self.dimensions = encoder.dimensions
        self.paid = encoder.paid

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        return self._encoder.embed_documents([redact(text) for text in texts])

    def embed_query(self, text: str) -> Vector:
        return self._encoder.embed_query(redact(text))
