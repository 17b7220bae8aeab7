"""Records that no mapping foresaw, caps that must not lose anything, and what changes upstream between
two syncs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from flask import Flask

from app.db import db
from app.scheduler.context import JobResult
from jobs.handlers import HANDLERS
from tests.conftest import Browser
from tests.connectors.upstream import (
    FEW_AT_ONCE,
    Work,
    open_errors,
    rows,
    state_of,
    stored,
    talks,
    upstream,
)
from tests.vendors.chatwoot import ChatwootServer, api


@pytest.fixture
def app(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr("app.connectors.http.BACKOFF_BASE", 0.01)
    yield make_app(**FEW_AT_ONCE)
    db.close()


@pytest.fixture
def connected(project: dict[str, Any], connect: Callable[..., None]) -> str:
    connect(project["id"])
    return str(project["id"])


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the simulator send one record of a kind with other values."""

    def spoil(kind: str, number: int, **values: Any) -> None:
        regular = getattr(api, f"_{kind}")

        def view(record: Any, *rest: Any) -> Any:
            sent = regular(record, *rest)
            if record.id != number:
                return sent
            return values.get("whole", {**sent, **values})

        monkeypatch.setattr(api, f"_{kind}", view)

    return spoil


ODD_MESSAGES: dict[str, dict[str, Any]] = {
    "no object": {"whole": "a line of text"},
    "no id": {"id": None},
    "an id in words": {"id": "seven"},
    "an id beyond any table": {"id": 2**63},
    "a sender that is a text": {"sender": "Ольга"},
    "attachments that are no objects": {"attachments": ["file.pdf"]},
    "content_attributes that are a list": {"content_attributes": [1]},
}
# Odd, yet nothing that keeps the message from being stored.
HARMLESS_MESSAGES: dict[str, dict[str, Any]] = {
    "an attachment's size in words": {"attachments": [{"id": 1, "file_size": "12 MB"}]},
    "a sender's id beyond any table": {"sender": {"id": 2**63, "type": "user", "name": "V"}},
    "a sender's id in words": {"sender": {"id": "x-1", "type": "agent_bot", "name": "Bot"}},
    "an unknown type": {"message_type": 77},
    "a type in words": {"message_type": "incoming"},
    "a type that is a list": {"message_type": [0]},
    "a type that is true": {"message_type": True},
    "a time in words": {"created_at": "yesterday"},
    "a time in the far future": {"created_at": 10**17},
    "no time": {"created_at": None},
    "content that is an object": {"content": {"text": "x"}},
    "fields nobody knows": {"brand_new": {"a": [1, 2]}, "sentiment": 0.5},
}


@pytest.mark.parametrize("name", ODD_MESSAGES)
def test_a_message_that_cannot_be_read_is_put_aside_with_its_payload(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    odd: Callable[..., None],
    name: str,
) -> None:
    talks(chatwoot, 30)
    odd("message", 5, **ODD_MESSAGES[name])
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    expected = upstream(chatwoot)
    expected["messages"] = [row for row in expected["messages"] if row[0] != 5]
    expected["chunks"] = [row for row in expected["chunks"] if row[0] != 5]
    assert stored(database_url) == expected
    [error] = open_errors(owner)
    assert (error["error_kind"], error["status"], error["stream"]) == (
        "record_invalid",
        "dead_letter",
        "conversations",
    )
    assert error["payload_json"]["record"] and error["source_ref"].startswith("message:")
    # It is no failure of the connector, and costs later syncs nothing.
    state = state_of(owner)
    assert (state["status"], state["connection"]["health"]) == ("ok", "ok")
    assert state["failing_since"] is None
    chatwoot.requests.clear()
    work(connected, "chatwoot_sync")
    assert chatwoot.requests.count("/messages$") == 0


HUGE = {
    "letters": "Очень длинное письмо. " * 60_000,
    "distinct words": " ".join(f"слово{n}" for n in range(150_000)),
    "compounds": " ".join(f"часть{n}-раздел{n}-пункт{n}" for n in range(60_000)),
    "one word": "а" * 3_000_000,
    "signs that are words": "㌀1㌁2" * 100_000,
    "beyond the basic plane": " ".join(
        chr(0x10400 + n % 40) * (2 + n % 7) + str(n) for n in range(60_000)
    ),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_message_is_kept_as_far_as_it_can_be_found(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    odd: Callable[..., None],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talks(chatwoot, 30)
    odd("message", 5, content=HUGE[name])
    if name != "letters":  # encoding a thousand passages is the same work for all
        monkeypatch.setitem(HANDLERS, "embeddings_run", lambda context: JobResult("completed"))
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    kept = dict(rows(database_url, "SELECT message_id, content FROM cw_messages"))
    assert len(kept) == 60
    assert HUGE[name].startswith(kept[5]) and len(kept[5]) > 10_000
    assert open_errors(owner) == []


@pytest.mark.parametrize("name", HARMLESS_MESSAGES)
def test_an_odd_message_is_stored_as_far_as_it_is_understood(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    odd: Callable[..., None],
    name: str,
) -> None:
    talks(chatwoot, 4)
    odd("message", 5, **HARMLESS_MESSAGES[name])
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(8,)]
    assert open_errors(owner) == []


ODD_CONVERSATIONS: dict[str, dict[str, Any]] = {
    "labels that are a number": {"labels": 3},
    "meta that is a list": {"meta": [1]},
    "no object": {"whole": 17},
    "an id in words": {"id": "seven"},
}


@pytest.mark.parametrize("name", ODD_CONVERSATIONS)
def test_a_conversation_that_cannot_be_read_is_put_aside_and_the_page_goes_on(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    odd: Callable[..., None],
    name: str,
) -> None:
    talks(chatwoot, 30)
    odd("conversation", 20, **ODD_CONVERSATIONS[name])
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    assert [e["error_kind"] for e in open_errors(owner)] == ["record_invalid"]
    found, expected = stored(database_url), upstream(chatwoot)
    assert found["contacts"] == expected["contacts"]
    assert found["conversations"] == [c for c in expected["conversations"] if c[0] != 20]
    assert found["messages"] == [m for m in expected["messages"] if m[1] != 20]


@pytest.mark.parametrize(
    "values",
    [{"inbox_id": "main"}, {"inbox_id": 2**63}, {"meta": {"assignee": {"id": "me"}}}],
    ids=str,
)
def test_an_odd_conversation_is_stored_as_far_as_it_is_understood(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    odd: Callable[..., None],
    values: dict[str, Any],
) -> None:
    talks(chatwoot, 4)
    odd("conversation", 2, **values)
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    assert stored(database_url) == upstream(chatwoot) and open_errors(owner) == []


@pytest.mark.parametrize("moment", [None, "tomorrow", 0, [1]], ids=str)
def test_a_conversation_without_a_time_does_not_hide_those_behind_it(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    database_url: str,
    odd: Callable[..., None],
    moment: Any,
) -> None:
    made = talks(chatwoot, 60)
    work(connected, "chatwoot_sync")
    for conversation in made:
        chatwoot.state.add_message(conversation, "Ещё один вопрос про макет.", conversation.contact)
    odd("conversation", made[-1].id, last_activity_at=moment)
    assert work(connected, "chatwoot_sync")["status"] == "completed"
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(180,)]


@pytest.mark.parametrize(
    "values",
    [{"name": ["a"]}, {"custom_attributes": []}, {"custom_attributes": "x"}, {"email": 5}],
    ids=str,
)
def test_an_odd_contact_never_stops_the_others(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    database_url: str,
    odd: Callable[..., None],
    values: dict[str, Any],
) -> None:
    talks(chatwoot, 4)
    odd("contact", 2, **values)
    for _ in range(2):
        run = work(connected, "chatwoot_sync")
        assert run["status"] == "completed", run["error"]
    assert [c[0] for c in stored(database_url)["contacts"]] == [1, 2, 3, 4]
    assert rows(
        database_url, "SELECT DISTINCT jsonb_typeof(custom_attributes) FROM cw_contacts"
    ) == [("object",)]


def test_an_odd_message_in_a_long_conversation_does_not_end_its_reading(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    owner: Browser,
    database_url: str,
    odd: Callable[..., None],
) -> None:
    talks(chatwoot, 1, messages=250)
    odd("message", 100, id="a hundred")
    odd("message", 40, whole=None)
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    assert rows(database_url, "SELECT count(*) FROM cw_messages") == [(248,)]
    assert {e["error_kind"] for e in open_errors(owner)} == {"record_invalid"}


@pytest.mark.parametrize(
    "cap",
    [{"chatwoot_pages_limit": 1}, {"chatwoot_conversations_limit": 1}],
    ids=["one page", "one conversation"],
)
def test_the_smallest_cap_still_reads_everything_in_the_end(
    chatwoot: ChatwootServer,
    connected: str,
    work: Work,
    app: Flask,
    database_url: str,
    cap: dict[str, Any],
) -> None:
    talks(chatwoot, 60)
    talks(chatwoot, 1, messages=230)
    for name, value in cap.items():
        object.__setattr__(app.config["SETTINGS"], name, value)
    statuses = _until_complete(work, connected)
    assert statuses[0] == "partial" and statuses[-1] == "completed"
    assert stored(database_url) == upstream(chatwoot)


def test_what_moves_while_a_capped_reading_is_under_way_is_read_too(
    chatwoot: ChatwootServer, connected: str, work: Work, app: Flask, database_url: str
) -> None:
    made = talks(chatwoot, 110)
    object.__setattr__(app.config["SETTINGS"], "chatwoot_pages_limit", 3)
    work(connected, "chatwoot_sync")
    for conversation in [made[0], made[60], made[109]]:
        chatwoot.state.pass_time(3600)
        chatwoot.state.add_message(conversation, "А что с оплатой счёта?", conversation.contact)
    talks(chatwoot, 40)
    _until_complete(work, connected)
    _until_complete(work, connected)
    assert stored(database_url) == upstream(chatwoot)


def _until_complete(work: Work, project_id: str) -> list[str]:
    statuses: list[str] = []
    while not statuses or (statuses[-1] == "partial" and len(statuses) < 40):
        statuses.append(work(project_id, "chatwoot_sync")["status"])
    return statuses


def test_a_conversation_that_vanishes_while_it_is_read_costs_only_itself(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    made = talks(chatwoot, 30)
    work(connected, "chatwoot_sync")
    gone = made[-2]
    for conversation in made[-3:]:
        chatwoot.state.add_message(conversation, "Ещё один вопрос про макет.", conversation.contact)
    chatwoot.faults.add("status", path=f"/conversations/{gone.id}(/messages)?$", status=404)
    run = work(connected, "chatwoot_sync")
    assert run["status"] == "completed", run["error"]
    del chatwoot.state.accounts[1].conversations[gone.id]
    expected = upstream(chatwoot)
    assert stored(database_url)["conversations"] == expected["conversations"]
    assert rows(
        database_url,
        f"SELECT DISTINCT content, deleted_at IS NULL FROM cw_messages WHERE conversation_id={gone.id}",
    ) == [(None, False)]
    told = f"source_ref IN (SELECT id FROM cw_messages WHERE conversation_id = {gone.id})"
    assert rows(
        database_url,
        f"SELECT count(*) > 0, count(payload_json->'snippet') FROM connector_events WHERE {told}",
    ) == [(True, 0)]
    assert stored(database_url)["chunks"] == expected["chunks"]
    assert open_errors(owner) == []
    assert work(connected, "chatwoot_sync")["result"]["touched_conversations"] == 0


def test_messages_that_are_missing_of_a_conversation_that_is_there_are_a_fault(
    chatwoot: ChatwootServer, connected: str, work: Work, owner: Browser, database_url: str
) -> None:
    made = talks(chatwoot, 3)
    work(connected, "chatwoot_sync")
    before = stored(database_url)
    chatwoot.state.add_message(made[2], "Ещё один вопрос про макет.", made[2].contact)
    chatwoot.faults.add("status", path="/messages$", status=404)
    run = work(connected, "chatwoot_sync")
    assert (run["status"], run["error_kind"]) == ("failed", "upstream_not_found")
    assert stored(database_url) == before and "404" in state_of(owner)["message"]


def test_a_conversation_that_was_gone_and_is_back_is_read_again(
    chatwoot: ChatwootServer, connected: str, work: Work, database_url: str
) -> None:
    made = talks(chatwoot, 3)
    work(connected, "chatwoot_sync")
    back = made[-1]
    chatwoot.state.add_message(back, "Ещё один вопрос про макет.", back.contact)
    chatwoot.faults.add("status", path=f"/conversations/{back.id}(/messages)?$", status=404)
    work(connected, "chatwoot_sync")
    assert len(stored(database_url)["conversations"]) == 2
    chatwoot.faults.clear()
    assert work(connected, "chatwoot_sync")["status"] == "completed"
    assert stored(database_url) == upstream(chatwoot)


def test_edits_and_deletions_between_syncs_arrive_within_the_overlap(
    chatwoot: ChatwootServer, connected: str, work: Work, database_url: str
) -> None:
    made = talks(chatwoot, 30)
    work(connected, "chatwoot_sync")
    last = made[-1]
    chatwoot.state.edit_message(last, last.messages[0], "Макет больше не нужен, спасибо вам.")
    chatwoot.state.delete_message(last, last.messages[1])
    old = made[0]  # an old one, which a new message brings up again
    chatwoot.state.edit_message(old, old.messages[0], "Вместо макета нужен прототип, пожалуйста.")
    chatwoot.state.pass_time(600)
    chatwoot.state.add_message(old, "Напоминаю о прототипе, его ждут.", old.contact)
    work(connected, "chatwoot_sync")
    assert stored(database_url) == upstream(chatwoot)
    deleted = (
        f"SELECT deleted_at IS NOT NULL FROM cw_messages WHERE message_id = {last.messages[1].id}"
    )
    assert rows(database_url, deleted) == [(True,)]
    assert orjson.dumps(work(connected, "chatwoot_sync")["result"]["changed"]) == b"false"
