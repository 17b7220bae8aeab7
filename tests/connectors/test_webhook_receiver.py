"""The door for vendors: what is genuine comes in once, everything else stays outside."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Browser
from tests.connectors.webhooks import (
    ACCOUNTS,
    PAYLOADS,
    SECRETS,
    VENDORS,
    Door,
    Sent,
    add_connection,
    sign,
    stored,
)

STALE = {"chatwoot": 301, "linear": 61, "loops": 301}
Work = Callable[..., dict[str, Any]]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connection(app: Flask, project: dict[str, Any], vendor: str) -> tuple[str, Door]:
    return add_connection(app, project["id"], vendor)


@pytest.fixture
def door(connection: tuple[str, Door]) -> Door:
    """The door of a connection to each vendor."""
    return connection[1]


def refused(answer: TestResponse) -> bool:
    return (answer.status_code, answer.get_json()["error"]) == (401, "invalid_signature")


def test_a_genuine_delivery_is_kept_once(app: Flask, door: Door) -> None:
    sent = sign(door.connector, delivery="first")
    answer = door.send(sent)
    assert answer.status_code == 200, answer.get_json()
    assert set(answer.get_json()) == {"ok", "request_id"}
    again = door.send(sent)
    assert again.status_code == 200 and again.get_json()["duplicate"] is True
    assert stored(app) == [("first", "pending")]


def test_it_answers_under_the_version_too(app: Flask, door: Door) -> None:
    sent = sign(door.connector)
    answer = app.test_client().post(f"/v1{door.path}", data=sent.body, headers=sent.headers)
    assert answer.status_code == 200


def test_what_it_tells_is_understood(app: Flask, door: Door) -> None:
    door.send(sign(door.connector))
    expected = {
        "chatwoot": ("message_created", "conversation:17", "1"),
        "linear": ("Issue.update", "Issue:issue-1", ACCOUNTS["linear"]),
        "attio": ("record.updated", "record:deals:r-1", ACCOUNTS["attio"]),
        "loops": ("contact.unsubscribed", "contact:c-1", None),
    }
    assert stored(app, "event, object_ref, tenant") == [expected[door.connector]]


def test_one_changed_byte_is_noticed(app: Flask, door: Door) -> None:
    sent = sign(door.connector)
    assert refused(door.send(Sent(sent.body.replace(b":", b" :", 1), sent.headers)))
    assert refused(door.send(sign(door.connector, secret="whsec_c29tZWJvZHkgZWxzZQ==")))
    assert stored(app) == []


def test_signatures_that_are_none(app: Flask, door: Door) -> None:
    sent = sign(door.connector)
    names = [name for name in sent.headers if "signature" in name.lower()]
    for nonsense in (None, "", "sha256=", "sha256=zz", "v1,", "v1,%%%", "v2,AAAA", "é", "0" * 64):
        headers = {name: value for name, value in sent.headers.items() if name not in names}
        if nonsense is not None:
            headers |= dict.fromkeys(names, nonsense)
        assert refused(door.send(Sent(sent.body, headers))), nonsense
    assert stored(app) == []


def test_old_deliveries_are_refused(app: Flask, door: Door) -> None:
    age = STALE.get(door.connector)
    if age is None:
        return  # nothing in an Attio delivery tells its time
    assert refused(door.send(sign(door.connector, at=time.time() - age - 1)))
    assert refused(door.send(sign(door.connector, at=time.time() + age + 1)))
    assert door.send(sign(door.connector, at=time.time() - age + 10)).status_code == 200
    assert len(stored(app)) == 1


def test_a_signed_time_cannot_be_changed(door: Door) -> None:
    old = sign(door.connector, at=time.time() - 3600)
    fresh = {
        "chatwoot": {"X-Chatwoot-Timestamp": str(int(time.time()))},
        "linear": {"Linear-Timestamp": str(int(time.time() * 1000))},
        "loops": {"webhook-timestamp": str(int(time.time()))},
    }
    if door.connector in fresh:
        assert refused(door.send(Sent(old.body, {**old.headers, **fresh[door.connector]})))


def test_the_secret_before_is_good_for_a_day(
    app: Flask, owner: Browser, connection: tuple[str, Door], database_url: str
) -> None:
    connection_id, door = connection
    new = "whsec_" + base64.b64encode(b"a brand new secret").decode()
    answer = owner.post(
        f"/connectors/connections/{connection_id}/rotate-webhook", {"secret": new}
    ).get_json()
    assert "secret" not in answer["webhook"] and "address" not in answer["webhook"]
    assert door.send(sign(door.connector)).status_code == 200
    assert door.send(sign(door.connector, secret=new)).status_code == 200
    with psycopg.connect(database_url) as connection_:
        connection_.execute(
            "UPDATE connector_connections SET webhook_previous_until = now() - interval '1 second'"
        )
    assert refused(door.send(sign(door.connector)))
    assert door.send(sign(door.connector, secret=new)).status_code == 200


def test_another_account_is_ignored(
    app: Flask, door: Door, project: dict[str, Any], work: Work
) -> None:
    payload = json.loads(json.dumps(PAYLOADS[door.connector]).replace(ACCOUNTS["linear"], "other"))
    payload = json.loads(json.dumps(payload).replace(ACCOUNTS["attio"], "other"))
    if door.connector == "chatwoot":
        payload["account"]["id"] = 2
    object.__setattr__(app.config["SETTINGS"], "webhook_debounce_seconds", 0.0)
    assert door.send(sign(door.connector, payload)).status_code == 200
    work(project["id"], "webhook_deliveries")
    ignored = [("ignored", "wrong_account")]
    named = door.connector != "loops"  # Loops names no account
    assert stored(app, "status, error_kind") == (ignored if named else [("done", None)])


def test_unknown_doors(app: Flask, door: Door, database_url: str) -> None:
    sent = sign(door.connector)
    other = "linear" if door.connector == "chatwoot" else "chatwoot"
    for path in (
        f"/webhooks/{door.connector}/{door.token[:-1]}x",
        f"/webhooks/{other}/{door.token}",
        f"/webhooks/nobody/{door.token}",
    ):
        answer = app.test_client().post(path, data=sent.body, headers=sent.headers)
        assert (answer.status_code, answer.get_json()["error"]) == (404, "not_found"), path
        assert "details" not in answer.get_json()
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE connector_connections SET enabled = false")
    assert door.send(sent).status_code == 404
    assert stored(app) == []


def test_the_size_has_its_own_limit(app: Flask, door: Door) -> None:
    fits = {**PAYLOADS[door.connector], "padding": "x" * 1_000_000}
    assert door.send(sign(door.connector, fits)).status_code == 200
    large = {**PAYLOADS[door.connector], "padding": "x" * 1_048_576}
    answer = door.send(sign(door.connector, large))
    assert (answer.status_code, answer.get_json()["error"]) == (413, "payload_too_large")
    assert len(stored(app)) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"42", b"{", b'"\\ud800"', b"\xff\xfe"])
def test_signed_nonsense_is_refused_politely(door: Door, body: bytes) -> None:
    key = SECRETS[door.connector].encode()
    headers = {}
    if door.connector == "attio":
        headers["Attio-Signature"] = hmac.new(key, body, hashlib.sha256).hexdigest()
    elif door.connector == "linear":
        headers["Linear-Signature"] = hmac.new(key, body, hashlib.sha256).hexdigest()
    else:
        return  # the same code after the signature
    answer = door.send(Sent(body, headers))
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "change",
    [
        {"event": None, "type": None, "eventName": None, "events": None},
        {"event": 7, "type": [], "eventName": {}, "events": [{}]},
        {"conversation": "x", "data": "x", "contactIdentity": "x", "events": "x"},
        {"account": "x", "organizationId": {}, "events": [{"event_type": "record.updated"}]},
        {"event": "message_\x00", "type": "Issue\x00", "eventName": "a\x00", "events": [None]},
        {"conversation": {"id": "x" * 5000}, "data": {"id": "y" * 5000}, "events": []},
    ],
)
def test_signed_payloads_of_any_shape_are_taken(
    app: Flask, door: Door, change: dict[str, Any]
) -> None:
    answer = door.send(sign(door.connector, {**PAYLOADS[door.connector], **change}))
    assert answer.status_code == 200, answer.get_json()
    assert len(stored(app)) == 1


def test_loops_tells_who_wants_no_mail(
    app: Flask, owner: Browser, project: dict[str, Any], work: Work, database_url: str
) -> None:
    object.__setattr__(app.config["SETTINGS"], "webhook_debounce_seconds", 0.0)
    made = owner.post("/connectors/webhooks/loops", {}).get_json()["webhook"]
    again = owner.post("/connectors/webhooks/loops", {"secret": SECRETS["loops"]}).get_json()
    assert again["webhook"]["connection_id"] == made["connection_id"]
    door = Door(app, "loops", made["address"].rpartition("/")[2])
    assert door.send(sign("loops")).status_code == 200
    assert door.send(sign("loops", {**PAYLOADS["loops"], "eventName": "testing.testEvent"}))
    work(project["id"], "webhook_deliveries")
    assert stored(app, "event, status") == [
        ("contact.unsubscribed", "done"),
        ("testing.testEvent", "ignored"),
    ]
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT contact_global_id, opted_out FROM contact_channel_policies"
        ).fetchall()
    assert rows and all(opted_out for _, opted_out in rows)


def test_too_many_at_once(make_app: Callable[..., Flask]) -> None:
    app = make_app(webhook_rate_per_second=0.1, webhook_burst=5)
    browser = Browser(app)
    browser.sign_in()
    project = browser.post("/projects", {"name": "Busy"}).get_json()["project"]
    door = add_connection(app, project["id"], "linear")[1]
    other = add_connection(app, project["id"], "attio")[1]
    codes = [door.send(sign("linear")).status_code for _ in range(8)]
    assert codes == [200] * 5 + [429] * 3
    answer = door.send(sign("linear"))
    assert answer.get_json()["error"] == "rate_limited" and answer.headers["Retry-After"]
    assert other.send(sign("attio")).status_code == 200, "each connection has its own budget"


def test_a_cookie_changes_nothing(app: Flask, owner: Browser, project: dict[str, Any]) -> None:
    """A browser that is signed in needs no CSRF token here, and has no rights from it either."""
    door = add_connection(app, project["id"], "chatwoot")[1]
    sent = sign("chatwoot")
    answer = owner.http.post(door.path, data=sent.body, headers=sent.headers)
    assert answer.status_code == 200


def test_without_a_delivery_id_the_body_is_its_own(app: Flask, project: dict[str, Any]) -> None:
    door = add_connection(app, project["id"], "attio")[1]
    sent = sign("attio")
    del sent.headers["Idempotency-Key"]
    assert "duplicate" not in door.send(sent).get_json()
    assert door.send(sent).get_json()["duplicate"] is True


def test_an_attio_batch_is_one_delivery(app: Flask, project: dict[str, Any]) -> None:
    door = add_connection(app, project["id"], "attio")[1]
    (event,) = PAYLOADS["attio"]["events"]
    other = {"event_type": "note.created", "id": {**event["id"], "note_id": "n-1"}}
    door.send(sign("attio", {"webhook_id": "w", "events": [event, other]}))
    door.send(sign("attio", {"webhook_id": "w", "events": [event, event]}))
    ((mixed, batch, tenant), same) = stored(app, "event, object_ref, tenant")
    assert mixed == "batch" and batch.startswith("batch:") and tenant == ACCOUNTS["attio"]
    assert same == ("record.updated", "record:deals:r-1", ACCOUNTS["attio"])
