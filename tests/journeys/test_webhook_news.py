"""What a client writes is found seconds later, without anybody having asked the vendor for news."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from flask import Flask

from tests.connectors.webhooks import SECRETS, Sent, sign
from tests.running import Web, Worker, eventually
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import Conversation
from tests.vendors.chatwoot.webhooks import message_event
from tests.vendors.linear import LinearServer
from tests.vendors.linear.webhooks import event

pytestmark = pytest.mark.slow
NEWS = "Курьер разбил три банки брусничного варенья, просим прислать замену до пятницы."
CORRECTED = "Курьер разбил четыре банки облепихового мёда, просим прислать замену до пятницы."


@pytest.fixture
def web(app: Flask, database_url: str, home: Path) -> Iterator[Web]:
    server, worker = Web(database_url, home), Worker(database_url, home)
    server.start()
    worker.start()
    server.sign_in()
    yield server
    server.kill()
    worker.kill()


def connect(
    web: Web, database_url: str, connector: str, base_url: str, account: str, token: str
) -> str:
    """A connected project in which nothing is polled; answers its webhook address."""
    project = web.post("/projects", {"name": "Лавка"}).json()["project"]
    web.post(f"/projects/{project['id']}/select")
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE scheduled_jobs SET status = 'paused'")
    connection_id = web.post(
        "/connectors/connections",
        {
            "connector": connector,
            "base_url": base_url,
            "external_account_id": account,
            "api_token": token,
        },
    ).json()["connection"]["id"]
    path = f"/connectors/connections/{connection_id}/rotate-webhook"
    answer = web.post(path, {"secret": SECRETS[connector]}).json()
    return str(answer["webhook"]["address"])


def deliver(web: Web, address: str, sent: Sent) -> float:
    """Push a delivery; answers when that was."""
    answer = requests.post(web.url + address, data=sent.body, headers=sent.headers, timeout=10)
    assert answer.status_code == 200, answer.text
    return time.monotonic()


def evidence(web: Web, question: str) -> str:
    """The texts that a question finds."""
    answer = web.post("/lightrag/query", {"query": question})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["evidence"])


def test_news_travel_by_webhook(web: Web, chatwoot: ChatwootServer, database_url: str) -> None:
    address = connect(web, database_url, "chatwoot", chatwoot.url, "1", chatwoot.token)
    state = chatwoot.state
    account = state.accounts[1]
    talk: Conversation = state.add_conversation(account, state.add_contact(account, 1, "Ольга"))

    def push(message: Any, event: str) -> float:
        return deliver(web, address, sign("chatwoot", message_event(account, talk, message, event)))

    chatwoot.requests.clear()
    message = state.add_message(talk, NEWS, talk.contact)
    pushed = push(message, "message_created")
    eventually(lambda: "брусничного" in evidence(web, "Что с вареньем от курьера?"), 60, 0.2)
    print(f"searchable after {time.monotonic() - pushed:.1f} s")

    state.edit_message(talk, message, CORRECTED)
    push(message, "message_updated")
    eventually(lambda: "облепихового" in evidence(web, "Что с мёдом от курьера?"), 60, 0.2)
    assert "брусничного" not in evidence(web, "Что с вареньем от курьера?")

    state.delete_message(talk, message)
    pushed = push(message, "message_updated")
    eventually(lambda: "облепихового" not in evidence(web, "Что с мёдом от курьера?"), 60, 0.2)

    assert chatwoot.requests.count("/conversations$") == 0, "no list was asked for"
    assert chatwoot.requests.count("/contacts$") == 0


def test_an_issue_of_linear_too(web: Web, linear: LinearServer, database_url: str) -> None:
    there = linear.workspace
    account = there.organization["id"]
    address = connect(web, database_url, "linear", linear.graphql_url, account, linear.token)
    issue = there.add_issue(there.add_team("SHP", "Лавка"), "Замена банок", NEWS)
    linear.requests.clear()
    pushed = deliver(web, address, sign("linear", event(there, "Issue", issue, "create")))
    eventually(lambda: "брусничного" in evidence(web, "Что с вареньем от курьера?"), 60, 0.2)
    print(f"searchable after {time.monotonic() - pushed:.1f} s")

    there.delete("issues", issue)
    deliver(web, address, sign("linear", event(there, "Issue", issue, "remove")))
    eventually(lambda: "брусничного" not in evidence(web, "Что с вареньем от курьера?"), 60, 0.2)
    assert linear.requests.count() == linear.requests.count("/Issues$"), "no list was asked for"
