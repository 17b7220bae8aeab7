"""A small project beside a large one: as many passages as were asked for, from the right project."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count, product
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import sql

from app.db import db
from app.rag.embeddings import provider
from app.rag.models import model_number
from tests.conftest import Browser

LARGE, SMALL = 3000, 12
QUESTIONS = ("макеты", "что там с макетами", "сообщение", "какие были сообщения о макетах")

# Messages with words, chunks and made-up vectors; those of the large project lie closer to any question.
FILL = """
WITH talk AS (
    INSERT INTO cw_conversations (project_id, id, account_id, conversation_id, content_hash)
    VALUES (%(project)s, 'cw:' || %(project)s, 1, 1, '') RETURNING id
), said AS (
    INSERT INTO cw_messages (project_id, id, account_id, message_id, conversation_id, conversation_global_id,
                             direction, content, content_hash, created_at)
    SELECT %(project)s, 'cwmsg:' || %(project)s || ':' || n, 1, n, 1, talk.id, 'inbound',
           'Сообщение ' || n || ' о макетах', '', now() - make_interval(mins => n)
    FROM talk, generate_series(1, %(count)s) AS n RETURNING id, content, created_at
), worded AS (
    INSERT INTO search_texts (project_id, source_type, source_pk, occurred_at, body)
    SELECT %(project)s, 'chatwoot_message', id, created_at, fold_text(content) FROM said
), cut AS (
    INSERT INTO rag_chunks (project_id, source_type, source_pk, chunk_index, message_global_id, text,
                            text_hash, content_tokens, chunker_version, embedding_status, embedding_model_id)
    SELECT %(project)s, 'chatwoot_message', id, 0, id, content, '', 1, 1, 'ready', %(model)s
    FROM said RETURNING id
)
INSERT INTO rag_vectors (project_id, model_id, chunk_id, source_type, embedding)
SELECT %(project)s, %(model)s, id, 'chatwoot_message',
       (SELECT array_agg(sin(i * 12.9898 + hashtext(cut.id::text)))::halfvec
        FROM generate_series(1, %(width)s) i)
FROM cut
"""

PART = """
SELECT inhrelid
FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
CROSS JOIN regexp_match(pg_get_expr(relpartbound, part.oid), 'modulus (\\d+), remainder (\\d+)') AS bound
WHERE inhparent = 'rag_vectors'::regclass
  AND satisfies_hash_partition('rag_vectors'::regclass, bound[1]::int, bound[2]::int, %(project)s::uuid)
"""


@pytest.fixture
def app(make_app: Callable[..., Flask], database_url: str) -> Iterator[Flask]:
    """With the vector index used for projects of any size: the planner would rather sort these few rows."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET enable_sort = off").format(name))
    yield make_app(search_exact_below=0)
    db.close()


@pytest.fixture
def projects(app: Flask, owner: Browser, database_url: str) -> dict[str, str]:
    made = {"Large": _created(owner, "Large")}
    with psycopg.connect(database_url) as connection:
        # In the same part of the table, so that both are in one index.
        small = (_created(owner, f"Small {number}") for number in count(1))
        made["Small"] = next(
            p for p in small if _part(connection, p) == _part(connection, made["Large"])
        )
    with app.app_context():
        encoder = provider(app.config["SETTINGS"])
        model = model_number(encoder)
    with psycopg.connect(
        database_url, autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as connection:
        for name, size in (("Large", LARGE), ("Small", SMALL)):
            connection.execute(
                FILL,
                {
                    "project": made[name],
                    "count": size,
                    "model": model,
                    "width": encoder.dimensions,
                },
            )
        connection.execute("ANALYZE")
    return made


def _created(owner: Browser, name: str) -> str:
    project: str = owner.post("/projects", {"name": name}).get_json()["project"]["id"]
    return project


def _part(connection: psycopg.Connection[Any], project: str) -> Any:
    """The part of the vectors' table that the project's rows go to."""
    return connection.execute(PART, {"project": project}).fetchone()


def test_ten_of_ten_passages_of_the_own_project(owner: Browser, projects: dict[str, str]) -> None:
    for name, question in product(projects, QUESTIONS):
        owner.post(f"/projects/{projects[name]}/select")
        answer = owner.post("/lightrag/query", {"query": question, "topK": 10}).get_json()
        found = [chunk["message_global_id"] for chunk in answer["chunks"]]
        assert len(set(found)) == 10 and all(projects[name] in key for key in found), (
            name,
            question,
        )


def test_a_large_project_is_searched_through_its_index(
    app: Flask, projects: dict[str, str], database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        before = _scans(connection)
        connection.execute(
            "SELECT * FROM nearest_vectors(%s, 1::smallint, %s, %s, 30, false, 100, NULL, NULL, NULL)",
            (projects["Large"], *_question(connection)),
        )
        connection.commit()
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.commit()
        assert _scans(connection) > before


@pytest.mark.parametrize("wanted", [10, 50])
@pytest.mark.parametrize("name", ["Large", "Small"])
def test_the_index_finds_what_an_exact_scan_finds(
    projects: dict[str, str], database_url: str, name: str, wanted: int
) -> None:
    """Nineteen of twenty at least, and as many as there are."""
    with psycopg.connect(database_url) as connection:
        width, _ = _question(connection)
        found, there = 0, 0
        for number in range(20):
            towards = (
                "[" + ",".join(f"{math.cos(i * (number + 1)):.4f}" for i in range(width)) + "]"
            )
            near, exact = (
                connection.execute(
                    "SELECT array_agg(chunk_id) FROM nearest_vectors("
                    "%s, 1::smallint, %s, %s, %s, %s, 100, NULL, NULL, NULL)",
                    (projects[name], width, towards, wanted, whole),
                ).fetchall()[0][0]
                for whole in (False, True)
            )
            assert len(near) == len(exact) == min(wanted, SMALL if name == "Small" else LARGE)
            found += len(set(near) & set(exact))
            there += len(exact)
    assert found >= 0.95 * there, (found, there)


def _question(connection: psycopg.Connection[Any]) -> tuple[int, str]:
    row = connection.execute(
        "SELECT vector_dims(embedding), embedding::text FROM rag_vectors LIMIT 1"
    )
    found = row.fetchone()
    assert found is not None
    return found[0], found[1]


def _scans(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT sum(s.idx_scan) FROM pg_stat_user_indexes s JOIN pg_class c ON c.oid = s.indexrelid "
        "JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'hnsw'"
    ).fetchone()
    assert row is not None
    return int(row[0])
