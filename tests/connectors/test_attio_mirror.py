"""The CRM as a mirror of Attio: only what changed, and never over what a person wrote."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.connectors.conftest import Connect, Rows, Sync
from tests.vendors.attio import State, typed

Work = Callable[..., dict[str, Any]]


@pytest.fixture
def account(project: dict[str, Any], rows: Rows) -> Callable[..., str]:
    """An account that somebody made by hand."""

    def make(name: str, domain: str | None = None) -> str:
        ((found,),) = rows(
            "INSERT INTO crm_accounts (project_id, name, domain, stage) VALUES (%s, %s, %s, 'prospect') "
            "RETURNING id::text",
            project["id"],
            name,
            domain,
        )
        return str(found)

    return make


def accounts(rows: Rows) -> list[Any]:
    return rows("SELECT name, domain, external_ref FROM crm_accounts ORDER BY name")


def test_by_domain_before_name(
    workspace: State, sync_attio: Sync, account: Callable[..., str], rows: Rows
) -> None:
    account("Fleet", "fleetline.example")
    account("Fleetline")
    company = workspace.add_company("Fleetline", "fleetline.example")
    sync_attio()
    # The name is a person's and stays; the account of that name is somebody else.
    assert accounts(rows) == [
        ("Fleet", "fleetline.example", company.id),
        ("Fleetline", None, None),
    ]


def test_by_a_name_in_any_case_when_there_is_no_domain(
    workspace: State, sync_attio: Sync, account: Callable[..., str], rows: Rows
) -> None:
    account("пекарня север")
    company = workspace.add_company("Пекарня Север", "sever.example")
    sync_attio()
    assert accounts(rows) == [("пекарня север", "sever.example", company.id)]


def test_the_same_name_with_another_domain_is_another_company(
    workspace: State, sync_attio: Sync, account: Callable[..., str], rows: Rows
) -> None:
    account("Acme", "acme.example")
    first = workspace.add_company("Acme", "acme.test")
    second = workspace.add_company("ACME")
    sync_attio()
    assert accounts(rows) == [
        ("Acme", "acme.example", second.id),
        ("Acme (acme.test)", "acme.test", first.id),
    ]


def test_two_accounts_of_one_domain_are_not_guessed_at(
    workspace: State, sync_attio: Sync, account: Callable[..., str], rows: Rows
) -> None:
    account("Acme Berlin", "acme.example")
    account("Acme Paris", "acme.example")
    company = workspace.add_company("Acme", "acme.example")
    sync_attio()
    assert ("Acme", "acme.example", company.id) in accounts(rows) and len(accounts(rows)) == 3


def test_what_a_person_wrote_stays_field_by_field(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    deal = workspace.add_deal("Driver app", "Lead", 100, company, next_step=typed.text("Call"))
    sync_attio()
    rows("UPDATE crm_accounts SET name = 'Fleetline (key account)'")
    rows("UPDATE crm_opportunities SET next_step = 'Send the offer', amount_estimate = 0")
    workspace.change(company, "name", typed.text("Fleetline Ltd"))
    workspace.change(company, "domains", typed.domain("fleetline.test"))
    workspace.change(deal, "value", typed.currency(250))
    workspace.change(deal, "next_step", typed.text("Call again"))
    workspace.change(deal, "name", typed.text("Driver and dispatcher app"))
    sync_attio()
    assert accounts(rows) == [("Fleetline (key account)", "fleetline.test", company.id)]
    assert rows(
        "SELECT title, next_step, amount_estimate, edited_fields FROM crm_opportunities"
    ) == [
        (
            "Driver and dispatcher app",
            "Send the offer",
            Decimal("0.00"),
            ["amount_estimate", "next_step"],
        )
    ]


def test_a_connection_may_let_the_vendor_win(
    workspace: State, project: dict[str, Any], connect_attio: Connect, work: Work, rows: Rows
) -> None:
    connect_attio(project["id"], mapping={"vendor_wins": ["amount_estimate"]})
    company = workspace.add_company("Fleetline", "fleetline.example")
    deal = workspace.add_deal("Driver app", "Lead", 100, company)
    work(project["id"], "attio_sync")
    rows("UPDATE crm_opportunities SET amount_estimate = 5, title = 'Ours'")
    workspace.change(deal, "value", typed.currency(250))
    work(project["id"], "attio_sync")
    assert rows("SELECT title, amount_estimate FROM crm_opportunities") == [
        ("Ours", Decimal("250.00"))
    ]


def test_a_stage_change_is_an_event_with_its_time(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    deal = workspace.add_deal("Driver app", "Lead", 100, company)
    sync_attio()
    workspace.change(deal, "stage", workspace.stage("Proposal"))
    sync_attio()
    workspace.change(deal, "value", typed.currency(120))
    sync_attio()
    workspace.change(deal, "stage", workspace.stage("Won 🎉"))
    sync_attio()
    events = rows(
        "SELECT from_stage, to_stage, actor_username FROM crm_opportunity_stage_events ORDER BY id"
    )
    assert events == [
        (None, "discovery", "attio"),
        ("discovery", "proposal", "attio"),
        ("proposal", "won", "attio"),
    ]
    assert rows(
        "SELECT o.probability, o.closed_at = o.stage_changed_at, e.created_at = o.closed_at "
        "FROM crm_opportunities o JOIN crm_opportunity_stage_events e ON e.to_stage = 'won'"
    ) == [(Decimal("1.0000"), True, True)]


def test_a_stage_that_a_person_chose_stands_until_the_deals_own_changes(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    company = workspace.add_company("Fleetline", "fleetline.example")
    deal = workspace.add_deal("Driver app", "Lead", 100, company)
    sync_attio()
    rows("UPDATE crm_opportunities SET stage = 'negotiation'")
    workspace.change(deal, "value", typed.currency(120))
    sync_attio()
    assert rows("SELECT stage, amount_estimate FROM crm_opportunities") == [
        ("negotiation", Decimal("120.00"))
    ]
    workspace.change(deal, "stage", workspace.stage("Lost"))
    sync_attio()
    assert rows(
        "SELECT stage, probability, stage_override_at, closed_at IS NOT NULL FROM crm_opportunities"
    ) == [("lost", Decimal("0.0000"), None, True)]


def test_rows_that_did_not_change_are_not_written(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    companies = [workspace.add_company(f"Company {n}", f"c{n}.example") for n in range(5)]
    for company in companies:
        workspace.add_deal("Deal", "Lead", 1, company)
    sync_attio()
    before = rows("SELECT external_ref, updated_at, version FROM crm_opportunities ORDER BY 1")
    changed = next(iter(workspace.objects["deals"].records.values()))
    workspace.change(changed, "value", typed.currency(2))
    sync_attio()
    after = rows("SELECT external_ref, updated_at, version FROM crm_opportunities ORDER BY 1")
    assert {a[0] for a, b in zip(after, before, strict=True) if a != b} == {changed.id}


def test_a_deal_waits_for_its_company(workspace: State, sync_attio: Sync, rows: Rows) -> None:
    alone = workspace.add_deal("Without a company", "Lead", 1)
    later = workspace.add_deal("Driver app", "Lead", 1)
    run = sync_attio()
    assert run["result"]["opportunities_without_account_ref"] == 2
    assert rows("SELECT count(*) FROM crm_opportunities") == [(0,)]
    company = workspace.add_company("Fleetline", "fleetline.example")
    workspace.change(later, "associated_company", typed.reference("companies", company.id))
    run = sync_attio()
    assert rows("SELECT external_ref FROM crm_opportunities") == [(later.id,)]
    assert run["result"]["total_attio_opportunities"] == 2
    assert run["result"]["mirrored_opportunities"] == 1
    assert alone.id in workspace.objects["deals"].records


def test_a_deal_that_moves_to_another_company(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    first = workspace.add_company("Fleetline", "fleetline.example")
    second = workspace.add_company("Harbour", "harbour.example")
    deal = workspace.add_deal("Driver app", "Lead", 1, first)
    sync_attio()
    workspace.change(deal, "associated_company", typed.reference("companies", second.id))
    sync_attio()
    assert rows(
        "SELECT a.name FROM crm_opportunities o JOIN crm_accounts a ON a.id = o.account_id"
    ) == [("Harbour",)]


def test_a_company_without_a_name(workspace: State, sync_attio: Sync, rows: Rows) -> None:
    workspace.add("companies", domains=typed.domain("nameless.example"))
    bare = workspace.add("companies")
    sync_attio()
    assert [name for name, _, _ in accounts(rows)] == [f"Company {bare.id[:8]}", "nameless.example"]


def test_a_renamed_company_takes_no_name_from_another(
    workspace: State, sync_attio: Sync, rows: Rows
) -> None:
    workspace.add_company("Harbour", "harbour.example")
    company = workspace.add_company("Fleetline", "fleetline.example")
    sync_attio()
    workspace.change(company, "name", typed.text("harbour"))
    assert sync_attio()["status"] == "completed"
    assert [name for name, _, _ in accounts(rows)] == ["Harbour", "harbour (fleetline.example)"]


def test_a_changed_mapping_moves_the_crm(
    workspace: State, project: dict[str, Any], connect_attio: Connect, work: Work, rows: Rows
) -> None:
    connect_attio(project["id"])
    company = workspace.add_company("Fleetline", "fleetline.example")
    workspace.add_deal("Driver app", "Discussing terms", 1, company)
    work(project["id"], "attio_sync")
    assert rows("SELECT stage FROM crm_opportunities") == [("discovery",)]
    connect_attio(project["id"], mapping={"stages": {"Discussing terms": "negotiation"}})
    work(project["id"], "attio_sync")
    assert rows("SELECT stage FROM crm_opportunities") == [("negotiation",)]
