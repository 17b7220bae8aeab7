"""Attio pulled into Postgres: through the simulated workspace, which refuses what the API refuses."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import Browser
from tests.connectors.conftest import Connect, Rows, Sync
from tests.vendors.attio import AttioServer, State, typed
from tests.vendors.faults import in_seconds

Work = Callable[..., dict[str, Any]]


def test_everything_of_a_workspace_arrives(workspace: State, sync_attio: Sync, rows: Rows) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    person = workspace.add_person("Ольга Зимина", "Olga@Fleetline.example", company)
    deal = workspace.add_deal("Driver app", "Won 🎉", 1234.50, company)
    workspace.add_note("deals", deal, "Kick-off", "We agreed to deliver the driver app in May.")
    workspace.add_task(
        "Send the contract", ("deals", deal), deadline="2026-11-01T10:00:00.000000000Z"
    )
    run = sync_attio()
    assert run["status"] == "completed", run["error"]
    found = run["result"]
    assert (
        found["touched_accounts"] == found["touched_people"] == found["touched_opportunities"] == 1
    )
    assert found["touched_activities"] == 2 and found["mirrored_crm_opportunities"] == 1
    scope = workspace.workspace_id
    assert rows("SELECT id, external_id, name, domain FROM attio_accounts_raw") == [
        (f"attioacct:{scope}:{company.id}", company.id, "Fleetline", "fleetline.example")
    ]
    assert rows(
        "SELECT external_id, full_name, email, account_external_id FROM attio_people_raw"
    ) == [(person.id, "Ольга Зимина", "olga@fleetline.example", company.id)]
    assert rows(
        "SELECT title, stage, crm_stage, amount, currency, account_external_id FROM attio_opportunities_raw"
    ) == [("Driver app", "Won 🎉", "won", Decimal("1234.50"), "EUR", company.id)]
    assert rows("SELECT parent_object, parent_record_id, title FROM attio_notes_raw") == [
        ("deals", deal.id, "Kick-off")
    ]
    assert rows("SELECT content, linked_record_ids FROM attio_tasks_raw") == [
        ("Send the contract", [deal.id])
    ]


def test_nested_ids_keep_records_apart(workspace: State, sync_attio: Sync, rows: Rows) -> None:
    for number in range(30):
        workspace.add_company(f"Company {number}", f"c{number}.example")
    sync_attio()
    assert rows("SELECT count(*), count(DISTINCT external_id) FROM attio_accounts_raw") == [
        (30, 30)
    ]
    assert rows("SELECT id FROM attio_accounts_raw WHERE id LIKE '%object%'") == []


def test_a_second_sync_with_nothing_new_touches_nothing(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    workspace.add_deal("Driver app", "Lead", 0, company)
    sync_attio()
    before = rows("SELECT id, updated_at, xmin::text FROM crm_accounts, LATERAL (SELECT 1) x")
    stored = rows("SELECT id, updated_at FROM attio_opportunities_raw")
    again = sync_attio()
    assert again["status"] == "completed" and again["result"]["changed"] is False
    assert again["result"]["mirrored_crm_accounts"] == 0
    assert before == rows(
        "SELECT id, updated_at, xmin::text FROM crm_accounts, LATERAL (SELECT 1) x"
    )
    assert stored == rows("SELECT id, updated_at FROM attio_opportunities_raw")


def test_a_change_is_told_by_its_content(workspace: State, sync_attio: Sync, rows: Rows) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    for number in range(3):
        workspace.add_deal(f"Deal {number}", "Lead", number, company)
    sync_attio()
    deal = list(workspace.objects["deals"].records.values())[1]
    workspace.change(deal, "value", typed.currency(99.95))
    run = sync_attio()
    assert run["result"]["touched_opportunities"] == 1
    assert rows("SELECT amount_estimate FROM crm_opportunities ORDER BY title") == [
        (Decimal("0.00"),),
        (Decimal("99.95"),),
        (Decimal("2.00"),),
    ]


def test_deals_that_are_not_enabled_fail_nothing_else(
    attio: AttioServer, sync_attio: Sync, rows: Rows
) -> None:
    company = attio.state.add_company("Fleetline", "fleetline.example")
    attio.state.add_note("companies", company, "Call", "They want the driver app before summer.")
    run = sync_attio()
    assert run["status"] == "partial"
    assert run["result"]["touched_accounts"] == 1 and run["result"]["touched_activities"] == 1
    errors = rows("SELECT stream, error_kind, status FROM connector_errors")
    assert errors == [("deals", "stream_unavailable", "pending")]
    assert rows("SELECT health FROM connector_connections") == [("ok",)]
    attio.state.objects["deals"].enabled = True
    attio.state.add_deal("Driver app", company=company)
    assert sync_attio()["status"] == "completed"
    assert rows("SELECT status FROM connector_errors") == [("resolved",)]


def test_a_token_of_another_workspace_is_refused(
    attio: AttioServer, workspace: State, project: dict[str, Any], connect_attio: Connect, work: Work,
    rows: Rows,
) -> None:  # fmt: skip
    workspace.add_company("Somebody else's client")
    connect_attio(project["id"], workspace_id=str(uuid.uuid4()))
    run = work(project["id"], "attio_sync")
    assert run["status"] == "failed" and run["error_kind"] == "binding_conflict"
    assert rows("SELECT count(*) FROM attio_accounts_raw") == [(0,)]
    assert rows("SELECT health FROM connector_connections") == [("needs_attention",)]


def test_a_record_of_another_workspace_stops_the_stream(
    workspace: State, sync_attio: Sync, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.add_company("Somebody else's client")
    from tests.vendors.attio import api

    whole = api._record

    def foreign(*args: Any) -> dict[str, Any]:
        found = whole(*args)
        found["id"]["workspace_id"] = str(uuid.uuid4())
        return found

    monkeypatch.setattr(api, "_record", foreign)
    assert sync_attio()["error_kind"] == "binding_conflict"
    assert rows("SELECT count(*) FROM attio_accounts_raw") == [(0,)]


def test_a_pause_as_an_http_date_ends_the_run_until_then(
    attio: AttioServer, workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    attio.faults.add("status", path="/records/query", status=429, retry_after=in_seconds(600))
    run = sync_attio()
    assert run["status"] == "failed" and run["error_kind"] == "rate_limited"
    assert 500 < run["result"]["retry_after"] <= 600
    attempts = rows(
        "SELECT attempt, next_retry_at > now() + interval '8 min' FROM connector_errors"
    )
    assert set(attempts) == {(1, True)}


def test_one_bad_record_goes_into_quarantine(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    bad = workspace.add_deal("Endless", "Lead", 1e300, company)
    workspace.add_deal("Driver app", "Lead", 5, company)
    run = sync_attio()
    assert run["status"] == "completed"
    assert rows("SELECT title FROM attio_opportunities_raw") == [("Driver app",)]
    ((stream, kind, reference),) = rows(
        "SELECT stream, error_kind, source_ref FROM connector_errors"
    )
    assert (stream, kind) == ("deals", "record_invalid") and bad.id in reference


def test_lists_are_read_when_they_are_named(
    workspace: State, project: dict[str, Any], connect_attio: Connect, work: Work, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    for slug in ("sales", "hiring"):
        workspace.add_list(slug)
        workspace.add_entry(
            slug, "companies", company, phase=workspace.stage("Proposal sent", "phase"),
            budget=typed.currency(700, "USD"),
        )  # fmt: skip
    connect_attio(
        project["id"],
        mapping={"lists": {"sales": {"stage": "phase", "amount": ["budget"]}, "none": {}}},
    )
    run = work(project["id"], "attio_sync")
    assert run["status"] == "partial"  # there is no list called none
    assert rows(
        "SELECT list_slug, parent_record_id, stage, crm_stage, amount, currency FROM attio_list_entries_raw"
    ) == [("sales", company.id, "Proposal sent", "proposal", Decimal("700.00"), "USD")]
    workspace.lists["sales"].records.clear()
    run = work(project["id"], "attio_sync")
    assert run["result"]["deleted_list_entries"] == 1


def test_filters_name_all_that_is_read(
    workspace: State, project: dict[str, Any], connect_attio: Connect, work: Work, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    workspace.add_deal("Driver app", company=company)
    workspace.add_note(
        "companies", company, "Secret", "Not for everybody who shares this workspace."
    )
    connect_attio(project["id"], filters={"objects": ["companies"]})
    assert work(project["id"], "attio_sync")["status"] == "completed"
    assert rows("SELECT stream FROM connector_streams ORDER BY 1") == [
        ("companies",), ("crm",), ("unread",),
    ]  # fmt: skip


def test_what_filters_leave_out_is_taken_back_with_the_next_sync(
    workspace: State, project: dict[str, Any], connect_attio: Connect, work: Work, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    workspace.add_deal("Driver app", company=company)
    workspace.add_note("companies", company, "Secret", "Not for everybody who shares this.")
    connect_attio(project["id"])
    work(project["id"], "attio_sync")
    connect_attio(project["id"], filters={"objects": ["companies"]})
    run = work(project["id"], "attio_sync")
    assert (run["status"], run["result"]["deleted_opportunities"]) == ("completed", 1)
    for table, left in (
        ("attio_accounts_raw", 1), ("attio_opportunities_raw", 0), ("attio_notes_raw", 0),
    ):  # fmt: skip
        assert rows(f"SELECT count(*) FROM {table} WHERE deleted_at IS NULL") == [(left,)], table
    assert rows("SELECT content FROM attio_notes_raw") == [(None,)]
    assert rows("SELECT source_deleted_at IS NOT NULL FROM crm_opportunities") == [(True,)]
    assert rows("SELECT source_type FROM source_documents") == [("attio_account",)]
    connect_attio(project["id"], filters={"objects": ["companies", "deals"]})
    work(project["id"], "attio_sync")
    assert rows("SELECT deleted_at IS NULL FROM attio_opportunities_raw") == [(True,)]


def test_two_projects_may_share_a_workspace_by_filters(
    workspace: State, project: dict[str, Any], owner: Browser, connect_attio: Connect, work: Work,
    rows: Rows,
) -> None:  # fmt: skip
    other = owner.post("/projects", {"name": "Fleetline"}).get_json()["project"]
    company = workspace.add_company("Fleetline", "fleetline.example")
    workspace.add_deal("Driver app", company=company)
    connect_attio(project["id"], filters={"objects": ["companies"]})
    connect_attio(other["id"], filters={"objects": ["companies", "deals"]})
    work(project["id"], "attio_sync")
    work(other["id"], "attio_sync")
    assert sorted(rows("SELECT project_id::text, name FROM crm_accounts")) == sorted(
        [(project["id"], "Fleetline"), (other["id"], "Fleetline")]
    )
    assert rows("SELECT project_id::text FROM crm_opportunities") == [(other["id"],)]


def test_events_tell_of_transitions_only(workspace: State, sync_attio: Sync, rows: Rows) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    deal = workspace.add_deal("Driver app", "Lead", 100, company)
    workspace.add_note("deals", deal, "Call", "They asked for a quote by Friday.")
    sync_attio()
    workspace.change(deal, "value", typed.currency(120))
    sync_attio()
    workspace.change(deal, "stage", workspace.stage("Won 🎉"))
    sync_attio()
    sync_attio()
    events = rows("SELECT event_type, payload_json ->> 'to' FROM connector_events ORDER BY id")
    assert events == [
        ("deal_created", None),
        ("note_logged", None),
        ("deal_stage_changed", "Won 🎉"),
    ]


def test_texts_are_found_with_what_they_are_about(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    company = workspace.add_company(
        "Fleetline",
        "fleetline.example",
        description=typed.text("Courier fleets in three countries."),
    )
    deal = workspace.add_deal("Driver app", "Lead", 100, company)
    note = workspace.add_note("deals", deal, "Call", "They asked for a quote by Friday noon.")
    sync_attio()
    found = rows("SELECT source_type, title, body FROM source_documents ORDER BY source_type")
    assert found == [
        (
            "attio_account",
            "Fleetline",
            "Courier fleets in three countries.\nDomains: fleetline.example",
        ),
        ("attio_note", "Call · Driver app", "They asked for a quote by Friday noon."),
        ("attio_opportunity", "Driver app · Fleetline", "Stage: Lead\nAmount: 100.00 EUR"),
    ]
    addresses = dict(rows("SELECT source_type, source_url FROM source_documents"))
    assert addresses["attio_account"] == f"https://app.attio.com/mayak/company/{company.id}"
    # A note has no address of its own; what it is about shows it.
    assert addresses["attio_note"] == addresses["attio_opportunity"]
    assert addresses["attio_note"] == f"https://app.attio.com/mayak/deals/record/{deal.id}"
    note["content_plaintext"] = "They asked for a quote by Monday noon instead."
    sync_attio()
    assert rows("SELECT text FROM rag_chunks WHERE source_type = 'attio_note'") == [
        ("They asked for a quote by Monday noon instead.",)
    ]


def test_the_route_and_the_state(
    workspace: State,
    project: dict[str, Any],
    connect_attio: Connect,
    owner: Any,
    attio: AttioServer,
) -> None:
    refused = owner.post("/jobs/attio/sync")
    assert refused.status_code == 409 and refused.get_json()["error"] == "connector_not_configured"
    body = {
        "connector": "attio",
        "base_url": attio.url,
        "external_account_id": workspace.workspace_id,
        "api_token": attio.token,
    }
    wrong = owner.post(
        "/connectors/connections", {**body, "mapping": {"stages": {"Lead": "maybe"}}}
    )
    assert wrong.status_code == 400 and "maybe" in wrong.get_json()["message"]
    assert (
        owner.post("/connectors/connections", {**body, "external_account_id": "7"}).status_code
        == 400
    )
    made = owner.post("/connectors/connections", {**body, "mapping": {"probability_scale": 1}})
    assert made.status_code == 201, made.get_json()
    assert made.get_json()["connection"]["mapping"] == {"probability_scale": 1}
    # A new token alone leaves the mapping as it is.
    assert owner.post("/connectors/connections", body).get_json()["connection"]["mapping"]
    assert owner.post("/jobs/attio/sync").status_code == 202
    states = {s["connector"]: s for s in owner.get("/connectors/state").get_json()["connectors"]}
    assert states["attio"]["connection"]["external_account_id"] == workspace.workspace_id
