"""Cutting texts into chunks, at paragraphs where possible, then at sentences, then at words.

Pure functions over Unicode code points. Neighbouring chunks overlap, so that a thought that runs over
a cut stands whole in one of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CHUNKER_VERSION = 1

SURROGATES = re.compile("[\ud800-\udfff]")
PARAGRAPH = re.compile(r"\n\s*\n")
SENTENCE = re.compile(r"(?<=[.!?…])[\"»”)]*\s+|\n")
SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Piece:
    """A chunk's text, and where it stands in the cleaned text: text == cleaned[start:end]."""

    text: str
    start: int
    end: int


def clean(text: str) -> str:
    """Text without NUL and halves of broken pairs, trimmed."""
    return SURROGATES.sub("\ufffd", text.replace("\x00", "")).strip()


def split(text: str, size: int, overlap: int, minimum: int) -> list[Piece]:
    """Chunks of about `size` characters; neighbours share about `overlap`.

    A tail shorter than `minimum` belongs to the chunk before it. Blank text has no chunks.
    """
    text = clean(text)
    pieces: list[Piece] = []
    start = 0
    while start < len(text):
        end = _end(text, start, size, minimum)
        piece = _trimmed(text, start, end)
        if piece.text:
            pieces.append(piece)
        if end >= len(text):
            break
        start = _next_start(text, start, end, overlap)
    return pieces


def _end(text: str, start: int, size: int, minimum: int) -> int:
    """Where the chunk that begins at `start` ends: the best cut in the second half of its length."""
    if len(text) - start <= size + minimum:
        return len(text)
    low, high = start + size // 2, start + size
    for pattern in (PARAGRAPH, SENTENCE, SPACE):
        cuts = [match.end() for match in pattern.finditer(text, low, high)]
        if cuts:
            return cuts[-1]
    return high


def _next_start(text: str, start: int, end: int, overlap: int) -> int:
    """Where the next chunk begins: a word's beginning within the overlap, always further on."""
    back = max(end - overlap, start + 1)
    match = SPACE.search(text, back, end)
    return match.end() if match and overlap else end


def _trimmed(text: str, start: int, end: int) -> Piece:
    raw = text[start:end]
    left = len(raw) - len(raw.lstrip())
    stripped = raw.strip()
    return Piece(stripped, start + left, start + left + len(stripped))


def estimate_tokens(text: str) -> int:
    """A rough count for budgets: four characters a token, at least one."""
    return max(1, -(-len(text) // 4)) if text else 0
