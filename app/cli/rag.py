"""`flask rag`: the state of the embeddings, and measuring the search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml
from flask import current_app
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from app.audit import service as audit
from app.cli.following import chosen_project, chosen_projects, json_option, project_option
from app.db import db, statements
from app.rag import service
from app.rag.evaluation import (
    LEGS,
    Figures,
    as_labelled,
    configured,
    evaluate,
    load_questions,
)
from app.rag.models import POLICIES
from app.scheduler.service import request_run
from app.web.responses import dump_json
from config.settings import Settings

console = Console()
sql = statements("retrieval")
LABELLED = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("rag")
def cli() -> None:
    """Search: embeddings and how good it is."""


@cli.command()
@project_option
@json_option
def status(project: str | None, as_json: bool) -> None:
    """How many chunks wait, are ready and have failed."""
    found = service.status(chosen_project(project), current_app.config["SETTINGS"])
    if as_json:
        click.echo(dump_json(found))
        return
    table = Table("State", "Chunks", box=None)
    for state, count in found["embeddings"].items():
        table.add_row(state, str(count))
    console.print(table)
    console.print(
        f"searched by {found['search_model'] or 'nothing yet'}; policy {found['embedding_policy']}"
    )
    if found["stale_model_chunks"]:
        console.print(f"{found['stale_model_chunks']} chunks have vectors of another model")
    for sample in found["failed_sample"]:
        console.print(f"[red]failed[/] {sample['chunk_id']}: {sample['error']}")


@cli.command()
@project_option
def refresh(project: str | None) -> None:
    """Have the worker embed what waits."""
    run = request_run(chosen_project(project), "embeddings_run")
    console.print(f"Queued as run {run.id}.")


@cli.command()
@click.option("--project", metavar="NAME|ID", help="Left out, all projects.")
def reembed(project: str | None) -> None:
    """Have the worker replace vectors of another model than the configured one.

    Every embeddings run does so by itself; this starts it now, and tries again what the new model
    refused. Search goes on with the former vectors until the new ones are complete.
    """
    settings: Settings = current_app.config["SETTINGS"]
    for row in chosen_projects(project):
        with db.transaction() as tx:
            service.retry_stale(tx, row["id"], settings)
        stale = service.status(row["id"], settings)["stale_model_chunks"]
        run = request_run(row["id"], "embeddings_run").id if stale else None
        console.print(f"{row['name']}  {stale} chunks  {f'run {run}' if run else 'nothing to do'}")


@cli.command()
@project_option
@click.argument("choice", type=click.Choice(POLICIES))
def policy(project: str | None, choice: str) -> None:
    """What may leave to a paid provider of embeddings: texts as they are, redacted (without mail
    addresses, phone and card numbers), or nothing: local_only embeds with the local encoder.
    """
    project_id = chosen_project(project)
    with db.transaction() as tx:
        statements("rag").set_policy(tx, project_id=project_id, policy=choice)
        audit.record(
            tx,
            "lightrag.policy",
            project_id=project_id,
            entity_type="lightrag",
            entity_id=str(project_id),
            payload={"embedding_policy": choice},
        )
    run = request_run(project_id, "embeddings_run").id
    console.print(f"{choice} from now on. Vectors that this replaces: run {run}.")


@cli.command("eval")
@click.argument("files", nargs=-1, required=True, type=LABELLED)
@project_option
@click.option(
    "--keys", type=LABELLED, help="YAML that maps the files' keys to the sources' references."
)
@click.option("--leg", "legs", type=click.Choice(LEGS), multiple=True, help="Only these; else all.")
@click.option("--split", help="Only questions marked with this split (dev, test).")
@click.option(
    "--compare", metavar="SETTING=VALUE,...", help="Measure beside it with these settings changed."
)
@json_option
def evaluate_files(
    files: tuple[Path, ...], project: str | None, keys: Path | None, legs: tuple[str, ...],
    split: str | None, compare: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure labelled questions, by language and leg: hit@1, hit@5, MRR, declined, latency."""
    settings: Settings = current_app.config["SETTINGS"]
    project_id = chosen_project(project)
    try:
        refs = yaml.safe_load(keys.read_text()) if keys else {}
        questions = [q for file in files for q in load_questions(file, refs)]
        setups = {"": settings} | ({compare: configured(settings, compare)} if compare else {})
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise click.UsageError(f"These questions cannot be measured: {error}") from None
    questions = [q for q in questions if split is None or q.split == split]
    wanted = legs or LEGS
    measured: dict[tuple[str, str, str], Figures] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("asking", total=len(questions) * len(wanted) * len(setups))
        for setup, configuration in setups.items():
            for leg in wanted:
                found = evaluate(
                    questions, project_id, leg, configuration, lambda: progress.advance(task)
                )
                measured |= {(setup, leg, pair): figures for pair, figures in found.items()}
    if as_json:
        click.echo(dump_json([_figures(*key, figures) for key, figures in measured.items()]))
    else:
        # A narrow terminal, or none, would break figures apart.
        wide = Console(width=max(console.width, 100 if len(setups) == 1 else 160))
        wide.print(_table(measured, wanted, list(setups)))


def _figures(setup: str, leg: str, pair: str, figures: Figures) -> dict[str, Any]:
    return {
        "setup": setup or "as configured",
        "leg": leg,
        "languages": pair,
        "questions": figures.count,
        "hit@1": round(figures.hit(1), 3),
        "hit@5": round(figures.hit(5), 3),
        "mrr": round(figures.mrr, 3),
        "declined": round(figures.declined_share, 3),
        "wrongly_declined": round(figures.refused_share, 3),
        "p50_ms": round(figures.latency(0.5) * 1000, 1),
        "p95_ms": round(figures.latency(0.95) * 1000, 1),
    }


def _table(
    measured: dict[tuple[str, str, str], Figures], legs: tuple[str, ...], setups: list[str]
) -> Table:
    """A row a leg and language pair; with two setups their figures side by side."""
    names = ("hit@1", "hit@5", "mrr", "declined", "wrongly_declined", "p50_ms", "p95_ms")
    table = Table("Leg", "Languages", "Questions", box=None)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for leg in legs:
        for pair in sorted(
            {pair for _, of, pair in measured if of == leg}, key=lambda p: (p == "all", p)
        ):
            rows = [_figures(setup, leg, pair, measured[setup, leg, pair]) for setup in setups]
            cells = [" → ".join(str(row[name]) for row in rows) for name in names]
            table.add_row(leg, pair, str(rows[0]["questions"]), *cells)
    return table


@cli.command()
@project_option
@click.option("--days", type=click.IntRange(1, 365), default=90, show_default=True)
def feedback(project: str | None, days: int) -> None:
    """Write what people liked as labelled questions, in the form that `flask rag eval` reads."""
    project_id = chosen_project(project)
    with db.connection() as connection:
        rows = sql.liked_answers(connection, project_id=project_id, days=days)
    click.echo(
        yaml.safe_dump(
            {"questions": [as_labelled(row) for row in rows]}, allow_unicode=True, sort_keys=False
        )
    )
