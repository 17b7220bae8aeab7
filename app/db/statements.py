"""The named statements of `sql/<domain>.sql` as Python functions.

    from app.db import statements
    sql = statements("projects")
    rows = sql.list_for_user(connection, user_id=user_id)

Loading and the name syntax are aiosql's (`-- name: find_user(username)^`); the adapter below makes a
plain select return a list, because a generator that nobody exhausts would keep its cursor open, and
measures each statement under its name.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import aiosql
from aiosql.adapters.pyformat import PyFormatAdapter
from psycopg import Connection

from app import metrics

FOLDER = Path(__file__).parents[2] / "sql"


class MeasuredAdapter(PyFormatAdapter):
    """psycopg 3 for aiosql: eager lists, and a duration per statement name."""

    def select(  # type: ignore[override]
        self,
        conn: Connection[Any],
        query_name: str,
        sql: str,
        parameters: Any,
        record_class: Any = None,
    ) -> list[Any]:
        with _timed(query_name):
            return conn.execute(sql, parameters).fetchall()

    def select_one(
        self,
        conn: Connection[Any],
        query_name: str,
        sql: str,
        parameters: Any,
        record_class: Any = None,
    ) -> Any:
        with _timed(query_name):
            return conn.execute(sql, parameters).fetchone()

    def select_value(
        self, conn: Connection[Any], query_name: str, sql: str, parameters: Any
    ) -> Any:
        row = self.select_one(conn, query_name, sql, parameters)
        return next(iter(row.values())) if row else None

    def insert_update_delete(
        self, conn: Connection[Any], query_name: str, sql: str, parameters: Any
    ) -> int:
        with _timed(query_name):
            return conn.execute(sql, parameters).rowcount


@cache
def _seconds_of(name: str) -> Any:
    """The statement's own counter: looking it up costs more than counting."""
    return metrics.QUERY_SECONDS.labels(name)


class _timed:  # noqa: N801 - reads as a verb where it is used
    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        _seconds_of(self.name).observe(time.perf_counter() - self.started)


class unprepared:  # noqa: N801 - reads as an adjective where it is used
    """A connection whose statements are planned anew each time, for the values that they are given.

        sql.list_messages(unprepared(connection), ...)

    For statements with many optional filters: Postgres would keep one plan of a prepared statement for
    all of them, in which no filter can lead the way.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def execute(self, query: Any, parameters: Any) -> Any:
        return self._connection.execute(query, parameters, prepare=False)


@cache
def statements(domain: str) -> Any:
    """The statements of one file, loaded once a process. Raises when the file does not parse."""
    return aiosql.from_path(FOLDER / f"{domain}.sql", MeasuredAdapter)
