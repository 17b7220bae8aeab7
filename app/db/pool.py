"""One pool of Postgres connections a process, and transactions on it.

Connections are in autocommit: a single statement costs one round trip. Whatever must happen together
is written inside `db.transaction()`. Rows come as dictionaries.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import orjson
import psycopg
import structlog
from psycopg.abc import Params, QueryNoTemplate
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from app.db.waiting import WaitingConnection
from config.settings import Settings

log = structlog.get_logger(__name__)
set_json_loads(orjson.loads)

Row = dict[str, Any]
Connection = psycopg.Connection[Row]


class SearchConnection(WaitingConnection):
    """A connection whose answers come in Postgres' own form: arrays are read three times as fast."""

    def execute(  # type: ignore[override]
        self,
        query: QueryNoTemplate,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool = True,
    ) -> psycopg.Cursor[Row]:
        return super().execute(query, params, prepare=prepare, binary=binary)


# The transaction this request or job is in. Work inside it joins it, so that an idempotency key and
# the deed it stands for are committed together or not at all.
_ambient: ContextVar[Connection | None] = ContextVar("ambient_transaction", default=None)


class Unavailable(Exception):
    """Postgres cannot be reached, or has no free connection in time. Worth trying again."""


class Database:
    """The process's way to Postgres. Bound to settings once, by the application factory."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._pool: ConnectionPool[Connection] | None = None
        self._search_pool: ConnectionPool[Connection] | None = None
        self._lock = threading.Lock()

    def bind(self, settings: Settings) -> None:
        """Point at the database of `settings`; the pool opens at first use (after gunicorn's fork)."""
        self.close()
        self._settings = settings

    @property
    def url(self) -> str:
        if self._settings is None or not self._settings.database_url:
            raise Unavailable(
                "DATABASE_URL is not set: start the application with `make run`, or set it"
            )
        return self._settings.database_url

    @property
    def listen_url(self) -> str:
        assert self._settings is not None
        return self._settings.listen_database_url or self.url

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit, for single statements.

        Raises Unavailable when none can be had; a connection found dead on the way also ends as
        Unavailable, and the rest of the pool is checked before it is used again. Inside a
        transaction of this context it is that transaction's connection.
        """
        ambient = _ambient.get()
        if ambient is not None:
            yield ambient
            return
        with self._lent(self._open_pool()) as connection:
            yield connection

    @contextmanager
    def search_connection(self) -> Iterator[Connection]:
        """A connection in autocommit for the statements of a question, outside of any transaction.

        What would otherwise be told with each of them is told once, when it opens: the time limit of a
        leg, one plan for all values (planning the parts of the tables anew takes longer than reading
        them), and commits that do not wait for the disk: what is written here is the history of
        questions. Raises Unavailable as `connection` does.
        """
        with self._lent(self._open_search_pool()) as connection:
            yield connection

    @contextmanager
    def _lent(self, pool: ConnectionPool[Connection]) -> Iterator[Connection]:
        assert self._settings is not None
        try:
            with pool.connection(timeout=self._settings.pg_pool_wait_ms / 1000) as connection:
                try:
                    yield connection
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    if not connection.closed and not connection.broken:
                        raise
                    threading.Thread(target=_check, args=(pool,), daemon=True).start()
                    raise Unavailable("the connection to Postgres was lost") from error
        except (PoolTimeout, PoolClosed) as error:
            raise Unavailable("Postgres gave no connection in time") from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection inside a transaction: committed at the end of the block, or undone.

        Within another one it is a savepoint of that one.
        """
        with self.connection() as connection, connection.transaction():
            token = _ambient.set(connection)
            try:
                yield connection
            finally:
                _ambient.reset(token)

    def pool_stats(self) -> dict[str, int]:
        return self._pool.get_stats() if self._pool else {}

    def close(self) -> None:
        with self._lock:
            for pool in (self._pool, self._search_pool):
                if pool is not None:
                    pool.close(timeout=2)
            self._pool = self._search_pool = None

    def _open_pool(self) -> ConnectionPool[Connection]:
        if self._pool is None:
            with self._lock:
                if self._pool is None:
                    assert self._settings is not None
                    self._pool = self._make_pool(
                        self._settings.pg_pool_max,
                        statement_timeout=self._settings.pg_statement_timeout_ms,
                    )
        return self._pool

    def _open_search_pool(self) -> ConnectionPool[Connection]:
        if self._search_pool is None:
            with self._lock:
                if self._search_pool is None:
                    assert self._settings is not None
                    self._search_pool = self._make_pool(
                        # Two legs a question. More at once would only wait for the processors.
                        max(2, self._settings.pg_pool_max // 2),
                        connection_class=SearchConnection,
                        prepare_threshold=0,
                        statement_timeout=self._settings.search_leg_timeout_ms,
                        plan_cache_mode="force_generic_plan",
                        synchronous_commit="off",
                        # One letter of six changes three of seven trigrams: four of ten are the same.
                        **{"pg_trgm.word_similarity_threshold": 0.4},
                    )
        return self._search_pool

    def _make_pool(
        self,
        most: int,
        connection_class: type[Connection] = WaitingConnection,
        prepare_threshold: int = 5,
        **session: object,
    ) -> ConnectionPool[Connection]:
        settings = self._settings
        assert settings is not None
        session |= {"timezone": "UTC", "jit": "off"}
        return ConnectionPool(
            self.url,
            connection_class=connection_class,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 5,
                "prepare_threshold": prepare_threshold,
                "application_name": settings.pg_app_name,
                "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
            },
            min_size=1,
            max_size=most,
            max_idle=300,
            # A short patience makes the pool try afresh at the next request instead of sleeping
            # through ever longer pauses: Postgres is used again within a second of its return.
            reconnect_timeout=1.5,
            open=True,
        )


def _check(pool: ConnectionPool[Connection]) -> None:
    """Replace every idle connection that died, as all do when Postgres restarts."""
    try:
        pool.check()
    except (psycopg.Error, PoolClosed) as error:
        log.warning("pool_check_failed", error=str(error))


db = Database()
