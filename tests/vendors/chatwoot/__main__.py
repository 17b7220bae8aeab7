"""`python -m tests.vendors.chatwoot`: the simulated server as a program, for the demo."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from tests.vendors.chatwoot.server import ChatwootServer
from tests.vendors.chatwoot.state import State, fill
from tests.vendors.chatwoot.story import load_story


def main() -> None:
    parser = argparse.ArgumentParser(description="A simulated Chatwoot server.")
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--token", default="chatwoot-token")
    parser.add_argument("--story", type=Path, help="folder with the story to serve")
    parser.add_argument(
        "--fill", type=int, metavar="CONVERSATIONS", help="many made-up conversations"
    )
    options = parser.parse_args()
    state = load_story(options.story).state if options.story else State()
    if options.fill:
        fill(state, state.add_account(99, "Load"), options.fill, options.fill * 10 // 3)
    lines = [f"A simulated Chatwoot on http://127.0.0.1:{options.port}, token {options.token}:"]
    for account in state.accounts.values():
        held = f"{len(account.conversations)} conversations"
        lines.append(f"  account {account.id}: {account.name}, {held}")
    lines.append("Ctrl-C stops it.\n")
    with contextlib.suppress(KeyboardInterrupt):
        ChatwootServer(state, options.token, options.port).serve("\n".join(lines))


if __name__ == "__main__":
    main()
