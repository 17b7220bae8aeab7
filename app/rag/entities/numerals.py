"""Whole numbers that are written as words, in Russian and English: девяти дней, three weeks."""

from __future__ import annotations

import re
from collections.abc import Iterator

# One is left out: один and one are articles and pronouns more often than numbers.
_WORDS = {
    2: "дв(?:а|е|ух|ум|умя)|двое|втор(?:ой|ого|ая|ую|ом|ые)|two|second|twice",
    3: "тр(?:и|ех|ем|емя|ое)|трет(?:ий|ьего|ья|ью|ьем)|three|third",
    4: "четыр(?:е|ех|ем|ьмя)|четверт(?:ый|ого|ая|ую|ом)|four(?:th)?",
    5: "пят(?:ь|и|ью|ый|ого|ая|ую|ом)|five|fifth",
    6: "шест(?:ь|и|ью|ой|ого|ая|ую|ом)|six(?:th)?",
    7: "сем(?:ь|и|ью)|седьм(?:ой|ого|ая|ую|ом)|seven(?:th)?",
    8: "восем(?:ь|ью)|восьм(?:и|ой|ого|ая|ую|ом)|eight(?:h)?",
    9: "девят(?:ь|и|ью|ый|ого|ая|ую|ом)|nine|ninth",
    10: "десят(?:ь|и|ью|ый|ого|ая|ую|ом)|ten(?:th)?",
    11: r"одиннадцат\w+|eleven(?:th)?",
    12: r"двенадцат\w+|twel(?:ve|fth)|dozen",
    13: r"тринадцат\w+|thirteen(?:th)?",
    14: r"четырнадцат\w+|fourteen(?:th)?",
    15: r"пятнадцат\w+|fifteen(?:th)?",
    16: r"шестнадцат\w+|sixteen(?:th)?",
    17: r"семнадцат\w+|seventeen(?:th)?",
    18: r"восемнадцат\w+|eighteen(?:th)?",
    19: r"девятнадцат\w+|nineteen(?:th)?",
    20: r"двадцат\w+|twent(?:y|ieth)",
    30: r"тридцат\w+|thirt(?:y|ieth)",
    40: "сорок(?:а|овой|ового)?|fort(?:y|ieth)",
    50: r"пят(?:ьдесят|идесят\w*)|fift(?:y|ieth)",
    60: r"шест(?:ьдесят|идесят\w*)|sixt(?:y|ieth)",
    70: r"сем(?:ьдесят|идесят\w*)|sevent(?:y|ieth)",
    80: r"вос(?:емьдесят|ьмидесят\w*)|eight(?:y|ieth)",
    90: r"девяност\w+|ninet(?:y|ieth)",
    100: "сто|ста|сот(?:ня|ни|ню)|hundred",
}
_NUMERAL = re.compile(rf"\b(?:{'|'.join(f'(?P<n{n}>{words})' for n, words in _WORDS.items())})\b")


def numbers_in_words(text: str) -> Iterator[int]:
    """Their values, word by word: двадцать пять is 20 and 5."""
    for found in _NUMERAL.finditer(text.lower().replace("ё", "е")):
        yield int(str(found.lastgroup)[1:])
