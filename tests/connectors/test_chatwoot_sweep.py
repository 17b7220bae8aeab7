"""Conversations that are deleted upstream while nobody speaks in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Browser
from tests.connectors.upstream import Work, open_errors, rows, state_of, stored, talks, upstream
from tests.vendors.chatwoot import ChatwootServer, api

SWEEP_DUE = (
    "UPDATE connector_streams SET last_sweep_at = now() - interval '25 hours' "
    "WHERE stream = 'conversation_sweep'"
)
LIVE = "SELECT count(*) FROM cw_conversations WHERE deleted_at IS NULL"


@pytest.fixture
def sync(project: dict[str, Any], connect: Callable[..., None], work: Work) -> Callable[[], Any]:
    connect(project["id"])
    return lambda: work(project["id"], "chatwoot_sync")


@pytest.fixture
def sweep(sync: Callable[[], Any], database_url: str) -> Callable[[], Any]:
    """A sync after a day."""

    def run() -> Any:
        rows(database_url, SWEEP_DUE)
        return sync()

    return run


def delete(chatwoot: ChatwootServer, *numbers: int) -> None:
    for number in numbers:
        del chatwoot.state.accounts[1].conversations[number]


def test_a_quiet_conversation_that_was_deleted_is_gone_with_what_was_said(
    chatwoot: ChatwootServer, sync: Any, sweep: Any, database_url: str
) -> None:
    talks(chatwoot, 60)
    sync()
    delete(chatwoot, 3, 30)
    sync()
    assert rows(database_url, LIVE) == [(60,)]  # nothing told of it
    run = sweep()
    assert (run["status"], run["result"]["deleted_conversations"]) == ("completed", 2)
    assert stored(database_url)["conversations"] == upstream(chatwoot)["conversations"]
    assert stored(database_url)["chunks"] == upstream(chatwoot)["chunks"]
    assert rows(
        database_url,
        "SELECT count(*) FROM cw_messages WHERE conversation_id IN (3, 30) AND content IS NOT NULL",
    ) == [(0,)]


def test_a_sweep_is_made_once_a_day_and_costs_its_pages(
    chatwoot: ChatwootServer, sync: Any, sweep: Any
) -> None:
    talks(chatwoot, 60)
    sync()
    chatwoot.requests.clear()
    sync()
    assert chatwoot.requests.count("/conversations$") == 1
    sweep()
    assert chatwoot.requests.count("/conversations$") == 2 + 4
    assert chatwoot.requests.count(r"/conversations/\d+$") == 0  # nothing was suspected
    sync()
    assert chatwoot.requests.count("/conversations$") == 3 + 4


def test_what_the_list_did_not_name_is_asked_for_before_it_counts_as_gone(
    chatwoot: ChatwootServer, sync: Any, sweep: Any, database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    talks(chatwoot, 60)
    sync()
    delete(chatwoot, 60)
    take = chatwoot.faults.take

    def delete_meanwhile(path: str) -> Any:
        # Between the second page of the sweep and its third, so that all behind moves up.
        if chatwoot.requests.count("/conversations$") == seen + 4:
            chatwoot.state.accounts[1].conversations.pop(1, None)
        return take(path)

    seen = chatwoot.requests.count("/conversations$")
    monkeypatch.setattr(chatwoot.faults, "take", delete_meanwhile)
    run = sweep()
    assert run["result"]["deleted_conversations"] == 1
    # What was listed before it was deleted is found by the next sweep.
    assert [n for n, _ in stored(database_url)["conversations"]] == list(range(1, 60))
    assert chatwoot.requests.count(r"/conversations/60$") == 1
    assert chatwoot.requests.count(r"/conversations/\d+$") == 2  # and one that was overlooked


def test_a_sweep_reads_what_the_syncs_between_lost(
    chatwoot: ChatwootServer, sync: Any, sweep: Any, database_url: str
) -> None:
    talks(chatwoot, 40)
    sync()
    # A conversation that came into sight with an old time, and one whose row was lost.
    account = chatwoot.state.accounts[1]
    guest = account.contacts[1]
    late = chatwoot.state.add_conversation(account, guest, number=77, at=1_750_000_000)
    text = "Письмо из старого ящика, которого раньше не было видно."
    chatwoot.state.add_message(late, text, guest, at=1_750_000_100)
    late.last_activity_at = 1_750_000_100
    rows(database_url, "UPDATE cw_conversations SET deleted_at = now() WHERE conversation_id = 2")
    sync()
    assert stored(database_url) != upstream(chatwoot)
    sweep()
    assert stored(database_url) == upstream(chatwoot)


def test_too_many_at_once_are_kept_until_a_person_says_so(
    chatwoot: ChatwootServer, sync: Any, sweep: Any, owner: Browser, database_url: str
) -> None:
    talks(chatwoot, 120, messages=0)
    sync()
    delete(chatwoot, *range(1, 61))
    run = sweep()
    assert rows(database_url, LIVE) == [(120,)]
    assert (run["status"], run["error_kind"]) == ("partial", "sweep_guard")
    [error] = open_errors(owner)
    assert error["status"] == "dead_letter" and "60 of 120" in error["error_message"]
    chatwoot.requests.clear()
    sync()
    assert chatwoot.requests.count("/conversations$") == 1  # it is not listed again every time
    assert [e["id"] for e in open_errors(owner)] == [error["id"]]
    assert owner.post(f"/connectors/errors/dead-letter/{error['id']}/retry").status_code == 202
    assert sync()["status"] == "completed"
    assert rows(database_url, LIVE) == [(60,)]
    assert rows(database_url, "SELECT options FROM connector_connections") == [({},)]
    assert open_errors(owner) == [] and state_of(owner)["status"] == "ok"


def test_a_token_that_regains_its_rights_needs_no_confirmation(
    chatwoot: ChatwootServer, sync: Any, sweep: Any, owner: Browser, database_url: str
) -> None:
    talks(chatwoot, 120, messages=0)
    sync()
    account = chatwoot.state.accounts[1]
    hidden = {n: account.conversations.pop(n) for n in range(1, 61)}
    sweep()
    assert [e["error_kind"] for e in open_errors(owner)] == ["sweep_guard"]
    account.conversations.update(hidden)
    rows(
        database_url,
        "UPDATE connector_streams SET page_cursor = jsonb_set(page_cursor, '{began}', "
        "to_jsonb(now() - interval '25 hours')) WHERE page_cursor ? 'refused'",
    )
    assert sync()["status"] == "completed"
    assert rows(database_url, LIVE) == [(120,)] and open_errors(owner) == []


def test_an_interrupted_sweep_goes_on_where_it_was(
    chatwoot: ChatwootServer, sync: Any, sweep: Any, owner: Browser, database_url: str
) -> None:
    talks(chatwoot, 80, messages=0)
    sync()
    delete(chatwoot, 5, 40)
    chatwoot.faults.add("status", path=r"/conversations/40$", status=503)
    assert sweep()["status"] == "failed"
    chatwoot.faults.clear()
    chatwoot.requests.clear()
    assert sync()["status"] == "completed"
    assert chatwoot.requests.count("/conversations$") == 1  # the list was read already
    assert stored(database_url)["conversations"] == upstream(chatwoot)["conversations"]


def test_a_conversation_that_moved_out_of_sight_is_taken_back(
    chatwoot: ChatwootServer, project: dict[str, Any], connect: Any, work: Work, database_url: str
) -> None:
    account = chatwoot.state.accounts[1]
    talks(chatwoot, 4)
    chatwoot.state.add_inbox(account, 12, "Another")
    connect(project["id"], filters={"inbox_ids": [11]})
    work(project["id"], "chatwoot_sync")
    account.conversations[2].inbox_id = 12
    rows(database_url, SWEEP_DUE)
    work(project["id"], "chatwoot_sync")
    assert [number for number, _ in stored(database_url)["conversations"]] == [1, 3, 4]


CONTACTS_DUE = (
    "UPDATE connector_streams SET last_sweep_at = now() - interval '25 hours' "
    "WHERE stream = 'contact_sweep'"
)
CONTACTS = "SELECT contact_id FROM cw_contacts WHERE deleted_at IS NULL ORDER BY 1"


@pytest.fixture
def people(chatwoot: ChatwootServer) -> list[int]:
    """Forty contacts with addresses, who never wrote."""
    account = chatwoot.state.accounts[1]
    for number in range(1, 41):
        chatwoot.state.add_contact(
            account, number, f"Клиент {number}", email=f"c{number}@x.example"
        )
    return list(range(1, 41))


def test_a_contact_that_was_deleted_or_merged_is_gone_after_a_day(
    chatwoot: ChatwootServer, people: list[int], sync: Any, owner: Browser, database_url: str
) -> None:
    sync()
    for number in (7, 33):
        del chatwoot.state.accounts[1].contacts[number]
    sync()
    assert rows(database_url, CONTACTS) == [(number,) for number in people]
    rows(database_url, CONTACTS_DUE)
    chatwoot.requests.clear()
    run = sync()
    assert (run["status"], run["result"]["deleted_contacts"]) == ("completed", 2)
    assert rows(database_url, CONTACTS) == [(n,) for n in people if n not in (7, 33)]
    assert chatwoot.requests.count(r"/contacts/\d+$") == 2  # asked for before they counted as gone
    assert len(owner.get("/contacts?limit=100").get_json()["contacts"]) == 38
    calls = chatwoot.requests.count("/contacts$")
    sync()
    assert chatwoot.requests.count("/contacts$") == calls + 3  # once a day: the sync's own pages


def test_a_contact_that_is_back_with_the_same_values_is_here_again(
    chatwoot: ChatwootServer, people: list[int], sync: Any, database_url: str
) -> None:
    sync()
    contacts = chatwoot.state.accounts[1].contacts
    away = contacts.pop(7)
    rows(database_url, CONTACTS_DUE)
    sync()
    contacts[7] = away
    rows(database_url, CONTACTS_DUE)
    sync()
    assert rows(database_url, CONTACTS) == [(number,) for number in people]


def test_a_visitor_of_whom_nothing_is_known_is_in_no_list_and_not_missed(
    chatwoot: ChatwootServer, people: list[int], sync: Any, database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    account = chatwoot.state.accounts[1]
    visitor = chatwoot.state.add_contact(account, 99, "misty-wave-12", email=None)
    talk = chatwoot.state.add_conversation(account, visitor)
    chatwoot.state.add_message(talk, "Здравствуйте, сколько стоит логотип?", visitor)
    regular = api._contacts
    monkeypatch.setattr(
        api, "_contacts",
        lambda found: {**(told := regular(found)), "payload": [p for p in told["payload"] if p["email"]]},
    )  # fmt: skip
    sync()
    rows(database_url, CONTACTS_DUE)
    chatwoot.requests.clear()
    assert sync()["status"] == "completed"
    assert chatwoot.requests.count(r"/contacts/\d+$") == 0
    assert (99,) in rows(database_url, CONTACTS)


def test_too_many_contacts_at_once_are_kept_until_a_person_says_so(
    chatwoot: ChatwootServer, sync: Any, owner: Browser, database_url: str
) -> None:
    account = chatwoot.state.accounts[1]
    for number in range(1, 101):
        chatwoot.state.add_contact(account, number, f"К {number}", email=f"c{number}@x.example")
    sync()
    for number in range(1, 61):
        del account.contacts[number]
    rows(database_url, CONTACTS_DUE)
    run = sync()
    assert run["status"] == "partial"
    assert len(rows(database_url, CONTACTS)) == 100
    [guard] = open_errors(owner)
    assert (guard["error_kind"], guard["stream"]) == ("sweep_guard", "contact_sweep")
    assert "60 of 100 contacts" in guard["error_message"]
    assert owner.post(f"/connectors/errors/dead-letter/{guard['id']}/retry").status_code == 202
    sync()
    assert len(rows(database_url, CONTACTS)) == 40 and open_errors(owner) == []
