"""`make run` before it starts anything."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from app.cli import run


def test_a_taken_port_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        taken = somebody.getsockname()[1]
        monkeypatch.setenv("HOST", "127.0.0.1")
        monkeypatch.setenv("PORT", str(taken))
        monkeypatch.setenv("LIGHTPOST_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["make run"])
        with pytest.raises(SystemExit, match=f"Port {taken} is taken"):
            run.main()
    assert not home.exists()
