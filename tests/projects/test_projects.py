"""Projects: listing, creating, selecting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.conftest import Browser


def test_it_works(owner: Browser) -> None:
    created = owner.post("/projects", {"name": "  Fleetline  "})
    assert created.status_code == 201
    project = created.get_json()["project"]
    assert project["name"] == "Fleetline" and project["phase"] == "active"
    listed = owner.get("/projects").get_json()
    assert [p["id"] for p in listed["projects"]] == [project["id"]]
    assert listed["active_project_id"] == project["id"]
    assert listed["account_scope_id"] == project["account_scope_id"]
    assert project["created_at"].endswith("Z")


def test_the_newest_comes_first(owner: Browser) -> None:
    for name in ("One", "Two", "Three"):
        owner.post("/projects", {"name": name})
    names = [p["name"] for p in owner.get("/projects").get_json()["projects"]]
    assert names == ["Three", "Two", "One"]


def test_selecting_moves_the_session(owner: Browser) -> None:
    first = owner.post("/projects", {"name": "First"}).get_json()["project"]
    owner.post("/projects", {"name": "Second"})
    answer = owner.post(f"/projects/{first['id']}/select")
    assert answer.get_json()["active_project_id"] == first["id"]
    assert answer.get_json()["project"]["name"] == "First"
    assert owner.get("/auth/me").get_json()["active_project_id"] == first["id"]


def test_creating_another_project_does_not_move_the_session(
    owner: Browser, project: dict[str, Any]
) -> None:
    owner.post("/projects", {"name": "Newer"})
    assert owner.get("/projects").get_json()["active_project_id"] == project["id"]


def test_a_fresh_sign_in_starts_in_a_project(
    owner: Browser, project: dict[str, Any], sign_in_as: Callable[..., Browser]
) -> None:
    colleague = sign_in_as("viewer", project["id"])
    assert colleague.get("/projects").get_json()["active_project_id"] == project["id"]


def test_people_see_and_enter_only_their_projects(
    owner: Browser, sign_in_as: Callable[..., Browser]
) -> None:
    theirs = owner.post("/projects", {"name": "Theirs"}).get_json()["project"]
    other = owner.post("/projects", {"name": "Other, and newer"}).get_json()["project"]
    executor = sign_in_as("executor", theirs["id"])
    listed = executor.get("/projects").get_json()
    assert [p["id"] for p in listed["projects"]] == [theirs["id"]]
    assert listed["active_project_id"] == theirs["id"]
    refused = executor.post(f"/projects/{other['id']}/select")
    assert (refused.status_code, refused.get_json()["error"]) == (403, "project_access_denied")


def test_somebody_without_a_project_can_still_list_and_sign_out(
    owner: Browser, project: dict[str, Any], sign_in_as: Callable[..., Browser]
) -> None:
    nobody = sign_in_as("executor")
    assert nobody.get("/projects").get_json()["projects"] == []
    assert nobody.get("/auth/me").get_json()["active_project_id"] is None
    assert nobody.post("/auth/logout").status_code == 200


def test_a_get_never_moves_the_session(owner: Browser) -> None:
    first = owner.post("/projects", {"name": "First"}).get_json()["project"]
    owner.post("/projects", {"name": "Second"})
    owner.get(f"/auth/me?project_id={first['id']}")
    before = owner.get("/auth/me").get_json()["active_project_id"]
    owner.get("/projects?project_id=" + first["id"])
    assert owner.get("/auth/me").get_json()["active_project_id"] == before


@pytest.mark.parametrize("role", ["pm", "delivery_lead", "executor", "viewer"])
def test_only_the_owner_creates(
    role: str, owner: Browser, sign_in_as: Callable[..., Browser]
) -> None:
    refused = sign_in_as(role).post("/projects", {"name": "Not mine to make"})
    assert (refused.status_code, refused.get_json()["error"]) == (403, "forbidden")
    assert owner.get("/projects").get_json()["projects"] == []


@pytest.mark.parametrize("name", ["__legacy_scope__", " __LEGACY_scope__ "])
def test_the_reserved_name_is_refused(owner: Browser, name: str) -> None:
    assert owner.post("/projects", {"name": name}).get_json()["error"] == "reserved_name"


def test_a_name_is_taken_once_per_scope(owner: Browser, project: dict[str, Any]) -> None:
    twin = owner.post("/projects", {"name": project["name"].upper()})
    assert (twin.status_code, twin.get_json()["error"]) == (409, "project_name_taken")
    elsewhere = {"name": project["name"], "account_scope_key": "Another-Studio"}
    assert owner.post("/projects", elsewhere).status_code == 201


def test_a_known_scope_keeps_its_name(owner: Browser, database_url: str) -> None:
    for number, scope_name in enumerate(("Studio", "Renamed by accident")):
        owner.post(
            "/projects",
            {"name": f"P{number}", "account_scope_key": "s", "account_scope_name": scope_name},
        )
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT name FROM account_scopes WHERE scope_key = 's'"
        ).fetchall()
    assert rows == [("Studio",)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": " "},
        {"name": "x" * 161},
        {"name": 5},
        {"name": None},
        {"name": []},
    ],
)
def test_bad_names_are_refused_and_nothing_is_written(owner: Browser, body: dict[str, Any]) -> None:
    answer = owner.post("/projects", body)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "validation_error")
    assert owner.get("/projects").get_json()["projects"] == []


def test_null_and_blank_scope_keys_mean_the_default(owner: Browser) -> None:
    scopes = {
        owner.post("/projects", {"name": f"N{n}", "account_scope_key": key}).get_json()["project"][
            "account_scope_id"
        ]
        for n, key in enumerate((None, "", "  ", "default"))
    }
    assert len(scopes) == 1


@pytest.mark.parametrize(
    ("project_id", "status", "code"),
    [
        ("not-a-uuid", 400, "invalid_uuid"),
        ("00000000-0000-0000-0000-000000000000", 404, "project_not_found"),
    ],
)
def test_selecting_what_is_not_there(
    owner: Browser, project_id: str, status: int, code: str
) -> None:
    answer = owner.post(f"/projects/{project_id}/select")
    assert (answer.status_code, answer.get_json()["error"]) == (status, code)
