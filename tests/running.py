"""The real processes, for tests that kill, restart or stream: gunicorn and the worker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.ports import port_of, reserve

ROOT = Path(__file__).parents[1]
LOGIN = "owner"
PASSWORD = "a good long password"
_held: list[socket.socket] = []


def free_port() -> int:
    """A port for a server that is still to be started; it stays ours as long as this process lives."""
    _held.append(reserve())
    return port_of(_held[-1])


def eventually(check: Any, seconds: float = 30.0, pause: float = 0.05) -> Any:
    """Call until it answers something true, and return that; fail with the last answer. The seconds are
    for a machine that has much else to do, and cost nothing where it has not."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(pause)


def promptly(attempt: Callable[[], Any], seconds: float = 1.0) -> None:
    """One of three attempts ends in time. A busy machine holds up one, a poll in the wrong place all."""
    took = []
    for _ in range(3):
        started = time.monotonic()
        attempt()
        took.append(time.monotonic() - started)
        if took[-1] < seconds:
            return
    raise AssertionError(f"never within {seconds} s: {took}")


class Process:
    """One program of ours on a database and a home folder, its output kept for failures."""

    def __init__(self, command: list[str], database_url: str, home: Path, **settings: str) -> None:
        self.command = [sys.executable, *command]
        self.environ = {
            **os.environ,
            "APP_ENV": "test",
            "DATABASE_URL": database_url,
            "LIGHTPOST_HOME": str(home),
            "AUTH_CREDENTIALS": f"{LOGIN}:{PASSWORD}",
            "SECRET_KEY": "a secret key for tests, long enough",
            "LOG_LEVEL": "warning",
            "PROMETHEUS_MULTIPROC_DIR": str(home / "metrics"),
            **settings,
        }
        self.output = home / f"{command[-1].replace('/', '-').replace(':', '-')}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        (Path(self.environ["PROMETHEUS_MULTIPROC_DIR"])).mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environ,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9, children included, as a machine that loses power would."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def stop(self, patience: float = 15) -> int:
        """SIGTERM; the exit code, or a failure when it does not stop in time."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(patience)

    def log(self) -> str:
        return self.output.read_text() if self.output.exists() else ""


class Worker(Process):
    def __init__(self, database_url: str, home: Path, **settings: str) -> None:
        super().__init__(["-m", "jobs"], database_url, home, **settings)


class Web(Process):
    """Gunicorn with gevent workers, and a signed-in client of it."""

    def __init__(self, database_url: str, home: Path, **settings: str) -> None:
        self.port = free_port()
        super().__init__(
            ["-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
            database_url,
            home,
            **{"HOST": "127.0.0.1", "PORT": str(self.port), "RATE_LIMIT_ENABLED": "0", **settings},
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = requests.Session()

    def start(self) -> None:
        super().start()
        eventually(self._answers, 60)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3000:]
        try:
            return requests.get(f"{self.url}/health", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def sign_in(self) -> None:
        answer = self.post("/auth/login", {"username": LOGIN, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.http.headers["x-csrf-token"] = answer.json()["csrf_token"]

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.http.get(self.url + path, **{"timeout": 30, **kwargs})

    def post(self, path: str, body: Any = None, **kwargs: Any) -> requests.Response:
        return self.http.post(self.url + path, json=body or {}, **{"timeout": 30, **kwargs})

    def workers(self) -> list[int]:
        """Process ids of the gunicorn workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]


class Stream(threading.Thread):
    """A client of the event stream: notes every frame, when it came, and when the stream ended."""

    def __init__(self, http: requests.Session, url: str, **request: Any) -> None:
        super().__init__(daemon=True)
        self.response = http.get(
            f"{url}/events/stream", stream=True, **{"timeout": 60.0, **request}
        )
        self.frames: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self.start()

    def run(self) -> None:
        frame: dict[str, Any] = {}
        try:
            for line in self.response.iter_lines(chunk_size=1, decode_unicode=True):
                if not line:
                    self.frames.append({**frame, "came": time.time()})
                    frame = {}
                else:
                    name, _, value = line.partition(":")
                    frame[name or "comment"] = value.strip()
        except (requests.RequestException, AttributeError):
            pass  # the server went away, or the test closed the response under the reader's hands
        self.ended.set()

    def named(self, name: str) -> list[dict[str, Any]]:
        """The payloads of one event type, each with its `_id` and the time it `_came`."""
        return [
            {**json.loads(f["data"]), "_id": int(f.get("id", 0)), "_came": f["came"]}
            for f in self.frames
            if f.get("event") == name
        ]


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no memory figure for {pid}")
