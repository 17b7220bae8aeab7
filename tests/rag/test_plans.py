"""What Postgres does for a question in a large project beside others: it goes by the indexes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.db import statements
from app.rag.retrieval import legs
from app.rag.retrieval.words import words_of
from tests.conftest import Browser

sql = statements("retrieval")
TABLES = ("search_texts", "cw_messages", "rag_chunks", "rag_vectors", "source_documents")


@pytest.fixture
def crowded(
    app: Flask, owner: Browser, database_url: str
) -> Iterator[tuple[psycopg.Connection, UUID]]:
    """A project of 8,000 sources with words of ordinary frequencies, beside one of 1,000."""
    projects = [
        owner.post("/projects", {"name": n}).get_json()["project"]["id"] for n in ("Large", "Small")
    ]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for project, count in zip(projects, (8_000, 1_000), strict=True):
            connection.execute(
                "INSERT INTO search_texts (project_id, source_type, source_pk, occurred_at, body) "
                "SELECT %s, 'linear_issue', 'linissue:w:' || n, now(), "
                "'макет' || mod(n, 89) || ' корзина' || mod(n, 11) || ' flt-' || n "
                "FROM generate_series(1, %s) n",
                (project, count),
            )
        connection.execute("ANALYZE")
        yield connection, UUID(projects[0])


def _plan(
    connection: psycopg.Connection, statement: Any, **parameters: Any
) -> list[dict[str, Any]]:
    """All nodes of the plan."""
    row = connection.execute("EXPLAIN (FORMAT JSON) " + statement.sql, parameters).fetchone()
    assert row is not None
    found: list[dict[str, Any]] = []
    waiting = [row[0][0]["Plan"] if not isinstance(row[0], str) else json.loads(row[0])[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.get("Plans", [])
    return found


def _read_whole(nodes: list[dict[str, Any]]) -> list[str]:
    """Tables of some size that are read from end to end."""
    return [
        n["Relation Name"]
        for n in nodes
        if n["Node Type"] == "Seq Scan"
        and n["Relation Name"].startswith(TABLES)
        and n["Plan Rows"] > 500
    ]


def test_words_are_looked_up_in_their_indexes(
    crowded: tuple[psycopg.Connection, UUID],
) -> None:
    connection, project = crowded
    nodes = _plan(
        connection,
        sql.sources_with_words,
        project_id=project,
        words=legs.as_json(words_of("Какой макет77 корзины по flt-1234?")),
        sources=None,
        since=None,
        before=None,
        private=False,
        per_word=legs.MATCHES_PER_WORD,
        often=legs.OFTEN,
        rare=legs.RARE,
        most=legs.CANDIDATES,
    )
    used = {node.get("Index Name", "") for node in nodes}
    assert any("_words_" in name for name in used), used
    assert any("_body_" in name for name in used), used
    assert _read_whole(nodes) == []
    parts = {n["Relation Name"] for n in nodes if n.get("Relation Name", "").startswith("search_")}
    assert len(parts) == 1, "only the project's own part is opened"


def test_a_closer_look_reads_only_what_it_is_asked_for(
    crowded: tuple[psycopg.Connection, UUID],
) -> None:
    connection, project = crowded
    nodes = _plan(
        connection,
        sql.look_closer,
        project_id=project,
        message_ids=["cwmsg:1", "cwmsg:2"],
        document_ids=["linissue:w:7"],
        words=legs.as_json(words_of("макет корзины")),
        vector=None,
        model_id=None,
        private=False,
        neighbours=legs.NEIGHBOURS,
    )
    assert _read_whole(nodes) == []
