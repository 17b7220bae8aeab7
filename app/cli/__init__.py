"""The `flask` command: one group a domain. `flask --help` lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from importlib import import_module
from typing import Any

import click
import psycopg
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from app.db import Unavailable
from app.db import db as database  # `db` is a group of commands here

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
            command.callback = with_appcontext(_at_the_database(command.callback))
    return group


def _at_the_database(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, on the Postgres of a `make run` beside it where no other is named. A database that
    is away is told in one line."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        _find_database()
        try:
            return command(*args, **kwargs)
        except (Unavailable, psycopg.OperationalError) as error:
            raise click.ClickException(f"The database cannot be used: {error}") from error

    return run


def _find_database() -> None:
    settings = current_app.config["SETTINGS"]
    if settings.database_url:
        return
    from app.db.embedded import of_home

    server = of_home(settings.home)
    if server.may_run():
        settings = replace(settings, database_url=server.application_url)
        current_app.config["SETTINGS"] = settings
        database.bind(settings)


def install(app: Flask) -> None:
    app.cli = Commands(name=app.name)
