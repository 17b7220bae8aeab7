"""The worker's side: claim a run, keep its lease while the handler works, finish it once."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from uuid import UUID

import psycopg
import structlog
from flask import Flask
from psycopg.types.json import Jsonb

from app import metrics
from app.db import Row, Unavailable, db, statements
from app.scheduler import endings, queue
from app.scheduler.context import Handler, JobResult, RunContext, RunStopped
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("scheduler")
UNTELLABLE = "result_not_stored"


class Runner:
    """Works off whatever waits. One per process, used by all its threads."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._app: Flask | None = None
        self._handlers: Mapping[str, Handler] = {}
        self._alive: dict[UUID, RunContext] = {}
        self._stopping = False

    def bind(self, app: Flask, handlers: Mapping[str, Handler]) -> None:
        self._app = app
        self._handlers = handlers

    @property
    def settings(self) -> Settings:
        assert self._app is not None
        found: Settings = self._app.config["SETTINGS"]
        return found

    def work(self) -> int:
        """Claim and execute runs until none may be claimed; how many there were."""
        assert self._app is not None
        done = 0
        while not self._stopping:
            with self._app.app_context():
                run = self._claim()
                if run is None:
                    return done
                self._execute(run)
                done += 1
        return done

    def stop(self) -> None:
        """Ask every handler to end at its next step, and claim nothing more."""
        self._stopping = True
        for context in list(self._alive.values()):
            context.stop_reason = context.stop_reason or "shutdown"

    def _claim(self) -> Row | None:
        settings = self.settings
        with db.transaction() as tx:
            sql.take_turn(tx)
            row: Row | None = sql.claim_next(
                tx,
                worker=self.name,
                lease_seconds=settings.job_lease_seconds,
                max_total=settings.scheduler_max_concurrent_jobs,
                max_per_project=settings.scheduler_max_per_project,
            )
        return row

    def _execute(self, run: Row) -> None:
        structlog.contextvars.bind_contextvars(
            job_run_id=str(run["id"]), job_type=run["job_type"], project_id=str(run["project_id"])
        )
        context = RunContext(
            project_id=run["project_id"],
            run_id=run["id"],
            payload=run["payload"],
            trigger=run["trigger"],
            attempt=run["attempt"],
            settings=self.settings,
            deadline=time.monotonic() + timeout_of(run["job_type"], self.settings),
            stop_reason="cancelled" if run["cancel_requested"] else None,
        )
        self._alive[run["id"]] = context
        heart = Heart(context, run, self.settings)
        heart.start()
        started = time.monotonic()
        try:
            result = self._call(run, context)
        finally:
            heart.stop()
            del self._alive[run["id"]]
        if result is not None:
            self._finish(run, result)
            metrics.JOB_SECONDS.labels(run["job_type"], result.status).observe(
                time.monotonic() - started
            )
        structlog.contextvars.clear_contextvars()

    def _call(self, run: Row, context: RunContext) -> JobResult | None:
        """The handler's result, whatever happens to it; None when the run is no longer ours."""
        handler = self._handlers.get(run["job_type"])
        if handler is None:
            return JobResult("failed", error_kind="internal", error="no handler for this job type")
        try:
            return handler(context)
        except RunStopped as stopped:
            if stopped.reason in ("lease_lost", "shutdown"):
                if stopped.reason == "shutdown":
                    _give_back(run)
                return None
            status = "cancelled" if stopped.reason == "cancelled" else "failed"
            return JobResult(
                status,
                context.processed_count,
                error_kind=stopped.reason,
                error=f"stopped: {stopped.reason}",
            )
        except Unavailable as error:
            return JobResult("failed", error_kind="db_error", error=str(error))
        except Exception as error:
            log.error("job_failed", error_type=type(error).__name__, exc_info=error)
            return JobResult(
                "failed", error_kind="internal", error=f"{type(error).__name__}: {error}"
            )

    def _finish(self, run: Row, result: JobResult) -> None:
        """Write the end of the run. Postgres may be away just now: try while the lease could last."""
        deadline = time.monotonic() + self.settings.job_lease_seconds
        while True:
            try:
                with db.transaction() as tx:
                    cascades = endings.finish(tx, run, result, self.settings)
                break
            except (Unavailable, psycopg.OperationalError) as error:
                log.warning("finish_delayed", error_type=type(error).__name__)
                if time.monotonic() > deadline:
                    return  # the lease ends, and the next worker repeats the run
                time.sleep(1)
            except Exception as error:
                if result.error_kind == UNTELLABLE:
                    raise
                log.error("result_not_stored", error_type=type(error).__name__, exc_info=error)
                result = JobResult(
                    "failed",
                    result.processed_count,
                    error_kind=UNTELLABLE,
                    error=f"The result cannot be stored: {type(error).__name__}.",
                )
        for _ in range(cascades):
            queue.wake()
        if result.again_after:
            queue.wake(result.again_after)


def heartbeat_seconds(settings: Settings) -> float:
    """Seconds between two signs of life: at most 5, since a person watching should see the progress move."""
    return min(5.0, settings.job_lease_seconds / 3)


class Heart(threading.Thread):
    """Renews a run's lease from the side, and learns there when the run must stop."""

    def __init__(self, context: RunContext, run: Row, settings: Settings) -> None:
        super().__init__(name=f"heart-{run['job_type']}", daemon=True)
        self._context = context
        self._run = run
        self._settings = settings
        self._ended = threading.Event()

    def run(self) -> None:
        pause = heartbeat_seconds(self._settings)
        last = time.monotonic()
        while not self._ended.wait(pause):
            if time.monotonic() > self._context.deadline:
                # It was told to stop; if it has not by the end of its lease, another takes over.
                self._context.stop_reason = self._context.stop_reason or "timeout"
                return
            try:
                self._beat()
                last = time.monotonic()
            except (Unavailable, psycopg.Error) as error:
                log.warning("heartbeat_failed", error_type=type(error).__name__)
                if time.monotonic() - last > self._settings.job_lease_seconds:
                    self._context.stop_reason = "lease_lost"

    def stop(self) -> None:
        self._ended.set()
        self.join(10)

    def _beat(self) -> None:
        processed, fields = self._context.snapshot()
        with db.connection() as connection:
            row = sql.heartbeat(
                connection,
                project_id=self._run["project_id"],
                run_id=self._run["id"],
                claim_token=self._run["claim_token"],
                lease_seconds=self._settings.job_lease_seconds,
                processed_count=processed,
                progress=Jsonb(fields),
            )
        if row is None:
            self._context.stop_reason = "lease_lost"
        elif row["cancel_requested"]:
            self._context.stop_reason = self._context.stop_reason or "cancelled"


def _give_back(run: Row) -> None:
    """A stopping worker's run waits for the next one at once instead of until its lease ends."""
    with db.connection() as connection:
        sql.give_back(
            connection,
            project_id=run["project_id"],
            run_id=run["id"],
            claim_token=run["claim_token"],
        )


def timeout_of(job_type: str, settings: Settings) -> float:
    """The longest that a run of this type may take, in seconds."""
    own: int | None = getattr(settings, f"job_timeout_{job_type}_seconds", None)
    return settings.job_timeout_seconds if own is None else own


runner = Runner()
