"""Following runs from a terminal: which project, how far they are, and how they ended."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.db import Row, db, statements
from app.scheduler import service as scheduler

FAILED, STILL_AT_WORK = 1, 3  # exit codes; 2 is click's own for wrong usage
LOOK_EVERY = 0.3
COLOURS = {"completed": "green", "partial": "yellow", "running": "cyan", "queued": "blue"}

project_option = click.option(
    "--project", "project", metavar="NAME|ID", help="May be left out while there is only one."
)
wait_option = click.option(
    "--wait", default=300.0, show_default=True, help="Seconds to wait for the end."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


def chosen_projects(given: str | None) -> list[Row]:
    """The project that an option names, by id or by name; all of them when it names none."""
    with db.connection() as connection:
        known: list[Row] = statements("projects").list_all(connection)
    if given is None and known:
        return known
    wanted = chosen_project(given)
    return [row for row in known if row["id"] == wanted]


def chosen_project(given: str | None) -> UUID:
    """The project that an option names, by id or by name; the only one when it names none."""
    with db.connection() as connection:
        known: list[Row] = statements("projects").list_all(connection)
    wanted = [
        row
        for row in known
        if given is None or given.lower() in (str(row["id"]), row["name"].lower())
    ]
    if len(wanted) == 1:
        found: UUID = wanted[0]["id"]
        return found
    names = ", ".join(sorted(row["name"] for row in known)) or "none yet: `flask projects create`"
    what = "Say which one with --project" if given is None else f"There is no project {given}"
    raise click.UsageError(f"{what}. Projects: {names}.")


def follow(project_id: UUID, runs: dict[str, UUID], wait: float) -> dict[str, Row]:
    """Show how far the runs are until all have ended, or `wait` seconds are over. Answers each as it is
    then. The bars go to stderr, so that what is printed can be piped."""
    deadline = time.monotonic() + wait
    found: dict[str, Row] = {}
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}"),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        tasks = {label: bars.add_task(label, total=None, told="waits") for label in runs}
        while True:
            for label, run_id in runs.items():
                found[label] = _look(project_id, run_id)
                bars.update(tasks[label], told=_told(found[label]))
                if found[label]["status"] in scheduler.ENDED:
                    bars.update(tasks[label], total=1, completed=1)
            if all(row["status"] in scheduler.ENDED for row in found.values()):
                return found
            if time.monotonic() > deadline:
                return found
            time.sleep(LOOK_EVERY)


def exit_code(rows: dict[str, Row]) -> int:
    """0 when all came off, at least in part; 1 when one failed; 3 when one is still at work."""
    ended = [row["status"] for row in rows.values()]
    if any(status not in scheduler.ENDED for status in ended):
        return STILL_AT_WORK
    return FAILED if any(status not in ("completed", "partial") for status in ended) else 0


def ending(row: Row) -> str:
    """How a run stands, in a few coloured words."""
    took = f" in {row['duration_ms'] / 1000:.1f} s" if row["duration_ms"] is not None else ""
    return f"[{COLOURS.get(row['status'], 'red')}]{row['status']}[/]{took}"


def public(row: Row) -> dict[str, Any]:
    """What scripts read of a run."""
    names = ("status", "processed_count", "result", "error_kind", "error", "duration_ms")
    return {"job_run_id": str(row["id"]), **{name: row[name] for name in names}}


def _look(project_id: UUID, run_id: UUID) -> Row:
    with db.connection() as connection:
        row: Row = statements("scheduler").find_run(
            connection, project_id=project_id, run_id=run_id
        )
    return row


def _told(row: Row) -> str:
    if row["status"] == "queued":
        return "waits for a worker"
    counts = row["progress"]
    stream = counts.get("stream") or counts.get("connector")
    what = f"reads {stream}" if stream and row["status"] == "running" else row["status"]
    return f"{what}, {row['processed_count'] or 0} so far" if row["status"] == "running" else what
