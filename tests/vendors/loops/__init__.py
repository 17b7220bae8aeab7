"""A Loops team for tests: its contacts API with the real one's methods, types and quota."""

from __future__ import annotations

from flask import Flask

from tests.vendors.loops.api import make_api
from tests.vendors.loops.state import Team
from tests.vendors.serving import SimulatedVendor


class LoopsServer(SimulatedVendor):
    """One team, reached by one key. The address ends in /api/v1, as the real one's does."""

    def __init__(self, team: Team | None = None, token: str = "loops-key", port: int = 0) -> None:
        super().__init__(token, port)
        self.team = team or Team()

    def make_api(self) -> Flask:
        return make_api(self.team, self.token, self.faults, self.requests)

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v1"


__all__ = ["LoopsServer", "Team"]
