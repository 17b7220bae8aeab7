"""Records in quarantine: how they come out, who may look at them; and texts that strict readers refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from app.connectors.records import MOST_KEPT, read_json
from tests.conftest import Browser
from tests.connectors.conftest import Rows
from tests.connectors.upstream import Work, open_errors, state_of, talks
from tests.connectors.webhooks import Door, sign
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot import api as chatwoot_api
from tests.vendors.linear import LinearServer
from tests.vendors.linear import api as linear_api
from tests.vendors.linear.state import Node

Spoil = Callable[..., None]


@pytest.fixture
def message(monkeypatch: pytest.MonkeyPatch) -> dict[int, dict[str, Any]]:
    """Messages of the simulated Chatwoot that are sent with other values, by id."""
    odd: dict[int, dict[str, Any]] = {}
    regular = chatwoot_api._message
    monkeypatch.setattr(
        chatwoot_api, "_message", lambda m, *rest: {**regular(m, *rest), **odd.get(m.id, {})}
    )
    return odd


@pytest.fixture
def quarantined(
    chatwoot: ChatwootServer, project: dict[str, Any], connect: Callable[..., None], work: Work,
    owner: Browser, message: dict[int, dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """The first message of a conversation of thirty, which could not be understood."""
    talks(chatwoot, 3, messages=30)
    message[31] = {"sender": "Ольга", "private": True}
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    [error] = open_errors(owner)
    assert error["status"] == "dead_letter"
    return error


def retry(owner: Browser, error: dict[str, Any]) -> None:
    answer = owner.post(f"/connectors/errors/dead-letter/{error['id']}/retry")
    assert answer.status_code == 202, answer.get_json()


def test_it_is_kept_as_it_came_and_shown_to_those_who_may_read_notes(
    quarantined: dict[str, Any], project: dict[str, Any], sign_in_as: Callable[..., Browser]
) -> None:
    record = quarantined["payload_json"]["record"]
    assert (record["id"], record["sender"], record["conversation_id"]) == (31, "Ольга", 2)
    for role, shown in (("pm", True), ("executor", False), ("viewer", False)):
        [seen] = sign_in_as(role, project["id"]).get("/connectors/errors").get_json()["errors"]
        assert ("record" in seen["payload_json"]) is shown, role


def test_of_a_large_record_the_beginning_is_kept(
    chatwoot: ChatwootServer, project: dict[str, Any], connect: Callable[..., None], work: Work,
    owner: Browser, message: dict[int, dict[str, Any]],
) -> None:  # fmt: skip
    talks(chatwoot, 1)
    message[1] = {"sender": "Ольга", "content": "Слово. " * 100_000}
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    [error] = open_errors(owner)
    kept = error["payload_json"]["record"]
    assert (kept["id"], kept["conversation_id"]) == (1, 1)
    assert MOST_KEPT - 4 <= len(kept["beginning"].encode()) <= MOST_KEPT


def test_what_is_understood_by_now_is_nobodys_task_any_more(
    quarantined: dict[str, Any], chatwoot: ChatwootServer, project: dict[str, Any], work: Work,
    owner: Browser, message: dict[int, dict[str, Any]], rows: Rows,
) -> None:  # fmt: skip
    message.clear()
    work(project["id"], "chatwoot_sync")  # nothing has changed, so nothing is read
    assert [error["id"] for error in open_errors(owner)] == [quarantined["id"]]
    retry(owner, quarantined)
    work(project["id"], "chatwoot_sync")
    assert open_errors(owner) == []
    assert rows("SELECT count(*) FROM cw_messages") == [(90,)]
    assert state_of(owner)["quarantined"] == 0


def test_what_is_still_wrong_stays_one_dead_letter(
    quarantined: dict[str, Any], project: dict[str, Any], work: Work, owner: Browser
) -> None:
    retry(owner, quarantined)
    work(project["id"], "chatwoot_sync")
    [error] = open_errors(owner)
    assert (error["id"], error["status"]) == (quarantined["id"], "dead_letter")
    assert error["occurrences"] == 2


def test_what_is_gone_upstream_is_settled_by_a_retry(
    quarantined: dict[str, Any], chatwoot: ChatwootServer, project: dict[str, Any], work: Work,
    owner: Browser,
) -> None:  # fmt: skip
    talk = chatwoot.state.accounts[1].conversations[2]
    talk.messages = [found for found in talk.messages if found.id != 31]
    retry(owner, quarantined)
    work(project["id"], "chatwoot_sync")
    assert open_errors(owner) == []
    # And no job comes back to it every five minutes.
    assert work(project["id"], "connector_errors_retry")["result"]["due"] == 0


def test_an_issue_that_is_edited_comes_out_by_itself(
    linear: LinearServer, team: Node, project: dict[str, Any], connected: Callable[..., None],
    work: Work, owner: Browser, monkeypatch: pytest.MonkeyPatch, rows: Rows,
) -> None:  # fmt: skip
    issue = linear.workspace.add_issue(team, "Issue")
    regular = linear_api._field
    monkeypatch.setattr(
        linear_api, "_field",
        lambda source, info, **named: 2e9 * 2 if info.field_name == "priority"
        else regular(source, info, **named),
    )  # fmt: skip
    connected(project["id"])
    work(project["id"], "linear_sync")
    assert [error["error_kind"] for error in open_errors(owner)] == ["record_invalid"]
    monkeypatch.setattr(linear_api, "_field", regular)
    linear.workspace.change("issues", issue, title="Issue, edited")
    work(project["id"], "linear_sync")
    assert open_errors(owner) == []
    assert rows("SELECT title FROM linear_issues_raw") == [("Issue, edited",)]


def test_errors_that_are_due_are_retried_with_one_sync_and_each_is_named(
    chatwoot: ChatwootServer, project: dict[str, Any], connect: Callable[..., None], work: Work,
    owner: Browser, rows: Rows,
) -> None:  # fmt: skip
    connect(project["id"])
    chatwoot.faults.add("status", path="/inboxes$", status=503)
    work(project["id"], "chatwoot_sync")
    rows(
        "INSERT INTO connector_errors (project_id, connector, stream, error_kind, error_message, dedupe_key) "
        "SELECT project_id, connector, 'contacts', 'timeout', 'late', 'x' FROM connector_errors"
    )
    rows("UPDATE connector_errors SET next_retry_at = now() - interval '1 s', status = 'retrying'")
    ids = [row[0] for row in rows("SELECT id::text FROM connector_errors ORDER BY id")]
    chatwoot.requests.clear()
    result = work(project["id"], "connector_errors_retry")["result"]
    assert (result["due"], result["succeeded"], result["failed"]) == (2, 0, 2)
    assert [(one["id"], one["status"]) for one in result["retried"]] == [
        (ids[0], "failed"), (ids[1], "failed"),
    ]  # fmt: skip
    assert all(one["error"] for one in result["retried"])
    chatwoot.faults.clear()
    rows("UPDATE connector_errors SET next_retry_at = now() - interval '1 s'")
    rows("DELETE FROM connector_breakers")
    owner.post("/connectors/errors/retry", {"limit": 1})
    result = work(project["id"], "connector_errors_retry")["result"]
    assert [one["status"] for one in result["retried"]] == ["resolved"]
    assert open_errors(owner) == []


HALF = b'"\\ud83d"'


def test_half_a_sign_costs_nothing_but_itself(
    linear: LinearServer, team: Node, project: dict[str, Any], connected: Callable[..., None],
    work: Work, owner: Browser, monkeypatch: pytest.MonkeyPatch, rows: Rows,
) -> None:  # fmt: skip
    """JavaScript cuts texts in the middle of an emoji, and writes the half that is left."""
    for number in range(3):
        linear.workspace.add_issue(team, f"Issue {number}")
    regular = linear_api.orjson.dumps
    monkeypatch.setattr(
        linear_api, "orjson",
        type("Half", (), {"dumps": staticmethod(lambda value: regular(value).replace(b'"Issue 1"', HALF))}),
    )  # fmt: skip
    connected(project["id"])
    assert work(project["id"], "linear_sync")["status"] == "completed"
    assert rows("SELECT title FROM linear_issues_raw ORDER BY 1") == [
        ("Issue 0",), ("Issue 2",), ("\ufffd",),
    ]  # fmt: skip
    assert open_errors(owner) == []


def test_a_delivery_with_half_a_sign_is_taken(
    app: Any, owner: Browser, project: dict[str, Any], connect: Callable[..., None]
) -> None:
    connect(project["id"])
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    secret = "the vendor's own secret"
    answer = owner.post(f"/connectors/connections/{found['id']}/rotate-webhook", {"secret": secret})
    door = Door(app, "chatwoot", answer.get_json()["webhook"]["address"].rpartition("/")[2])
    payload = {"event": "message_created", "id": 1, "conversation": {"id": 1}, "content": "@@"}
    sent = sign("chatwoot", orjson.dumps(payload).replace(b'"@@"', HALF), secret=secret)
    assert door.send(sent).status_code == 200


@pytest.mark.parametrize(
    "body, found",
    [
        (b'{"a": "x\\ud83d", "\\udc00": ["y\\ude00z"]}', {"a": "x\ufffd", "\ufffd": ["y\ufffdz"]}),
        (b'{"a": "x\\u0000y"}', {"a": "xy"}),
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"a": 1e999, "b": "\\ud83d"}', {"a": None, "b": "\ufffd"}),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
    ],
)
def test_json_as_vendors_write_it(body: bytes, found: Any) -> None:
    assert read_json(body) == found


@pytest.mark.parametrize(
    "body", [b"NaN", b"{", b"", b"\xff", b'"\xff"', b"[" * 100_000, b"-Infinity"]
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_json(body)
