"""`flask users`: the owner, passwords, who there is."""

from __future__ import annotations

import click
from flask import current_app
from rich.console import Console
from rich.table import Table

from app.auth import passwords, service
from app.db import db, statements

sql = statements("auth")


@click.group("users")
def cli() -> None:
    """Owners, passwords and who there is."""


@cli.command("list")
def list_users() -> None:
    """Everybody who can sign in."""
    table = Table("Login", "Role", "Since", "State", box=None)
    with db.connection() as connection:
        for row in sql.list_users(connection):
            state = "disabled" if row["disabled_at"] else "active"
            table.add_row(row["username"], row["role"], f"{row['created_at']:%Y-%m-%d}", state)
    Console().print(table)


@cli.command("seed-owner")
def seed_owner() -> None:
    """Make or update the owner that AUTH_CREDENTIALS names. Safe to repeat."""
    login = service.seed_owner(current_app.config["SETTINGS"])
    if login is None:
        with db.connection() as connection:
            if sql.count_users(connection):
                click.echo("AUTH_CREDENTIALS is not set; the users in the database stay.")
                return
        raise click.ClickException(
            "Nobody could sign in: set AUTH_CREDENTIALS=login:password and run this again."
        )
    click.echo(f"Owner: {login}")


@cli.command("set-password")
@click.argument("login")
@click.password_option()
def set_password(login: str, password: str) -> None:
    """Give a user a new password and end all of the user's sessions."""
    if len(password) < 8:
        raise click.ClickException("A password has 8 characters or more.")
    with db.transaction() as tx:
        user = sql.set_password(tx, username=login, password_hash=passwords.hash_password(password))
        if user is None:
            raise click.ClickException(f"There is no user {login!r}: see `flask users list`.")
        service.end_sessions_of_user(tx, user["id"])
    click.echo(f"Password of {login} changed; all sessions ended.")


@cli.command("hash-password")
@click.password_option()
def hash_password(password: str) -> None:
    """Print a hash for AUTH_CREDENTIALS, so that no plain password stands in a configuration."""
    click.echo(passwords.hash_password(password))
