"""Child processes under one parent."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.cli.supervisor import Child, Supervisor
from tests.running import eventually


def writer(path: Path, then: str) -> list[str]:
    """A child that leaves a line each time it starts."""
    return [
        sys.executable,
        "-c",
        f"import sys, time; open({str(path)!r}, 'a').write('started\\n'); {then}",
    ]


@contextmanager
def watched(supervisor: Supervisor) -> Iterator[None]:
    supervisor.start()
    thread = threading.Thread(target=supervisor.watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        supervisor.request_stop()
        thread.join(5)
        supervisor.stop(patience=1)


def starts(path: Path) -> int:
    return path.read_text().count("started") if path.exists() else 0


def test_a_crashed_child_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    child = Child("crasher", writer(tmp_path / "log", "sys.exit(3)"), pause=0.05)
    supervisor = Supervisor([child], said.append)
    with watched(supervisor):
        eventually(lambda: starts(tmp_path / "log") >= 3)
    assert "ended with code 3" in said[0]


def test_the_pause_grows_with_each_crash(tmp_path: Path) -> None:
    child = Child("crasher", writer(tmp_path / "log", "sys.exit(1)"), pause=0.05)
    supervisor = Supervisor([child], lambda line: None)
    with watched(supervisor):
        eventually(lambda: child.pause >= 0.4)


def test_stopping_lets_children_finish_and_kills_those_that_do_not(tmp_path: Path) -> None:
    polite = Child("polite", writer(tmp_path / "a", "time.sleep(60)"))
    deaf = Child(
        "deaf",
        writer(
            tmp_path / "b",
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        ),
    )
    supervisor = Supervisor([polite, deaf], lambda line: None)
    supervisor.start()
    eventually(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists())
    time.sleep(0.3)  # until the second one has learnt to ignore the signal
    supervisor.stop(patience=0.5)
    for child in (polite, deaf):
        assert child.process is not None and child.process.poll() is not None
