"""Which addresses may be called on somebody's word: public ones over https, and those of one's own network
that are allowed by name."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from app.web.errors import ApiError
from config.settings import Settings


def refuse_unsafe_url(url: str, settings: Settings) -> None:
    """Raise 400 `connection_url_refused` for an address that we must not call on somebody's word."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refused("Give a full address, like https://chat.example.com.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _refused("Leave logins, queries and fragments out of the address.")
    addresses = _addresses(parts.hostname)
    private = [address for address in addresses if not _public(address)]
    if private and not all(_allowed(address, parts.hostname, settings) for address in private):
        raise _refused(
            "This address is in a private network. Allow it with CONNECTOR_PRIVATE_HOSTS if it is yours."
        )
    if parts.scheme == "http" and len(private) < len(addresses):
        raise _refused("Use https: the token would travel in clear.")


def may_be_called(address: str, host: str, settings: Settings) -> bool:
    """Whether the address that a host's name led to is one that `refuse_unsafe_url` lets pass: a name may
    lead elsewhere by the time that it is used."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return _public(found) or _allowed(found, host, settings)


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = {item[4][0] for item in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise _refused(f"The host {host} is not known.") from None
    return [ipaddress.ip_address(str(address).partition("%")[0]) for address in found]


def _public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not address.is_multicast


def _allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, host: str, settings: Settings
) -> bool:
    if address.is_loopback and not settings.is_production:
        return True
    for entry in settings.connector_private_hosts:
        if entry.lower() == host.lower():
            return True
        try:
            if address in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False


def _refused(message: str) -> ApiError:
    return ApiError(400, "connection_url_refused", message)
