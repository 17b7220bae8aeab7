"""`flask events`: live events on the terminal."""

from __future__ import annotations

import time

import click

from app.db import db, statements
from app.web.responses import dump_json, iso

sql = statements("events")


@click.group("events")
def cli() -> None:
    """Follow live events."""


@cli.command()
@click.option("--since", type=int, default=None, help="Begin after this event id.")
def tail(since: int | None) -> None:
    """Print events of all projects as they happen, until Ctrl-C."""
    with db.connection() as connection:
        last: int = since if since is not None else sql.newest_id(connection)
    while True:
        with db.connection() as connection:
            rows = sql.read_after(connection, last_id=last, most=200)
        for row in rows:
            last = row["id"]
            click.echo(
                f"{row['id']} {iso(row['created_at'])} {row['event_type']} "
                f"{dump_json(row['payload']).decode()}"
            )
        time.sleep(0.5)
