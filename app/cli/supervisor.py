"""Child processes under one parent: restarted when they crash, stopped together."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PR_SET_PDEATHSIG = 1
LONGEST_PAUSE = 30.0


@dataclass
class Child:
    """One program to keep running."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.5  # before the next restart, doubled at each crash in a row
    due: float = field(default=0.0)

    def start(self) -> None:
        # A session of its own: Ctrl-C goes to the parent alone, which stops children in order. And
        # should the parent be killed, the kernel stops the child.
        self.process = subprocess.Popen(
            self.command, start_new_session=True, preexec_fn=_die_with_parent
        )
        self.started = time.monotonic()

    def crashed(self) -> bool:
        return self.process is not None and self.process.poll() is not None


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Runs children until it is told to stop."""

    def __init__(self, children: list[Child], say: Callable[[str], None]) -> None:
        self.children = children
        self.say = say
        self.stopping = False

    def install_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.request_stop())

    def request_stop(self) -> None:
        self.stopping = True

    def start(self) -> None:
        for child in self.children:
            child.start()

    def watch(self) -> None:
        """Block until a stop is requested, restarting whatever crashes."""
        while not self.stopping:
            for child in self.children:
                if child.crashed():
                    self._restart(child)
            time.sleep(0.2)

    def _restart(self, child: Child) -> None:
        now = time.monotonic()
        if child.due == 0.0:
            assert child.process is not None
            if now - child.started > 60:
                child.pause = 0.5
            self.say(
                f"{child.name} ended with code {child.process.returncode}; "
                f"starting it again in {child.pause:g} s"
            )
            child.due = now + child.pause
            child.pause = min(child.pause * 2, LONGEST_PAUSE)
        elif now >= child.due:
            child.due = 0.0
            child.start()

    def stop(self, patience: float) -> None:
        """Ask all children to finish, and after `patience` seconds no longer ask."""
        alive = [c.process for c in self.children if c.process and c.process.poll() is None]
        for process in alive:
            process.terminate()
        deadline = time.monotonic() + patience
        for process in alive:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
