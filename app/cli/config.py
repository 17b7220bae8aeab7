"""`flask config`: the settings and their documentation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
from flask import current_app
from rich.console import Console
from rich.table import Table

from config.settings import documentation

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


@click.group("config")
def cli() -> None:
    """Show the settings in force and write their documentation."""


@cli.command()
def show() -> None:
    """Every setting as this process sees it; secrets are masked."""
    settings = current_app.config["SETTINGS"]
    table = Table("Variable", "Value", box=None)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        shown = "set" if field.metadata["secret"] and value else value
        table.add_row(field.name.upper(), "–" if shown is None else str(shown))
    Console().print(table)


@cli.command()
@click.option("--write", is_flag=True, help="Write docs/configuration.md instead of printing it.")
def docs(write: bool) -> None:
    """The documentation of all settings."""
    if write:
        DOCUMENT.write_text(documentation())
        click.echo(f"Wrote docs/{DOCUMENT.name}.")
    else:
        click.echo(documentation())
