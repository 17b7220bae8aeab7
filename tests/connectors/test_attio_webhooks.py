"""Attio's webhooks, from the door to the rows and the CRM: each named object is read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.connectors import connections, engine
from app.connectors.attio.streams import AttioReader
from app.connectors.engine import Budget, commit_page
from app.db import db
from tests.conftest import Browser
from tests.connectors.conftest import Connect, Rows
from tests.connectors.webhooks import SECRETS, Door, sign, stored
from tests.vendors.attio import AttioServer, State, typed
from tests.vendors.attio.webhooks import (
    entry_event,
    merge_event,
    note_event,
    payload,
    record_event,
    task_event,
)

Work = Callable[..., dict[str, Any]]
Tell = Callable[..., None]
JOB = "webhook_deliveries"


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """Deliveries are due at once, and failures come back at once."""
    yield make_app(webhook_debounce_seconds=0.0, connector_retry_base_seconds=0.0)
    db.close()


@pytest.fixture
def tell(app: Flask, owner: Browser, project: dict[str, Any], connect_attio: Connect) -> Tell:
    """Connect the project and send deliveries, each of some events."""
    connect_attio(project["id"])
    return door_of(app, owner)


def door_of(app: Flask, owner: Browser) -> Tell:
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    path = f"/connectors/connections/{found['id']}/rotate-webhook"
    made = owner.post(path, {"secret": SECRETS["attio"]}).get_json()["webhook"]
    door = Door(app, "attio", made["address"].rpartition("/")[2])

    def send(*events: dict[str, Any]) -> None:
        answer = door.send(sign("attio", payload(*events)))
        assert answer.status_code == 200, answer.get_json()

    return send


@pytest.fixture
def apply(project: dict[str, Any], work: Work) -> Callable[[], dict[str, Any]]:
    return lambda: work(project["id"], JOB)


def test_a_deal_with_its_company_reaches_the_crm_without_a_sync(
    attio: AttioServer, workspace: State, tell: Tell, apply: Any, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    deal = workspace.add_deal("Driver app", "Proposal", 500, company)
    tell(record_event(workspace, "deals", deal, "created"))
    tell(record_event(workspace, "companies", company, "created"))
    run = apply()
    assert run["status"] == "completed", run
    assert run["result"]["touched_opportunities"] == 1 and run["result"]["changed"] is True
    assert rows("SELECT title, stage, amount_estimate::text FROM crm_opportunities") == [
        ("Driver app", "proposal", "500.00")
    ]
    assert rows("SELECT title FROM source_documents ORDER BY title") == [
        ("Driver app · Fleetline",),
        ("Fleetline",),
    ]
    assert rows("SELECT event_type FROM connector_events") == [("deal_created",)]
    assert attio.requests.count("/query$") == 0, "no list was asked for"


def test_a_stage_that_changed_is_told_once(
    workspace: State, tell: Tell, apply: Any, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    deal = workspace.add_deal("Driver app", "Lead", 500, company)
    news = record_event(workspace, "companies", company), record_event(workspace, "deals", deal)
    tell(*news)
    apply()
    workspace.change(deal, "stage", workspace.stage("Won 🎉"))
    for _ in range(3):
        tell(record_event(workspace, "deals", deal))
        apply()
    assert rows("SELECT to_stage FROM crm_opportunity_stage_events ORDER BY id") == [
        ("discovery",),
        ("won",),
    ]
    assert rows("SELECT event_type FROM connector_events ORDER BY id") == [
        ("deal_created",),
        ("deal_stage_changed",),
    ]


def test_people_notes_and_tasks_come_too(
    workspace: State, tell: Tell, apply: Any, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline")
    person = workspace.add_person("Ольга Зимина", "olga@fleetline.example", company)
    note = workspace.add_note("companies", company, "Call", "They asked for a quote by Friday.")
    task = workspace.add_task("Send the quote", ("companies", company))
    tell(record_event(workspace, "people", person, "created"), note_event(workspace, note))
    tell(task_event(workspace, task))
    run = apply()
    assert run["result"]["done"] == 2 and run["result"]["touched_activities"] == 2
    assert rows("SELECT full_name FROM attio_people_raw") == [("Ольга Зимина",)]
    assert rows("SELECT body FROM source_documents ORDER BY source_type") == [
        ("They asked for a quote by Friday.",),
        ("Email: olga@fleetline.example",),
    ]
    assert rows("SELECT content FROM attio_tasks_raw") == [("Send the quote",)]
    del workspace.notes[note["id"]["note_id"]], workspace.tasks[task["id"]["task_id"]]
    tell(note_event(workspace, note, "deleted"), task_event(workspace, task, "deleted"))
    assert apply()["result"]["deleted_activities"] == 2
    assert rows("SELECT source_type FROM source_documents") == [("attio_person",)]
    assert rows("SELECT content, deleted_at IS NULL FROM attio_notes_raw") == [(None, False)]
    assert rows("SELECT content, deleted_at IS NULL FROM attio_tasks_raw") == [(None, False)]


def test_a_deleted_deal_stays_in_the_crm_and_says_so(
    workspace: State, tell: Tell, apply: Any, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline")
    deal = workspace.add_deal("Driver app", "Lead", 500, company)
    tell(record_event(workspace, "companies", company), record_event(workspace, "deals", deal))
    apply()
    workspace.delete("deals", deal)
    tell(record_event(workspace, "deals", deal, "deleted"))
    assert apply()["result"]["deleted_opportunities"] == 1
    assert rows("SELECT source_deleted_at IS NOT NULL FROM crm_opportunities") == [(True,)]
    assert rows("SELECT source_type FROM source_documents") == [("attio_account",)]
    tell(record_event(workspace, "deals", deal, "deleted"))
    assert apply()["result"]["changed"] is False, "told twice, it is not deleted twice"


def test_of_merged_records_one_remains(
    workspace: State, tell: Tell, apply: Any, rows: Rows
) -> None:
    kept = workspace.add_company("Fleetline", "fleetline.example")
    double = workspace.add_company("Fleet Line Ltd", "fleet-line.example")
    tell(record_event(workspace, "companies", kept), record_event(workspace, "companies", double))
    apply()
    workspace.merge("companies", kept, double)
    workspace.change(kept, "description", typed.text("Courier fleets in Riga"))
    tell(merge_event(workspace, "companies", kept, double))
    run = apply()
    assert (run["result"]["touched_accounts"], run["result"]["deleted_accounts"]) == (1, 1)
    assert rows("SELECT name FROM attio_accounts_raw WHERE deleted_at IS NULL") == [("Fleetline",)]
    assert rows("SELECT name FROM crm_accounts WHERE source_deleted_at IS NOT NULL") == [
        ("Fleet Line Ltd",)
    ]
    assert rows("SELECT body FROM source_documents") == [
        ("Courier fleets in Riga\nDomains: fleetline.example",)
    ]


def test_entries_of_the_lists_that_are_read(
    app: Flask, owner: Browser, workspace: State, project: dict[str, Any], connect_attio: Connect, apply: Any,
    rows: Rows,
) -> None:  # fmt: skip
    workspace.add_list("sales")
    workspace.add_list("hiring")
    connect_attio(project["id"], mapping={"lists": ["sales"]})
    tell = door_of(app, owner)
    deal = workspace.add_deal("Driver app")
    read = workspace.add_entry("sales", "deals", deal, stage=workspace.stage("Proposal"))
    other = workspace.add_entry("hiring", "deals", deal)
    tell(entry_event(workspace, "sales", read, "created"))
    tell(entry_event(workspace, "hiring", other, "created"))
    run = apply()
    assert (run["result"]["done"], run["result"]["ignored"]) == (1, 1)
    assert rows("SELECT list_slug, stage FROM attio_list_entries_raw") == [("sales", "Proposal")]
    del workspace.lists["sales"].records[read.id]
    tell(entry_event(workspace, "sales", read, "deleted"))
    assert apply()["result"]["deleted_list_entries"] == 1


def test_objects_that_are_not_read_stay_outside(
    app: Flask, owner: Browser, attio: AttioServer, workspace: State, project: dict[str, Any],
    connect_attio: Connect, apply: Any, rows: Rows,
) -> None:  # fmt: skip
    connect_attio(project["id"], filters={"objects": ["deals"]})
    tell = door_of(app, owner)
    company = workspace.add_company("Fleetline")
    note = workspace.add_note("companies", company, "Call", "Nobody here may read this.")
    tell(record_event(workspace, "companies", company, "created"))
    tell(note_event(workspace, note))
    tell({"event_type": "comment.created", "id": {"workspace_id": workspace.workspace_id}})
    run = apply()
    assert run["result"]["ignored"] == 3 and "done" not in run["result"]
    assert rows("SELECT count(*) FROM attio_accounts_raw") == [(0,)]
    assert attio.requests.count("/v2/notes/") == 0


def test_a_kind_that_the_token_may_not_read_is_left_to_the_sync(
    app: Flask, attio: AttioServer, workspace: State, tell: Tell, apply: Any
) -> None:
    note = workspace.add_note("companies", workspace.add_company("Fleetline"), "Call", "Text")
    attio.faults.add("status", path="/v2/notes/", status=403)
    tell(note_event(workspace, note))
    assert apply()["result"]["ignored"] == 1
    assert stored(app, "status, error_kind") == [("ignored", "not_ours")]


def test_a_reading_that_fails_waits_and_is_tried_again(
    app: Flask, attio: AttioServer, workspace: State, tell: Tell, apply: Any, rows: Rows
) -> None:
    object.__setattr__(app.config["SETTINGS"], "connector_http_retries", 0)
    attio.faults.add("status", path="/records/", status=503, times=1)
    tell(record_event(workspace, "companies", workspace.add_company("Fleetline")))
    assert apply()["status"] == "partial"
    apply()
    assert stored(app, "status, attempts") == [("done", 2)]
    assert rows("SELECT name FROM attio_accounts_raw") == [("Fleetline",)]


def pages(app: Flask, project: dict[str, Any]) -> Iterator[Callable[[], None]]:
    """The pages of a sync of companies, each read already; call it to have it written."""
    connection = connections.find(UUID(project["id"]), "attio")
    assert connection is not None
    settings = app.config["SETTINGS"]
    reader = AttioReader.open(connection, settings, None, lambda: None)  # type: ignore[arg-type]
    stream = next(s for s in reader.streams if s.name == "companies")
    place = engine._load_place(connection, "companies")
    for page in stream.read(place, Budget(99, 99_999, 1e18)):
        yield lambda page=page: commit_page(connection, "companies", page, settings)  # type: ignore[misc]
    reader.close()


def test_a_sweep_that_read_earlier_and_writes_later_changes_nothing(
    app: Flask, workspace: State, project: dict[str, Any], tell: Tell, apply: Any, rows: Rows
) -> None:
    edited, gone = workspace.add_company("As it was"), workspace.add_company("Gone soon")
    tell(record_event(workspace, "companies", edited), record_event(workspace, "companies", gone))
    apply()
    with app.app_context():
        sweep = pages(app, project)
        write = next(sweep)
    workspace.change(edited, "name", typed.text("As it is"))
    workspace.delete("companies", gone)
    late = workspace.add_company("Came during the sweep")
    tell(record_event(workspace, "companies", edited), record_event(workspace, "companies", late))
    tell(record_event(workspace, "companies", gone, "deleted"))
    apply()
    with app.app_context():
        write()
        for write in sweep:
            write()
    assert rows("SELECT name FROM attio_accounts_raw WHERE deleted_at IS NULL ORDER BY name") == [
        ("As it is",),
        ("Came during the sweep",),
    ]
