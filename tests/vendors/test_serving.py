"""A simulated vendor goes away and comes back where it was."""

from __future__ import annotations

import socket

import pytest
import requests

from tests.ports import LOOPBACK
from tests.vendors.loops import LoopsServer


def test_a_stopped_vendor_refuses_and_comes_back_on_its_port_which_nobody_took() -> None:
    vendor = LoopsServer()
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            requests.get(vendor.url, timeout=5)
        with socket.socket() as somebody, pytest.raises(OSError, match="in use"):
            somebody.bind((LOOPBACK, vendor.port))
        vendor.start()
        assert requests.get(f"{vendor.url}/nothing", timeout=5).status_code in (401, 404)
        vendor.stop()
