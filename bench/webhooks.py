"""`python -m bench.webhooks`: a burst of webhook deliveries against the real processes.

Prints how long the vendor waited for its answers, and how long everything took to be applied and to be
searchable. Asserts nothing.
"""

from __future__ import annotations

import time
from typing import Any

import click
import psycopg

from bench.place import SECRET_KEY, opened
from bench.sync import running
from bench.timing import percentile
from config.settings import load as load_settings
from tests.connectors import burst
from tests.connectors.burst import Answers
from tests.running import Web, Worker, eventually, free_port

DATABASE = "webhooks"
LEFT = """
    SELECT count(*) FILTER (WHERE status <> 'done'),
           (SELECT count(*) FROM cw_messages),
           (SELECT count(*) FROM rag_chunks WHERE embedding_status <> 'ready'),
           (SELECT count(*) FROM job_runs WHERE job_type = 'webhook_deliveries')
    FROM webhook_deliveries
"""


@click.command()
@click.option("--rate", default=200.0, help="Deliveries per second.")
@click.option("--seconds", default=10.0, help="For how long.")
@click.option("--workers", default=2, help="Web processes.")
def main(rate: float, seconds: float, workers: int) -> None:
    """Deliver, wait until all is applied, print the figures."""
    number = int(rate * seconds)
    conversations = -(-number * 3 // 10)
    with opened(load_settings().home / "bench") as place:
        place.drop(DATABASE)
        (place.home / "huey.db").unlink(missing_ok=True)
        url = place.server.ensure_database(DATABASE)
        place.application(url)
        port = free_port()
        common = {"SECRET_KEY": SECRET_KEY}
        web = Web(
            url,
            place.home,
            WEB_WORKERS=str(workers),
            RATE_LIMIT_ENABLED="1",
            WEBHOOK_RATE_PER_SECOND=str(rate * 2),
            **common,
        )
        with (
            running(burst.vendor(place.home / "vendor", port, conversations)),
            running(Worker(url, place.home, **common)),
            running(web),
        ):
            web.sign_in()
            address = burst.open_door(web, f"http://127.0.0.1:{port}")
            sent = burst.deliveries(burst.same_account(conversations), number)
            burst.burst(web, address, sent[:20], 20.0)  # both processes have seen one
            began = time.perf_counter()
            answers = burst.burst(web, address, sent[20:], rate)
            delivered = time.perf_counter()
            found = eventually(lambda: _applied(url), 600, 0.2)
            applied = time.perf_counter()
            eventually(lambda: _searchable(url), 600, 0.2)
            _show(answers, delivered - began, applied - delivered, found)
            click.echo(f"searchable after      {time.perf_counter() - delivered:8.1f} s more")
        place.drop(DATABASE)


def _left(url: str) -> tuple[int, int, int, int]:
    with psycopg.connect(url) as connection:
        row: Any = connection.execute(LEFT).fetchone()
    return row


def _applied(url: str) -> tuple[int, int, int, int] | None:
    found = _left(url)
    return None if found[0] else found


def _searchable(url: str) -> bool:
    return _left(url)[2] == 0


def _show(
    answers: Answers, seconds: float, applied: float, found: tuple[int, int, int, int]
) -> None:
    ordered = sorted(answers.milliseconds)
    wrong = sum(code != 200 for code in answers.codes)
    click.echo(
        f"deliveries            {len(ordered):8,} in {seconds:.1f} s, {wrong} not answered 200"
    )
    for share in (50, 95, 99, 100):
        click.echo(f"answered, p{share:<3} ms     {percentile(ordered, share):10.1f}")
    click.echo(
        f"applied after         {applied:8.1f} s more, {found[1]:,} messages, {found[3]} runs"
    )


if __name__ == "__main__":
    main()
