"""Connections: one account a vendor and project, what it may be narrowed to, its secrets, its address."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.connectors.addresses import refuse_unsafe_url
from app.db import db, statements
from app.scheduler import service as scheduler
from app.scheduler.runner import Runner
from app.web.errors import ApiError
from config.settings import load
from jobs.handlers import HANDLERS
from tests.conftest import Browser
from tests.connectors.conftest import Rows
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Account
from tests.vendors.loops import LoopsServer

Make = Callable[..., TestResponse]


@pytest.fixture
def make(owner: Browser, chatwoot: ChatwootServer) -> Make:
    """Store a connection to the simulated Chatwoot by the route."""

    def store(account: str = "1", **more: Any) -> TestResponse:
        body = {
            "connector": "chatwoot", "base_url": chatwoot.url, "external_account_id": account,
            "api_token": chatwoot.token,
        }  # fmt: skip
        return owner.post("/connectors/connections", {**body, **more})

    return store


@pytest.fixture
def account(chatwoot: ChatwootServer) -> Account:
    """The account with two inboxes and a conversation in each."""
    found = chatwoot.state.accounts[1]
    for inbox, name in ((501, "Olga"), (502, "James")):
        chatwoot.state.add_inbox(found, inbox, f"Inbox of {name}")
        contact = chatwoot.state.add_contact(found, 700 + inbox, name)
        talk = chatwoot.state.add_conversation(found, contact, inbox=inbox)
        chatwoot.state.add_message(talk, f"A message of {name}, long enough to be found.", contact)
    return found


def place(answer: TestResponse) -> str:
    return f"/connectors/connections/{answer.get_json()['connection']['id']}"


def test_a_second_account_is_refused_until_the_first_is_off(
    owner: Browser, project: dict[str, Any], make: Make, chatwoot: ChatwootServer
) -> None:
    chatwoot.state.add_account(2, "Another studio")
    first = make("1")
    refused = make("2")
    assert (refused.status_code, refused.get_json()["error"]) == (
        409, "chatwoot_source_binding_error",
    )  # fmt: skip
    told = refused.get_json()
    assert told["details"]["reason"] == "chatwoot_account_project_already_has_binding"
    assert "another account of Chatwoot" in told["message"]

    assert owner.post(f"{place(first)}/disable").status_code == 200
    second = make("2")
    assert second.status_code == 201
    back = owner.post(f"{place(first)}/enable")
    assert (back.status_code, back.get_json()["error"]) == (409, "chatwoot_source_binding_error")
    (read,) = [
        state
        for state in owner.get("/connectors/state").get_json()["connectors"]
        if state["connector"] == "chatwoot"
    ]
    assert read["connection"]["external_account_id"] == "2"


@pytest.mark.parametrize("filters", [{"team_ids": ["a"]}, {"objects": ["deals"], "inbox_ids": [1]}])
def test_filters_of_another_vendor_are_refused(
    owner: Browser, project: dict[str, Any], make: Make, filters: dict[str, Any]
) -> None:
    """They would narrow nothing, and let a second project read the whole account."""
    refused = make(filters=filters)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "validation_error")
    assert "is narrowed by inbox_ids" in refused.get_json()["message"]
    changed = owner.post(f"{place(make())}/update", {"filters": filters})
    assert changed.status_code == 400


def test_a_new_token_keeps_the_filters_and_other_filters_read_everything_again(
    owner: Browser,
    project: dict[str, Any],
    make: Make,
    account: Account,
    work: Callable[..., dict[str, Any]],
    rows: Rows,
) -> None:
    make(filters={"inbox_ids": [501]}, display_name="Ours")
    work(project["id"], "chatwoot_sync")
    kept = make().get_json()["connection"]
    assert (kept["filters"], kept["display_name"]) == ({"inbox_ids": [501]}, "Ours")
    work(project["id"], "chatwoot_sync")
    assert rows("SELECT name FROM cw_contacts") == [("Olga",)]
    make(filters={"inbox_ids": [501, 502]})
    work(project["id"], "chatwoot_sync")
    assert rows("SELECT name FROM cw_contacts ORDER BY name") == [("James",), ("Olga",)]


def test_what_filters_leave_out_is_taken_back_with_the_next_sync(
    owner: Browser,
    project: dict[str, Any],
    make: Make,
    account: Account,
    work: Callable[..., dict[str, Any]],
    rows: Rows,
) -> None:
    here = place(make())
    work(project["id"], "chatwoot_sync")
    assert rows("SELECT count(*) FROM cw_messages WHERE content IS NOT NULL") == [(2,)]
    owner.post(f"{here}/update", {"filters": {"inbox_ids": [501]}})
    assert work(project["id"], "chatwoot_sync")["status"] == "completed"
    for table in ("cw_conversations", "cw_contacts"):
        assert rows(f"SELECT count(*) FROM {table} WHERE deleted_at IS NULL") == [(1,)], table
    assert rows("SELECT content FROM cw_messages WHERE content IS NOT NULL") == [
        ("A message of Olga, long enough to be found.",)
    ]
    assert rows("SELECT name FROM cw_contacts WHERE deleted_at IS NULL") == [("Olga",)]


def test_one_that_is_off_can_be_tested_before_it_is_switched_on(
    owner: Browser, project: dict[str, Any], make: Make, chatwoot: ChatwootServer
) -> None:
    here = place(make())
    owner.post(f"{here}/disable")
    assert owner.post(f"{here}/test").get_json()["verified"]["account"] == "Studio"
    chatwoot.faults.add("status", status=401)
    refused = owner.post(f"{here}/test")
    assert (refused.status_code, refused.get_json()["error"]) == (502, "upstream_auth_failed")


def test_a_pause_that_the_vendor_asks_for_is_told_with_its_length(
    owner: Browser, project: dict[str, Any], make: Make, chatwoot: ChatwootServer
) -> None:
    here = place(make())
    chatwoot.faults.add("status", status=429, retry_after="40")
    refused = owner.post(f"{here}/test")
    assert (refused.status_code, refused.get_json()["error"]) == (429, "upstream_rate_limited")
    assert refused.get_json()["details"] == {
        "connector": "chatwoot", "error_kind": "rate_limited", "retry_after": 40,
    }  # fmt: skip


@pytest.fixture
def with_loops(make_app: Callable[..., Flask]) -> Iterator[Browser]:
    server = LoopsServer()
    server.start()
    app = make_app(loops_secret_key=server.token, loops_api_base_url=server.api_url)
    browser = Browser(app)
    browser.sign_in()
    yield browser
    server.stop()
    db.close()


def test_the_door_for_loops_tests_the_installations_key(with_loops: Browser) -> None:
    with_loops.post("/projects", {"name": "Fleetline"})
    made = with_loops.post("/connectors/webhooks/loops").get_json()["webhook"]
    answer = with_loops.post(f"/connectors/connections/{made['connection_id']}/test")
    assert answer.status_code == 200 and answer.get_json()["verified"]["account"]


def test_secrets_are_encrypted_where_they_lie_and_never_answered(
    owner: Browser, project: dict[str, Any], make: Make, chatwoot: ChatwootServer, rows: Rows
) -> None:
    here = place(make())
    owner.post(f"{here}/rotate-webhook", {"secret": "the vendor's own secret"})
    (stored,) = rows("SELECT c::text FROM connector_connections c")
    ((token, secret),) = rows(
        "SELECT credentials_enc, webhook_secret_enc FROM connector_connections"
    )
    for text in (chatwoot.token, "the vendor's own secret"):
        for held in (stored[0], bytes(token).decode(), bytes(secret).decode()):
            assert text not in held and text.encode().hex() not in held
        for answer in (owner.get("/connectors/connections"), owner.get("/connectors/state")):
            assert text not in answer.get_data(as_text=True)
    assert bytes(token).startswith(b"gAAAA")  # a Fernet token


ADDRESSES = {
    "public.example": ["93.184.216.34"],
    "inside.example": ["10.1.2.3"],
    "half.example": ["93.184.216.34", "192.168.0.7"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "link.example": ["fe80::1%eth0"],
    "cloud.example": ["169.254.169.254"],
    "local.example": ["127.0.0.1"],
}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and their addresses, without asking anybody."""

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        if host not in ADDRESSES:
            raise socket.gaierror(host)
        return [(0, 0, 0, "", (address, 0)) for address in ADDRESSES[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    "url, production, allowed, fine",
    [
        ("https://public.example", True, "", True),
        ("http://public.example", True, "", False),
        ("https://inside.example", True, "", False),
        ("http://inside.example", True, "10.0.0.0/8", True),
        ("https://inside.example", True, "Inside.example", True),
        ("https://inside.example", True, "192.168.0.0/16", False),
        ("https://half.example", True, "", False),
        ("http://half.example", True, "192.168.0.0/16", False),
        ("https://mapped.example", True, "", False),
        ("https://link.example", True, "", False),
        ("https://cloud.example", False, "", False),
        ("http://local.example", False, "", True),
        ("http://local.example", True, "", False),
        ("https://nowhere.example", True, "", False),
        ("https://user:secret@public.example", True, "", False),
        ("https://public.example?to=x", True, "", False),
        ("ftp://public.example", True, "", False),
        ("public.example", True, "", False),
    ],
)
def test_addresses_that_may_be_called(
    names: None, url: str, production: bool, allowed: str, fine: bool
) -> None:
    given = {"APP_ENV": "production"} if production else {}
    settings = load(
        {
            **given,
            "CONNECTOR_PRIVATE_HOSTS": allowed,
            "SECRET_KEY": "k" * 40,
            "DATABASE_URL": "postgresql://x",
            "AUTH_CREDENTIALS": "owner:$2b$12$" + "x" * 53,
        }
    )
    if fine:
        refuse_unsafe_url(url, settings)
        return
    with pytest.raises(ApiError) as refused:
        refuse_unsafe_url(url, settings)
    assert (refused.value.status, refused.value.code) == (400, "connection_url_refused")


def test_a_name_that_leads_inside_by_now_is_not_called(
    make_app: Callable[..., Flask], chatwoot: ChatwootServer, monkeypatch: pytest.MonkeyPatch,
    work_in: Callable[..., dict[str, Any]],
) -> None:  # fmt: skip
    """The address was public when the connection was stored."""
    app = make_app(connector_private_hosts=())
    owner = Browser(app)
    owner.sign_in()
    project = owner.post("/projects", {"name": "Fleetline"}).get_json()["project"]["id"]
    body = {
        "connector": "chatwoot", "base_url": chatwoot.url, "external_account_id": "1",
        "api_token": chatwoot.token,
    }  # fmt: skip
    assert owner.post("/connectors/connections", body).status_code == 201
    assert work_in(app, project)["status"] == "completed"
    chatwoot.requests.clear()
    # In production this machine's own services are private too.
    monkeypatch.setattr("app.connectors.addresses._allowed", lambda *_: False)
    run = work_in(app, project)
    assert (run["status"], run["error_kind"]) == ("failed", "config_missing")
    assert "leads into a private network" in run["error"]
    assert chatwoot.requests.count() == 0
    (state,) = [
        found
        for found in owner.get("/connectors/state").get_json()["connectors"]
        if found["connector"] == "chatwoot"
    ]
    assert state["connection"]["health"] == "needs_attention"


@pytest.fixture
def work_in() -> Iterator[Callable[..., dict[str, Any]]]:
    """A sync of Chatwoot in an application of one's own."""

    def run(app: Flask, project: str) -> dict[str, Any]:
        runner = Runner()
        runner.bind(app, HANDLERS)
        with app.app_context():
            asked = scheduler.request_run(uuid.UUID(project), "chatwoot_sync")
        while runner.work():
            pass
        with app.app_context(), db.connection() as connection:
            found: dict[str, Any] = statements("scheduler").find_run(
                connection, project_id=uuid.UUID(project), run_id=asked.id
            )
        return found

    yield run
    db.close()
