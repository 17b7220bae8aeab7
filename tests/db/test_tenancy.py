"""Tenancy, read from the catalogue: no table can mix the rows of two projects."""

from __future__ import annotations

import psycopg
import pytest


@pytest.fixture
def catalogue(database_url: str) -> psycopg.Connection:
    return psycopg.connect(database_url)


SCOPED_TABLES = """
    SELECT a.attrelid::regclass::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attname = 'project_id' AND a.attnotnull AND c.relkind = 'r'
      AND c.relnamespace = 'public'::regnamespace
"""


def test_every_scoped_table_is_keyed_by_its_project(catalogue: psycopg.Connection) -> None:
    """Primary keys and unique indexes begin with (or, where unique over projects on purpose, are
    listed with) project_id."""
    on_purpose = {
        # One whole external workspace belongs to one project of the installation.
        "connector_connections_whole",
        # A webhook's token names its connection before any project is known.
        "connector_connections_webhook",
    }
    rows = catalogue.execute(f"""
        SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text
        FROM pg_index i
        WHERE i.indisunique AND i.indrelid::regclass::text IN ({SCOPED_TABLES})
          AND (SELECT attname FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[0])
              IS DISTINCT FROM 'project_id'
    """).fetchall()
    assert {index for index, _ in rows} <= on_purpose, rows


def test_every_scoped_table_has_a_primary_key(catalogue: psycopg.Connection) -> None:
    rows = catalogue.execute(f"""
        SELECT t FROM ({SCOPED_TABLES}) s(t)
        WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = t::regclass AND contype = 'p')
    """).fetchall()
    assert rows == []


def test_keys_between_scoped_tables_carry_the_project(catalogue: psycopg.Connection) -> None:
    rows = catalogue.execute(f"""
        SELECT con.conname, con.conrelid::regclass::text, con.confrelid::regclass::text
        FROM pg_constraint con
        WHERE con.contype = 'f'
          AND con.conrelid::regclass::text IN ({SCOPED_TABLES})
          AND con.confrelid::regclass::text IN ({SCOPED_TABLES})
          AND NOT EXISTS (
              SELECT FROM unnest(con.conkey, con.confkey) AS pair(mine, theirs)
              JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = pair.mine
              JOIN pg_attribute b ON b.attrelid = con.confrelid AND b.attnum = pair.theirs
              WHERE a.attname = 'project_id' AND b.attname = 'project_id')
    """).fetchall()
    assert rows == []


def test_every_scoped_table_leads_to_its_project(catalogue: psycopg.Connection) -> None:
    """Deleting a project deletes its rows: a key to projects, or to a scoped table that has one."""
    rows = catalogue.execute(f"""
        SELECT t FROM ({SCOPED_TABLES}) s(t)
        WHERE NOT EXISTS (
            SELECT FROM pg_constraint con
            WHERE con.conrelid = t::regclass AND con.contype = 'f'
              AND (con.confrelid = 'projects'::regclass
                   OR con.confrelid::regclass::text IN ({SCOPED_TABLES})))
    """).fetchall()
    assert rows == []


def test_rows_of_two_projects_cannot_be_joined(catalogue: psycopg.Connection) -> None:
    with catalogue as connection:
        connection.execute(
            "INSERT INTO projects (name, account_scope_id) "
            "SELECT v.project_name, s.id FROM account_scopes s, (VALUES ('One'), ('Two')) v(project_name)"
        )
        one, two = connection.execute("SELECT id FROM projects ORDER BY name").fetchall()
        connection.execute(
            "INSERT INTO cw_conversations (project_id, id, account_id, conversation_id, content_hash) "
            "VALUES (%s, 'cw:1', 1, 1, '')",
            one,
        )
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute(
                "INSERT INTO cw_messages (project_id, id, account_id, message_id, conversation_id, "
                "conversation_global_id, content_hash) VALUES (%s, 'm', 1, 1, 1, 'cw:1', '')",
                two,
            )
        connection.rollback()


def test_the_audit_log_is_append_only(catalogue: psycopg.Connection) -> None:
    catalogue.execute("INSERT INTO audit_events (action) VALUES ('test')")
    for statement in ("UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events"):
        with (
            pytest.raises(psycopg.errors.RaiseException, match="append-only"),
            catalogue.transaction(),
        ):
            catalogue.execute(statement.encode())
