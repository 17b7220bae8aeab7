"""The demo's golden questions, asked of the demo pulled through the connector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.rag.evaluation import Figures, evaluate, load_questions
from tests.conftest import Browser
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.story import load_story

DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture
def demo(
    app: Flask, owner: Browser, connect: Callable[..., None], work: Callable[..., dict[str, Any]]
) -> dict[str, tuple[str, dict[str, int]]]:
    """The demo's projects, synced and embedded: project id and message numbers by file."""
    story = load_story(DEMO / "story")
    server = ChatwootServer(story.state)
    server.start()
    made = {}
    accounts = {"pekarnya": 1, "fleetline": 2, "kitdetyam": 3}
    for file, ids in story.ids.items():
        project = owner.post("/projects", {"name": file}).get_json()["project"]["id"]
        connect(project, accounts[file], server.url, server.token)
        assert work(project, "chatwoot_sync")["status"] == "completed"
        made[file] = (project, ids)
    server.stop()
    return made


def test_nine_of_ten_are_answered_within_the_first_five(
    app: Flask, demo: dict[str, tuple[str, dict[str, int]]]
) -> None:
    total = {leg: Figures() for leg in ("hybrid", "vector", "keyword")}
    pairs: dict[str, Figures] = {}
    with app.app_context():
        for file, (project, ids) in demo.items():
            questions = load_questions(DEMO / "golden" / f"{file}.yaml", ids)
            for leg, figures in total.items():
                for name, found in evaluate(
                    questions, UUID(project), leg, app.config["SETTINGS"]
                ).items():
                    if name == "all":
                        figures.merge(found)
                    elif leg == "hybrid":
                        pairs.setdefault(name, Figures()).merge(found)
    for name, figures in {**total, **pairs}.items():
        shown = f"hit@1={figures.hit1:.2f} hit@5={figures.hit5:.2f} mrr={figures.mrr:.2f}"
        print(f"{name:8} n={figures.count} {shown}")
    assert total["hybrid"].hit5 >= 0.9
