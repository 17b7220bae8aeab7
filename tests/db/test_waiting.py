"""A patched process goes on with its other work while Postgres has not answered."""

from __future__ import annotations

import subprocess
import sys

from tests.running import ROOT

# As in a web worker: patched before anything else is imported.
PATCHED = """
from gevent import monkey
monkey.patch_all()

import sys
import gevent
import psycopg
from app.db.waiting import WaitingConnection

connection = WaitingConnection.connect(sys.argv[1], autocommit=True)
done = []

def ask(name, statement):
    try:
        own = WaitingConnection.connect(sys.argv[1], autocommit=True)
        done.append((name, own.execute(statement).fetchone()[0]))
    except psycopg.Error as error:
        done.append((name, type(error).__name__))

waiting = gevent.spawn(ask, "waiting", "SELECT pg_sleep(600)")
gevent.sleep(0)
ask("quick", "SELECT 'soon'")
ask("large", "SELECT repeat('x', 3000000)")
ended = False
while not ended:
    ended = connection.execute(
        "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'").fetchone()[0]
waiting.join()
print(*(f"{name}={value[:20]}" for name, value in done))
"""


def test_other_statements_are_answered_while_one_is_waited_for(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PATCHED, database_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["quick=soon", f"large={20 * 'x'}", "waiting=AdminShutdown"]
