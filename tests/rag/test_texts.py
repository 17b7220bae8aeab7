"""Cutting texts into chunks, and questions into words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rag.chunking import clean, split
from app.rag.retrieval.words import GLOSSARY, WORD, fold, stem, words_of

TEXTS = st.text(alphabet=st.characters(), max_size=3000) | st.lists(
    st.sampled_from(
        [
            "Добрый день!",
            "OK.",
            "слово",
            "x" * 700,
            "\n\n",
            "\r\n",
            " ",
            "😀😀",
            "\ud800",
            "\x00",
            "—",
            "№ 5.",
        ]
    ),
    max_size=120,
).map(" ".join)


@given(TEXTS, st.integers(200, 900), st.integers(0, 100), st.integers(1, 60))
def test_chunks_keep_all_of_a_text_in_order_and_bounds(
    text: str, size: int, overlap: int, minimum: int
) -> None:
    whole = clean(text)
    pieces = split(text, size, overlap, minimum)
    assert bool(pieces) == bool(whole.strip())
    covered = 0
    for piece in pieces:
        assert piece.text == whole[piece.start : piece.end] and piece.text.strip() == piece.text
        assert 0 < len(piece.text) <= size + minimum
        assert whole[covered : piece.start].strip() == ""  # nothing between two chunks is lost
        covered = max(covered, piece.end)
    assert whole[covered:].strip() == ""
    assert [p.start for p in pieces] == sorted({p.start for p in pieces})
    assert split(text, size, overlap, minimum) == pieces


def test_a_chunk_ends_at_a_paragraph_rather_than_in_a_word() -> None:
    text = "Первый абзац про макеты. " * 12 + "\n\n" + "Второй абзац про счета. " * 12
    pieces = split(text, 400, 0, 30)
    assert pieces[0].text.endswith("макеты.") and pieces[1].text.startswith("Второй")


def test_a_short_tail_belongs_to_the_chunk_before_it() -> None:
    pieces = split("слово " * 100 + "конец", 594, 0, 30)
    assert len(pieces) == 1


@given(st.text(max_size=4000))
def test_words_of_anything_are_few_distinct_and_safe(question: str) -> None:
    words = words_of(question)
    assert len(words) <= 8
    assert len({word.stem for word in words}) == len(words)
    for word in words:
        assert WORD.fullmatch(word.text) and word.text == fold(word.text)
        if word.pattern:
            assert not re.search(r"(?<!\\)[%_]", word.pattern[1:-1])


@pytest.mark.parametrize(
    ("form", "other"),
    [
        ("договору", "договоры"),
        ("счета", "счетом"),
        ("задержались", "задержалась"),
        ("deliveries", "delivery"),
        ("invoices", "invoice"),
    ],
)
def test_forms_of_a_word_share_a_stem(form: str, other: str) -> None:
    assert stem(form) == stem(other)


@pytest.mark.parametrize("identifier", ["release_date", "flt-88", "inv-118", "2.3.1", "сч-2041"])
def test_identifiers_stay_as_typed(identifier: str) -> None:
    (word,) = words_of(identifier.upper())
    assert word.text == identifier and word.stem == identifier
    assert word.pattern == "%" + identifier.replace("_", r"\_") + "%"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("gluten-free", ["gluten", "free"]),
        ("Enterprise-тариф", ["enterprise", "тариф"]),
        ("React-Native", ["react-native"]),
        ("KIT-71", ["kit-71"]),
    ],
)
def test_what_hyphens_join_is_taken_apart_unless_it_is_a_name(
    written: str, words: list[str]
) -> None:
    assert [word.text for word in words_of(written)] == words


def test_light_words_are_looked_for_only_where_few_others_are() -> None:
    def told(question: str) -> list[str]:
        return [word.text for word in words_of(question)]

    assert told("What discount did Olga get for the delay?") == ["discount", "olga", "delay"]
    assert told("Что сказали про макеты корзины?") == ["макеты", "корзины"]
    assert told("Что сказали про макеты?") == ["макеты", "сказали"]
    assert told("Что сказали?") == ["сказали"]


@pytest.mark.parametrize(
    ("asked", "written"),
    [("invoice", "счет"), ("макета", "mockup"), ("опоздали", "late"), ("warehouse", "склад")],
)
def test_a_word_is_also_looked_for_in_the_other_language(asked: str, written: str) -> None:
    (word,) = words_of(asked)
    assert written in word.also


def test_the_glossary_has_single_words_of_one_language_on_each_side() -> None:
    for line in GLOSSARY.read_text().splitlines():
        if not line.startswith("#"):
            english, _, russian = line.partition(" = ")
            assert re.fullmatch(r"[a-z0-9'-]+( [a-z0-9'-]+)*", english), line
            assert re.fullmatch(r"[а-я0-9a-z-]+( [а-я0-9a-z-]+)*", russian), line


def test_one_letter_has_two_spellings() -> None:
    assert words_of("счёт") == words_of("счет")


@pytest.mark.parametrize(
    "question", ["и в на о", "the of and", "%", "_ % \\", "😀" * 4000, "", "?!"]
)
def test_some_questions_have_no_words(question: str) -> None:
    assert words_of(question) == []
