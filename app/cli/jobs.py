"""`flask jobs`: what runs, what ran, and starting something by hand."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import click
from flask import current_app
from rich.console import Console
from rich.table import Table

from app.db import db, statements
from app.scheduler import service, ticks
from app.scheduler.catalogue import CATALOGUE
from app.web.responses import dump_json

sql = statements("scheduler")
console = Console()
COLOURS = {"completed": "green", "running": "cyan", "queued": "blue", "partial": "yellow"}
SCHEDULED = sorted(name for name, job in CATALOGUE.items() if job.cadence_seconds)


@click.group("jobs")
def cli() -> None:
    """See and start background jobs."""


@cli.command("list")
@click.option("--project", "project_id", type=UUID, required=True)
@click.option("--json", "as_json", is_flag=True)
def list_jobs(project_id: UUID, as_json: bool) -> None:
    """Schedules of a project and the newest run of each job."""
    with db.connection() as connection:
        schedules = sql.schedules(connection, project_id=project_id)
        latest = {
            run["job_name"]: run for run in sql.latest_runs(connection, project_id=project_id)
        }
    if as_json:
        click.echo(dump_json({"schedules": schedules, "latest": list(latest.values())}))
        return
    table = Table("Job", "Schedule", "Next", "Last run", "Result", box=None)
    due = {schedule["job_type"]: schedule for schedule in schedules}
    for name in sorted({*due, *latest}):
        schedule, run = due.get(name), latest.get(name)
        table.add_row(
            name,
            f"every {schedule['cadence_seconds']} s, {schedule['status']}"
            if schedule
            else "on demand",
            f"{schedule['next_run_at']:%H:%M:%S}" if schedule else "–",
            f"{run['queued_at']:%Y-%m-%d %H:%M:%S}" if run else "–",
            _status(run) if run else "–",
        )
    console.print(table)


@cli.command()
@click.argument("job_type", type=click.Choice(sorted(CATALOGUE)))
@click.option("--project", "project_id", type=UUID, required=True)
@click.option("--wait", default=60.0, show_default=True, help="Seconds to wait for the end.")
def run(job_type: str, project_id: UUID, wait: float) -> None:
    """Run a job now and follow it."""
    asked = service.request_run(project_id, job_type)
    with console.status(f"{job_type} ...") as status:
        deadline = time.monotonic() + wait
        row: Any = None
        while time.monotonic() < deadline:
            row = service.wait_for_end(project_id, asked.id, 0.5)
            if row["status"] in service.ENDED:
                break
            status.update(f"{job_type}: {row['status']} {json.dumps(row['progress'])}")
    console.print(_status(row), json.dumps(row["result"], ensure_ascii=False, default=str))
    if row["error"]:
        console.print(row["error"])
    if row["status"] == "queued":
        console.print("No worker has taken it yet: is `python -m jobs` running?")


@cli.command()
@click.option("--project", "project_id", type=UUID, required=True)
def tail(project_id: UUID) -> None:
    """Follow runs as they start and end, until Ctrl-C."""
    seen: dict[UUID, str] = {}
    first = True
    while True:
        with db.connection() as connection:
            rows = sql.list_runs(
                connection,
                project_id=project_id,
                job_type=None,
                status=None,
                before_at=None,
                before_id=None,
                most=20,
            )
        for row in reversed(rows):
            if seen.get(row["id"]) != row["status"]:
                seen[row["id"]] = row["status"]
                if not first or row["status"] in ("queued", "running"):
                    console.print(f"{row['queued_at']:%H:%M:%S} {row['job_type']:28}", _status(row))
        first = False
        time.sleep(0.5)


@cli.command()
def tick() -> None:
    """Start what is due in all projects, as the worker's ticker does."""
    made = ticks.tick(current_app.config["SETTINGS"])
    console.print(f"{len(made)} runs queued.")


@cli.command()
@click.argument("run_id", type=UUID)
@click.option("--project", "project_id", type=UUID, required=True)
def retry(run_id: UUID, project_id: UUID) -> None:
    """Run once more what a run did that failed or died."""
    with db.connection() as connection:
        found = sql.retry_source(connection, project_id=project_id, run_id=run_id)
    if found is None:
        raise click.ClickException("There is no such run in this project.")
    if found["status"] not in service.ENDED:
        raise click.ClickException(f"This run is {found['status']}: it needs no retry.")
    run = service.request_run(
        project_id, found["job_type"], trigger="retry", payload=found["payload"]
    )
    console.print(f"{found['job_type']} waits as run {run.id}.")


@cli.command()
@click.argument("job_type", type=click.Choice(SCHEDULED))
@click.option("--project", "project_id", type=UUID, required=True)
def pause(job_type: str, project_id: UUID) -> None:
    """Keep a job from being started by its schedule."""
    _set_schedule(project_id, job_type, "paused")


@cli.command()
@click.argument("job_type", type=click.Choice(SCHEDULED))
@click.option("--project", "project_id", type=UUID, required=True)
def resume(job_type: str, project_id: UUID) -> None:
    """Start a paused or suspended schedule again; it is due at once."""
    _set_schedule(project_id, job_type, "active")


def _set_schedule(project_id: UUID, job_type: str, status: str) -> None:
    with db.connection() as connection:
        row = sql.set_schedule_status(
            connection,
            project_id=project_id,
            job_type=job_type,
            status=status,
            by="the command line",
        )
    if row is None:
        raise click.ClickException("There is no such schedule in this project.")
    console.print(f"{row['job_type']}: {row['status']}")


@cli.command()
@click.option("--json", "as_json", is_flag=True)
def dead(as_json: bool) -> None:
    """Runs that show no life, and those given up in the last week."""
    minutes = current_app.config["SETTINGS"].dead_job_threshold_minutes
    with db.connection() as connection:
        runs = sql.silent_runs(connection, minutes=minutes)
    if as_json:
        click.echo(dump_json(runs))
        return
    if not runs:
        console.print("None.")
        return
    table = Table("Project", "Job", "Run", "Attempt", "Worker", "Last sign of life", box=None)
    for run in runs:
        table.add_row(
            run["project"],
            run["job_type"],
            str(run["id"]),
            str(run["attempt"]),
            run["claimed_by"] or "–",
            f"{run['heartbeat_at']:%Y-%m-%d %H:%M:%S}" if run["heartbeat_at"] else "–",
        )
    console.print(table)
    console.print("`flask jobs retry RUN --project PROJECT` runs one again.")


def _status(run: Any) -> str:
    took = f" in {run['duration_ms']} ms" if run.get("duration_ms") is not None else ""
    return f"[{COLOURS.get(run['status'], 'red')}]{run['status']}[/]{took}"
