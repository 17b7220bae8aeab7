"""The demo's golden questions, asked of the demo pulled through the connectors."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from flask import Flask

from app.rag.evaluation import LEGS, Figures, evaluate, load_questions
from tests.demo import FOLDER, Demo


def test_nine_of_ten_are_answered_within_the_first_five(
    app: Flask, demo_workspace: Demo, record_property: Callable[[str, object], None]
) -> None:
    found: dict[tuple[str, str], Figures] = {}
    with app.app_context():
        for name, project in demo_workspace.projects.items():
            questions = load_questions(
                FOLDER / "golden" / f"{name}.yaml", demo_workspace.refs[name]
            )
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
