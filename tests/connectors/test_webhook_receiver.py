"""The door for vendors: what is genuine comes in once, everything else stays outside."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.connectors.webhooks import VENDORS, Door, add_connection, sign, stored


@pytest.fixture(params=VENDORS)
def door(app: Flask, project: dict[str, Any], request: pytest.FixtureRequest) -> Door:
    """The door of a connection to each vendor."""
    return add_connection(app, project["id"], request.param)[1]


def test_a_genuine_delivery_is_kept_once(app: Flask, door: Door) -> None:
    sent = sign(door.connector, delivery="first")
    answer = door.send(sent)
    assert answer.status_code == 200, answer.get_json()
    assert set(answer.get_json()) == {"ok", "request_id"}
    again = door.send(sent)
    assert again.status_code == 200 and again.get_json()["duplicate"] is True
    assert stored(app) == [("first", "pending")]
