"""The `flask` command: one group a domain. `flask --help` lists them."""

from __future__ import annotations

from importlib import import_module

import click
from flask import Flask
from flask.cli import with_appcontext

GROUPS = ("config", "connectors", "db", "demo", "events", "jobs", "projects", "rag", "users")


def install(app: Flask) -> None:
    """Add every group to the application's command line, each command inside its context."""
    for name in GROUPS:
        group: click.Group = import_module(f"app.cli.{name}").cli
        for command in group.commands.values():
            if command.callback is not None and not hasattr(command.callback, "__wrapped__"):
                command.callback = with_appcontext(command.callback)
        app.cli.add_command(group)
