"""The practice worlds: labels that hold, and a world that the vendors can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from app.rag.retrieval.ranking import weights_of
from bench.practice import __main__ as practice
from bench.practice.examples import Example
from bench.practice.fitting import fit_map, fit_weights
from bench.practice.world import tell
from config.settings import load
from tests.vendors.demo import DemoServer

WORLDS = sorted(practice.FOLDER.glob("*/*.yaml"))
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built


def test_every_label_of_every_world_names_something_in_it() -> None:
    assert len(WORLDS) >= 96
    for path in WORLDS:
        world: dict[str, Any] = yaml.load(path.read_text(), Loader)
        told = [m["id"] for thread in world["threads"] for m in thread["messages"]]
        told += [document["id"] for document in world["documents"]]
        assert len(set(told)) == len(told), path.name
        for question in world["questions"]:
            assert question["answers"] and set(question["answers"]) <= set(told), question
        assert not any("answers" in question for question in world["unanswerable"]), path.name


def test_no_world_is_both_fitted_on_and_measured_as_unseen() -> None:
    names = [path.stem for path in WORLDS]
    assert len(set(names)) == len(names)
    assert {path.parent.name for path in WORLDS} == {"seen", "unseen"}


def test_a_world_is_told_by_the_vendors_with_every_label_in_place(tmp_path: Path) -> None:
    tell(WORLDS[-1:], tmp_path)
    [name] = [path.stem for path in WORLDS[-1:]]
    refs = DemoServer(tmp_path).refs[name]
    asked = yaml.safe_load((tmp_path / "golden" / f"{name}.yaml").read_text())["questions"]
    labels = {key for question in asked for key in question["answers"]}
    assert len(labels) > 20 and labels <= set(refs)
    assert {key.partition(":")[0] for key in labels if ":" in key} <= {
        "issue", "note", "deal", "person", "company",
    }  # fmt: skip


@pytest.fixture
def taught() -> list[Example]:
    """Questions beside six sources each: the first answers, is a little nearer, lies a quarter turn away in
    the same direction every time, and lacks a sign (the second one) that all others have."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        question, sources = np.zeros(512), rng.normal(size=(6, 512)) / 10
        question[0], question[2:8] = 1.0, rng.normal(size=6) / 10
        sources[0, :2] += (0.1, 0.3)
        signs = rng.uniform(0, 0.3, size=(6, 7))
        signs[1:, 1] += 0.1
        parts = (question, sources, signs)
        found.append(Example(*(part.astype(np.float32) for part in parts), np.arange(6) == 0))
    return found


def test_a_fitted_map_turns_questions_to_where_such_answers_lay(taught: list[Example]) -> None:
    known, new = taught[:300], taught[300:]
    fitted = fit_map(known, np.zeros(7, dtype=np.float32))

    def found(example: Example, turned: Any) -> bool:
        return int((example.sources @ turned).argmax()) == 0

    before = sum(found(example, example.question) for example in new)
    after = sum(found(example, example.question + fitted @ example.question) for example in new)
    assert before < 99 and after > before, (before, after)


def test_fitted_weights_tell_what_speaks_against_a_source(taught: list[Example]) -> None:
    names = list(weights_of(load({}, app_env="test", secret_key="s" * 40)))
    sharpness, *weights = fit_weights(taught)
    assert len(weights) == len(names) - 1 and sharpness > 0
    assert int(np.argmin(weights)) == 1 and weights[1] < -0.5
    assert max(abs(weight) for weight in weights[2:]) < -weights[1] / 2
