"""The server that comes with the application, on a machine that has never seen it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import pytest


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes system users")
def test_processes_that_start_at_once_agree_on_the_system_user() -> None:
    name = f"lightpost_{uuid.uuid4().hex[:8]}"
    make = f"""
from app.db.embedded import _system_user
print("ready", flush=True)
input()
print(_system_user({name!r}).pw_uid)
"""
    try:
        starting = [
            subprocess.Popen(
                [sys.executable, "-c", make],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in starting:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in starting:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        numbers = {process.communicate(timeout=60)[0].strip() for process in starting}
        assert [process.returncode for process in starting] == [0] * 4
        assert numbers == {subprocess.check_output(["id", "-u", name], text=True).strip()}
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)
