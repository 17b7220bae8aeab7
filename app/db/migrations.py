"""Migrations in raw SQL: `sql/migrations/NNNN_name.sql`, applied in order, once, whole.

Each file runs in its own transaction together with the row that records it. An advisory lock lets two
replicas start at once; a checksum refuses a file that was changed after it had been applied.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from app.db.statements import statements

FOLDER = Path(__file__).parents[2] / "sql" / "migrations"
SCHEMA_FILE = Path(__file__).parents[2] / "schema.sql"
LOCK_KEY = 7_265_001  # any number that nothing else here locks
NAME = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")


class MigrationError(Exception):
    """The files and the database contradict each other; nothing was applied."""


@dataclass(frozen=True)
class Migration:
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def files(folder: Path = FOLDER) -> list[Migration]:
    """All migrations in order. Raises MigrationError on a bad name or a number used twice."""
    found = [Migration(path.name, path.read_text()) for path in sorted(folder.glob("*.sql"))]
    numbers: set[str] = set()
    for migration in found:
        number = migration.name[:4]
        if not NAME.match(migration.name) or number in numbers:
            raise MigrationError(f"{migration.name}: names are NNNN_words.sql, each number once")
        numbers.add(number)
    return found


def applied(connection: psycopg.Connection) -> dict[str, str]:
    """Names and checksums of what the database has; empty for a new database."""
    exists = connection.execute("SELECT to_regclass('public.schema_migrations')").fetchone()
    if not exists or exists[0] is None:
        return {}
    rows = connection.execute("SELECT filename, checksum FROM schema_migrations ORDER BY filename")
    return {row[0]: row[1] for row in rows}


def pending(connection: psycopg.Connection, folder: Path = FOLDER) -> list[Migration]:
    """What `upgrade` would apply. Raises MigrationError when an applied file changed or vanished."""
    done = applied(connection)
    known = {migration.name: migration for migration in files(folder)}
    for name, checksum in done.items():
        if name not in known:
            raise MigrationError(
                f"{name} was applied here but its file is gone: is this an older version?"
            )
        if known[name].checksum != checksum:
            raise MigrationError(
                f"{name} was changed after it had been applied: undo that, and add a new migration"
            )
    newest = max(done, default="")
    late = [name for name in known if name not in done and name < newest]
    if late:
        raise MigrationError(f"{late[0]} would run after {newest}: give it a later number")
    return [migration for name, migration in known.items() if name not in done]


def upgrade(
    url: str, folder: Path = FOLDER, report: Callable[[str], None] = lambda name: None
) -> list[str]:
    """Apply what is pending and return the names. A second caller waits, then finds nothing to do."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations ("
                "filename text PRIMARY KEY, checksum text NOT NULL, "
                "applied_at timestamptz NOT NULL DEFAULT now())"
            )
            names = []
            for migration in pending(connection, folder):
                with connection.transaction():
                    connection.execute(migration.text.encode())
                    connection.execute(
                        "INSERT INTO schema_migrations (filename, checksum) VALUES (%s, %s)",
                        (migration.name, migration.checksum),
                    )
                report(migration.name)
                names.append(migration.name)
            return names
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK_KEY,))


def create_file(words: str, folder: Path = FOLDER) -> Path:
    """An empty migration with the next number."""
    last = max((int(migration.name[:4]) for migration in files(folder)), default=0)
    slug = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    path = folder / f"{last + 1:04d}_{slug}.sql"
    path.write_text(f"-- {words}\n")
    return path


def dump_schema(url: str, pg_dump: Path) -> str:
    """The schema of a migrated database as one readable SQL text (what `schema.sql` holds)."""
    result = subprocess.run(
        [
            *(str(pg_dump), "--schema-only", "--no-owner", "--no-privileges", "--no-comments"),
            "--exclude-schema=parts",
            url,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = []
    for line in result.stdout.splitlines():
        # Versions, session settings and pg_dump's one-time keys differ from machine to machine.
        if line.startswith(("--", "SET ", "SELECT pg_catalog.set_config", "\\")):
            continue
        lines.append(line)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        parts = [row["statement"] for row in statements("system").partitions(connection)]
    lines += ["", "CREATE SCHEMA parts;", *parts]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    header = (
        "-- The whole schema, to be read. Generated from sql/migrations by `make schema`; a test\n"
        "-- proves that the two are equal. Why a table looks as it does stands in the migrations.\n\n"
    )
    return header + text.replace("public.", "") + "\n"
