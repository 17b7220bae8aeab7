"""What Postgres does for a page of a list in a large project beside a small one: it goes by the indexes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.db import unprepared
from tests.conftest import Browser

LARGE, SMALL = 12_000, 1_000
WATCHED = (
    "cw_messages",
    "cw_contacts",
    "cw_conversations",
    "search_texts",
    "evidence_items",
    "search_analytics",
)
FILL = """
WITH people AS (
    INSERT INTO cw_contacts (project_id, id, account_id, contact_id, name, email, phone_number,
                             content_hash, updated_at)
    SELECT %(project)s, 'cwc:' || n, 1, n, 'Клиент ' || md5(n::text), md5(n::text) || '@example.com',
           '+7 9' || lpad((n * 7919 %% 1000000000)::text, 9, '0'), '', now() - make_interval(mins => n)
    FROM generate_series(1, %(count)s / 4) n
), talks AS (
    INSERT INTO cw_conversations (project_id, id, account_id, conversation_id, contact_global_id, status,
                                  content_hash, updated_at)
    SELECT %(project)s, 'cw:' || n, 1, n, 'cwc:' || n, 'open', '', now() - make_interval(mins => n)
    FROM generate_series(1, %(count)s / 4) n
), said AS (
    INSERT INTO cw_messages (project_id, id, account_id, message_id, conversation_id, conversation_global_id,
                             contact_global_id, sender_type, private, direction, content, content_hash,
                             created_at)
    SELECT %(project)s, 'cwmsg:' || n, 1, n, 1 + n / 5, 'cw:' || (1 + n / 5), 'cwc:' || (1 + n / 5),
           'contact', n %% 40 = 0, 'inbound', 'макет' || n %% 89 || ' корзина' || n %% 11 || ' flt-' || n, '',
           now() - make_interval(mins => n)
    FROM generate_series(1, %(count)s) n
), texts AS (
    INSERT INTO search_texts (project_id, source_type, source_pk, occurred_at, private, body)
    SELECT %(project)s, 'chatwoot_message', 'cwmsg:' || n, now() - make_interval(mins => n), n %% 40 = 0,
           'макет' || n %% 89 || ' корзина' || n %% 11 || ' flt-' || n
    FROM generate_series(1, %(count)s) n
), evidence AS (
    INSERT INTO evidence_items (project_id, source_type, source_table, source_pk, snippet, created_at)
    SELECT %(project)s, 'chatwoot', 'external', 'ref:' || n, 'договор' || n %% 97 || ' акт' || n %% 13,
           now() - make_interval(mins => n)
    FROM generate_series(1, %(count)s) n
)
INSERT INTO search_analytics (project_id, query, query_norm, result_count, created_at)
SELECT %(project)s, 'вопрос' || n %% 500, 'вопрос' || n %% 500, 3, now() - make_interval(hours => n)
FROM generate_series(1, %(count)s) n
"""


@pytest.fixture
def crowded(owner: Browser, database_url: str) -> Iterator[psycopg.Connection]:
    """The session works in the large one of two projects."""
    small, large = (
        owner.post("/projects", {"name": name}).get_json()["project"]["id"]
        for name in ("Small", "Large")
    )
    owner.post(f"/projects/{large}/select")
    with psycopg.connect(database_url, autocommit=True) as connection:
        for project, count in ((large, LARGE), (small, SMALL)):
            connection.execute(FILL, {"project": project, "count": count})
        connection.execute("VACUUM ANALYZE")
        yield connection


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """The statements that the routes send, with their values."""
    seen: list[tuple[Any, Any]] = []
    send = unprepared.execute

    def watched(self: unprepared, query: Any, parameters: Any) -> Any:
        seen.append((query, parameters))
        return send(self, query, parameters)

    monkeypatch.setattr(unprepared, "execute", watched)
    return seen


def nodes(connection: psycopg.Connection, query: Any, parameters: Any) -> list[dict[str, Any]]:
    """All nodes of a plan."""
    row = connection.execute("EXPLAIN (FORMAT JSON) " + query, parameters, prepare=False).fetchone()
    assert row is not None
    found: list[dict[str, Any]] = []
    waiting = [row[0][0]["Plan"]]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.get("Plans", [])
    return found


PAGES = {
    "/messages": "cw_messages_newest",
    "/messages?order=asc": "cw_messages_newest",
    "/messages?cursor=2026-01-01T00:00:00Z~cwmsg:5": "cw_messages_newest",
    "/messages?private=true": "cw_messages_private",
    "/messages?conversation_global_id=cw:7": "cw_messages_conversation",
    "/messages?contact_global_id=cwc:7": "cw_messages_contact",
    "/messages?q=макет77": "search_texts_",
    "/messages?q=flt-1177": "search_texts_",
    "/contacts": "cw_contacts_newest",
    "/contacts?q=c4ca4238": "cw_contacts_text",
    "/contacts?q=%2B7 900 000 79 19": "cw_contacts_phone",
    "/conversations": "cw_conversations_newest",
    "/conversations?contact_global_id=cwc:7": "cw_conversations_contact",
    "/evidence/search?q=договор77 акт5": "evidence_items_words",
    "/evidence/search?q=ref:1177": "evidence_items_",
    "/search/suggestions?q=вопрос77": "search_analytics_",
    "/search?q=макет77": "search_texts_",
    "/search?q=c4ca4238": "cw_contacts_text",
}


def test_every_page_is_read_by_its_index(
    owner: Browser, crowded: psycopg.Connection, asked: list[tuple[Any, Any]]
) -> None:
    for path, index in PAGES.items():
        assert owner.get(path).status_code == 200, path
        plan = nodes(crowded, *asked[-1])
        used = {node.get("Index Name", "") for node in plan}
        # The parts of a spread table name their indexes after themselves.
        assert any(name.startswith(index) for name in used), (path, used)
        read_whole = [
            node["Relation Name"]
            for node in plan
            if node["Node Type"] == "Seq Scan"
            and node["Relation Name"].startswith(WATCHED)
            and node["Plan Rows"] >= 500
        ]
        assert read_whole == [], path


def test_a_late_page_costs_no_more_than_the_first(
    owner: Browser, crowded: psycopg.Connection, asked: list[tuple[Any, Any]]
) -> None:
    """The cursor leads into the index; nothing before it is read."""
    cursor = None
    for _ in range(12):
        query = {"limit": 500, **({"cursor": cursor} if cursor else {})}
        cursor = owner.get("/messages", query_string=query).get_json()["next_cursor"]
    row = crowded.execute(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + asked[-1][0], asked[-1][1], prepare=False
    ).fetchone()
    assert row is not None
    read = row[0][0]["Plan"]["Shared Hit Blocks"] + row[0][0]["Plan"]["Shared Read Blocks"]
    assert read < 3_500, "a page of 501 rows, each found once more by its key"
