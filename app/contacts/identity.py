"""The one form of an address and of a phone number in which they are stored, compared and looked for.
Pure functions."""

from __future__ import annotations

import unicodedata
from typing import Any


def email_of(text: Any) -> str | None:
    """An e-mail address: compatible letters unified, trimmed, in lower case; None for nothing."""
    return _plain(text).lower() or None


def phone_of(text: Any) -> str | None:
    """A phone number as it is shown, its letters unified; None for nothing. What it is compared by, its
    digits alone, Postgres makes of it."""
    return _plain(text) or None


def _plain(text: Any) -> str:
    return "" if text is None else unicodedata.normalize("NFKC", str(text)).strip()
