"""`python -m tests.vendors.demo`: the vendors of the demo on one port: Chatwoot's accounts at the root,
a Linear and an Attio workspace for each client project under `/linear/<project>` and `/attio/<project>`."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.vendors.attio import AttioServer
from tests.vendors.attio.story import load_attio
from tests.vendors.chatwoot.server import ChatwootServer
from tests.vendors.chatwoot.story import load_story
from tests.vendors.linear import LinearServer
from tests.vendors.linear.story import load_linear
from tests.vendors.serving import SimulatedVendor


class DemoServer(SimulatedVendor):
    """The whole story of a folder. `refs[project]` names what each key of the golden questions became."""

    def __init__(self, folder: Path, token: str = "demo-token", port: int = 0) -> None:
        super().__init__(token, port)
        story = load_story(folder / "story")
        self.refs: dict[str, dict[str, int | str]] = {
            name: {**ids} for name, ids in story.ids.items()
        }
        self.chatwoot = ChatwootServer(story.state, token)
        self.others: dict[str, SimulatedVendor] = {}
        for path in sorted((folder / "linear").glob("*.yaml")):
            linear = load_linear(path)
            server = LinearServer(linear.workspace, token)
            # The connector sends whatever is no personal key as a bearer.
            server.authorizations = {f"Bearer {token}"}
            self.others[f"/linear/{path.stem}"] = server
            self.refs[path.stem].update(linear.refs)
        for path in sorted((folder / "attio").glob("*.yaml")):
            attio = load_attio(path)
            self.others[f"/attio/{path.stem}"] = AttioServer(attio.state, token)
            self.refs[path.stem].update(attio.refs)

    def make_api(self) -> Flask:
        root = self.chatwoot.make_api()
        mounted = {place: server.make_api() for place, server in self.others.items()}
        root.wsgi_app = DispatcherMiddleware(root.wsgi_app, mounted)  # type: ignore[method-assign]
        return root


def main() -> None:
    parser = argparse.ArgumentParser(description="The vendors of the demo, simulated.")
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--token", default="demo-token")
    parser.add_argument("--folder", type=Path, default=Path("demo"))
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        DemoServer(options.folder, options.token, options.port).serve()


if __name__ == "__main__":
    main()
