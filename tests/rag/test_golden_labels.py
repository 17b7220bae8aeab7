"""The labels of the golden questions: each names sources that are there and that a reader may be shown."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.vendors.demo import DemoServer

DEMO = Path(__file__).parents[2] / "demo"
SETS = ("", "more", "oblique", "unanswerable")  # those that ask of messages alone
FILES = [file for name in SETS for file in sorted((DEMO / "golden" / name).glob("*.yaml"))]


@cache
def refs() -> dict[str, dict[str, int | str]]:
    return DemoServer(DEMO).refs


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(DEMO)))
def test_every_answer_is_a_public_source_of_the_story(file: Path) -> None:
    story = yaml.safe_load((DEMO / "story" / file.name).read_text())
    messages = [m for conversation in story["conversations"] for m in conversation["messages"]]
    public = {m["key"] for m in messages if not {"private", "activity", "deleted"} & m.keys()}
    for question in yaml.safe_load(file.read_text())["questions"]:
        answers = set(question["answers"])
        others = {key for key in answers if ":" in key}
        assert answers - others <= public, question["id"]
        assert others <= set(refs()[file.stem]), question["id"]
        assert bool(answers) == (file.parent.name != "unanswerable"), question["id"]
