"""What people type, in the form in which it is compared and looked for."""

from __future__ import annotations

import re

from app.contacts.identity import phone_of
from app.rag.retrieval.words import fold

PHONE = re.compile(r"[\d\s()+.\-/]+")
SHORTEST_PHONE = 3
NATIONAL_LENGTH = 11  # +7 999 … and 8 999 … are one number


def normalised(text: str) -> str:
    """One form for all spellings that mean the same: letters folded, spaces collapsed."""
    return " ".join(fold(text).split())


def containing(text: str) -> str:
    """A pattern for folded columns that hold the text anywhere. Its own wildcards are plain characters."""
    escaped = fold(text).replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def phone_pattern(text: str) -> str | None:
    """A pattern for the digits of phone numbers; None when the text is no part of one."""
    text = phone_of(text) or ""
    digits = re.sub(r"\D", "", text)
    if len(digits) < SHORTEST_PHONE or not PHONE.fullmatch(text):
        return None
    if len(digits) == NATIONAL_LENGTH and digits[0] in "78":
        digits = digits[1:]
    return f"%{digits}%"
