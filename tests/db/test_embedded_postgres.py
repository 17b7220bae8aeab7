"""The server that comes with the application, on a machine that has never seen it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import uuid

import pytest

from app.db.embedded import _system_user


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes system users")
def test_processes_that_start_at_once_agree_on_the_system_user() -> None:
    name = f"lightpost_{uuid.uuid4().hex[:8]}"
    forked = multiprocessing.get_context("fork")  # a start of its own would import everything anew
    together, numbers = forked.Barrier(4), forked.Queue()

    def make() -> None:
        together.wait(60)
        numbers.put(str(_system_user(name).pw_uid))

    try:
        starting = [forked.Process(target=make) for _ in range(4)]
        for process in starting:
            process.start()
        found = {numbers.get(timeout=60) for _ in starting}
        for process in starting:
            process.join(60)
        assert [process.exitcode for process in starting] == [0] * 4
        assert found == {subprocess.check_output(["id", "-u", name], text=True).strip()}
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)
