"""`flask db`: migrations and the schema file."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import psycopg
from rich.console import Console
from rich.table import Table

from app.db import db, migrations
from app.db.embedded import BIN, EmbeddedPostgres

console = Console()


@click.group("db")
def cli() -> None:
    """Migrate the database and look at its state."""


@cli.command()
def upgrade() -> None:
    """Apply what is pending. Safe when several replicas start at once."""
    names = migrations.upgrade(db.url, report=lambda name: console.print(f"  applied {name}"))
    console.print(f"{len(names)} applied." if names else "Nothing to do: the database is current.")


@cli.command()
def status() -> None:
    """Which migrations the database has, and which it lacks."""
    table = Table("Migration", "State", box=None)
    with psycopg.connect(db.url) as connection:
        done = migrations.applied(connection)
        waiting = {migration.name for migration in migrations.pending(connection)}
    for name in sorted({*done, *waiting}):
        table.add_row(name, "[yellow]pending[/]" if name in waiting else "[green]applied[/]")
    console.print(table)


@cli.command()
@click.argument("words", nargs=-1, required=True)
def new(words: tuple[str, ...]) -> None:
    """Make an empty migration with the next number."""
    console.print(f"Write it in {migrations.create_file(' '.join(words))}")


@cli.command()
def check() -> None:
    """Fail when migrations are pending, were changed, or schema.sql is out of date."""
    with psycopg.connect(db.url) as connection:
        waiting = migrations.pending(connection)
    if waiting:
        console.print(f"[red]{len(waiting)} pending[/]: run `flask db upgrade`.")
        sys.exit(1)
    if migrations.SCHEMA_FILE.read_text() != _schema_of_migrations():
        console.print("[red]schema.sql is out of date[/]: run `make schema`.")
        sys.exit(1)
    console.print("[green]The database and schema.sql are current.[/]")


@cli.command()
@click.option("--write", is_flag=True, help="Write schema.sql instead of printing it.")
def schema(write: bool) -> None:
    """The whole schema, as the migrations make it on a scratch database."""
    text = _schema_of_migrations()
    if write:
        migrations.SCHEMA_FILE.write_text(text)
        console.print(f"Wrote {migrations.SCHEMA_FILE.name}.")
    else:
        click.echo(text)


def _schema_of_migrations() -> str:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        server.start()
        try:
            migrations.upgrade(server.url())
            return migrations.dump_schema(server.url(), BIN / "pg_dump")
        finally:
            server.stop("immediate")
