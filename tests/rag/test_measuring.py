"""`flask rag`: measuring labelled questions, and making such questions of what people liked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from tests.conftest import Browser
from tests.rag.conftest import Ask, Say

Sync = Callable[[], None]
Rag = Callable[..., Any]


@pytest.fixture
def rag(app: Flask) -> Rag:
    return lambda *words: app.test_cli_runner().invoke(args=["rag", *map(str, words)])


@pytest.fixture
def labelled(say: Say, sync: Sync, tmp_path: Path) -> Path:
    """Two questions that the data answers, of which one has a wrong label, and one that it does not."""
    late = say("Макеты корзины задержались на девять дней, потому что Мила болела.", team=True)
    paid = say("Остаток по счёту СЧ-2041 заплатим двадцатого октября.")
    sync()
    named = {"language": "ru", "answer_language": "ru"}
    file = tmp_path / "labelled.yaml"
    questions: list[dict[str, Any]] = [
        {"id": "a", "question": "Почему задержались макеты корзины?", "answers": ["late"], **named},
        {
            "id": "b",
            "question": "Когда заплатят остаток по счёту СЧ-2041?",
            "answers": [f"message:{late.id}"],
            **named,
        },
        {"id": "c", "question": "Сколько планет у Альфы Центавра?", "answers": [], **named},
    ]
    file.write_text(yaml.safe_dump({"questions": questions}, allow_unicode=True))
    (tmp_path / "keys.yaml").write_text(yaml.safe_dump({"late": late.id, "paid": paid.id}))
    return file


def test_figures_of_labelled_questions(rag: Rag, labelled: Path) -> None:
    keys = labelled.with_name("keys.yaml")
    run = rag("eval", labelled, "--keys", keys, "--json")
    found = {(f["leg"], f["languages"]): f for f in json.loads(run.stdout)}
    assert {leg for leg, _ in found} == {"hybrid", "vector", "keyword"}
    within, none = found["hybrid", "ru→ru"], found["hybrid", "–"]
    assert (within["questions"], within["hit@1"]) == (2, 0.5)
    assert (none["questions"], none["declined"]) == (1, 1.0)
    assert found["hybrid", "all"]["questions"] == 3 and within["p95_ms"] >= within["p50_ms"] > 0


def test_two_configurations_stand_side_by_side(rag: Rag, labelled: Path) -> None:
    keys = labelled.with_name("keys.yaml")
    changed = "SEARCH_MIN_RELEVANCE=1"  # nothing is relevant enough
    wanted = ("eval", labelled, "--keys", keys, "--leg", "hybrid", "--compare", changed)
    shown = rag(*wanted)
    assert shown.exit_code == 0 and "0.5 → 0.0" in shown.stdout
    figures = {(f["setup"], f["languages"]): f for f in json.loads(rag(*wanted, "--json").stdout)}
    assert figures["as configured", "all"]["hit@1"] == 0.5
    assert figures[changed, "all"]["hit@1"] == 0.0
    assert figures[changed, "all"]["wrongly_declined"] == 1.0


@pytest.mark.parametrize(
    "text", ["just a text", "questions: 5", "questions: [{id: a}]", "{", "[1]", "",
             "questions: [{id: a, question: b, language: ru, answer_language: ru, answers: ['x:1']}]",
             "questions: [{id: a, question: b, language: ru, answer_language: ru, answers: [late]}]"]
)  # fmt: skip
def test_what_is_no_set_of_questions_is_told_in_a_line(
    rag: Rag, project: dict[str, Any], tmp_path: Path, text: str
) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    run = rag("eval", file)
    assert run.exit_code == 2 and "cannot be measured" in run.output


@pytest.mark.parametrize("command", ["status", "refresh", "feedback", "reembed"])
def test_an_unknown_project_is_told_in_a_line(
    rag: Rag, project: dict[str, Any], command: str
) -> None:
    run = rag(command, "--project", "Нигде")
    assert run.exit_code == 2 and "There is no project Нигде" in run.output
    assert rag(command, "--project", project["name"]).exit_code == 0


def test_what_people_liked_becomes_questions_that_are_answered(
    rag: Rag, labelled: Path, ask: Ask, owner: Browser, tmp_path: Path
) -> None:
    opinions = {
        "Почему задержались макеты корзины?": 1,
        "Когда заплатят остаток?": -1,
        "Кто болел?": 0,
    }
    for question, rating in opinions.items():
        run = ask(question)["query_run_id"]
        owner.post("/lightrag/feedback", {"query_run_id": run, "rating": rating})
    exported = rag("feedback").stdout
    (liked,) = yaml.safe_load(exported)["questions"]
    assert liked["question"] == "Почему задержались макеты корзины?" and liked["answers"]
    assert (liked["language"], liked["answer_language"]) == ("ru", "ru")
    file = tmp_path / "liked.yaml"
    file.write_text(exported)
    figures = json.loads(rag("eval", file, "--leg", "hybrid", "--json").stdout)
    assert {f["languages"]: f["hit@1"] for f in figures} == {"ru→ru": 1.0, "all": 1.0}
