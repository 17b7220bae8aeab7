"""The labels of the golden questions: each names messages that a reader may be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

DEMO = Path(__file__).parents[2] / "demo"
SETS = ("", "more", "oblique", "unanswerable")  # those that ask of messages alone
FILES = [file for name in SETS for file in sorted((DEMO / "golden" / name).glob("*.yaml"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(DEMO)))
def test_every_answer_is_a_public_message_of_the_story(file: Path) -> None:
    story = yaml.safe_load((DEMO / "story" / file.name).read_text())
    messages = [m for conversation in story["conversations"] for m in conversation["messages"]]
    public = {m["key"] for m in messages if not {"private", "activity", "deleted"} & m.keys()}
    for question in yaml.safe_load(file.read_text())["questions"]:
        answers = set(question["answers"])
        assert answers <= public, question["id"]
        assert bool(answers) == (file.parent.name != "unanswerable"), question["id"]
