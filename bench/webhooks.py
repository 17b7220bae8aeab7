"""`python -m bench.webhooks`: a burst of webhook deliveries against the real processes.

Prints how long the vendor waited for its answers, and how long everything took to be applied and to be
searchable. Asserts nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click
import psutil
import psycopg

from bench.place import SECRET_KEY, Place, opened
from bench.sync import running
from bench.timing import percentile
from config.settings import load as load_settings
from tests.connectors import burst
from tests.running import Web, Worker, eventually, free_port

DATABASE = "webhooks"
WARM = 20  # deliveries before those that are measured
PATIENCE = 600
LEFT = """
    SELECT count(*) FILTER (WHERE status <> 'done'),
           (SELECT count(*) FROM rag_chunks WHERE embedding_status <> 'ready'),
           (SELECT count(*) FROM cw_messages),
           (SELECT count(*) FROM job_runs WHERE job_type = 'webhook_deliveries')
    FROM webhook_deliveries
"""


@click.command()
@click.option("--rate", default=200.0, help="Deliveries per second.")
@click.option("--seconds", default=10.0, help="For how long.")
@click.option("--workers", default=2, help="Web processes.")
@click.option("--later", is_flag=True, help="Start the job worker only after the burst.")
def main(rate: float, seconds: float, workers: int, later: bool) -> None:
    """Deliver, wait until all is applied, print the figures."""
    number = int(rate * seconds)
    conversations = -(-number * 3 // 10)
    with (
        opened(load_settings().home / "bench") as place,
        _database(place) as url,
        ExitStack() as left,
    ):
        port = free_port()
        left.enter_context(running(burst.vendor(place.home / "vendor", port, conversations)))
        web = _web(place, url, rate, workers)
        left.enter_context(running(web))
        worker = Worker(url, place.home, SECRET_KEY=SECRET_KEY)
        if not later:
            left.enter_context(running(worker))
        web.sign_in()
        address = burst.open_door(web, f"http://127.0.0.1:{port}")
        sent = burst.deliveries(burst.same_account(conversations), number)
        burst.burst(web, address, sent[:WARM], WARM)
        _deliver(web, address, sent[WARM:], rate)
        if later:
            left.enter_context(running(worker))
        _wait(url, time.perf_counter())


@contextmanager
def _database(place: Place) -> Iterator[str]:
    place.drop(DATABASE)
    (place.home / "huey.db").unlink(missing_ok=True)
    url = place.server.ensure_database(DATABASE)
    place.application(url)
    yield url
    place.drop(DATABASE)


def _web(place: Place, url: str, rate: float, workers: int) -> Web:
    """A web server with limits that are counted and not reached."""
    return Web(
        url,
        place.home,
        SECRET_KEY=SECRET_KEY,
        WEB_WORKERS=str(workers),
        RATE_LIMIT_ENABLED="1",
        WEBHOOK_RATE_PER_SECOND=str(rate * 2),
    )


def _deliver(web: Web, address: str, sent: list[Any], rate: float) -> None:
    used = _cpu_seconds(web)
    answers = burst.burst(web, address, sent, rate)
    used = _cpu_seconds(web) - used
    ordered = sorted(answers.milliseconds)
    wrong = sum(code != 200 for code in answers.codes)
    _tell("deliveries", f"{len(ordered):,} in {answers.seconds:.1f} s")
    _tell("not answered 200", f"{wrong}")
    for share in (50, 95, 99, 100):
        _tell(f"answered, p{share} ms", f"{percentile(ordered, share):.1f}")
    _tell("web's CPU each, ms", f"{used / len(ordered) * 1000:.2f}")
    _tell("load", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _wait(url: str, since: float) -> None:
    """Until everything is applied, and then until all of it is searchable."""
    eventually(lambda: _left(url)[0] == 0, PATIENCE, 0.2)
    _tell("all applied after, s", f"{time.perf_counter() - since:.1f}")
    eventually(lambda: _left(url)[1] == 0, PATIENCE, 0.2)
    _tell("all searchable after, s", f"{time.perf_counter() - since:.1f}")
    _tell("messages, job runs", "{2:,}, {3}".format(*_left(url)))


def _left(url: str) -> tuple[int, int, int, int]:
    with psycopg.connect(url) as connection:
        row: Any = connection.execute(LEFT).fetchone()
    return row


def _cpu_seconds(web: Web) -> float:
    """What the web processes have used of the processors."""
    times = [psutil.Process(pid).cpu_times() for pid in web.workers()]
    return sum(found.user + found.system for found in times)


def _tell(name: str, value: str) -> None:
    click.echo(f"{name:<26}{value:>20}")


if __name__ == "__main__":
    main()
