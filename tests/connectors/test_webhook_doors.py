"""Addresses and secrets of webhooks, and the list of deliveries."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from app.db import db
from app.scheduler import housekeeping
from tests.conftest import Browser
from tests.connectors.webhooks import Door, Sent, add_connection, sign, stored


def rotate(owner: Browser, connection_id: str, **body: Any) -> dict[str, Any]:
    answer = owner.post(f"/connectors/connections/{connection_id}/rotate-webhook", body)
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()["webhook"]
    return found


def test_a_new_address_ends_the_old_one(
    app: Flask, owner: Browser, project: dict[str, Any]
) -> None:
    connection_id, door = add_connection(app, project["id"], "linear")
    made = rotate(owner, connection_id)
    assert made["address"].startswith("/webhooks/linear/") and len(made["address"]) > 17 + 42
    assert door.send(sign("linear")).status_code == 404
    again = Door(app, "linear", made["address"].rpartition("/")[2])
    assert again.send(sign("linear")).status_code == 200, "the secret is the same"


def test_a_secret_made_here_is_shown_once(
    app: Flask, owner: Browser, project: dict[str, Any], database_url: str
) -> None:
    connection_id, door = add_connection(app, project["id"], "linear")
    made = rotate(owner, connection_id, make_secret=True)
    assert len(made["secret"]) == 64 and made["previous_secret_valid_until"]
    assert "address" not in made
    assert door.send(sign("linear", secret=made["secret"])).status_code == 200
    answers = owner.get("/connectors/connections").get_data(as_text=True)
    assert made["secret"] not in answers and "token_hash" not in answers
    with psycopg.connect(database_url) as connection:
        everything = str(
            connection.execute(
                "SELECT row_to_json(c)::text FROM connector_connections c UNION ALL "
                "SELECT payload::text FROM audit_events"
            ).fetchall()
        )
    assert made["secret"] not in everything and door.token not in everything


def test_a_stored_connection_keeps_its_door(
    app: Flask, owner: Browser, project: dict[str, Any], chatwoot: Any, connect: Any
) -> None:
    connect(project["id"])
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    made = rotate(owner, found["id"], secret="a secret of chatwoot")
    connect(project["id"])
    door = Door(app, "chatwoot", made["address"].rpartition("/")[2])
    assert door.send(sign("chatwoot", secret="a secret of chatwoot")).status_code == 200


def test_only_chatwoot_may_be_unsigned(app: Flask, owner: Browser, project: dict[str, Any]) -> None:
    for connector in ("linear", "attio", "loops"):
        connection_id, _ = add_connection(app, project["id"], connector)
        answer = owner.post(
            f"/connectors/connections/{connection_id}/rotate-webhook", {"require_signature": False}
        )
        assert (answer.status_code, answer.get_json()["error"]) == (400, "validation_error")
    connection_id, door = add_connection(app, project["id"], "chatwoot")
    unsigned = Sent(sign("chatwoot").body, {"content-type": "application/json"})
    assert door.send(unsigned).status_code == 401
    rotate(owner, connection_id, require_signature=False)
    assert door.send(unsigned).status_code == 200
    assert stored(app, "signature_state") == [("absent_allowed",)]


def test_deliveries_are_listed_in_pages(
    app: Flask, owner: Browser, project: dict[str, Any]
) -> None:
    _, door = add_connection(app, project["id"], "linear")
    _, other = add_connection(app, project["id"], "attio")
    for number in range(5):
        door.send(sign("linear", delivery=f"d{number}"))
    other.send(sign("attio", delivery="attio"))
    path = "/connectors/webhooks/deliveries"
    first = owner.get(f"{path}?limit=4").get_json()
    second = owner.get(f"{path}?limit=4&cursor={first['next_cursor']}").get_json()
    seen = [d["delivery_id"] for d in first["deliveries"] + second["deliveries"]]
    assert seen == ["attio", "d4", "d3", "d2", "d1", "d0"]
    assert first["has_more"] and not second["has_more"] and second["next_cursor"] is None
    assert len(owner.get(f"{path}?connector=attio").get_json()["deliveries"]) == 1
    assert len(owner.get(f"{path}?event=Issue.update").get_json()["deliveries"]) == 5
    assert owner.get(f"{path}?status=dead_letter").get_json()["deliveries"] == []
    for query in ("status=open", "connector=x", "cursor=x", f"cursor={2**63}"):
        assert owner.get(f"{path}?{query}").status_code == 400, query


def test_deliveries_of_another_project_are_not_seen(
    app: Flask, owner: Browser, project: dict[str, Any]
) -> None:
    _, door = add_connection(app, project["id"], "linear")
    door.send(sign("linear"))
    ((number,),) = stored(app, "id")
    other = owner.post("/projects", {"name": "Another"}).get_json()["project"]
    owner.post(f"/projects/{other['id']}/select")
    assert owner.get("/connectors/webhooks/deliveries").get_json()["deliveries"] == []
    answer = owner.post(f"/connectors/webhooks/deliveries/{number}/replay")
    assert (answer.status_code, answer.get_json()["error"]) == (404, "delivery_not_found")


def test_what_cannot_be_replayed(
    app: Flask, owner: Browser, project: dict[str, Any], database_url: str
) -> None:
    _, door = add_connection(app, project["id"], "linear")
    door.send(sign("linear"))
    ((number,),) = stored(app, "id")
    path = f"/connectors/webhooks/deliveries/{number}/replay"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE webhook_deliveries SET status = 'processing'")
        assert owner.post(path).get_json()["error"] == "delivery_in_progress"
        connection.execute("UPDATE webhook_deliveries SET status = 'dead_letter', body = NULL")
        assert owner.post(path).get_json()["error"] == "delivery_body_gone"
    for number in ("x", "-1", "9" * 30, "²"):
        answer = owner.post(f"/connectors/webhooks/deliveries/{number}/replay")
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_id")
    for cursor in ("x", "9" * 19):
        assert owner.get(f"/connectors/webhooks/deliveries?cursor={cursor}").status_code == 400


@pytest.mark.parametrize(
    ("days", "rows", "bodies"), [(6.9, 1, 1), (7.1, 1, 0), (29.9, 1, 0), (30.1, 0, 0)]
)
def test_bodies_are_kept_a_week_and_rows_a_month(
    app: Flask, project: dict[str, Any], database_url: str, days: float, rows: int, bodies: int
) -> None:
    _, door = add_connection(app, project["id"], "linear")
    door.send(sign("linear"))
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE webhook_deliveries SET received_at = now() - make_interval(secs => %s)",
            (days * 86_400,),
        )
    with app.app_context():
        housekeeping.purge_when_due(app.config["SETTINGS"])
    found = stored(app, "body IS NOT NULL")
    assert (len(found), found.count((True,))) == (rows, bodies)
    db.close()
