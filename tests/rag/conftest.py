"""Fixtures for questions: a studio's conversation that can be asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.conftest import Browser
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation, Person
from tests.vendors.embeddings import EmbeddingsServer

Ask = Callable[..., dict[str, Any]]
Say = Callable[..., Any]
Work = Callable[..., dict[str, Any]]
Rows = Callable[..., list[Any]]


@pytest.fixture
def talk(chatwoot: ChatwootServer) -> Conversation:
    account = chatwoot.state.accounts[1]
    olga = chatwoot.state.add_contact(account, 1, "Ольга Северина", "olga@sever.example")
    chatwoot.state.add_agent(account, 90, "Артём Лосев")
    return chatwoot.state.add_conversation(account, olga)


@pytest.fixture
def say(chatwoot: ChatwootServer, talk: Conversation) -> Say:
    """Have the client, or with `team` the studio, write in the conversation."""

    def write(text: str, team: bool = False, **rest: Any) -> Any:
        agent: Person = chatwoot.state.accounts[1].agents[90]
        return chatwoot.state.add_message(talk, text, agent if team else talk.contact, **rest)

    return write


@pytest.fixture
def sync(
    project: dict[str, Any], connect: Callable[..., None], work: Callable[..., dict[str, Any]]
) -> Callable[[], None]:
    """Pull what was said and embed it."""
    connect(project["id"])

    def pull() -> None:
        assert work(project["id"], "chatwoot_sync")["status"] == "completed"

    return pull


@pytest.fixture
def ask(owner: Browser, project: dict[str, Any]) -> Ask:
    def question(query: str, **rest: Any) -> dict[str, Any]:
        answer = owner.post("/lightrag/query", {"query": query, **rest})
        assert answer.status_code == 200, answer.get_json()
        found: dict[str, Any] = answer.get_json()
        return found

    return question


@pytest.fixture
def provider() -> Iterator[EmbeddingsServer]:
    server = EmbeddingsServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def paid_app(make_app: Callable[..., Flask], provider: EmbeddingsServer) -> Iterator[Flask]:
    """An application that embeds with a provider over the network."""
    from app.db import db

    yield make_app(
        embedding_provider="openai",
        openai_api_key=provider.token,
        openai_base_url=provider.base_url,
        openai_timeout_ms=2000,
        embedding_model="test-model",
        embedding_dim=provider.dimensions,
    )
    db.close()


@pytest.fixture
def rows(database_url: str) -> Rows:
    def ask(statement: str) -> list[Any]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    return ask


@pytest.fixture
def embed(project: dict[str, Any], work: Work) -> Callable[[], dict[str, Any]]:
    return lambda: work(project["id"], "embeddings_run")


@pytest.fixture
def pulled(project: dict[str, Any], connect: Callable[..., None], work: Work) -> Callable[[], None]:
    connect(project["id"])

    def pull() -> None:
        work(project["id"], "chatwoot_sync")

    return pull
