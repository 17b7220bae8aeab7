"""`python -m bench`: how fast the application is on 100,000 messages, beside its SQL alone.

It asserts nothing and changes nothing but its own folder, `bench` below LIGHTPOST_HOME.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
import orjson
import psutil
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from bench import bare, data, explain, million, report, routes, streams
from bench.bare import Statement
from bench.data import Loaded
from bench.memory import memory_of
from bench.place import SECRET_KEY, Place, opened
from bench.processor import used
from bench.recall import recall
from bench.report import Figures, RouteFigures
from bench.sync import running, sync
from config.settings import load as load_settings
from tests.running import Web

CLIENTS = 16
WEB_WORKERS = 2


@dataclass(frozen=True)
class Pace:
    """How long to measure. `seconds` per route and number of clients."""

    seconds: float
    questions: int  # more than all routes can ask within their seconds
    streams: int
    events: int
    recall_questions: int
    synced_conversations: int


FULL = Pace(4.0, 20_000, 100, 50, 50, 600)
QUICK = Pace(1.0, 8_000, 20, 10, 20, 90)


@click.command()
@click.option("--quick", is_flag=True, help="10,000 messages and short measurements.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option(
    "--million", "ten_times", is_flag=True, help="Only: the same with ten times the data, in turn."
)
@click.option("--explain", "explained", is_flag=True, help="Print the plans of all statements too.")
def main(quick: bool, as_json: bool, ten_times: bool, explained: bool) -> None:
    """Measure routes, their SQL alone, live events, sync, embedding, memory and recall."""
    pace = QUICK if quick else FULL
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = 160
    with opened(load_settings().home / "bench") as place:
        if ten_times:
            _compare(place, quick, pace, console)
            return
        with _progress(console) as progress:
            loaded = data.load(place, quick, progress)
            figures = Figures(_setting(loaded), CLIENTS)
            plans = _measure(place, loaded, pace, figures, progress, explained)
        report.show(console, figures)
        for name, plan in plans:
            console.print(f"\n[bold]{name}[/]")
            console.print(plan, markup=False)
    if as_json:
        click.echo(orjson.dumps(figures.as_json(), option=orjson.OPT_INDENT_2))


def _compare(place: Place, quick: bool, pace: Pace, console: Console) -> None:
    """Questions to the measured database and to one of ten times the data, in turn."""
    with _progress(console) as progress:
        smaller = data.load(place, quick, progress)
        larger, built = million.load(place, smaller, progress)
        with _web(place, smaller.url) as one, _web(place, larger.url) as ten:
            asked = million.compare((one, smaller), (ten, larger), place, pace.seconds)
        recalls = million.recalls(larger, pace.recall_questions)
    for table in report.million_tables(million.Compared(built, asked, recalls)):
        console.print(table)


def _measure(
    place: Place,
    loaded: Loaded,
    pace: Pace,
    figures: Figures,
    progress: Progress,
    explained: bool,
) -> list[tuple[str, str]]:
    """Fill in `figures`, one thing after another; answers plans when they are wanted."""
    with _web(place, loaded.url) as web:
        figures.memory += memory_of(web, "web, idle")
        sent = _routes(place, loaded, web, pace, figures, progress)
        figures.memory += memory_of(web, "web, after load")
        _streams(loaded, web, pace, figures)
    figures.recall = [
        recall(loaded.app, project, pace.recall_questions)
        for project in (*loaded.projects[:4], loaded.smallest)
    ]
    plans = list(explain.plans(loaded.url, sent)) if explained else []
    figures.synced = sync(place, pace.synced_conversations)
    figures.memory += figures.synced.memory
    return plans


def _routes(
    place: Place, loaded: Loaded, web: Web, pace: Pace, figures: Figures, progress: Progress
) -> list[Statement]:
    """Every route over HTTP and its SQL alone; answers the statements that were seen."""
    seen: list[Statement] = []
    wanted = routes.routes(loaded, pace.questions)
    for route in progress.track(wanted, description="routes"):
        routes.enter(web, route.project)
        with used(place, web) as processor:
            one = routes.drive(web, route, 1, pace.seconds)
        requests = one.count + routes.WARM_UP
        many = routes.drive(web, route, CLIENTS, pace.seconds)
        scripts = [script for script in bare.statements_of(loaded.app, web, route) if script]
        seen += [statement for script in scripts for statement in script]
        bare_one, bare_many = (
            bare.drive(place.server, loaded.database, scripts, clients, pace.seconds)
            if scripts
            else None
            for clients in (1, CLIENTS)
        )
        cpu = (1000 * seconds / requests for seconds in (processor.web, processor.postgres))
        figures.routes.append(RouteFigures(route.name, one, many, bare_one, bare_many, *cpu))
    return seen


def _streams(loaded: Loaded, web: Web, pace: Pace, figures: Figures) -> None:
    opened_streams = streams.Streams(web, pace.streams)
    try:
        figures.streams = pace.streams
        figures.events = streams.last_receiver(
            loaded.app, opened_streams, loaded.largest["id"], pace.events
        )
        figures.memory += memory_of(web, f"web, {pace.streams} streams open")
    finally:
        opened_streams.close()


@contextmanager
def _web(place: Place, url: str) -> Iterator[Web]:
    """A real web server on the measured database, its limits off, and the owner signed in."""
    web = Web(
        url,
        place.home,
        SECRET_KEY=SECRET_KEY,
        WEB_WORKERS=str(WEB_WORKERS),
        SSE_MAX_PER_SESSION="1000",
    )
    with running(web):
        web.sign_in()
        yield web


def _setting(loaded: Loaded) -> dict[str, Any]:
    """What was measured, on what."""
    sizes, projects = loaded.sizes, loaded.projects
    memory = psutil.virtual_memory().total / 2**30
    mib = report.MIB
    return {
        "Machine": f"{os.cpu_count()} cores, {memory:.0f} GiB; the clients run on it as well",
        "Postgres": f"{sizes['server_version']}, shared_buffers {sizes['shared_buffers']}",
        "Messages": f"{sum(p['messages'] for p in projects):,} in {len(projects)} projects",
        "Chunks": f"{sum(p['chunks'] for p in projects):,}, each encoded and indexed by the application",
        "Database": f"{sizes['database_bytes'] / mib:,.0f} MiB, "
        f"of it the vector index {sizes['vector_index_bytes'] / mib:,.0f} MiB",
        "Made": f"in {loaded.made_seconds:,.0f} s" if loaded.made_seconds else "by an earlier run",
    }


def _progress(console: Console) -> Progress:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


if __name__ == "__main__":
    main()
