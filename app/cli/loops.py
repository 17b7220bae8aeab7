"""`flask loops`: pushing contacts, and how they stand."""

from __future__ import annotations

from uuid import UUID

import click
from flask import current_app
from rich.console import Console
from rich.table import Table

from app.connectors.errors import ConnectorError
from app.connectors.loops import client, service
from app.connectors.loops.push import PushInProgress
from app.db import db, statements

sql = statements("loops")
console = Console()
scope_option = click.option(
    "--scope", default="default", show_default=True, help="Key of the account scope."
)


@click.group("loops")
def cli() -> None:
    """Push contacts to Loops and see how they stand."""


@cli.command()
@scope_option
@click.option("--limit", type=click.IntRange(1, 5000), default=300, show_default=True)
@click.option("--again", is_flag=True, help="Unchanged contacts too, as for a new team.")
def push(scope: str, limit: int, again: bool) -> None:
    """Tell Loops of the contacts that changed."""
    audience = service.whole_scope(_scope_id(scope), limit)
    if again:
        with db.connection() as connection:
            sql.forget_pushed(connection, account_scope_id=audience.account_scope_id)
    try:
        with console.status("Pushing ..."):
            outcome = service.push_and_audit(None, audience, current_app.config["SETTINGS"])
    except PushInProgress:
        raise click.ClickException("Another push of this scope is at work.") from None
    except ConnectorError as error:
        raise click.ClickException(f"{error.message}.") from None
    for name, value in outcome.counters().items():
        console.print(f"{name:16} {value}")
    if outcome.error:
        raise click.ClickException(f"Stopped: {outcome.error.message}.")


@cli.command()
def test() -> None:
    """Ask Loops whether the key works."""
    try:
        name = client.team_name(current_app.config["SETTINGS"])
    except ConnectorError as error:
        raise click.ClickException(f"{error.message}.") from None
    console.print(f"The key works: team {name}.")


@cli.command()
@scope_option
def state(scope: str) -> None:
    """How many addresses of a scope stand how."""
    with db.connection() as connection:
        rows = sql.summary(connection, account_scope_id=_scope_id(scope))
    table = Table("State", "Addresses", "Last pushed", box=None)
    for row in rows:
        last = f"{row['last_pushed_at']:%Y-%m-%d %H:%M}" if row["last_pushed_at"] else "–"
        table.add_row(row["status"], str(row["contacts"]), last)
    console.print(table)


def _scope_id(key: str) -> UUID:
    with db.connection() as connection:
        found: UUID | None = sql.scope_by_key(connection, scope_key=key)
    if found is None:
        raise click.ClickException(f"There is no account scope {key}.")
    return found
