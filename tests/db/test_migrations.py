"""Migrations: in order, once, whole; and the schema file that repeats them."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from app.db import migrations
from app.db.embedded import BIN, EmbeddedPostgres


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> str:
    return postgres.ensure_database(f"empty_{abs(hash(request.node.name)) % 10**8}")


def folder_with(path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (path / f"{name[1:]}.sql").write_text(text)
    return path


def test_it_applies_everything_once(empty_url: str) -> None:
    assert migrations.upgrade(empty_url) == [m.name for m in migrations.files()]
    assert migrations.upgrade(empty_url) == []


def test_two_replicas_may_start_at_once(empty_url: str) -> None:
    results: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: results.append(migrations.upgrade(empty_url)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(names) for names in results) == [0, len(migrations.files())]


def test_a_failing_migration_leaves_nothing_behind(empty_url: str, tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path,
        _0001_fine="CREATE TABLE fine (id int);",
        _0002_broken="CREATE TABLE half (id int); SELECT 1/0;",
    )
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrations.upgrade(empty_url, folder)
    with psycopg.connect(empty_url) as connection:
        assert list(migrations.applied(connection)) == ["0001_fine.sql"]
        row = connection.execute("SELECT to_regclass('half')").fetchone()
        assert row == (None,)


@pytest.mark.parametrize(
    ("name", "text"),
    [("0001_first", "SELECT 2;"), ("0000_late", "SELECT 1;")],
    ids=["changed afterwards", "numbered before an applied one"],
)
def test_it_refuses_to_rewrite_history(
    empty_url: str, tmp_path: Path, name: str, text: str
) -> None:
    folder_with(tmp_path, _0001_first="SELECT 1;")
    migrations.upgrade(empty_url, tmp_path)
    (tmp_path / f"{name}.sql").write_text(text)
    with pytest.raises(migrations.MigrationError):
        migrations.upgrade(empty_url, tmp_path)


def test_it_refuses_a_database_that_is_ahead(empty_url: str, tmp_path: Path) -> None:
    folder_with(tmp_path, _0001_first="SELECT 1;", _0002_second="SELECT 1;")
    migrations.upgrade(empty_url, tmp_path)
    (tmp_path / "0002_second.sql").unlink()
    with pytest.raises(migrations.MigrationError, match="older version"):
        migrations.upgrade(empty_url, tmp_path)


def test_a_new_file_takes_the_next_number(tmp_path: Path) -> None:
    folder_with(tmp_path, _0007_seventh="")
    assert migrations.create_file("Add offer notes", tmp_path).name == "0008_add_offer_notes.sql"


def test_the_schema_file_equals_the_migrations(database_url: str) -> None:
    assert migrations.SCHEMA_FILE.read_text() == migrations.dump_schema(
        database_url, BIN / "pg_dump"
    ), "run `make schema`"
