"""Waiting for Postgres' answers in a web process, which serves other requests meanwhile.

psycopg knows gevent only by its `poll`, which builds a poll object, an event and a timer for each answer.
A watcher of gevent's own loop costs a fraction of that, and wakes nobody ten times a second.
"""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from gevent import get_hub, monkey
from psycopg.abc import PQGen

T = TypeVar("T")


class WaitingConnection(psycopg.Connection[dict[str, Any]]):
    """A connection that waits by gevent's loop where the process is patched, else as psycopg does."""

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """What the generator of a command comes to. Waits with a time limit are left to psycopg."""
        if args or kwargs or not monkey.is_module_patched("select"):
            return super().wait(gen, *args, **kwargs)
        try:
            wanted: int = next(gen)
            while True:
                # The loop's signs for reading and writing, 1 and 2, are psycopg's too.
                watcher = get_hub().loop.io(self.pgconn.socket, int(wanted))
                try:
                    get_hub().wait(watcher)
                finally:
                    watcher.close()
                wanted = gen.send(wanted)
        except StopIteration as end:
            result: T = end.value
            return result
