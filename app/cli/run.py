"""`make run` and `make demo`: everything on one machine, with nothing to configure.

Starts embedded Postgres unless DATABASE_URL is set, migrates, makes an owner once, and keeps the web
server and the job worker running until Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console

from app.cli.supervisor import Child, Supervisor
from app.crypto import kept_secret
from app.db import migrations
from app.db.embedded import DATABASE, EmbeddedPostgres, of_home
from config.settings import Settings, SettingsError, load

console = Console(highlight=False)
OWNER = "owner"
ROOT = Path(__file__).parents[2]


def main() -> None:
    arguments = argparse.ArgumentParser(prog="make run")
    arguments.add_argument("--demo", action="store_true", help="with the demo workspace")
    options = arguments.parse_args()
    try:
        settings = load()
    except SettingsError as error:
        sys.exit(str(error))
    _refuse_taken_port(settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    os.environ["LIGHTPOST_HOME"] = str(settings.home)
    server = _database(settings)
    try:
        _run(settings, demo=options.demo)
    finally:
        if server is not None:
            server.stop()
            console.print("Stopped.")


def _run(settings: Settings, demo: bool) -> None:
    _owner(settings)
    settings = load()
    assert settings.database_url is not None
    for name in migrations.upgrade(settings.database_url):
        console.print(f"  applied {name}")
    _seed(settings)
    _fresh_metrics(settings)
    children = [
        Child("web", [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"]),
        Child("worker", [sys.executable, "-m", "jobs"]),
    ]
    vendors_port = _vendors_port() if demo else None
    if vendors_port:
        children.append(_demo_simulator(vendors_port))
    supervisor = Supervisor(children, say=lambda line: console.print(f"[yellow]{line}[/]"))
    supervisor.install_signals()
    os.chdir(ROOT)
    supervisor.start()
    if _wait_until_ready(settings, supervisor):
        if vendors_port:
            _load_demo(settings, vendors_port)
        _welcome(settings)
    supervisor.watch()
    console.print("Stopping ...")
    supervisor.stop(patience=settings.shutdown_timeout_ms / 1000)


def _refuse_taken_port(settings: Settings) -> None:
    if _taken(settings.host, settings.port):
        sys.exit(f"Port {settings.port} is taken: stop what uses it, or run `PORT=8081 make run`.")


def _taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _database(settings: Settings) -> EmbeddedPostgres | None:
    """The embedded server, started, or None when DATABASE_URL names another one."""
    if settings.database_url:
        return None
    server = of_home(settings.home)
    server.start()
    os.environ["DATABASE_URL"] = server.ensure_database(DATABASE)
    return server


def _owner(settings: Settings) -> None:
    """Make the owner's password once, when nothing is configured."""
    if settings.owner_credentials is None:
        password = kept_secret(_password_file(settings), lambda: secrets.token_urlsafe(12))
        os.environ["AUTH_CREDENTIALS"] = f"{OWNER}:{password}"


def _password_file(settings: Settings) -> Path:
    return settings.home / "owner-password"


def _seed(settings: Settings) -> None:
    from app import create_app
    from app.auth.service import seed_owner
    from app.db import db

    with create_app(settings).app_context():
        seed_owner(settings)
        db.close()


def _fresh_metrics(settings: Settings) -> None:
    """Counters begin with this start: files of processes long gone would add up for ever."""
    folder = settings.home / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _vendors_port() -> int:
    """The simulator's usual port, or another one where something else answers on it: another demo, or
    `make chatwoot`."""
    from app.cli.demo import SIMULATOR_PORT

    if not _taken("127.0.0.1", SIMULATOR_PORT):
        return SIMULATOR_PORT
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        found: int = any_free.getsockname()[1]
        return found


def _demo_simulator(port: int) -> Child:
    from app.cli.demo import FOLDER, SIMULATOR_TOKEN

    return Child(
        "simulated vendors",
        [
            sys.executable, "-m", "tests.vendors.demo", "--port", str(port),
            "--folder", str(FOLDER), "--token", SIMULATOR_TOKEN,
        ],
    )  # fmt: skip


def _load_demo(settings: Settings, vendors_port: int) -> None:
    from app import create_app
    from app.cli.demo import load_workspace
    from app.db import db

    with create_app(settings).app_context():
        console.print(
            "\n[bold]The demo[/]: a small studio's three client projects over ninety days"
        )
        load_workspace(
            f"http://127.0.0.1:{vendors_port}",
            report=lambda line: console.print(line, soft_wrap=True),
        )
        db.close()


def _wait_until_ready(settings: Settings, supervisor: Supervisor, patience: float = 60) -> bool:
    """Wait for the first answered request. False when told to stop, or when it takes too long."""
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host
    url = f"http://{host}:{settings.port}/health/ready"
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not supervisor.stopping:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    if not supervisor.stopping:
        console.print(f"[red]{url} does not answer; see the messages above.[/]")
    return False


def _welcome(settings: Settings) -> None:
    login, secret = load().owner_credentials or (OWNER, "")
    console.print(
        f"\n[bold]Lightpost[/] answers on http://localhost:{settings.port}  (docs: /docs)"
    )
    if settings.owner_credentials and _password_file(settings).exists():
        console.print(f"Sign in as [bold]{login}[/] with password [bold]{secret}[/]")
        console.print(f"(kept in {_password_file(settings)})")
    else:
        console.print(f"Sign in as [bold]{login}[/] with the configured password")
    console.print("Ctrl-C stops it.\n")


if __name__ == "__main__":
    main()
