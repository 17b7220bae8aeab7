"""The demo's golden questions, asked of the demo pulled through the connector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.rag.evaluation import LEGS, Figures, evaluate, load_questions
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
    app: Flask,
    demo: dict[str, tuple[str, dict[str, int]]],
    record_property: Callable[[str, object], None],
) -> None:
    found: dict[tuple[str, str], Figures] = {}
    with app.app_context():
        for file, (project, ids) in demo.items():
            questions = load_questions(DEMO / "golden" / f"{file}.yaml", ids)
            for leg in LEGS:
                measured = evaluate(questions, UUID(project), leg, app.config["SETTINGS"])
                for pair, figures in measured.items():
                    found.setdefault((leg, pair), Figures()).merge(figures)
    for (leg, pair), figures in found.items():
        record_property("figures", f"golden questions, {leg:8} {pair:6} {figures}")
    whole = found["hybrid", "all"]
    assert whole.hit(1) >= 0.7 and whole.hit(5) >= 0.92, whole
    # A weak leg must not drown a strong one.
    for leg in ("vector", "keyword"):
        assert whole.hit(5) >= found[leg, "all"].hit(5) - 0.02, (leg, whole)
