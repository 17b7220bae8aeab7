"""`python -m bench.practice`: how good the search is on worlds that it was, and was not, fitted on.

`--fit` and `--weights` fit anew what ranks the answers, on the seen worlds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import click
import numpy as np
from flask import Flask
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from app.rag.embeddings import answers
from app.rag.evaluation import Figures, evaluate, load_questions
from app.rag.retrieval.ranking import weights_of
from bench.place import Place, opened
from bench.practice.examples import Example, Floats, examples_of
from bench.practice.fitting import PASSES, fit_map, fit_weights
from bench.practice.world import tell
from config.settings import load as load_settings
from tests.demo import Demo, load_demo

FOLDER = Path(__file__).parent
DATABASE = "practice"
RANK = 64  # directions of the map that are kept
console = Console()


@click.command()
@click.option("--fit", is_flag=True, help="Fit the map of questions anew, and keep it.")
@click.option("--weights", is_flag=True, help="Print what SEARCH_WEIGHT_* come out as when fitted.")
@click.option("--legs", is_flag=True, help="On unseen worlds, each leg by itself too.")
def main(fit: bool, weights: bool, legs: bool) -> None:
    """Load the worlds through the real connectors, fit what is asked for, and print the figures."""
    home = load_settings().home / "practice"
    seen = sorted((FOLDER / "seen").glob("*.yaml"))
    unseen = sorted((FOLDER / "unseen").glob("*.yaml"))
    with opened(home) as place, tempfile.TemporaryDirectory() as folder:
        tell([*seen, *unseen], Path(folder))
        app, loaded = _loaded(place, Path(folder))
        with app.app_context():
            practice = _Practice(app, loaded, Path(folder) / "golden")
            examples = practice.examples([path.stem for path in seen]) if fit or weights else []
            if weights:
                _print_weights(fit_weights(examples))
            if fit:
                _fit(examples, np.array(list(practice.weights.values())[1:], dtype=np.float32))
            console.print(practice.measured("hybrid", seen=seen, unseen=unseen))
            for leg in ("vector", "keyword") if legs else ():
                console.print(practice.measured(leg, unseen=unseen))


def _loaded(place: Place, folder: Path) -> tuple[Flask, Demo]:
    place.drop(DATABASE)
    app = place.application(place.server.ensure_database(DATABASE))
    with console.status("Loading the worlds through their vendors ..."):
        return app, load_demo(app.config["SETTINGS"], folder)


class _Practice:
    """The loaded worlds and their questions."""

    def __init__(self, app: Flask, loaded: Demo, questions: Path) -> None:
        self.settings = app.config["SETTINGS"]
        self.weights = weights_of(self.settings)
        self.loaded = loaded
        self.questions = {
            name: load_questions(questions / f"{name}.yaml", refs)
            for name, refs in loaded.refs.items()
        }

    def examples(self, worlds: list[str]) -> list[Example]:
        with Progress(console=console, transient=True) as progress:
            return [
                example
                for name in progress.track(worlds, description="Reading what ranking sees")
                for example in examples_of(
                    UUID(self.loaded.projects[name]), self.questions[name], self.settings
                )
            ]

    def measured(self, leg: str, **groups: list[Path]) -> Table:
        """Figures of each group, through the code that answers questions."""
        table = Table(title=f"Questions of the worlds, {leg}")
        for column in ("worlds", "answer", "questions", "hit@1", "hit@5", "MRR", "declined"):
            table.add_column(column)
        with Progress(console=console, transient=True) as progress:
            asked = sum(len(self.questions[w.stem]) for worlds in groups.values() for w in worlds)
            bar = progress.add_task("Asking", total=asked)
            for group, worlds in groups.items():
                names = [w.stem for w in worlds]
                found = self._figures(names, leg, lambda: progress.advance(bar))
                for pair, figures in sorted(found.items()):
                    if pair != "all":
                        table.add_row(group, *_row(pair, figures))
        return table

    def _figures(self, worlds: list[str], leg: str, tick: Callable[[], None]) -> dict[str, Figures]:
        whole: dict[str, Figures] = {}
        for name in worlds:
            project = UUID(self.loaded.projects[name])
            found = evaluate(self.questions[name], project, leg, self.settings, tick)
            for pair, figures in found.items():
                whole.setdefault(pair, Figures()).merge(figures)
        return whole


def _row(pair: str, figures: Figures) -> list[str]:
    if figures.ranks:
        shares = [f"{share:.2f}" for share in (figures.hit(1), figures.hit(5), figures.mrr)]
        return [pair, str(figures.count), *shares, f"{figures.refused_share:.2f}"]
    return ["none", str(figures.count), "", "", "", f"{figures.declined_share:.2f}"]


def _fit(examples: list[Example], weights: Floats) -> None:
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("Fitting the map", total=PASSES)
        found = fit_map(examples, weights, lambda: progress.advance(bar))
    answers.save_map(found, RANK)
    console.print(f"Fitted on {len(examples)} questions; kept in {answers.MAP.name}.")


def _print_weights(found: Floats) -> None:
    names = list(weights_of(load_settings()))
    table = Table("sign", "weight", title="Weights as fitted on the seen worlds")
    for name, value in zip(names, found, strict=True):
        table.add_row(name if name != "similarity" else "similarity (sharpness)", f"{value:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
