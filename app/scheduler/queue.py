"""Huey, the doorbell: it tells a worker that some run waits, and nothing else.

What waits is in Postgres. If the queue is lost or cannot be reached, the next tick rings again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from huey import RedisHuey, SqliteHuey
from huey.api import Huey

from config.settings import Settings

log = structlog.get_logger(__name__)
NAME = "lightpost"

_bell: Any = None
_work: Callable[[], object] | None = None


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
    return RedisHuey(NAME, url=url, results=False)


def _ring() -> None:
    if _work is not None:
        _work()


def wake(project_id: UUID, run_id: UUID) -> None:
    """Ring for a run that was just written."""
    wake_any()


def wake_any() -> None:
    """Ring once. An unreachable queue delays the run until the next tick and fails nobody."""
    if _bell is None:
        return
    try:
        _bell()
    except Exception as error:
        log.warning("queue_unreachable", error_type=type(error).__name__)
