"""What makes one source come before another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.rag.retrieval.ranking import Item, rank, worth_a_look
from config.settings import Settings, load

NOW = datetime.now(UTC)


@pytest.fixture
def settings() -> Settings:
    return load({}, app_env="test", secret_key="a secret key for tests, long enough")


def source(key: str, body: str, **rest: Any) -> dict[str, Any]:
    """A source as `look_closer` answers it; a message of one conversation unless told otherwise."""
    return {
        "source_type": "chatwoot_message",
        "source_pk": key,
        "source_ref": key,
        "title": None,
        "body": body,
        "author": "Ольга",
        "conversation_global_id": "talk",
        "created_at": NOW - timedelta(days=10),
        "hits": [0.0],
        "distance": 0.8,
        **rest,
    }


def document(key: str, kind: str, body: str, **rest: Any) -> dict[str, Any]:
    return source(key, body, source_type=kind, conversation_global_id=None, **rest)


def ranked(
    settings: Settings, *rows: dict[str, Any], question: str = "Что с макетами?"
) -> list[Item]:
    # What nobody would call evidence is kept here too: the order is looked at.
    kept = load({"SEARCH_MIN_RELEVANCE": "0"}, app_env="test", secret_key=settings.secret_key)
    return rank(question, list(rows), [], [3], 100, kept)


def keys(items: list[Item]) -> list[str]:
    return [item.source_pk for item in items]


def test_a_source_that_both_legs_found_comes_before_one_of_each(settings: Settings) -> None:
    found = ranked(
        settings,
        source("words", "Макеты.", conversation_global_id="a", hits=[1.0], distance=None),
        source("both", "Макеты.", conversation_global_id="b", hits=[1.0], distance=0.6),
        source("near", "Эскизы.", conversation_global_id="c", distance=0.6),
    )
    assert keys(found)[0] == "both"


def test_a_leg_that_found_nothing_costs_nothing(settings: Settings) -> None:
    near = [source("a", "Эскизы.", conversation_global_id="a", distance=0.5)]
    near += [source("b", "Наброски.", conversation_global_id="b", distance=0.7)]
    with_words = ranked(settings, *near)
    without = rank("Что с макетами?", near, [], [], 100, settings)
    assert keys(with_words) == ["a", "b"] and keys(without)[0] == "a"
    assert with_words[0].relevance == without[0].relevance


def test_a_reply_comes_before_the_question_it_answers(settings: Settings) -> None:
    found = ranked(
        settings,
        source("asked", "Когда будут макеты?", hits=[1.0], distance=0.5),
        source("replied", "В пятницу, до обеда.", author="Артём", distance=0.9),
    )
    assert keys(found) == ["replied", "asked"]
    assert "conversation" in found[0].matched_by


def test_ones_own_next_message_is_no_reply(settings: Settings) -> None:
    first = source("said", "Макеты готовы.", hits=[1.0], distance=0.5)
    own = source("more", "И ещё вот что.", distance=0.9)
    other = source("more", "И ещё вот что.", distance=0.9, author="Артём")
    relevance = {
        author["author"]: next(
            i.relevance for i in ranked(settings, first, author) if i.source_pk == "more"
        )
        for author in (own, other)
    }
    assert relevance["Ольга"] < relevance["Артём"]


def test_a_note_comes_before_a_message_that_says_the_same(settings: Settings) -> None:
    same = {"hits": [1.0], "distance": 0.5}
    found = ranked(
        settings,
        source("message", "Макеты перенесли.", **same),
        document("person", "attio_person", "Макеты перенесли.", **same),
        document("note", "attio_note", "Макеты перенесли.", **same),
    )
    assert keys(found) == ["note", "person", "message"]


@pytest.mark.parametrize(
    ("question", "telling", "silent"),
    [
        ("Когда сдаём макеты?", "Макеты сдаём 16 сентября.", "Макеты сдаём как договорились."),
        ("Сколько стоят макеты?", "Макеты стоят 40 000.", "Макеты стоят как в прошлый раз."),
        ("Why are the mockups late?", "Mockups are late because Mila is ill.", "Mockups are late."),
    ],
)
def test_what_has_a_sign_of_the_answer_comes_first(
    settings: Settings, question: str, telling: str, silent: str
) -> None:
    found = ranked(
        settings,
        source("silent", silent, conversation_global_id="a", hits=[1.0]),
        source("telling", telling, conversation_global_id="b", hits=[1.0]),
        question=question,
    )
    assert keys(found) == ["telling", "silent"]


def test_equal_sources_come_newest_first_and_then_by_key(settings: Settings) -> None:
    rows = [
        source(key, "Макеты.", conversation_global_id=key, hits=[1.0], created_at=moment)
        for key, moment in (("b", None), ("a", None), ("new", NOW))
    ]
    assert keys(ranked(settings, *rows)) == ["new", "a", "b"]


def test_what_both_legs_found_is_looked_at_first(settings: Settings) -> None:
    near = [
        {"source_type": "m", "source_pk": key, "distance": 0.5} for key in ("near", "both", "also")
    ]
    worded = [{"source_type": "m", "source_pk": "both", "hits": [1.0], "word_matches": [3]}]
    chosen = worth_a_look(near, worded, 100, settings, 2)
    assert chosen == [("m", "both"), ("m", "also")]


def test_a_line_gains_from_the_words_of_its_conversation(settings: Settings) -> None:
    found = ranked(
        settings,
        source("topic", "Про макеты.", conversation_global_id="a", hits=[1.0], distance=0.9),
        source("own", "Да.", conversation_global_id="a", distance=0.7),
        source("other", "Да.", conversation_global_id="b", distance=0.7),
    )
    talk = {item.source_pk: item.signs["talk"] for item in found}
    assert talk == {"topic": 1.0, "own": 1.0, "other": 0.0}
    assert keys(found).index("own") < keys(found).index("other")
    assert found[0].breakdown["talk"] == 1.0
