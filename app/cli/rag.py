"""`flask rag`: the state of the embeddings, and measuring the search."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import click
import yaml
from flask import current_app
from rich.console import Console
from rich.table import Table

from app.db import statements
from app.rag import service
from app.rag.evaluation import LEGS, evaluate, load_questions
from app.scheduler.service import request_run
from app.web.responses import dump_json

console = Console()
sql = statements("retrieval")
project_option = click.option("--project", "project_id", type=UUID, required=True)


@click.group("rag")
def cli() -> None:
    """Search: embeddings and how good it is."""


@cli.command()
@project_option
@click.option("--json", "as_json", is_flag=True)
def status(project_id: UUID, as_json: bool) -> None:
    """How many chunks wait, are ready and have failed."""
    found = service.status(project_id, current_app.config["SETTINGS"])
    if as_json:
        click.echo(dump_json(found))
        return
    table = Table("State", "Chunks", box=None)
    for state, count in found["embeddings"].items():
        table.add_row(state, str(count))
    console.print(table)
    for sample in found["failed_sample"]:
        console.print(f"[red]failed[/] {sample['chunk_id']}: {sample['error']}")


@cli.command()
@project_option
def refresh(project_id: UUID) -> None:
    """Have the worker embed what waits."""
    console.print(f"Queued as run {request_run(project_id, 'embeddings_run').id}.")


@cli.command("eval")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@project_option
@click.option(
    "--messages",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="YAML that maps the file's message keys to message numbers.",
)
def evaluate_file(file: Path, project_id: UUID, messages: Path) -> None:
    """Measure hit@1, hit@5 and MRR of labelled questions, per language and leg."""
    numbers: dict[str, Any] = yaml.safe_load(messages.read_text())
    questions = load_questions(file, numbers)
    table = Table("Leg", "Languages", "Questions", "hit@1", "hit@5", "MRR", box=None)
    for leg in LEGS:
        for name, figures in evaluate(
            questions, project_id, leg, current_app.config["SETTINGS"]
        ).items():
            table.add_row(
                leg,
                name,
                str(figures.count),
                f"{figures.hit1:.2f}",
                f"{figures.hit5:.2f}",
                f"{figures.mrr:.2f}",
            )
    console.print(table)
