"""`python -m bench.connectors`: a first sync of a large Linear and a large Attio workspace.

Prints how long the simulated vendors take by themselves, how long a real worker takes for the pull, how
its memory moves meanwhile, and when everything is searchable. Asserts nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import click
import psutil
import requests

from app.connectors import connections
from app.connectors.attio.streams import AttioReader
from app.connectors.attio.streams import SweepStream as AttioStream
from app.connectors.breaker import Breaker
from app.connectors.linear.client import MOST_PER_PAGE
from app.connectors.linear.streams import LinearReader, ListStream
from app.connectors.linear.streams import SweepStream as LinearSweep
from app.db import Row, db
from app.projects.service import make
from app.scheduler.service import request_run
from bench.memory import MIB
from bench.place import SECRET_KEY, Place, data_sql, opened
from bench.sync import answers, last_end, run_job, running, settled
from config.settings import Settings
from config.settings import load as load_settings
from tests.running import Process, Worker, eventually, free_port

DATABASE = "connectors"
CONNECTORS = ("linear", "attio")
PATIENCE = 1800
LINEAR_KEY, ATTIO_TOKEN = "lin_api_test", "attio-token"  # what the simulators take
LOOK = 0.25  # seconds between looks at the worker's memory


@click.command()
@click.option("--issues", default=20_000, help="Issues in Linear.")
@click.option("--deals", default=5_000, help="Deals in Attio.")
@click.option("--apart", is_flag=True, help="Embed after the pulls instead of beside them.")
def main(issues: int, deals: int, apart: bool) -> None:
    """Pull both, one after the other, and print the figures."""
    with opened(load_settings().home / "bench") as place:
        place.drop(DATABASE)
        (place.home / "huey.db").unlink(missing_ok=True)
        app = place.application(place.server.ensure_database(DATABASE))
        linear, attio = free_port(), free_port()
        vendors = _vendors(place, linear, attio, issues, deals)
        worker = Worker(
            place.server.url(DATABASE),
            place.home,
            SECRET_KEY=SECRET_KEY,
            **({"SCHEDULER_MAX_PER_PROJECT": "1"} if apart else {}),
        )
        with running(vendors), app.app_context():
            project_id = _project(f"http://127.0.0.1:{linear}", f"http://127.0.0.1:{attio}")
            _vendors_alone(project_id, app.config["SETTINGS"])
            with running(worker):
                run_job(
                    project_id, "connector_errors_retry"
                )  # the worker is up when it has done this
                _pulls(project_id, worker, apart)
        place.drop(DATABASE)


def _vendors(place: Place, linear: int, attio: int, issues: int, deals: int) -> Process:
    options = {"linear-port": linear, "attio-port": attio, "issues": issues, "deals": deals}
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return Process(["-m", "tests.vendors.filled", *given], "", place.home)


def _project(linear: str, attio: str) -> UUID:
    with db.transaction() as tx:
        project_id: UUID = make(tx, "Bench connectors", "bench", "Bench")["id"]
        data_sql.hold_schedules(tx)
    eventually(lambda: answers(attio), 120)
    connections.store(
        project_id,
        connector="linear",
        base_url=f"{linear}/graphql",
        external_account_id=_linear_workspace(linear),
        api_token=LINEAR_KEY,
    )
    connections.store(
        project_id,
        connector="attio",
        base_url=attio,
        external_account_id=_attio_workspace(attio),
        api_token=ATTIO_TOKEN,
    )
    return project_id


def _linear_workspace(url: str) -> str:
    answer = requests.post(
        f"{url}/graphql",
        json={"query": "{ organization { id } }"},
        headers={"Authorization": LINEAR_KEY},
        timeout=10,
    )
    return str(answer.json()["data"]["organization"]["id"])


def _attio_workspace(url: str) -> str:
    headers = {"Authorization": f"Bearer {ATTIO_TOKEN}"}
    return str(requests.get(f"{url}/v2/self", headers=headers, timeout=10).json()["workspace_id"])


def _vendors_alone(project_id: UUID, settings: Settings) -> None:
    """Every page that a sync asks for, read and thrown away."""
    for connector, read in (("linear", _read_linear), ("attio", _read_attio)):
        found = connections.find(project_id, connector)
        assert found is not None
        breaker = Breaker(project_id, found.id, found.base_url, settings)
        started = time.perf_counter()
        records = read(found, settings, breaker)
        seconds = time.perf_counter() - started
        _tell(f"{connector}: the simulator alone", f"{records:,} records in {seconds:.1f} s")


def _read_linear(found: Any, settings: Settings, breaker: Breaker) -> int:
    reader = LinearReader.open(found, settings, breaker, lambda: None)
    records = 0
    for stream in reader.streams:
        assert isinstance(stream, ListStream | LinearSweep)
        size = stream.page_size if isinstance(stream, ListStream) else MOST_PER_PAGE
        after: str | None = None
        while True:
            page, after = reader.client.page(
                stream.query, stream.field, first=size, after=after, filter={}
            )
            records += len(page)
            if after is None:
                break
    reader.close()
    return records


def _read_attio(found: Any, settings: Settings, breaker: Breaker) -> int:
    reader = AttioReader.open(found, settings, breaker, lambda: None)
    records = 0
    for stream in reader.streams:
        offset = 0
        while isinstance(stream, AttioStream):
            page = stream.fetch(stream.size, offset)
            records, offset = records + len(page), offset + stream.size
            if len(page) < stream.size:
                break
    reader.close()
    return records


def _pulls(project_id: UUID, worker: Worker, apart: bool) -> None:
    if apart:  # both are asked for before the embedding is
        for connector in CONNECTORS:
            request_run(project_id, f"{connector}_sync")
    together = 0.0
    queued = None
    with _watched(worker) as memory:
        for connector in CONNECTORS:
            run = run_job(project_id, f"{connector}_sync")
            queued = queued or run["queued_at"]
            together += run["duration_ms"] / 1000
            _tell(
                f"{connector}: pulled",
                f"{_pulled(run):,} rows in {run['duration_ms'] / 1000:.1f} s",
            )
        pulled = list(memory)
    _tell("both pulled", f"{together:.1f} s")
    half = len(pulled) // 2
    _tell("worker's memory, MiB", f"{pulled[0]:.0f} before, most {max(pulled):.0f}")
    _tell("most in each half", f"{max(pulled[:half]):.0f}, {max(pulled[half:]):.0f}")
    _tell("load", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    counts: Row = eventually(lambda: settled(project_id), PATIENCE)
    seconds = (last_end(project_id) - queued).total_seconds()
    _tell("searchable", f"{counts['ready']:,} chunks after {seconds:.0f} s")


def _pulled(run: Row) -> int:
    """Rows that a run wrote."""
    return sum(
        number
        for name, number in run["result"].items()
        if name.startswith("touched_") and isinstance(number, int)
    )


@contextmanager
def _watched(worker: Worker) -> Iterator[list[float]]:
    """The worker's resident memory from look to look, while the block runs."""
    assert worker.process is not None
    process = psutil.Process(worker.process.pid)
    seen = [process.memory_info().rss / MIB]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK):
            seen.append(process.memory_info().rss / MIB)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    yield seen
    ended.set()
    watcher.join()


def _tell(name: str, value: str) -> None:
    click.echo(f"{name:<30}{value:>34}")


if __name__ == "__main__":
    main()
