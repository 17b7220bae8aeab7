"""The worker lets people's requests go first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from config.priority import AUTOGROUP

pytestmark = pytest.mark.skipif(
    not AUTOGROUP.exists(), reason="this system does not share processors out by sessions"
)
# A session that was there before the system grouped by sessions has no group: the file is empty then.
LOOK = (
    "from config.priority import step_back; import os; step_back({steps}); "
    "print(os.nice(0), (open('/proc/self/autogroup').read().split() or ['ungrouped'])[-1])"
)


def niceness(steps: int, own_session: bool) -> tuple[int, str]:
    """Of a process that stepped back: its own, and that of its session."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(steps=steps)],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=own_session,
    )
    own, session = done.stdout.split()
    return int(own), session


def test_a_process_of_its_own_session_steps_back_with_all_of_it() -> None:
    before, _ = niceness(0, own_session=True)
    assert niceness(7, own_session=True) == (before + 7, "7")


def test_one_that_shares_its_session_leaves_the_others_alone() -> None:
    before, session = niceness(0, own_session=False)
    assert niceness(7, own_session=False) == (before + 7, session)
