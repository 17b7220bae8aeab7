"""Where the bench works: a Postgres server of its own below the home folder, and databases in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosql
import psycopg
from flask import Flask
from psycopg import sql

from app import create_app
from app.auth.service import seed_owner
from app.db import db, migrations
from app.db.embedded import EmbeddedPostgres
from app.db.statements import MeasuredAdapter
from config.settings import load
from tests.running import LOGIN, PASSWORD

FOLDER = Path(__file__).parent
SECRET_KEY = "a secret key for the bench, long enough"
LONGEST_RUN = 1700  # seconds that one embedding run may take, the most that the setting allows

data_sql: Any = aiosql.from_path(FOLDER / "data.sql", MeasuredAdapter)
measure_sql: Any = aiosql.from_path(FOLDER / "measure.sql", MeasuredAdapter)


@dataclass(frozen=True)
class Place:
    """The server, and the folder that it and the measured processes keep their things in."""

    server: EmbeddedPostgres
    home: Path

    def application(self, url: str) -> Flask:
        """The application on a database, migrated and with its owner."""
        migrations.upgrade(url)
        settings = load(
            {},
            app_env="test",
            database_url=url,
            lightpost_home=self.home,
            auth_credentials=f"{LOGIN}:{PASSWORD}",
            secret_key=SECRET_KEY,
            log_level="error",
            embed_run_seconds=LONGEST_RUN,
            rate_limit_enabled=False,
        )
        app = create_app(settings)
        with app.app_context():
            seed_owner(settings)
        return app

    def drop(self, database: str) -> None:
        db.close()
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
            )


@contextmanager
def opened(home: Path) -> Iterator[Place]:
    """The bench's server, started for the block and stopped after it (unless it ran before)."""
    home.mkdir(parents=True, exist_ok=True)
    # The measured processes count into a folder of their own, begun afresh.
    shutil.rmtree(home / "metrics", ignore_errors=True)
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    server = EmbeddedPostgres(home / "postgres")
    started = server.start()
    try:
        yield Place(server, home)
    finally:
        db.close()
        if started:
            server.stop()
