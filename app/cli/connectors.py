"""`flask connectors`: connecting, syncing, and what is wrong."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from app.cli.connections import COMMANDS as CONNECTIONS
from app.cli.following import (
    FAILED,
    chosen_project,
    chosen_projects,
    ending,
    exit_code,
    follow,
    json_option,
    project_option,
    public,
    wait_option,
)
from app.connectors import connections, repairs, service, state
from app.connectors.reconciliation.service import JOB as RECONCILIATION
from app.connectors.vendors import VENDORS
from app.db import Row, db, statements
from app.scheduler import service as scheduler
from app.web.errors import ApiError
from app.web.responses import dump_json

sql = statements("connectors")
console = Console()
connector_name = click.Choice(list(VENDORS))
some_connectors = click.argument("names", metavar="[CONNECTOR]...", nargs=-1, type=connector_name)
COLOURS = {"ok": "green", "failed": "red", "partial": "yellow", "running": "cyan"}


@click.group("connectors")
def cli() -> None:
    """Connect projects to vendors, sync them, and see what is wrong.

    \b
    flask connectors connect linear --account WORKSPACE-ID   asks for the token
    flask connectors list                                    what is connected; pause, resume, remove
    flask connectors rotate chatwoot                         a webhook's new address
    flask connectors state                                   who is behind, why, what comes next
    flask connectors sync                                    everything that is connected, with bars
    flask connectors sync chatwoot attio                     these two
    flask connectors errors --status dead_letter             what waits for you
    flask connectors retry 17                                give dead letter 17 another chance
    flask connectors reconcile                               what the vendors have against what is here

    Exit codes: 0 it came off, 1 it failed, 2 wrong usage, 3 it is still at work after --wait.
    Progress goes to stderr; with --json, stdout is JSON and nothing else.
    """


for _command in CONNECTIONS:
    cli.add_command(_command)


@cli.command()
@some_connectors
@project_option
@wait_option
@json_option
def sync(names: tuple[str, ...], project: str | None, wait: float, as_json: bool) -> None:
    """Sync connectors now, side by side, and follow them.

    All that are connected, unless some are named.
    """
    project_id = chosen_project(project)
    wanted = _connected(project_id, names)
    runs = {name: scheduler.request_run(project_id, f"{name}_sync").id for name in wanted}
    rows = follow(project_id, runs, wait)
    _report(rows, as_json)
    sys.exit(exit_code(rows))


@cli.command("state")
@click.option("--project", metavar="NAME|ID", help="Left out, all projects.")
@json_option
@click.option("--check", is_flag=True, help="Exit with 1 when a connector is behind.")
def show_state(project: str | None, as_json: bool, check: bool) -> None:
    """How each connector of each project is, why, and what happens next."""
    chosen = chosen_projects(project)
    states = [
        {"project_id": row["id"], "project_name": row["name"], **found}
        for row in chosen
        for found in state.connector_states(row["id"], connections.settings())
        if found["connection"] is not None or len(chosen) == 1
    ]
    if as_json:
        click.echo(dump_json(states))
    else:
        console.print(_state_table(states))
    sys.exit(FAILED if check and any(found["behind"] for found in states) else 0)


def _state_table(states: list[dict[str, Any]]) -> Table:
    """Those that are behind come first: on a long list they are what one looks for."""
    table = Table(
        "Project", "Connector", "State", "Behind", "In words", box=None, padding=(0, 2, 1, 0)
    )
    for found in sorted(states, key=lambda found: not found["behind"]):
        colour = COLOURS.get(found["status"], "white")
        behind = "[red]yes[/]" if found["behind"] else "no" if found["connection"] else "–"
        table.add_row(
            found["project_name"], found["connector"], f"[{colour}]{found['status']}[/]", behind,
            found["message"],
        )  # fmt: skip
    return table


@cli.command()
@project_option
@click.option(
    "--status", type=click.Choice(["pending", "retrying", "dead_letter", "resolved"]), default=None
)
@click.option("--connector", type=connector_name, default=None)
@click.option("--kind", default=None, help="Like network, auth_failed, record_invalid.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@json_option
def errors(
    project: str | None,
    status: str | None,
    connector: str | None,
    kind: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """What went wrong, the most recently seen first."""
    with db.connection() as connection:
        rows: list[Row] = sql.list_errors(
            connection,
            project_id=chosen_project(project),
            whole=True,
            status=status,
            connector=connector,
            error_kind=kind,
            before_at=None,
            before_id=None,
            most=limit,
        )
    if as_json:
        click.echo(dump_json(rows))
        return
    if not rows:
        console.print("None.")
        return
    table = Table(
        "Id", "Connector", "Stream", "Kind", "State", "Times", "Next try", "Message", box=None
    )
    for row in rows:
        due = f"{row['next_retry_at']:%H:%M:%S}" if row["next_retry_at"] else "–"
        table.add_row(
            row["id"], row["connector"], row["stream"] or "–", row["error_kind"], row["status"],
            str(row["occurrences"]), due, row["error_message"],
        )  # fmt: skip
    console.print(table)


@cli.command()
@click.argument("error_id", required=False, type=click.IntRange(1, 2**63 - 1))
@project_option
@wait_option
@json_option
def retry(error_id: int | None, project: str | None, wait: float, as_json: bool) -> None:
    """Try a dead letter again, or whatever is due."""
    project_id = chosen_project(project)
    if error_id is None:
        runs = {"errors": scheduler.request_run(project_id, "connector_errors_retry").id}
    else:
        try:
            row, run_id = repairs.retry_dead_letter(project_id, error_id)
        except ApiError as error:
            raise click.ClickException(error.message) from None
        runs = {row["connector"]: UUID(run_id)}
    rows = follow(project_id, runs, wait)
    _report(rows, as_json)
    sys.exit(exit_code(rows))


@cli.command("test")
@some_connectors
@project_option
@json_option
def test_connections(names: tuple[str, ...], project: str | None, as_json: bool) -> None:
    """Ask the vendors whether the connections work."""
    project_id = chosen_project(project)
    results = [_tested(project_id, name) for name in _connected(project_id, names)]
    if as_json:
        click.echo(dump_json(results))
    else:
        for result in results:
            mark = "[green]works[/]" if result["ok"] else "[red]fails[/]"
            console.print(f"{result['connector']:10} {mark}  {result['told']}")
    sys.exit(0 if all(result["ok"] for result in results) else FAILED)


@cli.command()
@project_option
@wait_option
@json_option
def reconcile(project: str | None, wait: float, as_json: bool) -> None:
    """Compare what the vendors have with what is here."""
    project_id = chosen_project(project)
    runs = {"reconciliation": scheduler.request_run(project_id, RECONCILIATION).id}
    rows = follow(project_id, runs, wait)
    row = rows["reconciliation"]
    if as_json:
        click.echo(dump_json(public(row)))
    else:
        _show_figures(row)
    sys.exit(exit_code(rows))


def _connected(project_id: UUID, names: tuple[str, ...]) -> list[str]:
    """The connectors that were named, else those that the project has. Raises ClickException for one that
    it has not."""
    try:
        if names:
            return [service.require_connection(project_id, name).connector for name in names]
        found = [name for name in VENDORS if connections.find(project_id, name) is not None]
    except ApiError as error:
        raise click.ClickException(error.message) from None
    if not found:
        raise click.ClickException(
            "Nothing is connected to this project: `flask connectors connect`."
        )
    return found


def _tested(project_id: UUID, name: str) -> dict[str, Any]:
    try:
        answer = service.verify(service.require_connection(project_id, name))
    except ApiError as error:
        return {"connector": name, "ok": False, "told": error.message}
    told = ", ".join(
        f"{key}: {' '.join(value) if isinstance(value, list) else value}"
        for key, value in answer.items()
    )
    return {"connector": name, "ok": True, "told": told}


def _report(rows: dict[str, Row], as_json: bool) -> None:
    if as_json:
        click.echo(dump_json({name: public(row) for name, row in rows.items()}))
        return
    for name, row in rows.items():
        counts = {
            key: value for key, value in row["result"].items() if type(value) is int and value
        }
        told = ", ".join(f"{key} {value}" for key, value in counts.items()) or "nothing new"
        console.print(f"{name:10} {ending(row)}  {row['error'] or told}")
    if any(row["status"] == "queued" for row in rows.values()):
        console.print("No worker has taken it yet: is `python -m jobs` running?")


def _show_figures(row: Row) -> None:
    table = Table(
        "Connector", "Kind", "Upstream", "Here", "Missing", "Only here", "Complete", box=None
    )
    for metric in row["result"].get("metrics", []):
        for kind in metric["payload"].get("kinds", []):
            table.add_row(
                metric["connector"], kind["kind"],
                *(str(kind[name]) for name in ("upstream", "here", "missing", "only_here")),
                f"{kind['coverage_pct']:g} %",
            )  # fmt: skip
    console.print(table)
    for skipped in row["result"].get("skipped", []):
        console.print(f"[yellow]{skipped['connector']} was not counted[/]: {skipped['reason']}.")
    summary = row["result"].get("summary", {})
    if summary.get("completeness_pct") is not None:
        console.print(f"All together: {summary['completeness_pct']:g} %, {ending(row)}")
    elif row["error"] or row["status"] not in scheduler.ENDED:
        console.print(f"{ending(row)} {row['error'] or ''}")
    else:
        console.print("Nothing is connected to this project.")
