"""`flask demo`: the demo workspace, pulled through the real connector from a simulated Chatwoot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml

from app.connectors import connections
from app.db import db, statements
from app.projects import service as projects
from app.scheduler.service import request_run

sql = statements("projects")

STORY_FOLDER = Path(__file__).parents[2] / "demo" / "story"
SIMULATOR_PORT = 8091
SIMULATOR_TOKEN = "demo-chatwoot-token"
SIMULATOR_URL = f"http://127.0.0.1:{SIMULATOR_PORT}"


@click.group("demo")
def cli() -> None:
    """The demo workspace: a small studio with three client projects."""


@cli.command()
@click.option("--chatwoot-url", default=SIMULATOR_URL, show_default=True)
def load(chatwoot_url: str) -> None:
    """Make the demo projects, connect them and start their first sync. Safe to repeat."""
    load_workspace(chatwoot_url, report=click.echo)


def load_workspace(
    chatwoot_url: str = SIMULATOR_URL, report: Callable[[str], Any] = lambda line: None
) -> None:
    """Projects, connections and a first sync for every story; what exists already is kept."""
    for path in sorted(STORY_FOLDER.glob("*.yaml")):
        story = yaml.safe_load(path.read_text())
        project_id = _project(story["project"])
        connections.store(
            project_id,
            connector="chatwoot",
            base_url=chatwoot_url,
            external_account_id=str(story["account_id"]),
            api_token=SIMULATOR_TOKEN,
            display_name=f"Chatwoot of {story['project']} (demo)",
        )
        request_run(project_id, "chatwoot_sync")
        report(f"  {story['project']}: connected, syncing")


def _project(name: str) -> Any:
    with db.transaction() as tx:
        found = sql.find_by_name(tx, name=name)
        if found is None:
            found = projects.make(tx, name, "demo", "Demo workspace", is_demo=True)
        return found["id"]
