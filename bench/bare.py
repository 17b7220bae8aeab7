"""The same SQL without the application: what a route sends to Postgres, repeated by pgbench.

The statements are not written down here. One request is answered in this process while its statements
and their parameters are noted; they go into a script for pgbench, the parameters as literals.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
from flask import Flask
from psycopg import sql

from app.db.embedded import BIN, EmbeddedPostgres
from app.db.statements import FOLDER, statements
from bench.routes import Route, headers_of
from bench.timing import Timing, timing
from tests.running import Web

PARAMETER = re.compile(r"%\((\w+)\)s|%%")
QUOTED = re.compile(r"--[^\n]*|'(?:[^']|'')*'")  # a comment may have an apostrophe


@dataclass(frozen=True)
class Statement:
    """A statement of sql/*.sql with its parameters in place. `name` as in `rag.status`."""

    name: str
    text: str


def statements_of(app: Flask, web: Web, route: Route) -> list[list[Statement]]:
    """What the route sends to Postgres, for each of its different requests."""
    client = app.test_client()
    for cookie in web.http.cookies:
        client.set_cookie(cookie.name, cookie.value or "")
    headers = headers_of(web)
    headers.pop("cookie")
    found = []
    with psycopg.connect(app.config["SETTINGS"].database_url) as connection:
        for _ in range(route.skipped + route.variety):
            body = next(route.bodies) if route.bodies is not None else None
            with _noted() as taken:
                answer = client.open(route.path, method=route.method, data=body, headers=headers)
            assert answer.status_code == 200, answer.get_data(as_text=True)
            found.append([_bound(query, values, connection) for query, values in taken])
    return found[route.skipped :]


@contextmanager
def _noted() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Every statement that the application executes within the block, in order."""
    taken: list[tuple[str, dict[str, Any]]] = []
    execute = psycopg.Connection.execute

    def note(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        taken.append((query, params or {}))
        return execute(self, query, params, **options)

    with patch.object(psycopg.Connection, "execute", note):
        yield taken


def _bound(query: str, values: dict[str, Any], connection: psycopg.Connection[Any]) -> Statement:
    def literal(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        return _without_colons(sql.Literal(values[match[1]]).as_string(connection))

    def quoted(match: re.Match[str]) -> str:
        if match[0].startswith("--"):
            return ""
        return _without_colons(match[0].replace("\\", r"\\")) if ":" in match[0] else match[0]

    text = PARAMETER.sub(literal, QUOTED.sub(quoted, query)).strip().rstrip(";")
    return Statement(_names().get(query, "unnamed"), text)


def _without_colons(literal: str) -> str:
    """The literal with colons escaped: pgbench would take `:word` for a variable of its own."""
    end = literal.rfind("'")
    if ":" not in literal[: max(end, 0)]:
        return literal
    body, rest = literal[: end + 1].lstrip(), literal[end + 1 :]
    body = body.removeprefix("E")
    return " E" + body.replace(":", r"\072") + rest


def _names() -> dict[str, str]:
    """Names of the application's statements by their text."""
    found = {}
    for path in FOLDER.glob("*.sql"):
        domain = statements(path.stem)
        for name in domain.available_queries:
            text = getattr(getattr(domain, name), "sql", None)
            if text and not name.endswith("_cursor"):
                found[text] = f"{path.stem}.{name}"
    return found


def drive(
    server: EmbeddedPostgres,
    database: str,
    scripts: list[list[Statement]],
    clients: int,
    seconds: float,
) -> Timing:
    """pgbench for `seconds`: the statements of one request are one transaction of its counting."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, script in enumerate(scripts):
            file = Path(folder) / f"{number}.sql"
            file.write_text("".join(f"{statement.text};\n" for statement in script))
            files += ["-f", str(file)]
        command = [
            str(BIN / "pgbench"), "--no-vacuum", "--protocol=prepared", "--client", str(clients),
            "--jobs", str(min(clients, 2)), "--time", str(max(1, round(seconds))), "--log",
            "--log-prefix", f"{folder}/log", "--host", str(server.socket_folder),
            "--username", "postgres", *files, database,
        ]  # fmt: skip
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"pgbench: {result.stderr[-1000:]}")
        durations = [
            int(line.split()[2]) / 1000
            for log in Path(folder).glob("log.*")
            for line in log.read_text().splitlines()
        ]
    return timing(durations, max(1, round(seconds)))
