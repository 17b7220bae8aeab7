"""The commands of `flask connectors` that make, change and end connections."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click
from flask import current_app
from marshmallow import ValidationError
from rich.console import Console
from rich.table import Table

from app.cli.following import chosen_project, json_option, project_option
from app.connectors import addresses, connections, service
from app.connectors.routes import Filters
from app.connectors.vendors import VENDORS
from app.connectors.webhooks import doors
from app.db import Row
from app.web.errors import ApiError
from app.web.responses import dump_json

console = Console()
connector_name = click.Choice(list(VENDORS))
with_loops = click.Choice([*VENDORS, "loops"])
one_connector = click.argument("connector", type=connector_name)


@click.command()
@one_connector
@project_option
@click.option("--account", required=True, help="The account's number or the workspace's id.")
@click.option("--base-url", help="Needed for Chatwoot; the others have an address of their own.")
@click.option(
    "--only", multiple=True, metavar="FILTER=ID[,ID]",
    help="Read a part of the account: inbox_ids=1,2; team_ids=…, project_ids=…; objects=…, lists=….",
)  # fmt: skip
@click.option(
    "--token", prompt=True, hide_input=True, help="An API token that may read everything."
)
@click.option("--no-test", is_flag=True, help="Store it without asking the vendor.")
@json_option
def connect(
    connector: str,
    project: str | None,
    account: str,
    base_url: str | None,
    only: tuple[str, ...],
    token: str,
    no_test: bool,
    as_json: bool,
) -> None:
    """Connect a project, or give its account a new token."""
    project_id = chosen_project(project)
    address = base_url or VENDORS[connector].base_url(connections.settings())
    if not address:
        raise click.UsageError(f"{connector} needs --base-url.")
    if not re.fullmatch(VENDORS[connector].account_pattern, account):
        raise click.UsageError(f"--account is not {VENDORS[connector].account_hint}.")
    given: dict[str, Any] = {
        "connector": connector,
        "base_url": address,
        "external_account_id": account,
        "api_token": token,
        "filters": _filters(only),
    }
    row = _done(lambda: _connected(project_id, given, test=not no_test))
    told = f"Connected ({row['id']}). `flask connectors sync {connector}` reads it now."
    _tell(row, told, as_json)


@click.command("list")
@project_option
@json_option
def list_connections(project: str | None, as_json: bool) -> None:
    """What a project is connected to; tokens are never shown."""
    rows = connections.list_public(chosen_project(project))
    if as_json:
        click.echo(dump_json(rows))
        return
    if not rows:
        console.print("Nothing is connected to this project: `flask connectors connect`.")
        return
    table = Table("Connector", "Account", "Address", "Token", "Only", "On", "Health", box=None)
    for row in rows:
        only = "; ".join(f"{k}={','.join(map(str, v))}" for k, v in row["filters"].items())
        table.add_row(
            row["connector"], row["external_account_id"], row["base_url"],
            f"…{row['credential_hint']}", only or "–", "yes" if row["enabled"] else "no",
            f"{row['health']}: {row['health_reason']}" if row["health_reason"] else row["health"],
        )  # fmt: skip
    console.print(table)


@click.command()
@one_connector
@project_option
@json_option
def pause(connector: str, project: str | None, as_json: bool) -> None:
    """Switch a connection off: nothing is read through it, and what is here stays."""
    row = _switch(connector, project, on=False)
    _tell(row, f"Paused. `flask connectors resume {connector}` goes on where it was.", as_json)


@click.command()
@one_connector
@project_option
@json_option
def resume(connector: str, project: str | None, as_json: bool) -> None:
    """Switch a connection on again; it goes on where it was."""
    row = _switch(connector, project, on=True)
    _tell(row, f"On again. `flask connectors sync {connector}` reads it now.", as_json)


@click.command()
@click.argument("connector", type=with_loops)
@project_option
@click.option("--address", is_flag=True, help="A new address; the old one is gone at once.")
@click.option("--secret", help="The secret that the vendor shows for its webhook.")
@click.option("--make-secret", is_flag=True, help="Make a secret, for a vendor that takes one.")
@json_option
def rotate(
    connector: str, project: str | None, address: bool, secret: str | None, make_secret: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Give a webhook a new address, a new secret, or both; without an option a new address.

    The secret before stays valid for 24 hours. What is made is shown this once. `connect` gives a new token.
    """
    project_id = chosen_project(project)
    connection_id = (
        doors.loops_connection(project_id, current_app.config["SETTINGS"])
        if connector == "loops"
        else _stored(connector, project)["id"]
    )
    found = _done(
        lambda: doors.rotate(
            project_id,
            connection_id,
            secret=secret,
            make_secret=make_secret,
            make_address=address or None,
            require_signature=None,
        )
    )
    told = [f"{name}: {found[name]}" for name in ("address", "secret") if name in found]
    until = found["previous_secret_valid_until"]
    told += [f"The secret before is valid until {until:%Y-%m-%d %H:%M} UTC."] if until else []
    _tell(found, "\n".join(told) or "Stored.", as_json)


@click.command()
@one_connector
@project_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(connector: str, project: str | None, yes: bool, as_json: bool) -> None:
    """Forget a connection and its token. What it brought stays in the project."""
    row = _stored(connector, project)
    if not yes:
        where = f"{row['external_account_id']} at {row['base_url']}"
        click.confirm(f"Forget {connector} account {where} and its token?", abort=True, err=True)
    gone = _done(lambda: connections.remove(chosen_project(project), row["id"]))
    _tell(gone, "Removed. What it brought stays.", as_json)


COMMANDS = (connect, list_connections, pause, resume, rotate, remove)


def _connected(project_id: Any, given: dict[str, Any], test: bool) -> Row:
    addresses.refuse_unsafe_url(given["base_url"], connections.settings())
    service.check_mapping(given["connector"], {}, given["filters"] or {})
    if test:
        service.verify(connections.draft(project_id, **given))
    return connections.store(project_id, **given)


def _filters(only: tuple[str, ...]) -> dict[str, Any] | None:
    """What `--only` names, checked as the route checks it; None when it is not given."""
    if not only:
        return None
    named = {name: ids.split(",") for name, _, ids in (item.partition("=") for item in only)}
    try:
        found: dict[str, Any] = Filters().load(named)
    except ValidationError as error:
        raise click.UsageError(f"--only cannot be used: {error}") from None
    return found


def _switch(connector: str, project: str | None, on: bool) -> Row:
    row = _stored(connector, project)
    return _done(lambda: connections.change(chosen_project(project), row["id"], enabled=on))


def _stored(connector: str, project: str | None) -> Row:
    """The project's connection: the one that is on, else the oldest. Raises ClickException."""
    rows = [
        r for r in connections.list_public(chosen_project(project)) if r["connector"] == connector
    ]
    if not rows:
        raise click.ClickException(f"This project has no {connector} connection.")
    return next((row for row in rows if row["enabled"]), rows[0])


def _done(deed: Callable[[], Any]) -> Any:
    try:
        return deed()
    except ApiError as error:
        raise click.ClickException(error.message) from None


def _tell(row: Row, told: str, as_json: bool) -> None:
    click.echo(dump_json(row) if as_json else told)
