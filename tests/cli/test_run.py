"""`make run` before it starts anything."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from app.cli import demo, run
from tests.running import free_port


@pytest.mark.parametrize("arguments", [[], ["--demo"]])
def test_a_taken_port_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, home: Path, arguments: list[str]
) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        taken = somebody.getsockname()[1]
        monkeypatch.setattr(demo, "SIMULATOR_PORT", taken)
        monkeypatch.setenv("HOST", "127.0.0.1")
        monkeypatch.setenv("PORT", str(free_port() if arguments else taken))
        monkeypatch.setenv("LIGHTPOST_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["make run", *arguments])
        with pytest.raises(SystemExit, match=f"Port {taken}.*is taken"):
            run.main()
    assert not home.exists()
