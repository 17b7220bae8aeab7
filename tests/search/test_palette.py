"""One box for everything: what is found of each type, and that nobody sees a project that is not hers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.conftest import Browser
from tests.contacts.conftest import Inbox, inbox, second_inbox

__all__ = ["inbox", "second_inbox"]


def find(browser: Browser, q: str, **query: Any) -> dict[str, Any]:
    answer = browser.get("/search", query_string={"q": q, **query})
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def titles(found: dict[str, Any], kind: str) -> set[str]:
    return {row["title"] for row in found["results"] if row["type"] == kind}


@pytest.fixture
def filled(inbox: Inbox, project: dict[str, Any], database_url: str) -> Inbox:
    """A client with a talk, a company and a deal."""
    olga = inbox.contact("Ольга Северина", "olga@sever.example", "+7 999 123-45-67")
    talk = inbox.talk(olga, "Счёт за макет корзины оплачен")
    inbox.say(talk, "Северина торгуется", inbox.agent(), private=True)
    inbox.pull()
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "INSERT INTO crm_accounts (project_id, name, domain, stage) VALUES (%s, 'ООО Северный хлеб', "
            "'sever.example', 'active') RETURNING id",
            (project["id"],),
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO crm_opportunities (project_id, account_id, title, stage, next_step) "
            "VALUES (%s, %s, 'Вторая очередь сайта', 'proposal', 'Отправить смету')",
            (project["id"], row[0]),
        )
    return inbox


def test_everything_there_is_is_found(owner: Browser, filled: Inbox) -> None:
    found = find(owner, "север")
    assert titles(found, "client") == {"Ольга Северина", "ООО Северный хлеб"}
    assert titles(found, "project") == {"Пекарня «Север»"}
    assert titles(find(owner, "отправить смету"), "offer") == {"Вторая очередь сайта"}
    assert titles(find(owner, "chatwoot sync"), "job") == {"chatwoot_sync"}
    (message,) = [r for r in find(owner, "макета корз")["results"] if r["type"] == "message"]
    assert message["excerpt"].startswith("Счёт за макет") and message["title"] == "Ольга Северина"
    assert message["metadata"]["conversation_global_id"] and message["status"] == "open"
    assert message["projectName"] == "Пекарня «Север»" and message["href"].startswith("/")
    assert titles(find(owner, "89991234567"), "client") == {"Ольга Северина"}
    assert titles(find(owner, "ольга сиверина"), "client") == {"Ольга Северина"}, "mistyped"


def test_counts_and_completions(owner: Browser, filled: Inbox) -> None:
    found = find(owner, "ол")
    assert found["countsByType"]["client"] == 1 and found["suggestions"] == ["Ольга Северина"]
    assert found["totalCount"] == sum(found["countsByType"].values())
    assert set(found["countsByType"]) >= {"risk", "digest", "signal", "agreement"}


def test_types_without_anything_yet_are_empty_and_unknown_ones_are_refused(
    owner: Browser, filled: Inbox
) -> None:
    assert find(owner, "север", types="risk,digest")["results"] == []
    assert {r["type"] for r in find(owner, "север", types="project, client")["results"]} == {
        "project",
        "client",
    }
    for query in ("q=a", "q=", "types=x&q=ab", "q=ab&project_id=x", "q=ab&date_from=x", "q=a%09b"):
        assert owner.get(f"/search?{query}").status_code == 400, query


def test_filters_by_project_status_and_day(
    owner: Browser, filled: Inbox, second_inbox: Inbox
) -> None:
    second_inbox.contact("Ольга Вторая")
    second_inbox.pull()
    assert titles(find(owner, "ольга"), "client") == {"Ольга Северина", "Ольга Вторая"}
    only = find(owner, "ольга", project_id=second_inbox.project_id, types="client")
    assert titles(only, "client") == {"Ольга Вторая"}
    assert titles(find(owner, "север", status="ACTIVE", types="client"), "client") == {
        "ООО Северный хлеб"
    }
    assert find(owner, "ольга", date_from="2090-01-01")["totalCount"] == 0


def test_nobody_finds_anything_of_a_project_that_is_not_hers(
    owner: Browser, filled: Inbox, second_inbox: Inbox, sign_in_as: Callable[..., Browser]
) -> None:
    second_inbox.talk(second_inbox.contact("Ольга Вторая"), "Счёт за макет")
    second_inbox.pull()
    executor = sign_in_as("executor", second_inbox.project_id)
    for q in ("ольга", "макет", "студия", "chatwoot"):
        found = find(executor, q)
        assert {row["projectId"] for row in found["results"]} == {second_inbox.project_id}, q
    assert find(executor, "ольга", project_id=filled.project_id)["results"] == []
    assert find(executor, "торгуется")["results"] == [] and find(owner, "торгуется")["results"]
    nowhere = sign_in_as("viewer")
    assert find(nowhere, "ольга") | {"request_id": ""} == {
        "ok": True, "results": [], "totalCount": 0, "suggestions": [], "request_id": "",
        "countsByType": dict.fromkeys(find(owner, "ольга")["countsByType"], 0),
    }  # fmt: skip


def test_wildcards_and_stop_words_match_nothing_by_themselves(
    owner: Browser, filled: Inbox
) -> None:
    for q in ("%%", "__", "\\\\", "&|!", "и не", ":*"):
        assert find(owner, q)["totalCount"] == 0, q
