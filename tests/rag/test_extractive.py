"""The answer made of the evidence's own sentences: the one that answers, and no more than is new."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.rag.answer import compose, sentences_of
from app.rag.retrieval.ranking import Item
from app.rag.retrieval.words import words_of

STATS = {"chunks": 4, "messages": 2, "issues": 1, "opportunities": 0}


def item(text: str, kind: str = "chatwoot_message", **row: Any) -> Item:
    moment = datetime(2026, 9, 20, tzinfo=UTC)
    rest = {"author": "Ольга", "title": None, "source_url": "u", "created_at": moment, **row}
    return Item(kind, f"k:{hash(text)}", rest, passage=text, relevance=0.8)


def answer(question: str, *items: Item) -> list[str]:
    return compose(question, list(items), words_of(question), STATS)[0].split("\n")


@pytest.mark.parametrize(
    ("question", "text", "best"),
    [
        (
            "Когда заплатят остаток по счёту?",
            "Добрый день! Мы долго обсуждали счёт, остаток по счёту и всё остальное со всеми. Остаток "
            "заплатим 20 октября. Хорошего дня!",
            "Остаток заплатим 20 октября.",
        ),
        (
            "Why were the cart mockups late?",
            "The cart mockups were late. It was because Mila was ill. Anything else to tell about?",
            "The cart mockups were late. It was because Mila was ill.",
        ),
        (
            "How much is the Tallinn pilot?",
            "Stage: Proposal\nAmount of the pilot: 12,400 GBP\nNext step: call Kadri",
            "Amount of the pilot: 12,400 GBP",
        ),
        (
            "Где лежат макеты?",
            "Где лежат макеты корзины? Макеты в облаке, папка «Корзина».",
            "Макеты в облаке, папка «Корзина».",
        ),
    ],
)
def test_the_sentence_that_answers_and_not_the_longest(question: str, text: str, best: str) -> None:
    assert answer(question, item(text))[0] == f"{best} [1]"


def test_what_says_the_same_is_not_said_twice() -> None:
    once, sources, _ = answer(
        "Когда остаток?", item("Остаток заплатим 20 октября."), item("Остаток заплатим 20 октября!")
    )
    assert once == "Остаток заплатим 20 октября. [1]" and "[2]" not in sources


def test_what_adds_something_is_said_with_its_own_source() -> None:
    lines = answer(
        "Когда остаток и когда релиз?",
        item("Остаток заплатим 20 октября."),
        item("Релиз выходит 3 ноября, как договорились."),
    )
    assert lines[:2] == [
        "Остаток заплатим 20 октября. [1]",
        "Релиз выходит 3 ноября, как договорились. [2]",
    ]


def test_a_reason_for_something_else_is_no_addition() -> None:
    lines = answer(
        "Почему лежала консоль?",
        item("Консоль лежала, потому что строился индекс."),
        item("Общий бакет нужен, потому что воркеров два."),
    )
    assert "[2]" not in lines[0] + lines[1]


@pytest.mark.parametrize(
    ("kind", "row", "label", "system"),
    [
        ("chatwoot_message", {}, "Ольга, сообщение от 20.09.2026", "chatwoot"),
        (
            "chatwoot_message",
            {"author": None},
            "автор неизвестен, сообщение от 20.09.2026",
            "chatwoot",
        ),
        (
            "linear_issue",
            {"title": "FLT-61 Маршруты"},
            "задача «FLT-61 Маршруты», 20.09.2026",
            "linear",
        ),
        ("attio_opportunity", {"title": "Пилот"}, "сделка «Пилот», 20.09.2026", "attio"),
        ("attio_note", {"title": "Звонок"}, "заметка «Звонок», 20.09.2026", "attio"),
        ("attio_person", {"title": "Kadri", "created_at": None}, "контакт «Kadri»", "attio"),
        ("attio_account", {"title": "Север"}, "компания «Север», 20.09.2026", "attio"),
    ],
)
def test_every_source_is_named_by_what_it_is(
    kind: str, row: dict[str, Any], label: str, system: str
) -> None:
    text, citations = compose(
        "Что готово?", [item("Маршруты готовы.", kind, **row)], words_of("Что готово?"), STATS
    )
    assert f"Источники: [1] {label}." in text
    assert citations[0]["source_system"] == system
    assert text.endswith("Найдено: фрагментов 4, сообщений 2, задач 1.")


@pytest.mark.parametrize(
    "aside",
    [
        "Нина Аркадьевна, здравствуйте.",  # says nothing but whom it is for
        "Счёт за хостинг придёт в пятницу, 9 октября.",  # a date of something else
    ],
)
def test_what_hardly_belongs_to_the_question_is_not_added(aside: str) -> None:
    lines = answer(
        "Когда Нина Аркадьевна заплатит остаток по счёту за макеты?",
        item("Нина Аркадьевна заплатит остаток по счёту за макеты 20 октября."),
        item(aside),
    )
    assert lines[0].endswith("20 октября. [1]") and "[2]" not in "".join(lines)


def test_a_date_is_added_where_the_best_sentence_has_none() -> None:
    lines = answer(
        "Когда заплатят остаток по счёту?",
        item("Остаток по счёту заплатят, как договорились с бухгалтерией."),
        item("Счёт закроем 20 октября двумя платежами."),
    )
    assert lines[1] == "Счёт закроем 20 октября двумя платежами. [2]"


def test_lists_lose_their_marks_and_what_announces_goes_with_what_it_announces() -> None:
    assert sentences_of(
        "Выпуски приложения:\n- 2.4.0 выходит 4 ноября\n2) тёмная тема. 3 окна."
    ) == [
        "Выпуски приложения: 2.4.0 выходит 4 ноября",
        "тёмная тема.",
        "3 окна.",
    ]


def test_english_is_english_too() -> None:
    text, _ = compose(
        "When is it paid?",
        [item("It is paid on Friday.", author="Tom")],
        words_of("When is it paid?"),
        {"chunks": 1, "messages": 1, "issues": 2, "opportunities": 0},
    )
    assert text.splitlines()[1:] == [
        "Sources: [1] message from Tom, 20 Sep 2026.",
        "Found: 1 passage, 1 message, 2 issues.",
    ]


@pytest.mark.parametrize(
    ("question", "stats", "told"),
    [
        ("Когда?", STATS, " Ближайшее по теме: сообщений 2, задач 1."),
        ("When?", STATS, " Nearest to it: 2 messages, 1 issue."),
        ("Когда?", dict.fromkeys(STATS, 0), ""),
        ("When?", {**dict.fromkeys(STATS, 0), "chunks": 9}, ""),
    ],
)
def test_no_answer_tells_what_comes_near_and_boasts_of_nothing(
    question: str, stats: dict[str, int], told: str
) -> None:
    text, citations = compose(question, [], words_of(question), stats)
    assert citations == []
    assert text.endswith(told) and ("Недостаточно данных" in text) is (question == "Когда?")
    assert told or text.endswith(("этот вопрос.", "this question."))


def test_abbreviations_end_no_sentence() -> None:
    assert sentences_of("Платим 120 тыс. руб. до пятницы. Потом — остаток.") == [
        "Платим 120 тыс. руб. до пятницы.",
        "Потом — остаток.",
    ]
