"""Attio pulled into Postgres: through the simulated workspace, which refuses what the API refuses."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from app.connectors.attio.streams import AttioReader, Sweep
from app.connectors.connections import find
from app.connectors.engine import Budget, commit_page
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


def test_pages_of_every_stream_and_stop_at_the_short_one(
    attio: AttioServer,
    workspace: State,
    project: dict[str, Any],
    connect_attio: Connect,
    work: Work,
    rows: Rows,
) -> None:
    for number in range(120):
        company = workspace.add_company(f"Company {number}")
        workspace.add_note(
            "companies", company, f"Note {number}", f"What was said in talk {number}."
        )
    connect_attio(project["id"])
    run = work(project["id"], "attio_sync")
    assert run["status"] == "completed", run["error"]
    assert rows("SELECT count(*) FROM attio_accounts_raw") == [(120,)]
    assert rows("SELECT count(*) FROM attio_notes_raw") == [(120,)]
    asked = [q for path, q in attio.requests.asked if path == "/v2/notes"]
    assert [(q["limit"], q["offset"]) for q in asked] == [("50", "0"), ("50", "49"), ("50", "98")]


def test_what_was_deleted_there_is_marked_here(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    deal = workspace.add_deal("Driver app", "Proposal", 500, company)
    gone = workspace.add_deal("Old idea", "Lead", 10, company)
    note = workspace.add_note(
        "deals", deal, "Call", "Nobody should find this text once it is gone."
    )
    sync_attio()
    workspace.delete("deals", gone)
    del workspace.notes[note["id"]["note_id"]]
    run = sync_attio()
    assert run["result"]["deleted_opportunities"] == 1 and run["result"]["deleted_activities"] == 1
    assert rows("SELECT title FROM attio_opportunities_raw WHERE deleted_at IS NOT NULL") == [
        ("Old idea",)
    ]
    assert rows("SELECT title FROM crm_opportunities WHERE source_deleted_at IS NOT NULL") == [
        ("Old idea",)
    ]
    assert rows("SELECT title, content, deleted_at IS NULL FROM attio_notes_raw") == [
        (None, None, False)
    ]
    assert rows("SELECT count(*) FROM rag_chunks WHERE source_type = 'attio_note'") == [(0,)]
    assert rows("SELECT id FROM source_documents WHERE source_type = 'attio_note'") == []
    workspace.objects["deals"].records[gone.id] = gone
    sync_attio()
    assert rows("SELECT count(*) FROM attio_opportunities_raw WHERE deleted_at IS NOT NULL") == [
        (0,)
    ]
    assert rows("SELECT count(*) FROM crm_opportunities WHERE source_deleted_at IS NOT NULL") == [
        (0,)
    ]


def test_too_much_missing_is_not_believed(
    attio: AttioServer, workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    companies = [workspace.add_company(f"Company {n}", f"c{n}.example") for n in range(100)]
    workspace.add_person("Ольга Зимина", "olga@c1.example")
    sync_attio()
    for company in companies[:60]:
        workspace.delete("companies", company)
    workspace.change(companies[70], "name", typed.text("Renamed"))
    run = sync_attio()
    assert run["status"] == "partial" and run["error_kind"] == "sweep_guard"
    assert rows("SELECT count(*) FROM attio_accounts_raw WHERE deleted_at IS NULL") == [(100,)]
    assert rows("SELECT count(*) FROM crm_accounts WHERE name = 'Renamed'") == [(1,)]
    assert rows("SELECT stream, status FROM connector_errors") == [("companies", "dead_letter")]
    # It is asked anew each time; once most of them are back, the rest is believed.
    for company in companies[:50]:
        workspace.objects["companies"].records[company.id] = company
    assert sync_attio()["status"] == "completed"
    assert rows("SELECT count(*) FROM attio_accounts_raw WHERE deleted_at IS NULL") == [(90,)]
    assert rows("SELECT status FROM connector_errors") == [("resolved",)]


def test_deletions_on_purpose_are_confirmed_by_hand(
    workspace: State, sync_attio: Sync, owner: Browser, rows: Rows
) -> None:
    companies = [workspace.add_company(f"Company {n}") for n in range(60)]
    people = [workspace.add_person(f"Person {n}") for n in range(60)]
    sync_attio()
    for company, person in zip(companies[:52], people[:52], strict=True):
        workspace.delete("companies", company)
        workspace.delete("people", person)
    assert sync_attio()["status"] == "partial"
    (dead, _) = owner.get("/connectors/errors/dead-letter").get_json()["errors"]
    assert owner.post(f"/connectors/errors/dead-letter/{dead['id']}/retry").status_code == 202
    assert sync_attio()["status"] == "completed"
    assert rows("SELECT count(*) FROM attio_accounts_raw WHERE deleted_at IS NULL") == [(8,)]
    assert rows("SELECT options FROM connector_connections") == [({},)]


def read(
    app: Flask, project: dict[str, Any], stream: str, pages: int, size: int
) -> list[dict[str, Any] | None]:
    """Read some pages of a stream as a worker would that is killed then; answers the places."""
    with app.app_context():
        connection = find(uuid.UUID(project["id"]), "attio")
        assert connection is not None
        settings = app.config["SETTINGS"]
        object.__setattr__(settings, "attio_sync_limit", size)
        reader = AttioReader.open(connection, settings, None, lambda: None)  # type: ignore[arg-type]
        try:
            from app.connectors.engine import _load_place

            found = next(s for s in reader.streams if s.name == stream)
            places = []
            for page in found.read(_load_place(connection, stream), Budget(99, 99_999, 1e18)):
                commit_page(connection, stream, page, settings)
                places.append(page.place.page_cursor)
                if len(places) == pages:
                    break
            return places
        finally:
            reader.close()


def test_a_killed_worker_goes_on_at_its_page(
    app: Flask, attio: AttioServer, workspace: State, project: dict[str, Any], connect_attio: Connect,
    rows: Rows,
) -> None:  # fmt: skip
    for number in range(25):
        workspace.add_company(f"Company {number:02}")
    connect_attio(project["id"])
    places = read(app, project, "companies", pages=2, size=10)
    assert [place["offset"] for place in places if place] == [9, 18]
    assert rows("SELECT count(*) FROM attio_accounts_raw") == [(19,)]
    attio.requests.clear()
    read(app, project, "companies", pages=9, size=10)
    asked = [q["offset"] for path, q in attio.requests.asked if path.endswith("/query")]
    assert asked == [18]
    assert rows("SELECT count(*), count(DISTINCT name) FROM attio_accounts_raw") == [(25, 25)]
    assert rows("SELECT page_cursor, last_sweep_at IS NOT NULL FROM connector_streams") == [
        (None, True)
    ]


def test_deletions_between_pages_hide_nothing(
    app: Flask, attio: AttioServer, workspace: State, project: dict[str, Any], connect_attio: Connect,
    rows: Rows,
) -> None:  # fmt: skip
    companies = [workspace.add_company(f"Company {number:02}") for number in range(25)]
    connect_attio(project["id"])
    read(app, project, "companies", pages=9, size=10)
    read(app, project, "companies", pages=2, size=10)
    for company in companies[:5]:  # everything behind them moves up by five
        workspace.delete("companies", company)
    read(app, project, "companies", pages=9, size=10)
    alive = rows("SELECT name FROM attio_accounts_raw WHERE deleted_at IS NULL ORDER BY name")
    # The five were seen by this sweep before they went; the next one finds them gone.
    assert len(alive) == 25
    read(app, project, "companies", pages=9, size=10)
    alive = rows("SELECT name FROM attio_accounts_raw WHERE deleted_at IS NULL ORDER BY name")
    assert [name for (name,) in alive] == [f"Company {number:02}" for number in range(5, 25)]


def test_a_budget_delays_and_never_skips(
    attio: AttioServer, workspace: State, project: dict[str, Any], connect_attio: Connect, app: Flask,
    work: Work, rows: Rows,
) -> None:  # fmt: skip
    for number in range(25):
        workspace.add_company(f"Company {number:02}")
    connect_attio(project["id"])
    for name, value in (("attio_sync_limit", 5), ("attio_sync_max_pages", 2)):
        object.__setattr__(app.config["SETTINGS"], name, value)
    statuses = [work(project["id"], "attio_sync")["status"] for _ in range(4)]
    assert statuses[0] == "partial" and statuses[-1] == "completed"
    assert rows(
        "SELECT count(*), count(*) FILTER (WHERE deleted_at IS NULL) FROM attio_accounts_raw"
    ) == [(25, 25)]


def test_a_sweep_of_pages_that_fit_exactly() -> None:
    sweep = Sweep("s", 3, [])
    sweep.turn([{"id": {"record_id": n}} for n in "abc"])
    assert not sweep.complete and sweep.offset == 2 and sweep.trail == ["c"]
    assert sweep.follows([{"id": {"record_id": "c"}}])
    assert not sweep.follows([{"id": {"record_id": "d"}}]) and not sweep.follows([])
    sweep.turn([{"id": {"record_id": "c"}}])
    assert sweep.complete


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
    assert rows("SELECT stream FROM connector_streams ORDER BY 1") == [("companies",), ("crm",)]


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
        ("attio_account", "Fleetline", "Courier fleets in three countries."),
        ("attio_note", "Call · Driver app", "They asked for a quote by Friday noon."),
        ("attio_opportunity", "Driver app · Fleetline", ""),
    ]
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
