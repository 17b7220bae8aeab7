"""Huey, the doorbell: it tells a worker that some run waits, and nothing else.

What waits is in Postgres. If the queue is lost, the next tick rings again; while it cannot be
reached, the ticker of a worker has the runs worked off itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from huey import RedisHuey, SqliteHuey
from huey.api import Huey
from redis import ConnectionPool

from config.settings import Settings

log = structlog.get_logger(__name__)
NAME = "lightpost"
LATE = 0.1  # a ring that comes before its run may begin would be wasted

_bell: Any = None
_work: Callable[[], object] | None = None
_silent = threading.Event()


def bind(settings: Settings, work: Callable[[], object] | None = None) -> Huey:
    """The queue that settings name, with the one task that rings; `work` answers it in a worker."""
    global _bell, _work
    huey = make(settings.queue_url)
    _bell, _work = huey.task(name="work")(_ring), work
    return huey


def make(url: str) -> Huey:
    """A Huey by URL: `sqlite:///path` or `redis://...`. Results are not kept: rows tell the result."""
    if url.startswith("sqlite:"):
        path = Path(
            urlsplit(url).path if url.startswith("sqlite:///") else url.removeprefix("sqlite:")
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        return SqliteHuey(NAME, filename=str(path), results=False, timeout=5)
    # A Redis that does not answer must not hold up the request that rings.
    pool = ConnectionPool.from_url(url, socket_connect_timeout=2, socket_timeout=5)
    return RedisHuey(NAME, connection_pool=pool, results=False)


def _ring() -> None:
    if _work is not None:
        _work()


def wake(delay: float = 0.0) -> None:
    """Ring once, now or so many seconds later. An unreachable queue fails nobody: the workers' tickers
    look for runs themselves."""
    if _bell is None:
        return
    try:
        if delay > 0:
            _bell.schedule(delay=delay + LATE)
        else:
            _bell()
        _silent.clear()
    except Exception as error:
        _silent.set()
        log.warning("queue_unreachable", error_type=type(error).__name__)


def silent() -> bool:
    """Whether the last ring of this process was not heard."""
    return _silent.is_set()
