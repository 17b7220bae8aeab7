"""A world as the simulated vendors tell it.

A world is one client of a service team: conversations, what the team keeps elsewhere, and questions about
both (`seen` and `unseen` beside this file). It is told in the demo's own format, and so comes in through the
real connectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from app.rag.retrieval.words import is_russian

KINDS = ("story", "linear", "attio", "golden")
DAYS, LAST_DAY = 80, 90  # conversations begin within these days; nothing is later than the last
ATTIO = {"company": "companies", "person": "people", "deal": "deals", "note": "notes"}


def tell(worlds: list[Path], folder: Path) -> None:
    """Write the demo's files for these worlds into a folder."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(worlds, 1):
        told = _Told(yaml.safe_load(path.read_text()), number)
        for kind in KINDS:
            text = yaml.safe_dump(getattr(told, kind)(), allow_unicode=True, sort_keys=False)
            (folder / kind / path.name).write_text(text)


class _Told:
    def __init__(self, world: dict[str, Any], number: int) -> None:
        self.world, self.number = world, number
        self.team_key = "W" + "".join(chr(ord("A") + int(digit)) for digit in str(number))
        messages = [m for thread in world["threads"] for m in thread["messages"]]
        self.people = {
            (m["by"] == "client", m["name"]): f"p{place}" for place, m in enumerate(messages)
        }
        self.documents = [
            {**document, "n": place, "day": min(LAST_DAY, 5 + 7 * place)}
            for place, document in enumerate(world["documents"], 1)
        ]
        self.private = {m["id"] for m in messages if m["by"] == "private"}
        self.texts = {item["id"]: item["text"] for item in [*messages, *world["documents"]]}

    def story(self) -> dict[str, Any]:
        inbox = {"id": self.number, "name": "Email", "channel_type": "Channel::Email"}
        return {
            "project": self.world["world"],
            "account_id": self.number,
            "inboxes": [inbox],
            "agents": self._people(clients=False),
            "contacts": self._people(clients=True),
            "conversations": [
                self._conversation(place, thread)
                for place, thread in enumerate(self.world["threads"])
            ],
        }

    def _people(self, clients: bool) -> list[dict[str, Any]]:
        return [
            {"key": key, "id": self.number * 1000 + int(key[1:]), "name": name}
            | ({} if clients else {"email": f"{key}@studio{self.number}.example"})
            for (client, name), key in self.people.items()
            if client == clients
        ]

    def _conversation(self, place: int, thread: dict[str, Any]) -> dict[str, Any]:
        day = 5 + DAYS * place // len(self.world["threads"])
        messages = [
            {
                "key": m["id"],
                "day": min(LAST_DAY, day + turn // 3),
                "at": f"{9 + 3 * (turn % 3):02}:{turn:02}",
                "from": self.people[m["by"] == "client", m["name"]],
                "text": m["text"],
                "private": m["by"] == "private",
            }
            for turn, m in enumerate(thread["messages"])
        ]
        contacts = [key for (client, _), key in self.people.items() if client]
        writers = [m["from"] for m in messages if m["from"] in contacts]
        return {
            "key": thread["id"],
            "id": place + 1,
            "contact": (writers or contacts)[0],
            "inbox": self.number,
            "status": "resolved",
            "messages": messages,
        }

    def linear(self) -> dict[str, Any]:
        author = next(key for (client, _), key in self.people.items() if not client)
        name = next(name for (client, name) in self.people if not client)
        return {
            "workspace": {"id": self._uuid("9"), "url_key": f"world-{self.number}"},
            "team": {"key": self.team_key, "name": self.world["world"]},
            "people": {author: [name, f"{author}@studio{self.number}.example"]},
            "projects": [],
            "cycles": [],
            "issues": [
                {"n": d["n"], "title": d["title"], "text": d["text"], "day": d["day"], "by": author}
                for d in self.documents
                if d["kind"] == "issue"
            ],
        }

    def attio(self) -> dict[str, Any]:
        """The client itself as a company, beside those that are told of."""
        client = {
            "key": "client",
            "name": self.world["world"],
            "description": self.world["about"],
            "stage": "Customer",
        }
        told: dict[str, Any] = {
            "workspace": {"id": self._uuid("8")},
            "currency": "EUR",
            **{kind: [] for kind in ATTIO.values()},
            "tasks": [],
        }
        told["companies"].append(client)
        for document in self.documents:
            if document["kind"] in ATTIO:
                told[ATTIO[document["kind"]]].append(self._attio_record(document))
        return told

    def _attio_record(self, document: dict[str, Any]) -> dict[str, Any]:
        name, text = document["title"], document["text"]
        record = {"key": document["id"], "day": document["day"]}
        if document["kind"] == "company":
            return {**record, "name": name, "description": text, "stage": "Customer"}
        if document["kind"] == "person":
            return {**record, "name": name, "company": "client", "role": text}
        if document["kind"] == "note":
            return {**record, "about": "companies/client", "title": name, "text": text}
        return {
            **record, "name": name, "stage": "Negotiation", "company": "client", "people": [],
            "close": LAST_DAY, "description": text,
        }  # fmt: skip

    def golden(self) -> dict[str, Any]:
        """Questions with answers, and after them those without. What stands in private notes alone is left
        out: a question reads those only when it is told to."""
        public = [q for q in self.world["questions"] if set(q["answers"]) - self.private]
        asked = [*public, *self.world["unanswerable"]]
        return {
            "project": self.world["world"],
            "questions": [
                {
                    "id": f"{self.team_key}-{place}",
                    "language": item["lang"],
                    "answer_language": self._language(item.get("answers", [])),
                    "question": item["q"],
                    "answers": [self._ref(key) for key in item.get("answers", [])],
                }
                for place, item in enumerate(asked, 1)
            ],
        }

    def _language(self, answers: list[str]) -> str:
        return "ru" if answers and is_russian(self.texts[answers[0]]) else "en"

    def _ref(self, key: str) -> str:
        for document in self.documents:
            if document["id"] == key and document["kind"] == "issue":
                return f"issue:{self.team_key}-{document['n']}"
            if document["id"] == key:
                return f"{document['kind']}:{key}"
        return key

    def _uuid(self, digit: str) -> str:
        return f"4c0f5d1e-0000-4000-{digit}000-{self.number:012}"
