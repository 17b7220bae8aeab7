"""Evidence: kept with the deed, found by its words, private and deleted things never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.audit import service as audit
from app.db import db
from app.evidence.refs import EvidenceRef, normalise
from app.web.errors import ApiError
from tests.conftest import Browser

Decide = Callable[..., None]


@pytest.fixture
def decide(app: Flask, project: dict[str, Any]) -> Decide:
    """Something is decided in a project, on the grounds of what is given."""

    def act(*refs: Any, project_id: str = "") -> None:
        with app.app_context(), db.transaction() as tx:
            audit.record(
                tx,
                "offer.create",
                project_id=UUID(project_id or project["id"]),
                evidence_refs=normalise(list(refs)),
            )

    return act


def said(ref: str, snippet: str, **rest: Any) -> dict[str, Any]:
    return {"source": "Chatwoot", "ref": ref, "snippet": snippet, **rest}


def find(browser: Browser, q: str, **query: Any) -> list[dict[str, Any]]:
    answer = browser.get("/evidence/search", query_string={"q": q, **query})
    assert answer.status_code == 200, answer.get_json()
    found: list[dict[str, Any]] = answer.get_json()["evidence"]
    return found


def refs(browser: Browser, q: str, **query: Any) -> list[str]:
    return [row["source_pk"] for row in find(browser, q, **query)]


def test_references_are_read_from_texts_and_objects() -> None:
    found = normalise(
        [
            "cwmsg:p:1:5", {"source_ref": "cw:p:1:2", "source_type": "CHAT"}, {"id": "cwc:p:1:9"},
            "0" * 36, {"ref": "https://x.example", "snippet": "a" * 2000, "meta": {"n": 1}},
            {"snippet": "no ref"}, 7, None, "cwmsg:p:1:5",
        ]
    )  # fmt: skip
    assert [(r.source, r.table) for r in found] == [
        ("cw_messages", "cw_messages"),
        ("chat", "cw_conversations"),
        ("cw_contacts", "cw_contacts"),
        ("rag_chunks", "rag_chunks"),
        ("external", "external"),
    ]
    assert found[-1].meta == {"n": 1} and len(found[-1].snippet or "") == 1000
    assert len(normalise([f"ref-{n}" for n in range(60)])) == 50
    with pytest.raises(ApiError, match="list"):
        normalise("cwmsg:p:1:5")


def test_a_later_mention_without_words_loses_none(owner: Browser, decide: Decide) -> None:
    decide(said("cwmsg:p:1:5", "скидка десять процентов"))
    decide(
        {"ref": "cwmsg:p:1:5", "source": "other", "meta": {"why": "again"}}, said("cwmsg:p:1:5", "")
    )
    (row,) = find(owner, "скидка")
    assert (row["snippet"], row["source_type"]) == ("скидка десять процентов", "other")
    assert row["payload"] == {"why": "again"} and row["message_global_id"] == "cwmsg:p:1:5"


def test_the_audit_log_names_evidence_without_its_words(decide: Decide, database_url: str) -> None:
    decide(said("cwmsg:p:1:5", "тайна"))
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT evidence_refs FROM audit_events WHERE action = 'offer.create'"
        ).fetchone()
    assert row is not None
    assert row[0] == [{"ref": "cwmsg:p:1:5", "meta": {}, "source": "chatwoot", "snippet": None}]


def test_inflections_quotes_and_minus(owner: Browser, decide: Decide) -> None:
    decide(
        said("m1", "Оплата по договору прошла"),
        said("m2", "Договор подписан, счёт выставлен"),
        said("m3", "The invoices were approved yesterday"),
    )
    assert set(refs(owner, "договор")) == {"m1", "m2"}
    assert refs(owner, "договор -оплаты") == ["m2"]
    assert refs(owner, '"договор подписан"') == ["m2"]
    assert refs(owner, '"подписан договор"') == []
    assert refs(owner, "счет") == ["m2"]
    assert refs(owner, "approve invoice") == ["m3"]
    assert set(refs(owner, "invoice or счет")) == {"m2", "m3"}


def test_ids_their_parts_and_mistypings_are_found_when_no_word_fits(
    owner: Browser, decide: Decide
) -> None:
    decide(said("cwmsg:8f3a:1:5521", "Договорённость о сроках"), said("FLT-61", "Корзина падает"))
    assert refs(owner, "cwmsg:8f3a:1:5521") == ["cwmsg:8f3a:1:5521"]
    assert refs(owner, "8f3a:1:55") == ["cwmsg:8f3a:1:5521"]
    assert refs(owner, "FLT-61") == ["FLT-61"]
    assert refs(owner, "договореность") == ["cwmsg:8f3a:1:5521"]
    assert refs(owner, "%") == [] and refs(owner, "_") == []
    assert find(owner, "") == find(owner, "   ") == []


def test_the_best_match_comes_first_then_the_newest(owner: Browser, decide: Decide) -> None:
    decide(said("old", "счёт"))
    decide(said("new", "счёт"))
    decide(said("best", "счёт счёт счёт"))
    assert refs(owner, "счёт") == ["best", "new", "old"]


def test_words_are_marked_and_everything_else_is_escaped(owner: Browser, decide: Decide) -> None:
    decide(said("m1", "<b>Договоры</b> & акты"))
    (row,) = find(owner, "договор")
    assert row["highlight"] == "&lt;b&gt;<mark>Договоры</mark>&lt;/b&gt; &amp; акты"
    assert row["snippet"] == "<b>Договоры</b> & акты"


def test_filters_and_pages(owner: Browser, decide: Decide) -> None:
    for number in range(7):
        decide(said(f"m{number}", "акт" + " сверки" * (number % 2)))
    decide({"source": "linear", "ref": "FLT-1", "snippet": "акт"})
    assert refs(owner, "акт", source_type="linear") == ["FLT-1"]
    assert refs(owner, "акт", source_table="cw_messages") == []
    assert refs(owner, "акт", date_from="2090-01-01") == []
    seen, cursor = [], None
    while True:
        query = {"q": "акт", "limit": 3, **({"cursor": cursor} if cursor else {})}
        body = owner.get("/evidence/search", query_string=query).get_json()
        seen += [row["source_pk"] for row in body["evidence"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 8
    for bad in ("nonsense", "2026-01-01T00:00:00Z~x", "2026-01-01T00:00:00Z~" + "0" * 36 + "~-1"):
        assert (
            owner.get("/evidence/search", query_string={"q": "акт", "cursor": bad}).status_code
            == 400
        )


def test_what_was_said_in_private_or_deleted_stays_so(
    owner: Browser,
    decide: Decide,
    project: dict[str, Any],
    database_url: str,
    sign_in_as: Callable[..., Browser],
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO cw_conversations (project_id, id, account_id, conversation_id, content_hash) "
            "VALUES (%s, 'cw:1', 1, 1, '')",
            (project["id"],),
        )
        for number, ref, private, gone in [
            (1, "cwmsg:n", True, None),
            (2, "cwmsg:d", False, "2026-01-01"),
        ]:
            connection.execute(
                "INSERT INTO cw_messages (project_id, id, account_id, message_id, conversation_id, "
                "conversation_global_id, content_hash, private, deleted_at) "
                "VALUES (%s, %s, 1, %s, 1, 'cw:1', '', %s, %s)",
                (project["id"], ref, number, private, gone),
            )
    decide(said("cwmsg:n", "заметка"), said("cwmsg:d", "заметка"), said("open", "заметка"))
    executor = sign_in_as("executor", project["id"])
    assert set(refs(owner, "заметка")) == {"cwmsg:n", "open"}
    assert refs(executor, "заметка") == ["open"]
    (note,) = [row for row in find(owner, "заметка") if row["source_pk"] == "cwmsg:n"]
    assert note["conversation_global_id"] == "cw:1"


def test_two_projects_with_the_same_evidence_never_cross(
    owner: Browser, decide: Decide, project: dict[str, Any]
) -> None:
    other = owner.post("/projects", {"name": "Вторая"}).get_json()["project"]
    decide(said("shared", "договор первый"))
    decide(said("shared", "договор второй"), project_id=other["id"])
    owner.post(f"/projects/{project['id']}/select")
    assert [row["snippet"] for row in find(owner, "договор")] == ["договор первый"]
    owner.post(f"/projects/{other['id']}/select")
    assert [row["snippet"] for row in find(owner, "договор")] == ["договор второй"]
    assert refs(owner, "shared") == ["shared"]


def test_evidence_of_two_sources_for_one_thing_is_one_row(
    app: Flask, project: dict[str, Any], owner: Browser
) -> None:
    with app.app_context(), db.transaction() as tx:
        audit.record(
            tx,
            "offer.create",
            project_id=UUID(project["id"]),
            evidence_refs=[EvidenceRef("a", "cwmsg:1"), EvidenceRef("b", "cwmsg:1", "слова")],
        )
    assert refs(owner, "слова") == ["cwmsg:1"]
