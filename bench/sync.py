"""A first sync from the simulated vendor into an empty project, by a real worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import requests

from app.connectors import connections
from app.db import Row, db, statements
from app.projects.service import make
from app.scheduler.service import ENDED, request_run
from bench.memory import Memory, memory_of
from bench.place import SECRET_KEY, Place, data_sql, measure_sql
from tests.running import Process, Worker, eventually, free_port

DATABASE = "sync"
PATIENCE = 900  # seconds for a run to end
ACCOUNT, TOKEN = "99", "chatwoot-token"  # what the simulator serves with --fill


@dataclass(frozen=True)
class Synced:
    """Rates are per second; `whole_seconds` reach from the request until everything is searchable."""

    messages: int
    messages_rate: float
    chunks: int
    whole_seconds: float
    chunks_rate: float
    memory: list[Memory]


def sync(place: Place, conversations: int) -> Synced:
    """Sync so many conversations with 3⅓ messages each; then embed all their chunks once more."""
    place.drop(DATABASE)
    (place.home / "huey.db").unlink(missing_ok=True)
    app = place.application(place.server.ensure_database(DATABASE))
    port = free_port()
    vendor = Process(
        ["-m", "tests.vendors.chatwoot", "--port", str(port), "--fill", str(conversations)],
        "",
        place.home,
    )
    worker = Worker(place.server.url(DATABASE), place.home, SECRET_KEY=SECRET_KEY)
    with running(vendor), running(worker), app.app_context():
        project_id = _project(f"http://127.0.0.1:{port}")
        run_job(project_id, "connector_errors_retry")  # the worker is up when it has done this
        idle = memory_of(worker, "worker, idle")
        found = _measure(project_id, worker, idle)
    place.drop(DATABASE)
    return found


def _measure(project_id: UUID, worker: Worker, idle: list[Memory]) -> Synced:
    synced = run_job(project_id, "chatwoot_sync")
    counts = eventually(lambda: settled(project_id), PATIENCE)
    ended = last_end(project_id)
    whole = (ended - synced["queued_at"]).total_seconds()
    with db.connection() as connection:
        measure_sql.embed_again(connection)
    embedded = run_job(project_id, "embeddings_run")
    return Synced(
        messages=counts["messages"],
        messages_rate=counts["messages"] / (synced["duration_ms"] / 1000),
        chunks=counts["ready"],
        whole_seconds=whole,
        chunks_rate=embedded["processed_count"] / (embedded["duration_ms"] / 1000),
        memory=[*idle, *memory_of(worker, "worker, after sync and embedding")],
    )


@contextmanager
def running(process: Process) -> Iterator[None]:
    process.start()
    try:
        yield
    finally:
        process.kill()


def _project(vendor_url: str) -> UUID:
    with db.transaction() as tx:
        project_id: UUID = make(tx, "Bench sync", "bench", "Bench")["id"]
        data_sql.hold_schedules(tx)
    eventually(lambda: answers(vendor_url), 30)
    connections.store(
        project_id,
        connector="chatwoot",
        base_url=vendor_url,
        external_account_id=ACCOUNT,
        api_token=TOKEN,
    )
    return project_id


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code > 0
    except requests.RequestException:
        return False


def run_job(project_id: UUID, job_type: str) -> Row:
    """Have the worker do a job, and wait for its end."""
    run_id = request_run(project_id, job_type).id

    def ended() -> Row | None:
        with db.connection() as connection:
            run: Row = statements("scheduler").find_run(
                connection, project_id=project_id, run_id=run_id
            )
        return run if run["status"] in ENDED else None

    run: Row = eventually(ended, PATIENCE)
    if run["status"] != "completed":
        raise RuntimeError(f"{job_type} ended as {run['status']}: {run['error']}")
    return run


def settled(project_id: UUID) -> Any:
    """The counts once no run waits or works."""
    with db.connection() as connection:
        counts = measure_sql.counts(connection, project_id=project_id)
    return None if counts["alive"] else counts


def last_end(project_id: UUID) -> Any:
    with db.connection() as connection:
        return measure_sql.last_end(connection, project_id=project_id)
