"""Reconciliation: what the vendors have against what is here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Browser
from tests.connectors.conftest import Connect, Rows
from tests.connectors.upstream import Work, talks
from tests.vendors.attio import AttioServer
from tests.vendors.attio.state import State
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.linear import LinearServer
from tests.vendors.linear.state import Node

JOB = "connectors_reconciliation_daily"
YESTERDAY = "UPDATE sync_reconciliation_metrics SET captured_at = captured_at - interval '1 day'"


@pytest.fixture
def reconcile(project: dict[str, Any], work: Work) -> Callable[[], dict[str, dict[str, Any]]]:
    """Run it, and answer what it found by connector."""

    def run() -> dict[str, dict[str, Any]]:
        ended = work(project["id"], JOB)
        assert ended["status"] in ("completed", "partial"), ended["error"]
        return {metric["connector"]: metric for metric in ended["result"]["metrics"]}

    return run


@pytest.fixture
def chats(
    project: dict[str, Any], chatwoot: ChatwootServer, connect: Callable[..., None], work: Work
) -> ChatwootServer:
    """Thirty conversations, read."""
    talks(chatwoot, 30)
    connect(project["id"])
    assert work(project["id"], "chatwoot_sync")["status"] == "completed"
    return chatwoot


def kinds(metric: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Of each kind: how many there are upstream, and how many of them here."""
    return {kind["kind"]: (kind["upstream"], kind["here"]) for kind in metric["payload"]["kinds"]}


def test_what_was_read_is_complete(chats: ChatwootServer, reconcile: Any) -> None:
    found = reconcile()
    assert kinds(found["chatwoot"]) == {"conversations": (30, 30), "contacts": (30, 30)}
    assert found["chatwoot"]["completeness_pct"] == found["portfolio"]["completeness_pct"] == 100
    assert found["chatwoot"]["payload"]["messages_total"] == 60
    assert found["chatwoot"]["payload"]["lag_seconds"] >= 0


def test_empty_tables_are_not_complete(
    project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, reconcile: Any
) -> None:
    talks(chatwoot, 30)
    connect(project["id"])
    found = reconcile()["chatwoot"]
    assert (found["completeness_pct"], found["missing_count"], found["total_count"]) == (0, 60, 60)


def test_a_conversation_that_was_not_read_to_its_end_is_not_here(
    chats: ChatwootServer, reconcile: Any
) -> None:
    account = chats.state.accounts[1]
    chats.state.pass_time(3600)
    chats.state.add_message(account.conversations[7], "Ещё вопрос", account.contacts[7])
    found = reconcile()["chatwoot"]
    assert kinds(found)["conversations"] == (30, 29)
    assert found["payload"]["conversations_behind"] == 1
    assert found["missing_count"] == 1 and found["completeness_pct"] < 100


def test_what_came_just_now_is_not_missing(
    chats: ChatwootServer, reconcile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    now = int(datetime.now(UTC).timestamp())
    account = chats.state.accounts[1]
    guest = chats.state.add_contact(account, 99, "Новый клиент", at=now)
    chats.state.add_conversation(account, guest, at=now)
    assert reconcile()["chatwoot"]["total_count"] == 60


def test_what_is_gone_upstream_and_still_here_is_told(
    chats: ChatwootServer, reconcile: Any
) -> None:
    del chats.state.accounts[1].conversations[3]
    found = reconcile()["chatwoot"]
    assert found["missing_count"] == 0
    [conversations] = [k for k in found["payload"]["kinds"] if k["kind"] == "conversations"]
    assert conversations["only_here"] == 1


def test_whom_somebody_had_erased_is_not_missing(
    chats: ChatwootServer, project: dict[str, Any], owner: Browser, reconcile: Any
) -> None:
    contact = f"cwc:{project['id']}:1:7"
    assert owner.post(f"/contacts/{contact}/erase").status_code == 200
    found = reconcile()["chatwoot"]
    assert kinds(found) == {"conversations": (29, 29), "contacts": (29, 29)}
    assert found["missing_count"] == 0


def test_inboxes_that_are_not_read_are_not_missing(
    project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, work: Work, reconcile: Any
) -> None:
    account = chatwoot.state.accounts[1]
    talks(chatwoot, 4)
    chatwoot.state.add_inbox(account, 12, "Another")
    guest = chatwoot.state.add_contact(account, 50, "Чужой")
    chatwoot.state.add_conversation(account, guest, inbox=12)
    connect(project["id"], filters={"inbox_ids": [11]})
    work(project["id"], "chatwoot_sync")
    assert kinds(reconcile()["chatwoot"]) == {"conversations": (4, 4)}


def test_an_account_too_large_to_be_listed_is_compared_by_its_counts(
    chats: ChatwootServer, reconcile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.connectors.chatwoot.census.LISTED_AT_MOST", 20)
    talks(chats, 10)
    chats.requests.clear()
    found = reconcile()["chatwoot"]
    assert kinds(found) == {"conversations": (40, 30), "contacts": (40, 30)}
    assert {k["compared_by"] for k in found["payload"]["kinds"]} == {"counts"}
    assert chats.requests.count() == 2


def test_twins_by_address_and_by_number_are_duplicates(
    project: dict[str, Any], chatwoot: ChatwootServer, connect: Any, work: Work, reconcile: Any
) -> None:
    account = chatwoot.state.accounts[1]
    for number, email, phone in (
        (1, "olga@x.example", "+7 900 111-22-33"),
        (2, "Olga@X.example", "+79001112233"),
        (3, None, "+7 (900) 111 22 33"),
        (4, "ivan@x.example", None),
        (5, "", ""),
        (6, "", ""),
    ):
        chatwoot.state.add_contact(account, number, f"Contact {number}", email, phone)
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    found = reconcile()["chatwoot"]
    assert found["duplicate_count"] == 2
    assert found["payload"]["duplicate_contacts_by_email"] == 1
    assert found["payload"]["duplicate_contacts_by_phone"] == 2


def test_issues_and_their_comments_are_counted(
    project: dict[str, Any], linear: LinearServer, team: Node, connected: Any, work: Work,
    reconcile: Any, rows: Rows, database_url: str,
) -> None:  # fmt: skip
    made = [linear.workspace.add_issue(team, f"Issue {n}") for n in range(4)]
    linear.workspace.add_issue(team, "issue 3 ")
    linear.workspace.add_comment(made[0], "A remark", None)
    linear.workspace._add("comments", body="Of a project", url="", editedAt=None, issue=None,
                          parent=None, user=None, externalUser=None)  # fmt: skip
    connected(project["id"])
    work(project["id"], "linear_sync")
    found = reconcile()["linear"]
    assert kinds(found) == {"issues": (5, 5), "comments": (1, 1)}
    assert found["duplicate_count"] == 1
    assert found["payload"]["attribute_completeness_pct"] == 100
    linear.workspace.add_issue(team, "Not read yet")
    found = reconcile()["linear"]
    assert (found["completeness_pct"], found["missing_count"]) == (85.71, 1)


def test_every_kind_of_an_attio_workspace_is_counted(
    project: dict[str, Any], workspace: State, connect_attio: Connect, work: Work, reconcile: Any
) -> None:
    company = workspace.add_company("Пекарня", "pekarnya.example")
    workspace.add_company("Пекарня (копия)", "pekarnya.example")
    workspace.add_deal("Сайт", amount=10, company=company)
    workspace.add_deal("Без компании", amount=10)
    workspace.add_note("companies", company, "Звонок", "Договорились.")
    workspace.add_list("sales")
    workspace.add_entry("sales", "companies", company)
    connect_attio(project["id"], mapping={"lists": {"sales": None}})
    work(project["id"], "attio_sync")
    found = reconcile()["attio"]
    assert kinds(found) == {
        "companies": (2, 2), "people": (0, 0), "deals": (2, 2), "notes": (1, 1), "tasks": (0, 0),
        "list:sales": (1, 1),
    }  # fmt: skip
    assert found["payload"]["duplicate_companies_by_domain"] == 1
    assert found["payload"]["opportunities_without_account_ref"] == 1
    # Companies are mapped, one deal of two is, no deal's company is unknown, one of two has none.
    assert found["payload"]["attribute_completeness_pct"] == 75


def test_a_workspace_without_deals_lacks_nothing(
    project: dict[str, Any], attio: AttioServer, connect_attio: Connect, work: Work, reconcile: Any
) -> None:
    attio.state.add_company("Пекарня", "pekarnya.example")
    connect_attio(project["id"])
    work(project["id"], "attio_sync")
    found = reconcile()["attio"]
    assert "deals" not in kinds(found) and found["completeness_pct"] == 100


def test_a_drop_is_told_once_and_its_recovery_once(
    chats: ChatwootServer, project: dict[str, Any], reconcile: Any, work: Work, rows: Rows
) -> None:
    def told() -> list[Any]:
        return rows(
            "SELECT action, status, payload ->> 'connector' FROM audit_events "
            "WHERE action LIKE 'reconciliation.%%' ORDER BY id",
        )

    talks(chats, 10)
    for _ in range(3):
        reconcile()
    assert told() == [("reconciliation.completeness_drop", "warning", "chatwoot")]
    work(project["id"], "chatwoot_sync")
    for _ in range(3):
        reconcile()
    assert told()[1:] == [("reconciliation.completeness_recovered", "ok", "chatwoot")]
    assert rows(
        "SELECT event_type, payload ->> 'connector' FROM events WHERE event_type LIKE 'alert%%' "
        "ORDER BY id"
    ) == [("alert_opened", "chatwoot"), ("alert_closed", "chatwoot")]


def test_a_vendor_that_is_away_keeps_its_last_figures(
    chats: ChatwootServer, project: dict[str, Any], linear: LinearServer, team: Node,
    connected: Any, work: Work, owner: Browser, reconcile: Any,
) -> None:  # fmt: skip
    connected(project["id"])
    work(project["id"], "linear_sync")
    reconcile()
    chats.stop()
    run = work(project["id"], JOB)
    assert run["status"] == "partial"
    assert [m["connector"] for m in run["result"]["metrics"]] == ["linear", "portfolio"]
    [skipped] = run["result"]["skipped"]
    assert (skipped["connector"], skipped["error_kind"]) == ("chatwoot", "network")
    linear.stop()
    assert work(project["id"], JOB)["status"] == "failed"
    latest = owner.get("/connectors/reconciliation").get_json()["latest"]
    assert {m["connector"]: m["completeness_pct"] for m in latest}["chatwoot"] == 100
    chats.start()
    linear.start()


def test_a_project_without_connections_claims_nothing(reconcile: Any, owner: Browser) -> None:
    assert reconcile() == {}
    answer = owner.get("/connectors/reconciliation").get_json()
    assert (answer["latest"], answer["trend"], answer["by_connector"]) == ([], [], [])


def test_missing_records_are_a_level_over_the_days(
    chats: ChatwootServer, project: dict[str, Any], work: Work, owner: Browser, reconcile: Any,
    rows: Rows,
) -> None:  # fmt: skip
    talks(chats, 10)
    for _ in range(3):
        reconcile()
    rows(YESTERDAY)
    work(project["id"], "chatwoot_sync")
    reconcile()
    answer = owner.get("/connectors/reconciliation?days=7").get_json()
    assert [p["missing_count"] for p in answer["trend"]] == [20, 0]
    assert [p["completeness_pct"] for p in answer["trend"]] == [75, 100]
    assert [p["connector"] for p in answer["by_connector"]] == ["chatwoot", "chatwoot"]
    assert {m["connector"] for m in answer["latest"]} == {"chatwoot", "portfolio"}
    assert [p["point"] for p in answer["trend"]] == sorted(p["point"] for p in answer["trend"])
    today = owner.get("/connectors/reconciliation?days=1").get_json()["trend"]
    assert [p["missing_count"] for p in today] == [0]
    assert all(type(p["completeness_pct"]) in (int, float) for p in answer["trend"])


def test_the_diff_is_against_the_day_before(
    chats: ChatwootServer, project: dict[str, Any], work: Work, owner: Browser, reconcile: Any,
    rows: Rows,
) -> None:  # fmt: skip
    reconcile()
    [alone] = owner.get("/connectors/reconciliation/diff").get_json()["diff"]
    assert (alone["current_pct"], alone["previous_pct"], alone["delta_pct"]) == (100, 100, 0)
    assert (alone["previous_total"], alone["previous_missing"]) == (0, 0)
    rows(YESTERDAY)
    talks(chats, 10)
    reconcile()
    work(project["id"], "chatwoot_sync")
    talks(chats, 20)
    reconcile()
    [found] = owner.get("/connectors/reconciliation/diff").get_json()["diff"]
    assert found["connector"] == "chatwoot"
    assert (found["current_total"], found["previous_total"], found["delta_total"]) == (120, 60, 60)
    assert (found["current_missing"], found["previous_missing"]) == (40, 0)
    assert (found["current_pct"], found["previous_pct"], found["delta_pct"]) == (66.66, 100, -33.34)


def test_run_by_hand(
    chats: ChatwootServer, project: dict[str, Any], owner: Browser, work: Work,
    sign_in_as: Callable[..., Browser], rows: Rows,
) -> None:  # fmt: skip
    answer = owner.post("/connectors/reconciliation/run")
    assert answer.status_code == 202 and answer.get_json()["result"]["queued"] is True
    run = work(project["id"], JOB)
    result = run["result"]
    assert result["source"] == "manual" and result["captured_at"]
    assert set(result["summary"]) == {
        "completeness_pct", "missing_count", "duplicate_count", "total_count",
    }  # fmt: skip
    asked = "SELECT count(*) FROM audit_events WHERE action = 'connectors.reconciliation.run'"
    assert rows(asked) == [(1,)]
    viewer = sign_in_as("viewer", project["id"])
    assert viewer.post("/connectors/reconciliation/run").status_code == 403
    assert viewer.get("/connectors/reconciliation").status_code == 200
    assert viewer.get("/connectors/reconciliation/diff").status_code == 200


def test_a_project_sees_its_own_figures_only(
    chats: ChatwootServer, owner: Browser, reconcile: Any
) -> None:
    reconcile()
    other = owner.post("/projects", {"name": "Other"}).get_json()["project"]["id"]
    owner.post(f"/projects/{other}/select")
    assert owner.get("/connectors/reconciliation").get_json()["latest"] == []
    assert owner.get("/connectors/reconciliation/diff").get_json()["diff"] == []


def test_a_run_that_is_repeated_after_its_worker_was_lost_counts_once(
    chats: ChatwootServer, reconcile: Any, project: dict[str, Any], app: Any, rows: Rows
) -> None:
    from uuid import UUID, uuid4

    from app.connectors.reconciliation.service import run_reconciliation
    from app.scheduler.context import RunContext

    context = RunContext(
        UUID(project["id"]), uuid4(), {}, "schedule", 1, app.config["SETTINGS"], float("inf")
    )
    with app.app_context():
        run_reconciliation(context)
        talks(chats, 10)
        run_reconciliation(context)
    assert rows("SELECT connector, source, missing_count FROM sync_reconciliation_metrics ORDER BY 1") == [
        ("chatwoot", "daily_job", 20), ("portfolio", "daily_job", 20),
    ]  # fmt: skip
