"""`flask connectors`: connecting, syncing, and what is wrong."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from app.connectors import connections, state
from app.db import db, statements
from app.scheduler import service as scheduler
from app.web.errors import ApiError
from app.web.responses import dump_json

sql = statements("connectors")
console = Console()
project_option = click.option("--project", "project_id", type=UUID, required=True)


@click.group("connectors")
def cli() -> None:
    """Connect projects to vendors and watch their syncs."""


@cli.command()
@project_option
@click.option("--base-url", required=True)
@click.option("--account", required=True, help="The vendor's account id.")
@click.option("--token", prompt=True, hide_input=True, help="An administrator's API token.")
def connect(project_id: UUID, base_url: str, account: str, token: str) -> None:
    """Connect a project to a Chatwoot account."""
    try:
        row = connections.store(
            project_id,
            connector="chatwoot",
            base_url=base_url,
            external_account_id=account,
            api_token=token,
        )
    except ApiError as error:
        raise click.ClickException(error.message) from None
    console.print(
        f"Connected ({row['id']}). Sync with `flask connectors sync --project {project_id}`."
    )


@cli.command()
@project_option
@click.option("--wait", default=300.0, show_default=True, help="Seconds to wait for the end.")
def sync(project_id: UUID, wait: float) -> None:
    """Sync Chatwoot now and follow it."""
    asked = scheduler.request_run(project_id, "chatwoot_sync")
    with console.status("Syncing ...") as status:
        row: Any = None
        while wait > 0:
            row = scheduler.wait_for_end(project_id, asked.id, min(0.5, wait))
            wait -= 0.5
            if row["status"] in scheduler.ENDED:
                break
            done = row["progress"].get("processed_messages", 0)
            status.update(f"Syncing: {row['status']}, {done} messages")
    console.print(row["status"], row["error"] or "", dump_json(row["result"]).decode())


@cli.command("state")
@project_option
@click.option("--json", "as_json", is_flag=True)
def show_state(project_id: UUID, as_json: bool) -> None:
    """One line a connector: how it is and what happens next."""
    states = state.connector_states(project_id, connections.settings())
    if as_json:
        click.echo(dump_json(states))
        return
    table = Table("Connector", "State", "In words", box=None)
    colours = {"ok": "green", "failed": "red", "partial": "yellow", "running": "cyan"}
    for found in states:
        colour = colours.get(found["status"], "white")
        table.add_row(found["connector"], f"[{colour}]{found['status']}[/]", found["message"])
    console.print(table)


@cli.command()
@project_option
@click.option("--status", default=None)
@click.option("--json", "as_json", is_flag=True)
def errors(project_id: UUID, status: str | None, as_json: bool) -> None:
    """Errors, the most recently seen first."""
    with db.connection() as connection:
        rows = sql.list_errors(
            connection,
            project_id=project_id,
            status=status,
            connector=None,
            error_kind=None,
            before_at=None,
            before_id=None,
            most=100,
        )
    if as_json:
        click.echo(dump_json(rows))
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
