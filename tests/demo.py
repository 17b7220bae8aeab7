"""The demo workspace for tests: loaded as `make demo` does it, every vendor synced, everything embedded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from app import create_app
from app.auth.service import seed_owner
from app.cli.demo import load_workspace
from app.db import db
from app.scheduler.runner import Runner
from config.settings import Settings
from jobs.handlers import HANDLERS
from tests.vendors.demo import DemoServer

FOLDER = Path(__file__).parents[1] / "demo"


@dataclass(frozen=True)
class Demo:
    """`projects` has the project's id, `refs` what each key of the golden questions became; both by
    the name of the story's file (`pekarnya`)."""

    projects: dict[str, str]
    refs: dict[str, dict[str, int | str]]


def load_demo(settings: Settings, folder: Path = FOLDER) -> Demo:
    """Load the demo, or another story told like it, into the database of `settings`, with its owner, and
    leave no connection open."""
    vendors = DemoServer(folder)
    vendors.start()
    app = create_app(settings)
    runner = Runner()
    runner.bind(app, HANDLERS)
    with app.app_context():
        seed_owner(settings)
        load_workspace(vendors.url, folder=folder)
    while runner.work():
        pass
    vendors.stop()
    with app.app_context(), db.connection() as connection:
        waiting = connection.execute(
            "SELECT job_type, status, error FROM job_runs WHERE status <> 'completed'"
        ).fetchall()
        assert waiting == []
        found = connection.execute("SELECT name, id FROM projects").fetchall()
    db.close()
    ids = {row["name"]: str(row["id"]) for row in found}
    return Demo(
        projects={
            path.stem: ids[yaml.safe_load(path.read_text())["project"]]
            for path in sorted((folder / "story").glob("*.yaml"))
        },
        refs=vendors.refs,
    )
