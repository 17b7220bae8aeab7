"""Names in the other alphabet, near enough to be found: Латышев and Latyshev, Грета and Greta."""

from __future__ import annotations

import re

CYRILLIC = re.compile("[а-я]")
LATIN = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъыьэюя",
        "a|b|v|g|d|e|zh|z|i|y|k|l|m|n|o|p|r|s|t|u|f|kh|ts|ch|sh|shch||y||e|yu|ya".split("|"),  # noqa: SIM905
        strict=True,
    )
)
# Where several letters have one spelling, the usual one; longer spellings first.
USUAL = {
    "j": "дж",
    "w": "в",
    "x": "кс",
    "q": "к",
    "c": "к",
    "ck": "к",
    "h": "х",
    "y": "и",
    "e": "е",
}
FROM_LATIN = sorted(
    ({latin: letter for letter, latin in LATIN.items() if latin} | USUAL).items(),
    key=lambda pair: -len(pair[0]),
)


def other_letters(folded: str) -> str:
    """A folded name in Latin letters when it is Cyrillic, else in Cyrillic ones."""
    if CYRILLIC.search(folded):
        return "".join(LATIN.get(letter, letter) for letter in folded)
    for latin, cyrillic in FROM_LATIN:
        folded = folded.replace(latin, cyrillic)
    return folded
