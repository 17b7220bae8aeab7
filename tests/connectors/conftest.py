"""What the tests of connectors share: workspaces, projects connected to them, their syncs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.connectors import connections
from tests.vendors.attio import AttioServer, State
from tests.vendors.linear import LinearServer
from tests.vendors.linear.state import Node

Rows = Callable[..., list[Any]]
Sync = Callable[[], dict[str, Any]]
Connect = Callable[..., None]


@pytest.fixture
def workspace(attio: AttioServer) -> State:
    """The workspace with deals enabled."""
    attio.state.objects["deals"].enabled = True
    return attio.state


@pytest.fixture
def connect_attio(app: Flask, attio: AttioServer) -> Connect:
    def make(
        project_id: str,
        mapping: dict[str, Any] | None = None,
        filters: dict[str, Any] | None = None,
        workspace_id: str = "",
        token: str = "",
    ) -> None:
        with app.app_context():
            connections.store(
                uuid.UUID(project_id),
                connector="attio",
                base_url=attio.url,
                external_account_id=workspace_id or attio.state.workspace_id,
                api_token=token or attio.token,
                filters=filters,
                mapping=mapping,
            )

    return make


@pytest.fixture
def sync_attio(
    project: dict[str, Any], connect_attio: Connect, work: Callable[..., dict[str, Any]]
) -> Sync:
    """Sync the connected project and answer its run."""
    connect_attio(project["id"])
    return lambda: work(project["id"], "attio_sync")


@pytest.fixture
def team(linear: LinearServer) -> Node:
    return linear.workspace.add_team("FLT", "Fleetline")


@pytest.fixture
def connected(app: Flask, linear: LinearServer) -> Callable[..., None]:
    def make(project_id: str, token: str = "", account: str = "", **filters: Any) -> None:
        with app.app_context():
            connections.store(
                uuid.UUID(project_id),
                connector="linear",
                base_url=linear.graphql_url,
                external_account_id=account or linear.workspace.organization["id"],
                api_token=token or linear.token,
                filters=filters,
            )

    return make


@pytest.fixture
def rows(database_url: str) -> Rows:
    def ask(statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(database_url) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    return ask
