"""Contacts, conversations and messages as lists: what is found, in which order, and what never shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.db import db
from tests.conftest import Browser
from tests.contacts.conftest import Inbox


def listed(browser: Browser, path: str, **query: Any) -> list[Any]:
    answer = browser.get(path, query_string=query)
    assert answer.status_code == 200, answer.get_json()
    return next(value for value in answer.get_json().values() if isinstance(value, list))


def names(browser: Browser, **query: Any) -> set[str]:
    return {row["name"] for row in listed(browser, "/contacts", **query)}


def texts(browser: Browser, **query: Any) -> list[str]:
    return [row["content_snippet"] for row in listed(browser, "/messages", **query)]


def test_a_contact_is_found_by_part_of_name_or_address(owner: Browser, inbox: Inbox) -> None:
    inbox.contact("Ольга Северина", "olga@sever.example")
    inbox.contact("Пётр Ёлкин", "petr_100%@les.example")
    inbox.pull()
    assert names(owner, q="СЕВЕР") == {"Ольга Северина"}
    assert names(owner, q="елк") == {"Пётр Ёлкин"}
    assert names(owner, q="les.example") == {"Пётр Ёлкин"}
    assert names(owner, q="100%") == {"Пётр Ёлкин"}
    assert names(owner, q="%") == {"Пётр Ёлкин"}, "a wildcard is a character"
    assert names(owner, q="\\") == set()
    assert len(names(owner)) == 2


@pytest.mark.parametrize(
    "typed", ["79991234567", "+7 (999) 123-45-67", "8 999 123-45-67", "123-45", "9991234567"]
)
def test_a_phone_number_is_found_however_it_is_written(
    owner: Browser, inbox: Inbox, typed: str
) -> None:
    inbox.contact("Ольга", phone="+7 (999) 123-45-67")
    inbox.contact("Пётр", phone="+7 495 000-00-00")
    inbox.pull()
    assert names(owner, q=typed) == {"Ольга"}


def test_contacts_are_filtered_by_address_identifier_and_change(
    owner: Browser, inbox: Inbox, app: Flask
) -> None:
    inbox.contact("С адресом", "a@b.example")
    inbox.contact("Без адреса")
    inbox.pull()
    with app.app_context(), db.connection() as connection:
        connection.execute("UPDATE cw_contacts SET identifier = 'crm-7' WHERE email IS NOT NULL")
        connection.execute(
            "UPDATE cw_contacts SET updated_at = '2026-03-05T20:00:00Z' WHERE email IS NOT NULL"
        )
        connection.execute(
            "UPDATE cw_contacts SET updated_at = '2026-02-01T00:00:00Z' WHERE email IS NULL"
        )
    assert names(owner, has_email="true") == {"С адресом"}
    assert names(owner, has_email="false") == {"Без адреса"}
    assert names(owner, identifier="crm-7") == {"С адресом"}
    assert names(owner, updated_from="2026-03-01") == {"С адресом"}
    assert names(owner, updated_to="2026-03-05") == {"С адресом", "Без адреса"}, "the day is whole"
    assert names(owner, updated_to="2026-03-04") == {"Без адреса"}


def test_conversations_are_filtered_and_tell_their_contact(owner: Browser, inbox: Inbox) -> None:
    olga, petr = inbox.contact("Ольга"), inbox.contact("Пётр")
    agent = inbox.agent()
    first = inbox.talk(olga, "Добрый день", assignee=agent)
    inbox.say(first, "Здравствуйте", agent)
    inbox.talk(petr, "Счёт оплачен", status="resolved")
    inbox.pull()
    rows = listed(owner, "/conversations", status="open")
    assert [row["contact"]["name"] for row in rows] == ["Ольга"]
    assert rows[0]["contact"]["id"] == rows[0]["contact_global_id"] == inbox.ref("cwc", olga.id)
    assert rows[0]["last_message_at"].startswith("20")
    assert isinstance(rows[0]["inbox_id"], str) and rows[0]["assignee_id"] == "90"
    assert len(listed(owner, "/conversations", assignee_id=90)) == 1
    assert len(listed(owner, "/conversations", inbox_id=rows[0]["inbox_id"])) == 2
    assert len(listed(owner, "/conversations", contact_global_id=inbox.ref("cwc", petr.id))) == 1
    assert listed(owner, "/conversations", date_to="2001-01-01") == []
    one = owner.get(f"/conversations/{rows[0]['id']}").get_json()["conversation"]
    assert one["message_count"] == 2 and one["inbox"]["name"] == "Website"
    assert one["source_url"].endswith(f"/conversations/{first.id}")


def test_messages_are_found_by_words_and_parts(owner: Browser, inbox: Inbox) -> None:
    olga = inbox.contact("Ольга")
    inbox.talk(olga, "Вышлите счёт по договору", "Release_date is Friday", "ok", "50% готово")
    inbox.pull()
    assert texts(owner, q="договор") == ["Вышлите счёт по договору"]
    assert texts(owner, q="счета") == ["Вышлите счёт по договору"]
    assert texts(owner, q="lease_da") == ["Release_date is Friday"]
    assert texts(owner, q="ok") == ["ok"]
    assert texts(owner, q="0% г") == ["50% готово"]
    assert texts(owner, q="%%%") == []


def test_messages_are_filtered_and_go_both_ways(owner: Browser, inbox: Inbox) -> None:
    olga, agent = inbox.contact("Ольга"), inbox.agent()
    talk = inbox.talk(olga, "первое")
    inbox.say(talk, "второе", agent)
    inbox.talk(olga, "третье")
    inbox.pull()
    assert texts(owner) == ["третье", "второе", "первое"]
    assert texts(owner, order="asc") == ["первое", "второе", "третье"]
    place = {"conversation_global_id": inbox.ref("cw", talk.id)}
    assert texts(owner, **place) == ["второе", "первое"]
    assert texts(owner, sender_type="user") == ["второе"]
    assert len(texts(owner, contact_global_id=inbox.ref("cwc", olga.id))) == 3
    assert texts(owner, date_from="2090-01-01") == []
    assert texts(owner, conversation_global_id="cw:nowhere:1:1") == []


def test_a_message_is_read_whole_with_its_attachments(owner: Browser, inbox: Inbox) -> None:
    talk = inbox.talk(inbox.contact("Ольга"))
    long = "слово " * 200
    files = [{"id": 5, "type": "image", "file": "scan.png", "size": 10}]
    message = inbox.say(talk, long, talk.contact, attachments=files)
    inbox.pull()
    listed_text = texts(owner)[0]
    assert len(listed_text) == 300
    found = owner.get(f"/messages/{inbox.ref('cwmsg', message.id)}").get_json()["message"]
    assert found["content"].strip() == long.strip()
    assert [a["file_url"] for a in found["attachments"]] == ["https://files.example/scan.png"]
    assert found["source_url"].endswith(f"messageId={message.id}")
    assert owner.get("/messages/cwmsg:none").status_code == 404


def test_private_notes_are_for_those_who_may_read_them(
    owner: Browser, inbox: Inbox, sign_in_as: Callable[..., Browser]
) -> None:
    agent = inbox.agent()
    talk = inbox.talk(inbox.contact("Ольга"), "Когда макет?")
    note = inbox.say(talk, "Клиент ненадёжный", agent, private=True)
    inbox.pull()
    executor = sign_in_as("executor", inbox.project_id)
    assert texts(owner, private="true") == ["Клиент ненадёжный"] == texts(owner, q="ненадежный")
    assert texts(owner, private="false") == ["Когда макет?"] == texts(executor)
    assert texts(executor, q="ненадёжный") == []
    assert executor.get("/messages?private=true").status_code == 403
    path = f"/messages/{inbox.ref('cwmsg', note.id)}"
    assert (owner.get(path).status_code, executor.get(path).status_code) == (200, 404)
    whole = f"/conversations/{inbox.ref('cw', talk.id)}"
    assert owner.get(whole).get_json()["conversation"]["message_count"] == 2
    assert executor.get(whole).get_json()["conversation"]["message_count"] == 1
    (by_owner,) = listed(owner, "/conversations")
    (by_executor,) = listed(executor, "/conversations")
    assert by_executor["last_message_at"] < by_owner["last_message_at"]


def test_what_was_deleted_upstream_is_never_listed(owner: Browser, inbox: Inbox) -> None:
    talk = inbox.talk(inbox.contact("Ольга"), "останется")
    message = inbox.say(talk, "забудьте это", talk.contact)
    inbox.pull()
    inbox.server.state.delete_message(talk, message)
    inbox.pull()
    assert texts(owner) == ["останется"] and texts(owner, q="забудьте") == []
    assert owner.get(f"/messages/{inbox.ref('cwmsg', message.id)}").status_code == 404


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_show_every_message_once_even_while_new_ones_come(
    owner: Browser, inbox: Inbox, pages: Callable[..., Any], app: Flask, order: str
) -> None:
    talk = inbox.talk(inbox.contact("Ольга"), *[f"строка {n}" for n in range(25)])
    inbox.pull()
    with app.app_context(), db.connection() as connection:
        # Some at one moment, some at none.
        connection.execute(
            "UPDATE cw_messages SET created_at = '2026-01-01T10:00:00Z' WHERE message_id % 3 = 0"
        )
        connection.execute("UPDATE cw_messages SET created_at = NULL WHERE message_id % 7 = 0")
    seen: list[str] = []
    for number, page in enumerate(pages(owner, "/messages", "messages", limit=4, order=order)):
        assert len(page) <= 4
        seen += [row["id"] for row in page]
        if number == 1:
            inbox.say(talk, "только что", talk.contact)
            inbox.pull()
    old = [ref for ref in seen if ref != inbox.ref("cwmsg", 26)]
    assert len(old) == len(set(old)) == 25


@pytest.mark.parametrize("path", ["/contacts", "/conversations"])
def test_pages_of_the_other_lists_end_and_repeat_nothing(
    owner: Browser, inbox: Inbox, pages: Callable[..., Any], path: str
) -> None:
    for number in range(7):
        inbox.talk(inbox.contact(f"Клиент {number}"), "Добрый день")
    inbox.pull()
    rows = [row["id"] for page in pages(owner, path, path[1:], limit=3) for row in page]
    assert len(rows) == len(set(rows)) == 7


def test_two_projects_with_the_same_words_never_cross(
    owner: Browser, inbox: Inbox, second_inbox: Inbox
) -> None:
    for place in (inbox, second_inbox):
        place.talk(
            place.contact("Ольга Северина", "olga@sever.example", "+79991234567"), "Счёт за макет"
        )
        place.pull()
    mine = f":{inbox.project_id}:"
    for path, query in [
        ("/contacts", {"q": "северина"}), ("/contacts", {"q": "9991234567"}), ("/contacts", {}),
        ("/conversations", {}), ("/messages", {"q": "счет"}), ("/messages", {}),
        ("/messages", {"conversation_global_id": second_inbox.ref("cw", 1)}),
    ]:  # fmt: skip
        rows = listed(owner, path, **query)
        assert all(mine in row["id"] for row in rows), path
        assert len(rows) == (0 if "conversation_global_id" in query else 1), path
    for path in (
        f"/messages/{second_inbox.ref('cwmsg', 2)}",
        f"/conversations/{second_inbox.ref('cw', 1)}",
    ):
        assert owner.get(path).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "q=a&q=b",
        "q=a%0Ab",
        "q=%00",
        "limit=1&limit=2",
        "cursor=nonsense",
        "cursor=~",
        "order=sideways",
        "inbox_id=1.5",
        "inbox_id=99999999999999999999",
        "date_from=yesterday",
        "date_from=2026-02-02&date_to=2026-02-01",
        "has_email=perhaps",
    ],
)
def test_what_cannot_be_meant_is_refused(owner: Browser, project: Any, query: str) -> None:
    path = (
        "/contacts"
        if "has_email" in query
        else "/conversations"
        if "inbox_id" in query
        else "/messages"
    )
    answer = owner.get(f"{path}?{query}")
    assert answer.status_code == 400, answer.get_json()
