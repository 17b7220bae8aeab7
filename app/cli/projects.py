"""`flask projects`: which there are, and making one."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from app.db import db, statements
from app.projects import service
from app.web.errors import ApiError

sql = statements("projects")


@click.group("projects")
def cli() -> None:
    """List and create projects."""


@cli.command("list")
def list_projects() -> None:
    """All projects of the installation."""
    table = Table("Id", "Name", "Since", box=None)
    with db.connection() as connection:
        for row in sql.list_all(connection):
            table.add_row(str(row["id"]), row["name"], f"{row['created_at']:%Y-%m-%d}")
    Console().print(table)


@cli.command()
@click.argument("name")
@click.option("--scope", default=service.DEFAULT_SCOPE, help="Key of the account scope.")
def create(name: str, scope: str) -> None:
    """Make a project."""
    try:
        with db.transaction() as tx:
            project = service.make(tx, name, scope, "Project account scope")
    except ApiError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"{project['id']}  {project['name']}")
