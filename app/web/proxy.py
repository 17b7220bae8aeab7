"""WSGI layers around the application: the `/v1` alias, and which proxies are believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

Wsgi = Any


class VersionAlias:
    """Serves `/v1/anything` as `/anything`: one leading `/v1` is taken off before routing."""

    def __init__(self, wsgi: Wsgi) -> None:
        self.wsgi = wsgi

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/v1" or path.startswith("/v1/"):
            environ["PATH_INFO"] = path[3:] or "/"
        return self.wsgi(environ, start_response)


class TrustedProxies:
    """Believes forwarding headers only when the connection comes from a listed network."""

    def __init__(self, *, direct: Wsgi, trusting: Wsgi, networks: str) -> None:
        self.direct = direct
        self.trusting = trusting
        self.networks = [
            ipaddress.ip_network(part.strip(), strict=False)
            for part in networks.split(",")
            if part.strip()
        ]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        wsgi = self.trusting if self._trusts(environ.get("REMOTE_ADDR", "")) else self.direct
        return wsgi(environ, start_response)

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self.networks)
