"""The folder in which the processes of one start share their metrics."""

from __future__ import annotations

import os
from pathlib import Path

from config.settings import Settings

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def prepare(settings: Settings) -> Path:
    """Name the folder to the client library. Must run before any metric is made.

    The supervisor empties it at start; a process started alone joins what is there.
    """
    folder = Path(os.environ.get(VARIABLE) or settings.home / "metrics")
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(folder)
    return folder
