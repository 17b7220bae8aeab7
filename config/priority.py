"""Who goes first when the processors are busy: people's requests before jobs."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def step_back(steps: int) -> None:
    """Let other processes of the machine go before this one, by so many steps of `nice`.

    Linux may share the processors out between sessions first, and look at `nice` only within one. A
    process that leads a session of its own steps back with the whole of it.
    """
    if steps <= 0:
        return
    os.nice(steps)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(steps))
