"""An Attio workspace for tests: the real API's paths, limits, typed values and refusals."""

from __future__ import annotations

from flask import Flask

from tests.vendors.attio.api import AttioLog, make_api
from tests.vendors.attio.state import State
from tests.vendors.serving import SimulatedVendor


class AttioServer(SimulatedVendor):
    """One workspace, reached by its token."""

    def __init__(
        self, state: State | None = None, token: str = "attio-token", port: int = 0
    ) -> None:
        super().__init__(token, port)
        self.state = state or State()
        self.requests: AttioLog = AttioLog()

    def make_api(self) -> Flask:
        return make_api(self.state, self.token, self.faults, self.requests)


__all__ = ["AttioServer", "State"]
