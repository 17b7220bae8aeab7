"""What Postgres does for a question in a large project beside others: it goes by the indexes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from psycopg.rows import dict_row

from app.db import statements
from app.rag.retrieval import legs
from app.rag.retrieval.words import words_of
from tests.conftest import Browser

sql = statements("retrieval")
PARAMETER = re.compile(r"%\((\w+)\)s")
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
    return _nodes(connection.execute("EXPLAIN (FORMAT JSON) " + statement.sql, parameters))


def _plan_for_all_values(connection: psycopg.Connection, statement: Any) -> list[dict[str, Any]]:
    """All nodes of the plan that a connection of the search keeps."""
    numbers: dict[str, str] = {}
    text = PARAMETER.sub(lambda m: numbers.setdefault(m[1], f"${len(numbers) + 1}"), statement.sql)
    return _nodes(
        connection.execute("EXPLAIN (GENERIC_PLAN, FORMAT JSON) " + text.replace("%%", "%"))
    )


def _nodes(cursor: psycopg.Cursor[Any]) -> list[dict[str, Any]]:
    row = cursor.fetchone()
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


@pytest.mark.parametrize(
    "name", ["sources_with_words", "look_closer", "spelled_alike", "known_names"]
)
def test_one_plan_for_all_values_reads_no_large_part_from_end_to_end(
    crowded: tuple[psycopg.Connection, UUID], name: str
) -> None:
    connection, project = crowded
    row = connection.execute(
        "SELECT DISTINCT split_part(tableoid::regclass::text, '.', 2) FROM search_texts "
        "WHERE project_id = %s",
        (project,),
    ).fetchone()
    assert row is not None
    statement = getattr(statements("entities") if name == "known_names" else sql, name)
    nodes = _plan_for_all_values(connection, statement)
    ways = {n["Node Type"] for n in nodes if n.get("Relation Name") == row[0]}
    assert ways and "Seq Scan" not in ways, ways


def test_common_words_are_looked_up_in_the_sample(
    crowded: tuple[psycopg.Connection, UUID],
) -> None:
    """A word that every eleventh source has: no list of all of them, and still those that have all words."""
    connection, project = crowded
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            sql.sources_with_words.sql,
            {
                "project_id": project,
                "words": legs.as_json(words_of("корзина3 макет14")),
                "sources": None,
                "since": None,
                "before": None,
                "private": False,
                "per_word": 10,
                "often": 2,
                "rare": 2,
                "most": 8,
            },
        )
        rows = cursor.fetchall()
    assert rows[0]["word_matches"] == [10, 10], "common ones count as far as they are looked at"
    assert len(rows) == 8
    # 3 of 11 and 14 of 89: the eight sources that have both come before those that have one.
    assert all(row["hits"] == [1.0, 1.0] for row in rows), rows
