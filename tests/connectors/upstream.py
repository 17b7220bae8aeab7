"""What a test of a troubled vendor needs: an account with something in it, and both sides to compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from tests.conftest import Browser
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation

Work = Callable[..., dict[str, Any]]

# Few threads, so that what is answered wrongly has few companions.
FEW_AT_ONCE: dict[str, Any] = {"chatwoot_concurrency": 2}
# So that a test of time-outs takes tenths of seconds. Only while nothing is answered in time: a busy machine
# is slower than that with good answers too.
IMPATIENT: dict[str, Any] = {
    "connector_read_timeout_seconds": 0.3,
    "connector_total_timeout_seconds": 0.6,
}


def talks(chatwoot: ChatwootServer, count: int = 60, messages: int = 2) -> list[Conversation]:
    """So many conversations, each an hour after the one before; three pages of them by default."""
    account = chatwoot.state.accounts[1]
    made = []
    for _ in range(count):
        chatwoot.state.pass_time(3600)
        number = len(account.contacts) + 1
        contact = chatwoot.state.add_contact(account, number, f"Клиент {number}")
        conversation = chatwoot.state.add_conversation(account, contact)
        for n in range(messages):
            text = f"Подскажите, пожалуйста, когда будет готов макет номер {number}.{n}?"
            chatwoot.state.add_message(conversation, text, contact)
        made.append(conversation)
    return made


def upstream(chatwoot: ChatwootServer) -> dict[str, list[Any]]:
    """What the simulated account holds, in the form of `stored`."""
    account = chatwoot.state.accounts[1]
    return {
        "contacts": [(c.id, c.name) for _, c in sorted(account.contacts.items())],
        "conversations": [(c.id, c.status) for _, c in sorted(account.conversations.items())],
        "messages": sorted(
            (m.id, m.conversation_id, None if m.deleted else m.text)
            for c in account.conversations.values()
            for m in c.messages
        ),
        "chunks": sorted(
            (m.id,) for c in account.conversations.values() for m in c.messages if not m.deleted
        ),
    }


def stored(database_url: str) -> dict[str, list[Any]]:
    """What we hold of it."""
    return {
        "contacts": rows(database_url, "SELECT contact_id, name FROM cw_contacts ORDER BY 1"),
        "conversations": rows(
            database_url,
            "SELECT conversation_id, status FROM cw_conversations WHERE deleted_at IS NULL ORDER BY 1",
        ),
        "messages": rows(
            database_url, "SELECT message_id, conversation_id, content FROM cw_messages ORDER BY 1"
        ),
        "chunks": rows(
            database_url,
            """SELECT m.message_id FROM rag_chunks k JOIN cw_messages m ON m.id = k.message_global_id
               ORDER BY 1""",
        ),
    }


def rows(database_url: str, sql: str) -> list[Any]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def state_of(browser: Browser, connector: str = "chatwoot") -> dict[str, Any]:
    states = browser.get("/connectors/state").get_json()["connectors"]
    found: dict[str, Any] = next(state for state in states if state["connector"] == connector)
    return found


def open_errors(browser: Browser) -> list[dict[str, Any]]:
    errors = browser.get("/connectors/errors").get_json()["errors"]
    return [error for error in errors if error["status"] != "resolved"]
