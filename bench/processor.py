"""Processor time by whom it was used: what other work on the machine does not change much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from bench.place import Place
from tests.running import Process


@dataclass
class Used:
    """Seconds of processor time between the beginning and the end of a block."""

    web: float = 0.0
    postgres: float = 0.0


@contextmanager
def used(place: Place, web: Process) -> Iterator[Used]:
    """Filled in when the block ends; processes that ended within it are not counted."""
    found = Used()
    assert web.process is not None
    parents = {"web": web.process.pid, "postgres": _postmaster(place)}
    before = {name: _seconds(pid) for name, pid in parents.items()}
    yield found
    for name, pid in parents.items():
        after = _seconds(pid)
        spent = sum(seconds - before[name].get(key, 0.0) for key, seconds in after.items())
        setattr(found, name, spent)


def _postmaster(place: Place) -> int:
    return int((place.server.folder / "postmaster.pid").read_text().splitlines()[0])


def _seconds(parent: int) -> dict[tuple[int, float], float]:
    """Of the process and its children, by process id and time of birth."""
    found = {}
    process = psutil.Process(parent)
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
            found[one.pid, one.create_time()] = times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return found
