"""Chunks are what the texts are now: what was taken out of a text, or taken back whole, is found no more."""

from __future__ import annotations

from collections.abc import Callable

from tests.rag.conftest import Ask, Rows, Say
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation

Sync = Callable[[], None]

PARAGRAPHS = [
    f"Раздел {n}. " + f"Смета на {what} согласована, остаток переносим на осень. " * 7
    for n, what in enumerate(("каталог", "корзину", "кабинет", "виноградник"))
]
CHUNKS = (
    "SELECT kind, chunk_index FROM rag_chunks WHERE source_type = 'chatwoot_message' ORDER BY 1, 2"
)
LEFT = (
    "SELECT (SELECT count(*)::int FROM rag_chunks), (SELECT count(*)::int FROM rag_vectors), "
    "(SELECT count(*)::int FROM search_texts WHERE NOT private)"
)


def test_a_shortened_message_loses_the_chunks_of_what_was_cut(
    say: Say, sync: Sync, ask: Ask, rows: Rows, chatwoot: ChatwootServer, talk: Conversation
) -> None:
    message = say("\n\n".join(PARAGRAPHS), team=True)
    sync()
    assert len(rows(CHUNKS)) >= 3 and "виноградник" in str(ask("смета на виноградник")["chunks"])
    chatwoot.state.edit_message(talk, message, PARAGRAPHS[0])
    sync()
    assert rows(CHUNKS) == [("text", 0)] and rows(LEFT) == [(1, 1, 1)]
    for mode in ("vector", "keyword"):
        found = ask("смета на виноградник", mode=mode)
        assert "виноградник" not in str([found["evidence"], found["chunks"], found["citations"]])


def test_a_message_that_becomes_private_or_too_short_leaves_nothing_to_find(
    say: Say, sync: Sync, ask: Ask, rows: Rows, chatwoot: ChatwootServer, talk: Conversation
) -> None:
    secret = say("Виноградник продаём за сорок миллионов, покупателю пока не говорить.", team=True)
    shortened = say("Доставка тортов работает по субботам с десяти утра до шести вечера.")
    sync()
    assert rows(LEFT) == [(2, 2, 2)]
    chatwoot.state.set_private(talk, secret)
    chatwoot.state.edit_message(talk, shortened, "ок")
    sync()
    assert rows(LEFT) == [(0, 0, 1)]
    for mode in ("vector", "keyword", "hybrid"):
        assert "миллионов" not in str(ask("За сколько продаём виноградник?", mode=mode)), mode


def test_a_window_is_read_anew_when_one_of_its_messages_goes(
    say: Say, sync: Sync, rows: Rows, chatwoot: ChatwootServer, talk: Conversation
) -> None:
    lead = say("Артём, скидку в пятнадцать процентов на продление подтверждаете?")
    say("да", team=True)
    middle = say("но тихо", team=True)
    say("до пятницы", team=True)
    sync()
    window = "SELECT text FROM rag_chunks WHERE kind = 'window'"
    ((text,),) = rows(window)
    assert all(part in text for part in ("пятнадцать", "да", "но тихо", "до пятницы"))
    chatwoot.state.set_private(talk, middle)
    sync()
    ((text,),) = rows(window)
    assert "но тихо" not in text and "до пятницы" in text
    chatwoot.state.delete_message(talk, lead)
    sync()
    assert all("пятнадцать" not in text for (text,) in rows(window))
