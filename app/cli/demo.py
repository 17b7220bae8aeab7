"""`flask demo`: the demo workspace, pulled through the real connectors from simulated vendors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import yaml

from app.connectors import connections
from app.db import db, statements
from app.projects import service as projects
from app.scheduler.service import request_run
from app.web.errors import ApiError

sql = statements("projects")

FOLDER = Path(__file__).parents[2] / "demo"
SIMULATOR_PORT = 8091
SIMULATOR_TOKEN = "demo-token"
SIMULATOR_URL = f"http://127.0.0.1:{SIMULATOR_PORT}"


@click.group("demo")
def cli() -> None:
    """The demo workspace: a small studio with three client projects."""


@cli.command()
@click.option("--vendors-url", default=SIMULATOR_URL, show_default=True)
def load(vendors_url: str) -> None:
    """Make the demo projects, connect them and start their first sync. Safe to repeat."""
    load_workspace(vendors_url, report=click.echo)


def load_workspace(
    vendors_url: str = SIMULATOR_URL,
    report: Callable[[str], Any] = lambda line: None,
    folder: Path = FOLDER,
) -> None:
    """Projects, connections and a first sync for every story; what exists already is kept."""
    for path in sorted((folder / "story").glob("*.yaml")):
        story = yaml.safe_load(path.read_text())
        project_id = _project(story["project"])
        messages = sum(len(item["messages"]) for item in story["conversations"])
        held = [f"{len(story['conversations'])} conversations with {messages} messages"]
        _connect(project_id, "chatwoot", vendors_url, str(story["account_id"]), story["project"])
        linear = _told(folder / "linear" / path.name)
        if linear:
            url = f"{vendors_url}/linear/{path.stem}/graphql"
            _connect(project_id, "linear", url, linear["workspace"]["id"], story["project"])
            held.append(f"{len(linear['issues'])} issues")
        attio = _told(folder / "attio" / path.name)
        if attio:
            url = f"{vendors_url}/attio/{path.stem}"
            _connect(project_id, "attio", url, attio["workspace"]["id"], story["project"])
            held.append(f"{len(attio['deals'])} deals and {len(attio['notes'])} notes on them")
        report(f"  {story['project']}: {', '.join(held)}; syncing")


def _told(path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = yaml.safe_load(path.read_text()) if path.exists() else None
    return found


def _connect(project_id: UUID, vendor: str, url: str, account: str, project: str) -> None:
    try:
        connections.store(
            project_id,
            connector=vendor,
            base_url=url,
            external_account_id=account,
            api_token=SIMULATOR_TOKEN,
            display_name=f"{vendor.capitalize()} of {project} (demo)",
        )
    except ApiError as error:
        if error.status != 409:
            raise
        return  # somebody has connected the project to an account of their own
    request_run(project_id, f"{vendor}_sync")


def _project(name: str) -> Any:
    with db.transaction() as tx:
        found = sql.find_by_name(tx, name=name)
        if found is None:
            found = projects.make(tx, name, "demo", "Demo workspace", is_demo=True)
        return found["id"]
