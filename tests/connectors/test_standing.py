"""What machines are told of connectors, and how long what happened is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.db import Unavailable
from app.scheduler import housekeeping
from tests.conftest import Browser
from tests.connectors.conftest import Rows
from tests.connectors.upstream import Work, talks
from tests.vendors.chatwoot import ChatwootServer

Connect = Callable[..., None]


def gauges(browser: Browser) -> dict[str, float]:
    """The metrics that stand in Postgres."""
    text = browser.get("/metrics").get_data(as_text=True)
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in text.splitlines())
        if name.startswith(
            ("app_connector_sync_lag", "app_connector_errors", "app_circuit_breaker")
        )
    }


def test_metrics_tell_of_lag_open_errors_and_breakers(
    owner: Browser, project: dict[str, Any], chatwoot: ChatwootServer, connect: Connect, work: Work,
    rows: Rows,
) -> None:  # fmt: skip
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    rows("UPDATE connector_sync_state SET last_success_at = now() - interval '90 min'")
    chatwoot.faults.add("status", status=503)
    for _ in range(2):
        work(project["id"], "chatwoot_sync")
    found = gauges(owner)
    assert 5400 <= found['app_connector_sync_lag_seconds{connector="chatwoot"}'] < 5500
    kind = 'connector="chatwoot",kind="upstream_5xx",status="retrying"'
    assert found[f"app_connector_errors_open{{{kind}}}"] == 1
    host = chatwoot.url.removeprefix("http://")
    assert found[f'app_circuit_breaker_state{{host="{host}",state="open"}}'] == 1
    assert found[f'app_circuit_breaker_failures{{host="{host}"}}'] >= 5

    # What an address had that is not used any more says nothing.
    rows("UPDATE connector_connections SET base_url = base_url || '/'")
    assert not any(name.startswith("app_circuit_breaker") for name in gauges(owner))
    rows("UPDATE connector_connections SET base_url = rtrim(base_url, '/')")

    chatwoot.faults.clear()
    rows("UPDATE connector_breakers SET open_until = now() - interval '1 s'")
    work(project["id"], "chatwoot_sync")
    found = gauges(owner)
    assert found['app_connector_sync_lag_seconds{connector="chatwoot"}'] < 60
    assert list(found) == ['app_connector_sync_lag_seconds{connector="chatwoot"}']


def test_metrics_are_answered_while_postgres_is_away(
    owner: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr("app.system.service.sql.connector_gauges", away)
    answer = owner.get("/metrics")
    assert answer.status_code == 200 and "app_requests_total" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("days", "events", "resolved", "open_ones"),
    [(89, 4, 1, 1), (91, 4, 0, 1), (364, 4, 0, 1), (366, 0, 0, 1)],
)
def test_what_happened_is_kept_a_year_and_what_was_mended_a_quarter(
    app: Flask, project: dict[str, Any], chatwoot: ChatwootServer, connect: Connect, work: Work,
    rows: Rows, days: int, events: int, resolved: int, open_ones: int,
) -> None:  # fmt: skip
    talks(chatwoot, 2)
    connect(project["id"])
    chatwoot.faults.add("status", path="/agents$", status=403)
    work(project["id"], "chatwoot_sync")
    rows(
        "INSERT INTO connector_errors (project_id, connector, error_kind, error_message, dedupe_key, status, "
        "resolved_at) "
        "SELECT project_id, connector, 'timeout', 'late', 'x', 'resolved', now() FROM connector_errors"
    )
    rows("DELETE FROM connector_events WHERE event_type <> 'message_sent'")
    for table, column in (("connector_events", "created_at"), ("connector_errors", "resolved_at")):
        rows(f"UPDATE {table} SET {column} = {column} - make_interval(days => %s)", days)
    rows("UPDATE connector_errors SET created_at = created_at - make_interval(days => %s)", days)
    with app.app_context():
        housekeeping.purge_when_due(app.config["SETTINGS"])
    assert rows("SELECT count(*) FROM connector_events") == [(events,)]
    assert rows(
        "SELECT count(*) FILTER (WHERE status = 'resolved'), count(*) FILTER (WHERE status <> 'resolved') "
        "FROM connector_errors"
    ) == [(resolved, open_ones)]
