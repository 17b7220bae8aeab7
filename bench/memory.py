"""Resident memory of the measured processes."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from tests.running import Process

MIB = 1024 * 1024


@dataclass(frozen=True)
class Memory:
    """MiB of one process. `pss` counts a page shared by n processes as the n-th part of it."""

    name: str
    rss: float
    pss: float


def memory_of(process: Process, name: str) -> list[Memory]:
    """The process and, numbered, its children."""
    assert process.process is not None
    parent = psutil.Process(process.process.pid)
    children = parent.children()
    found = [_memory(parent, f"{name}: parent" if children else name)]
    return found + [_memory(child, f"{name}: {n}") for n, child in enumerate(children, 1)]


def _memory(process: psutil.Process, name: str) -> Memory:
    info = process.memory_full_info()
    return Memory(name, info.rss / MIB, info.pss / MIB)
