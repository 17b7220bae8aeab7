"""Attio read whole, over as many runs as it takes: what is gone is marked, nothing is skipped."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import Flask

from app.connectors import engine
from app.connectors.attio.streams import AttioReader, Sweep
from app.connectors.connections import find
from app.connectors.engine import Budget, commit_page
from tests.conftest import Browser
from tests.connectors.conftest import Connect, Rows, Sync
from tests.vendors.attio import AttioServer, State, typed

Work = Callable[..., dict[str, Any]]


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
    held = owner.get("/connectors/errors/dead-letter").get_json()["errors"]
    assert {error["stream"] for error in held} == {"companies", "people"}
    for error in held:
        assert owner.post(f"/connectors/errors/dead-letter/{error['id']}/retry").status_code == 202
    assert sync_attio()["status"] == "completed"
    assert rows("SELECT count(*) FROM attio_accounts_raw WHERE deleted_at IS NULL") == [(8,)]
    assert rows("SELECT count(*) FROM attio_people_raw WHERE deleted_at IS NULL") == [(8,)]
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
            found = next(s for s in reader.streams if s.name == stream)
            places = []
            for page in found.read(
                engine._load_place(connection, stream), Budget(99, 99_999, 1e18)
            ):
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
    assert statuses[0] == "partial" and "completed" in statuses
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
