"""The `flask` command: one group a domain. `flask --help` lists them."""

from __future__ import annotations

from importlib import import_module

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

GROUPS = (
    "config",
    "connectors",
    "db",
    "demo",
    "events",
    "jobs",
    "loops",
    "projects",
    "rag",
    "users",
)


class Commands(AppGroup):
    """The groups, imported when they are asked for: a web process never needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *GROUPS})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in GROUPS and name not in self.commands:
            self.add_command(_load(name))
        return super().get_command(ctx, name)


def _load(name: str) -> click.Group:
    """A group, each of its commands inside the application's context."""
    group: click.Group = import_module(f"app.cli.{name}").cli
    for command in group.commands.values():
        if command.callback is not None and not hasattr(command.callback, "__wrapped__"):
            command.callback = with_appcontext(command.callback)
    return group


def install(app: Flask) -> None:
    app.cli = Commands(name=app.name)
