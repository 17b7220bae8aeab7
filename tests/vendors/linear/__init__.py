"""A Linear workspace for tests and the demo: any valid question answered, any invalid one refused."""

from __future__ import annotations

from flask import Flask

from tests.vendors.linear.api import Quota, make_api
from tests.vendors.linear.state import Workspace
from tests.vendors.serving import SimulatedVendor


class LinearServer(SimulatedVendor):
    """One workspace, reached by a personal key (as it is) and by an OAuth token (as a bearer)."""

    def __init__(
        self, workspace: Workspace | None = None, token: str = "lin_api_test", port: int = 0
    ) -> None:
        super().__init__(token, port)
        self.workspace = workspace or Workspace()
        self.quota = Quota()
        self.authorizations = {token, "Bearer oauth-token"}

    def make_api(self) -> Flask:
        return make_api(self.workspace, self.authorizations, self.quota, self.faults, self.requests)

    @property
    def graphql_url(self) -> str:
        return f"{self.url}/graphql"


__all__ = ["LinearServer", "Workspace"]
