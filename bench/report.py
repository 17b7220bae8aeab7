"""The figures as tables for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.memory import Memory
from bench.million import Compared
from bench.recall import Recall
from bench.sync import Synced
from bench.timing import Timing

MIB = 1024 * 1024


@dataclass(frozen=True)
class RouteFigures:
    """One route: over HTTP with one client and with many, and its SQL alone in the same way."""

    name: str
    one: Timing
    many: Timing
    bare_one: Timing | None
    bare_many: Timing | None
    web_cpu: float  # milliseconds of processor time a request, by one client
    postgres_cpu: float

    @property
    def ratio(self) -> float | None:
        """How many times as long as its SQL alone the route takes, by the median."""
        return self.one.p50 / self.bare_one.p50 if self.bare_one else None


@dataclass
class Figures:
    """Everything that was measured, in the order of measuring."""

    setting: dict[str, Any]
    clients: int
    routes: list[RouteFigures] = field(default_factory=list)
    streams: int = 0
    events: Timing | None = None
    recall: list[Recall] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    synced: Synced | None = None

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        for route, row in zip(self.routes, found["routes"], strict=True):
            row["ratio"] = route.ratio
        return found


def show(console: Console, figures: Figures) -> None:
    for name, value in figures.setting.items():
        console.print(f"[bold]{name}[/] {value}")
    console.print(routes_table(figures.routes, figures.clients))
    console.print(recall_table(figures.recall))
    console.print(others_table(figures))


def routes_table(routes: Iterable[RouteFigures], clients: int) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Routes, beside their SQL run by pgbench",
    )
    table.add_column("Route")
    headings = [
        "req/s",
        "p50 ms",
        "p95 ms",
        f"req/s, {clients} clients",
        f"p95 ms, {clients} clients",
    ]
    headings += ["SQL p50 ms", "SQL p95 ms", f"SQL /s, {clients} clients", "ratio of p50"]
    headings += ["CPU ms, web", "CPU ms, Postgres"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for route in routes:
        bare, many = route.bare_one, route.bare_many
        failed = route.one.failed + route.many.failed
        table.add_row(
            route.name + (f" [red]({failed} failed)[/]" if failed else ""),
            number(route.one.rate),
            number(route.one.p50),
            number(route.one.p95),
            number(route.many.rate),
            number(route.many.p95),
            number(bare.p50 if bare else None),
            number(bare.p95 if bare else None),
            number(many.rate if many else None),
            number(route.ratio),
            number(route.web_cpu),
            number(route.postgres_cpu),
        )
    return table


def recall_table(found: Iterable[Recall]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Vector search by project: index and scan")
    table.add_column("Chunks in the project")
    table.add_column("The application")
    for heading in ("recall@10", "recall@30", "index p50 ms", "p95 ms", "scan p50 ms", "p95 ms"):
        table.add_column(heading, justify="right")
    for row in found:
        table.add_row(
            f"{row.chunks:,}",
            "uses the index" if row.uses_index else "scans",
            f"{row.at_10:.3f}",
            f"{row.at_30:.3f}",
            *(number(value) for way in (row.index, row.scan) for value in (way.p50, way.p95)),
        )
    return table


def others_table(figures: Figures) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Everything else")
    table.add_column("What")
    table.add_column("Figure", justify="right")
    for name, value in others(figures):
        table.add_row(name, value)
    return table


def others(figures: Figures) -> Iterable[tuple[str, str]]:
    if figures.events:
        name = f"event to the last of {figures.streams} streams"
        yield (
            f"{name}, p50 / p95 ms",
            f"{number(figures.events.p50)} / {number(figures.events.p95)}",
        )
    if figures.synced:
        synced = figures.synced
        yield f"sync, messages per second ({synced.messages:,})", number(synced.messages_rate)
        yield f"embedding, chunks per second ({synced.chunks:,})", number(synced.chunks_rate)
        yield "from the sync's request until all is searchable, s", number(synced.whole_seconds)
    for memory in figures.memory:
        yield f"{memory.name}, PSS / RSS MiB", f"{memory.pss:.0f} / {memory.rss:.0f}"


def million_tables(compared: Compared) -> Iterable[Table]:
    """What ten times the data cost: indexes, questions, recall."""
    built = Table(box=box.SIMPLE_HEAD, title="Indexes over ten times the data")
    for heading in ("Index", "built in s", "MiB"):
        built.add_column(heading, justify="left" if heading == "Index" else "right")
    for index in compared.built:
        built.add_row(index.name, number(index.seconds), number(index.bytes / MIB))
    yield built
    asked = Table(box=box.SIMPLE_HEAD, title="New questions, one client, both databases in turn")
    for heading in ("Chunks", "p50 ms", "p95 ms", "CPU ms", "ratio of p50", "ratio of CPU"):
        asked.add_column(heading, justify="right")
    for less, more in compared.asked:
        asked.add_row(f"{less.chunks:,}", number(less.p50), number(less.p95), number(less.cpu))
        ratios = (number(more.p50 / less.p50), number(more.cpu / less.cpu))
        asked.add_row(
            f"{more.chunks:,}", number(more.p50), number(more.p95), number(more.cpu), *ratios
        )
    yield asked
    yield recall_table(compared.recall)


def number(value: float | None) -> str:
    """Three figures at most: nothing here is measured more exactly."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
