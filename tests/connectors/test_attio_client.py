"""Attio's calls on the wire, against the simulated workspace."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from app.connectors.attio.client import AttioClient
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from config.settings import load
from tests.vendors.attio import AttioServer
from tests.vendors.attio.state import WORKSPACE
from tests.vendors.faults import in_seconds

Make = Callable[..., AttioClient]


@pytest.fixture
def make_client(attio: AttioServer) -> Iterator[Make]:
    made: list[AttioClient] = []

    def make(token: str = "", workspace: str = WORKSPACE) -> AttioClient:
        connection = Connection(
            id=uuid.uuid4(),
            project_id=uuid.uuid4(),
            connector="attio",
            base_url=attio.url,
            external_account_id=workspace,
            token=token or attio.token,
            filters={},
            mapping={},
            options={},
            enabled=True,
            health="ok",
        )
        made.append(AttioClient(connection, load({}, connector_http_retries=1)))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_records_come_by_offset_oldest_first(attio: AttioServer, make_client: Make) -> None:
    for number in range(7):
        attio.state.add_company(f"Company {number}")
    client = make_client()
    names = [
        record["values"]["name"][0]["value"]
        for offset in (0, 3, 6)
        for record in client.records("companies", 3, offset)
    ]
    assert names == [f"Company {number}" for number in range(7)]
    assert client.records("companies", 3, 7) == []


def test_whose_token_it_is(attio: AttioServer, make_client: Make) -> None:
    found = make_client().identify()
    assert found["workspace_name"] == "Студия «Маяк»" and "note:read" in found["scope"]


def test_a_wrong_token_workspace_or_end(attio: AttioServer, make_client: Make) -> None:
    with pytest.raises(ConnectorError) as raised:
        make_client(token="wrong").identify()
    assert raised.value.kind == "auth_failed"
    with pytest.raises(ConnectorError) as raised:
        make_client(workspace=str(uuid.uuid4())).identify()
    assert raised.value.kind == "binding_conflict"
    attio.state.active = False
    with pytest.raises(ConnectorError) as raised:
        make_client().identify()
    assert raised.value.kind == "auth_failed"


def test_an_object_that_is_not_enabled(make_client: Make) -> None:
    with pytest.raises(ConnectorError) as raised:
        make_client().records("deals", 10, 0)
    assert raised.value.kind == "not_found"


@pytest.mark.parametrize("limit, path", [(501, "records"), (51, "notes"), (501, "tasks")])
def test_more_than_the_vendor_gives_at_once_is_refused(
    make_client: Make, limit: int, path: str
) -> None:
    client = make_client()
    with pytest.raises(ConnectorError) as raised:
        if path == "records":
            client.records("companies", limit, 0)
        else:
            getattr(client, path)(limit, 0)
    assert raised.value.kind == "schema_mismatch"


def test_a_pause_as_an_http_date(attio: AttioServer, make_client: Make) -> None:
    attio.faults.add("status", status=429, retry_after=in_seconds(900))
    with pytest.raises(ConnectorError) as raised:
        make_client().records("companies", 10, 0)
    assert raised.value.kind == "rate_limited"
    assert 800 < (raised.value.retry_after or 0) <= 900


def test_a_short_pause_is_waited_for(attio: AttioServer, make_client: Make) -> None:
    attio.state.add_company("Acme")
    attio.faults.add("status", status=429, retry_after=in_seconds(2), times=1)
    assert len(make_client().records("companies", 10, 0)) == 1


@pytest.mark.parametrize("kind", ["wrong_json", "not_an_object", "half_body"])
def test_answers_that_cannot_be_read(attio: AttioServer, make_client: Make, kind: str) -> None:
    attio.faults.add(kind)
    with pytest.raises(ConnectorError) as raised:
        make_client().records("companies", 10, 0)
    assert raised.value.kind in ("invalid_response", "network")


def test_a_slug_cannot_leave_its_place_in_the_path(attio: AttioServer, make_client: Make) -> None:
    with pytest.raises(ConnectorError) as raised:
        make_client().records("../../v2/self?", 10, 0)
    assert raised.value.kind == "not_found"
