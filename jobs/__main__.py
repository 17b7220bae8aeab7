"""`python -m jobs`: the queue's consumer on plain threads, and the ticker."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from huey import SqliteHuey
from huey.consumer import Consumer
from psycopg.types.json import Jsonb

from config.memory import keep_small
from config.metrics_folder import prepare
from config.priority import step_back
from config.settings import Settings, load

log = structlog.get_logger("jobs")


class Ticker(threading.Thread):
    """Looks for due work at a steady pace, and shows that this worker lives."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="ticker", daemon=True)
        self.settings = settings
        self.ended = threading.Event()
        self.helper: threading.Thread | None = None

    def run(self) -> None:
        from app.db import Unavailable
        from app.scheduler import housekeeping, queue, ticks

        while not self.ended.is_set():
            try:
                self._show_life()
                ticks.tick(self.settings)
                housekeeping.purge_when_due(self.settings)
                if queue.silent():
                    self._work_unasked()
            except (Unavailable, psycopg.Error) as error:
                log.warning("tick_failed", error_type=type(error).__name__)
            self.ended.wait(self.settings.scheduler_tick_seconds)

    def _work_unasked(self) -> None:
        """Nobody rings while the queue is away: work off what waits from here, beside the ticks."""
        from app.scheduler.runner import runner

        if self.helper is None or not self.helper.is_alive():
            self.helper = threading.Thread(target=runner.work, name="unasked", daemon=True)
            self.helper.start()

    def _show_life(self) -> None:
        from app.db import db, statements
        from app.scheduler.runner import runner

        with db.connection() as connection:
            statements("scheduler").process_seen(
                connection,
                process=runner.name,
                kind="worker",
                details=Jsonb({"pid": os.getpid(), "threads": self.settings.worker_threads}),
            )


def main() -> None:
    keep_small()
    settings = load()
    step_back(settings.worker_nice)
    prepare(settings)  # before the first metric is made
    from app import create_app
    from app.db import db, statements
    from app.scheduler import queue
    from app.scheduler.runner import runner
    from jobs.handlers import HANDLERS

    app = create_app(settings)
    runner.bind(app, HANDLERS)
    huey = queue.bind(settings, work=runner.work)
    logging.getLogger("huey").setLevel(logging.WARNING)
    for name in ("huey", "huey.consumer", "huey.consumer.Worker", "huey.consumer.Scheduler"):
        logging.getLogger(name).addFilter(without_traceback)
    ticker = Ticker(settings)
    consumer = Worker(huey, settings, runner.stop)
    ticker.start()
    log.info("worker_started", threads=settings.worker_threads)
    try:
        consumer.run()
    finally:
        ticker.ended.set()
        runner.stop()
        try:
            with db.connection() as connection:
                statements("scheduler").process_gone(connection, process=runner.name)
        except Exception as error:
            log.warning("farewell_failed", error_type=type(error).__name__)
        db.close()


def without_traceback(record: logging.LogRecord) -> bool:
    """A queue that is away is one line a try and thread, not forty."""
    if record.exc_info and record.exc_info[1] is not None:
        record.msg = f"{record.msg}: {type(record.exc_info[1]).__name__}"
        record.exc_info = None
    return True


class Worker(Consumer):
    """Huey's consumer, which stops our handlers at the signal instead of waiting for their ends."""

    def __init__(self, huey: Any, settings: Settings, on_stop: Callable[[], None]) -> None:
        super().__init__(
            huey,
            workers=settings.worker_threads,
            periodic=False,
            initial_delay=0.02,
            # SQLite is polled; Redis is waited for, and this is the pause while it is away.
            max_delay=0.1 if isinstance(huey, SqliteHuey) else 5.0,
            shutdown_timeout=settings.shutdown_timeout_ms / 1000,
        )
        self.on_stop = on_stop
        graceful = (False, True)
        self._signal_actions = {signal.SIGTERM: graceful, signal.SIGINT: graceful}

    def _handle_signal(self, signum: int, frame: Any) -> None:
        self.on_stop()
        super()._handle_signal(signum, frame)


if __name__ == "__main__":
    main()
