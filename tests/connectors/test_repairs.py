"""Syncing by hand, and what a person does about errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Browser
from tests.vendors.attio import AttioServer
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.linear import LinearServer

Work = Callable[..., dict[str, Any]]


def test_an_unknown_connector_is_not_found(owner: Browser, project: dict[str, Any]) -> None:
    answer = owner.post("/connectors/hubspot/sync")
    assert (answer.status_code, answer.get_json()["error"]) == (404, "connector_not_found")


def test_a_sync_needs_a_connection(owner: Browser, project: dict[str, Any]) -> None:
    answer = owner.post("/connectors/LINEAR/sync")
    assert (answer.status_code, answer.get_json()["error"]) == (409, "connector_not_configured")


def test_a_sync_while_one_waits_names_its_run(
    owner: Browser, project: dict[str, Any], connect: Callable[..., None]
) -> None:
    connect(project["id"])
    first = owner.post("/connectors/chatwoot/sync")
    assert first.status_code == 202
    second = owner.post("/connectors/chatwoot/sync")
    assert (second.status_code, second.get_json()["error"]) == (409, "sync_in_progress")
    assert second.get_json()["details"]["job_run_id"] == first.get_json()["job_run_id"]


def test_viewers_may_look_and_not_sync(
    owner: Browser, project: dict[str, Any], sign_in_as: Callable[..., Browser]
) -> None:
    viewer = sign_in_as("viewer", project["id"])
    for path in ("/connectors/sync", "/connectors/chatwoot/sync", "/connectors/errors/retry"):
        assert viewer.post(path).status_code == 403
    for path in ("/connectors/errors", "/connectors/errors/dead-letter", "/connectors/events"):
        assert viewer.get(path).status_code == 200


def test_a_dead_letter_gets_another_chance(
    owner: Browser,
    project: dict[str, Any],
    chatwoot: ChatwootServer,
    connect: Callable[..., None],
    work: Work,
) -> None:
    connect(project["id"])
    chatwoot.faults.add("status", status=401)
    assert work(project["id"], "chatwoot_sync")["error_kind"] == "auth_failed"
    (dead,) = owner.get("/connectors/errors/dead-letter").get_json()["errors"]
    assert dead["connector"] == "chatwoot" and isinstance(dead["id"], str)
    # The cycle leaves it alone until somebody has looked.
    assert work(project["id"], "connectors_sync_cycle")["result"]["total"] == 0
    chatwoot.faults.clear()
    answer = owner.post(f"/connectors/errors/dead-letter/{dead['id']}/retry")
    assert answer.status_code == 202
    assert answer.get_json()["error"]["status"] == "pending" and answer.get_json()["job_run_id"]
    again = owner.post(f"/connectors/errors/dead-letter/{dead['id']}/retry")
    assert (again.status_code, again.get_json()["error"]) == (409, "error_already_open")
    assert work(project["id"], "chatwoot_sync")["status"] == "completed"
    assert (
        owner.get("/connectors/errors?status=resolved").get_json()["errors"][0]["id"] == dead["id"]
    )
    assert work(project["id"], "connectors_sync_cycle")["result"]["ok"] == 1


def test_ids_that_are_none_and_ids_of_nothing(owner: Browser, project: dict[str, Any]) -> None:
    for number, status, code in (
        ("abc", 400, "invalid_id"),
        ("-1", 400, "invalid_id"),
        ("9" * 30, 400, "invalid_id"),
        ("12345", 404, "error_not_found"),
    ):
        answer = owner.post(f"/connectors/errors/dead-letter/{number}/retry")
        assert (answer.status_code, answer.get_json()["error"]) == (status, code)
    assert owner.post("/connectors/errors/retry", {"limit": 0}).status_code == 400


def test_events_are_filtered_and_paged(
    owner: Browser, project: dict[str, Any], linear: LinearServer, work: Work
) -> None:
    team = linear.workspace.add_team("FLT", "Fleetline")
    for number in range(5):
        linear.workspace.add_issue(team, f"Issue {number}")
    created = owner.post(
        "/connectors/connections",
        {
            "connector": "linear",
            "base_url": linear.graphql_url,
            "external_account_id": linear.workspace.organization["id"],
            "api_token": linear.token,
        },
    )
    assert created.status_code == 201, created.get_json()
    work(project["id"], "linear_sync")
    seen: list[str] = []
    cursor = ""
    while True:
        page = owner.get(f"/connectors/events?source=linear&limit=2{cursor}").get_json()
        seen += [event["payload_json"]["title"] for event in page["events"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"Issue {number}" for number in (4, 3, 2, 1, 0)]
    assert owner.get("/connectors/events?type=issue_blocked").get_json()["events"] == []
    assert owner.get("/connectors/events?cursor=nonsense").status_code == 400


def test_a_connection_is_checked_against_its_vendor(
    owner: Browser, project: dict[str, Any], linear: LinearServer
) -> None:
    body = {
        "connector": "linear",
        "base_url": linear.graphql_url,
        "external_account_id": "no such workspace",
        "api_token": linear.token,
    }
    assert owner.post("/connectors/connections", body).status_code == 400
    body["external_account_id"] = "00000000-0000-4000-8000-000000000000"
    answer = owner.post("/connectors/connections", body)
    assert (answer.status_code, answer.get_json()["error"]) == (502, "upstream_error")
    assert "belongs to the workspace Mayak" in answer.get_json()["message"]
    body |= {"external_account_id": linear.workspace.organization["id"], "filters": {"x": [1]}}
    assert owner.post("/connectors/connections", body).status_code == 400


def test_a_connection_is_changed_switched_off_and_on_and_removed(
    owner: Browser,
    project: dict[str, Any],
    chatwoot: ChatwootServer,
    connect: Callable[..., None],
    work: Work,
) -> None:
    connect(project["id"], token="wrong token")
    work(project["id"], "chatwoot_sync")
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    place = f"/connectors/connections/{found['id']}"
    changed = owner.post(f"{place}/update", {"api_token": chatwoot.token, "display_name": "Ours"})
    assert changed.get_json()["connection"]["display_name"] == "Ours"
    assert chatwoot.token not in changed.get_data(as_text=True)
    assert work(project["id"], "chatwoot_sync")["status"] == "completed"

    assert owner.post(f"{place}/disable").status_code == 200
    answer = owner.post("/connectors/chatwoot/sync")
    assert (answer.status_code, answer.get_json()["error"]) == (409, "connector_disabled")
    assert work(project["id"], "connectors_sync_cycle")["result"]["total"] == 0
    assert owner.post(f"{place}/enable").status_code == 200
    assert work(project["id"], "connectors_sync_cycle")["result"]["ok"] == 1

    assert owner.post(f"{place}/remove").status_code == 200
    assert owner.post(f"{place}/remove").status_code == 404
    assert owner.get("/connectors/connections").get_json()["connections"] == []


@pytest.mark.parametrize(
    "mapping",
    [
        {"stage": {}},
        {"stages": {"Оплачено": "paid"}},
        {"stages": []},
        {"fields": {"deals": {"weight": "x"}}},
        {"fields": {"deals": {"amount": 7}}},
        {"lists": [{}]},
        {"lists": "sales"},
        {"vendor_wins": [["name"]]},
        {"vendor_wins": ["password"]},
        {"probability_scale": 0},
        {"probability_scale": True},
    ],
)
def test_a_mapping_that_no_sync_could_use_is_refused_when_it_is_given(
    owner: Browser, project: dict[str, Any], connect_attio: Any, mapping: dict[str, Any],
    attio: AttioServer,
) -> None:  # fmt: skip
    good = {"stages": {"Оплачено": "won"}}
    connect_attio(project["id"], mapping=good)
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    place = f"/connectors/connections/{found['id']}/update"
    answer = owner.post(place, {"mapping": mapping})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "validation_error")
    assert answer.get_json()["details"][0]["path"] == "mapping"
    (kept,) = owner.get("/connectors/connections").get_json()["connections"]
    assert kept["mapping"] == good
    body = {
        "connector": "attio", "base_url": attio.url, "external_account_id": attio.state.workspace_id,
        "api_token": attio.token, "verify": False, "mapping": mapping,
    }  # fmt: skip
    assert owner.post("/connectors/connections", body).status_code == 400


def test_what_has_nothing_to_map_takes_no_mapping(
    owner: Browser, project: dict[str, Any], connect: Callable[..., None]
) -> None:
    connect(project["id"])
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    place = f"/connectors/connections/{found['id']}/update"
    assert owner.post(place, {"mapping": {"stages": {}}}).status_code == 400
    assert owner.post(place, {"mapping": {}}).status_code == 200


def test_a_connection_of_the_settings_stays_off(
    make_app: Callable[..., Any], chatwoot: ChatwootServer
) -> None:
    app = make_app(
        chatwoot_base_url=chatwoot.url, chatwoot_api_token=chatwoot.token, chatwoot_account_id="1"
    )
    owner = Browser(app)
    owner.sign_in()
    owner.post("/projects", {"name": "From the settings"})
    assert owner.post("/connectors/chatwoot/sync").status_code == 202
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    owner.post(f"/connectors/connections/{found['id']}/disable")
    answer = owner.post("/jobs/chatwoot/sync")
    assert (answer.status_code, answer.get_json()["error"]) == (409, "connector_disabled")


def test_only_the_owner_manages_connections(
    owner: Browser,
    project: dict[str, Any],
    connect: Callable[..., None],
    sign_in_as: Callable[..., Browser],
) -> None:
    connect(project["id"])
    (found,) = owner.get("/connectors/connections").get_json()["connections"]
    manager = sign_in_as("pm", project["id"])
    for action in ("update", "disable", "enable", "remove", "test"):
        answer = manager.post(f"/connectors/connections/{found['id']}/{action}", {})
        assert answer.status_code == 403, action
