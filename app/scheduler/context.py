"""What a job is given, and what it gives back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from config.settings import Settings

# Failures that pass by themselves: a schedule goes on trying, however long it takes. All others need
# somebody, so a schedule that keeps failing of them is suspended.
PASSING = frozenset(
    {
        "network",
        "timeout",
        "upstream_5xx",
        "rate_limited",
        "circuit_open",
        "db_error",
        "provider_unavailable",
        "sync_in_progress",
    }
)


class RunStopped(Exception):
    """The run must end now: it was cancelled, took too long, or its lease is another worker's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason  # cancelled | timeout | lease_lost | shutdown


@dataclass(frozen=True)
class JobResult:
    """The end of a run. `changed` says whether what builds on it must run too; `retry_after` is in
    seconds, when a vendor named a time; `again_after`, when the job wants to run once more by then."""

    status: str = "completed"  # completed | partial | failed
    processed_count: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    changed: bool = False
    error_kind: str | None = None
    error: str | None = None
    retry_after: float | None = None
    again_after: float | None = None


@dataclass
class RunContext:
    """One run as its handler sees it. Handlers call `check` or `progress` between their steps."""

    project_id: UUID
    run_id: UUID
    payload: dict[str, Any]
    trigger: str
    attempt: int
    settings: Settings
    deadline: float  # time.monotonic() at which the run has taken too long
    processed_count: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    stop_reason: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Raise RunStopped when the run must end."""
        if self.stop_reason is None and time.monotonic() > self.deadline:
            self.stop_reason = "timeout"
        if self.stop_reason is not None:
            raise RunStopped(self.stop_reason)

    def progress(self, processed_count: int | None = None, **fields: Any) -> None:
        """Note how far the run is; written with the next heartbeat. Checks, too."""
        with self._lock:
            if processed_count is not None:
                self.processed_count = processed_count
            self.fields.update(fields)
        self.check()

    def snapshot(self) -> tuple[int, dict[str, Any]]:
        with self._lock:
            return self.processed_count, dict(self.fields)


Handler = Callable[[RunContext], JobResult]
