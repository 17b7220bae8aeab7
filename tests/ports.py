"""Ports that stay a test's own from start to stop and start again."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def reserve() -> socket.socket:
    """A socket bound to a free port of this machine, not listening.

    While it is open, a server that asks for the same port gets it, as often as it likes, for both allow the
    address to be reused; a connection made in between is refused; and no other program's outgoing
    connection is given the port, as may happen to one that is merely not in use.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((LOOPBACK, 0))
    return held


def port_of(held: socket.socket) -> int:
    return int(held.getsockname()[1])
