"""Many deliveries at a steady pace against a real web server, with every answer's time."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.connectors.webhooks import SECRETS, Sent, sign
from tests.running import Process, Web, eventually
from tests.vendors.chatwoot.state import Account, State, fill
from tests.vendors.chatwoot.webhooks import message_event

SENDERS = 24
ACCOUNT, TOKEN = 99, "chatwoot-token"  # what the simulator serves with --fill


@dataclass
class Answers:
    """Status codes by delivery, and milliseconds from the moment when each was due to its answer."""

    codes: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    duplicates: int = 0
    seconds: float = 0.0


def same_account(conversations: int) -> Account:
    """The account that a simulator started with `--fill` serves, known here too."""
    state = State()
    account = state.add_account(ACCOUNT, "Load")
    fill(state, account, conversations, conversations * 10 // 3)
    return account


def vendor(home: Any, port: int, conversations: int) -> Process:
    return Process(
        ["-m", "tests.vendors.chatwoot", "--port", str(port), "--fill", str(conversations)],
        "",
        home,
    )


def open_door(web: Web, vendor_url: str) -> str:
    """A project connected to the simulated account; answers its webhook address."""
    project = web.post("/projects", {"name": "Burst"}).json()["project"]
    web.post(f"/projects/{project['id']}/select")

    def connected() -> Any:
        answer = web.post(
            "/connectors/connections",
            {
                "connector": "chatwoot",
                "base_url": vendor_url,
                "external_account_id": str(ACCOUNT),
                "api_token": TOKEN,
            },
        )
        return answer.json().get("connection")

    connection = eventually(connected, 30, 0.5)
    answer = web.post(
        f"/connectors/connections/{connection['id']}/rotate-webhook",
        {"secret": SECRETS["chatwoot"]},
    )
    return str(answer.json()["webhook"]["address"])


def deliveries(account: Account, number: int) -> list[Sent]:
    """The account's newest messages as deliveries, in the order of their times."""
    every = [
        (message.id, conversation, message)
        for conversation in account.conversations.values()
        for message in conversation.messages
    ]
    every.sort(key=lambda entry: entry[0])
    return [
        sign("chatwoot", message_event(account, conversation, message))
        for _, conversation, message in every[-number:]
    ]


def burst(web: Web, address: str, sent: list[Sent], per_second: float) -> Answers:
    """Send each at its moment, whatever became of those before it."""
    answers = Answers()
    lock = threading.Lock()
    begin = time.perf_counter() + 0.5

    def sender(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
        for place in range(first, len(sent), SENDERS):
            due = begin + place / per_second
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", address, sent[place].body, sent[place].headers)
            answer = connection.getresponse()
            body = answer.read()
            took = (time.perf_counter() - due) * 1000
            with lock:
                answers.codes.append(answer.status)
                answers.milliseconds.append(took)
                answers.duplicates += b'"duplicate"' in body
        connection.close()

    threads = [threading.Thread(target=sender, args=(n,)) for n in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.seconds = time.perf_counter() - begin
    return answers
