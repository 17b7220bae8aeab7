"""The simulated Chatwoot server."""

from __future__ import annotations

from flask import Flask

from tests.vendors.chatwoot.api import make_api
from tests.vendors.chatwoot.state import State
from tests.vendors.serving import SimulatedVendor


class ChatwootServer(SimulatedVendor):
    """One server with all accounts of its state."""

    def __init__(
        self, state: State | None = None, token: str = "chatwoot-token", port: int = 0
    ) -> None:
        super().__init__(token, port)
        self.state = state or State()

    def make_api(self) -> Flask:
        return make_api(self.state, self.token, self.faults, self.requests)
