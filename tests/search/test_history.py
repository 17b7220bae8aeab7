"""What people searched for: counted once, summed up by day, suggested to those who may know it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from flask import Flask

from tests.conftest import Browser

Searched = Callable[..., str]
MOSCOW = ZoneInfo("Europe/Moscow")


def report(browser: Browser, query: str, **rest: Any) -> dict[str, Any]:
    answer = browser.post("/search/analytics", {"query": query, **rest})
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    assert found["tracked"], found
    return found


def summary(browser: Browser, **query: Any) -> dict[str, Any]:
    answer = browser.get("/search/analytics/summary", query_string=query)
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def suggested(browser: Browser, q: str = "", **query: Any) -> list[str]:
    given = {**({"q": q} if q else {}), **query}
    answer = browser.get("/search/suggestions", query_string=given)
    assert answer.status_code == 200, answer.get_json()
    return [row["query"] for row in answer.get_json()["suggestions"]]


PAGE = {"sourceFilter": None, "topK": 10, "dateFrom": None, "dateTo": None}


def test_a_search_counts_once_though_server_and_page_both_tell(
    owner: Browser, project: dict[str, Any]
) -> None:
    found = owner.post(
        "/lightrag/query", {"query": "Где макет?", "sourceFilter": ["messages"], "topK": 5}
    )
    shown = {
        "result_count": len(found.get_json()["evidence"]),
        "duration_ms": 12,
        "event_type": "search",
    }
    event = report(
        owner, " где  МАКЕТ? ", filters={**PAGE, "sourceFilter": ["messages"], "topK": 5}, **shown
    )
    again = report(owner, "Где макет?", query_run_id=found.get_json()["query_run_id"], **shown)
    assert event["event_id"] == again["event_id"]
    assert summary(owner)["overview"]["total_searches"] == 1
    report(owner, "Где макет?", filters={**PAGE, "topK": 50}, **shown)
    assert summary(owner)["overview"]["total_searches"] == 2, (
        "with other filters it is another search"
    )


def test_a_minute_later_the_same_search_is_another(owner: Browser, searched: Searched) -> None:
    searched("где макет", owner, at=datetime.now(UTC) - timedelta(seconds=61))
    report(owner, "где макет", filters=PAGE)
    assert summary(owner)["overview"]["total_searches"] == 2


def test_a_page_that_names_the_run_is_never_counted_again(
    owner: Browser, searched: Searched
) -> None:
    run = searched("где макет", owner, at=datetime.now(UTC) - timedelta(hours=1))
    report(owner, "где макет", query_run_id=run)
    assert summary(owner)["overview"]["total_searches"] == 1


def test_clicks_belong_to_searches_and_never_exceed_them(
    owner: Browser, searched: Searched
) -> None:
    searched("макет", owner)
    searched("счёт", owner)
    for result in ("m1", "m2", "m3"):
        report(
            owner,
            "Макет",
            event_type="click",
            clicked_result_id=result,
            clicked_source_type="linear_issue",
        )
    report(
        owner,
        "never searched",
        event_type="click",
        clicked_result_id=None,
        clicked_source_type=None,
    )
    found = summary(owner)
    overview = found["overview"]
    assert (overview["total_searches"], overview["total_clicks"]) == (2, 4)
    assert overview["click_through_rate_pct"] == 50
    assert found["source_clicks"] == [
        {"source_type": "linear_issue", "click_count": 3},
        {"source_type": "unknown", "click_count": 1},
    ]


def test_spellings_of_one_question_are_one(
    owner: Browser, searched: Searched, sign_in_as: Callable[..., Browser], project: dict[str, Any]
) -> None:
    colleague = sign_in_as("pm", project["id"])
    searched("Счёт  за макет", owner, results=4, ms=100)
    searched("счет за МАКЕТ", colleague, results=2, ms=300)
    searched("Ничего", owner, results=0, ms=200)
    found = summary(owner)
    assert found["top_queries"] == [
        {"query": "счет за МАКЕТ", "search_count": 2, "avg_results": 3, "avg_duration_ms": 200},
        {"query": "Ничего", "search_count": 1, "avg_results": 0, "avg_duration_ms": 200},
    ]
    assert found["zero_result_queries"] == [{"query": "Ничего", "search_count": 1}]
    overview = found["overview"]
    assert (overview["unique_queries"], overview["unique_users"]) == (2, 2)
    assert (
        overview["avg_duration_ms"],
        overview["p50_duration_ms"],
        overview["p95_duration_ms"],
    ) == (200, 200, 290)
    assert len(summary(owner, top_queries_limit=1)["top_queries"]) == 1


def test_days_are_whole_in_the_projects_time_zone_and_none_is_missing(
    owner: Browser, searched: Searched
) -> None:
    today = datetime.now(MOSCOW).replace(hour=0, minute=30, second=0, microsecond=0)
    searched("ночью", owner, at=today)  # in UTC it is still the evening before
    searched("позавчера", owner, at=today - timedelta(days=2))
    searched("давно", owner, at=today - timedelta(days=3))
    found = summary(owner, days=3)
    day = today.date()
    assert found["period_days"] == 3
    assert found["daily_volume"] == [
        {"day": str(day), "searches": 1, "clicks": 0},
        {"day": str(day - timedelta(days=1)), "searches": 0, "clicks": 0},
        {"day": str(day - timedelta(days=2)), "searches": 1, "clicks": 0},
    ]
    assert found["overview"]["total_searches"] == 2


def test_an_empty_project_has_a_summary_too(owner: Browser, project: dict[str, Any]) -> None:
    found = summary(owner, days=2)
    assert set(found["overview"].values()) == {0} and len(found["daily_volume"]) == 2
    assert found["top_queries"] == found["source_clicks"] == []
    assert found["feedback"] == {"up": 0, "down": 0}


def test_opinions_are_counted_and_told_by_week_and_score(
    owner: Browser, searched: Searched
) -> None:
    good, bad = searched("хорошо", owner, quality=90), searched("плохо", owner, quality=10)
    owner.post("/lightrag/feedback", {"query_run_id": good, "rating": 1})
    owner.post("/lightrag/feedback", {"query_run_id": bad, "rating": -1, "comment": None})
    assert summary(owner)["feedback"] == {"up": 1, "down": 1}
    weeks = owner.get("/search/analytics/quality").get_json()["weeks"]
    assert [(w["score_band"], w["up"], w["down"], w["up_pct"]) for w in weeks] == [
        (0, 0, 1, 0),
        (75, 1, 0, 100),
    ]


@pytest.mark.parametrize(
    ("days", "expected"), [("0", 1), ("-4", 1), ("400", 365), ("7", 7), ("1.5", None), ("x", None)]
)
def test_the_period_is_bounded_and_whole(
    owner: Browser, project: dict[str, Any], days: str, expected: int | None
) -> None:
    answer = owner.get("/search/analytics/summary", query_string={"days": days})
    assert answer.status_code == (200 if expected else 400)
    assert answer.get_json().get("period_days") == expected


@pytest.mark.parametrize(
    ("limit", "status"), [("0", 200), ("500", 200), ("2.5", 400), ("many", 400), ("%00", 400)]
)
def test_how_many_questions_are_told_is_a_whole_number(
    owner: Browser, project: dict[str, Any], limit: str, status: int
) -> None:
    path = f"/search/analytics/summary?top_queries_limit={limit}"
    assert owner.get(path).status_code == status


def test_what_colleagues_ask_is_for_managers(
    project: dict[str, Any], sign_in_as: Callable[..., Browser]
) -> None:
    for role, status in (("pm", 200), ("delivery_lead", 403), ("executor", 403), ("viewer", 403)):
        person = sign_in_as(role, project["id"])
        assert person.get("/search/analytics/summary").status_code == status, role


@pytest.mark.parametrize(
    "event",
    [
        {"query": ""},
        {"query": "x" * 4001},
        {"query": "a", "event_type": "view"},
        {"query": "a", "result_count": -1},
        {"query": "a", "duration_ms": 300_001},
        {"query": "a", "filters": {"x": "y" * 4096}},
        {"query": "a", "filters": []},
        {"query": "a", "clicked_result_id": "x" * 501},
        {"query": "a\x00"},
    ],
)
def test_events_that_cannot_be_are_refused(
    owner: Browser, project: dict[str, Any], event: dict[str, Any]
) -> None:
    assert owner.post("/search/analytics", event).status_code == 400


def test_the_table_itself_takes_no_other_events(
    owner: Browser, project: dict[str, Any], database_url: str
) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "INSERT INTO search_analytics (project_id, event_type, query, query_norm) "
            "VALUES (%s, 'view', 'a', 'a')",
            (project["id"],),
        )


def test_suggestions_are_ones_own_or_of_two_people(
    owner: Browser, searched: Searched, sign_in_as: Callable[..., Browser], project: dict[str, Any]
) -> None:
    first, second = sign_in_as("pm", project["id"]), sign_in_as("executor", project["id"])
    searched("зарплата Артёма", first)
    searched("макет корзины", first)
    searched("Макет  корзины", second)
    assert suggested(first) == ["макет корзины", "зарплата Артёма"]
    assert suggested(second) == ["Макет  корзины"]
    assert suggested(owner) == ["Макет  корзины"]


def test_beginnings_come_before_parts_and_parts_before_likeness(
    owner: Browser, searched: Searched
) -> None:
    for query in ("новый макет", "макеты сайта", "макет", "макит", "совсем другое"):
        searched(query, owner)
    for _ in range(3):
        searched("новый макет", owner)
    found = suggested(owner, "МАКЕТ")
    assert set(found[:2]) == {"макет", "макеты сайта"} and found[2] == "новый макет"
    assert "совсем другое" not in found
    assert "макет" in suggested(owner, "макетт"), "a mistyped one is found by likeness"
    assert len(suggested(owner, "макет", limit=1)) == 1


def test_what_found_nothing_or_is_long_ago_is_not_suggested(
    owner: Browser, searched: Searched
) -> None:
    searched("пусто", owner, results=0)
    searched("когда-то", owner, at=datetime.now(UTC) - timedelta(days=40))
    searched("50% готово", owner)
    assert suggested(owner) == ["50% готово"]
    assert suggested(owner, "50%") == suggested(owner, "0% г") == ["50% готово"]
    assert suggested(owner, "%") == suggested(owner, "_") == []
    assert suggested(owner, days=60) == ["50% готово", "когда-то"]


def test_a_person_erases_her_own_history_in_all_projects(
    owner: Browser,
    searched: Searched,
    sign_in_as: Callable[..., Browser],
    project: dict[str, Any],
    database_url: str,
) -> None:
    other = owner.post("/projects", {"name": "Вторая"}).get_json()["project"]
    colleague = sign_in_as("pm", project["id"], other["id"])
    searched("моё", colleague)
    searched("моё второе", colleague, project_id=other["id"])
    others = searched("чужое", owner)
    colleague.post(f"/projects/{project['id']}/select")
    for reader, comment in ((colleague, "моё мнение"), (owner, "чужое мнение")):
        told = {"query_run_id": others, "rating": -1, "comment": comment}
        assert reader.post("/lightrag/feedback", told).status_code == 200
    erased = colleague.post("/search/history/erase").get_json()["erased"]
    assert erased == {"search_analytics": 2, "lightrag_query_runs": 2, "lightrag_feedback": 1}
    with psycopg.connect(database_url) as connection:
        left = connection.execute("SELECT query FROM search_analytics").fetchall()
        runs = connection.execute("SELECT query_text FROM lightrag_query_runs").fetchall()
        opinions = connection.execute("SELECT comment FROM lightrag_feedback").fetchall()
    assert left == runs == [("чужое",)] and opinions == [("чужое мнение",)]


def test_two_projects_with_the_same_words_never_cross(
    owner: Browser, searched: Searched, project: dict[str, Any]
) -> None:
    other = owner.post("/projects", {"name": "Вторая"}).get_json()["project"]
    searched("макет", owner)
    searched("макет второго", owner, project_id=other["id"])
    owner.post(f"/projects/{project['id']}/select")
    assert suggested(owner, "макет") == ["макет"]
    assert [q["query"] for q in summary(owner)["top_queries"]] == ["макет"]
    foreign = searched("чужой", owner, project_id=other["id"])
    report(owner, "чужой", event_type="click", query_run_id=foreign)
    assert summary(owner)["overview"]["click_through_rate_pct"] == 0


def test_an_event_that_cannot_be_written_disturbs_nobody(
    owner: Browser, project: dict[str, Any], database_url: str, app: Flask
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE search_analytics RENAME TO elsewhere")
        answer = owner.post("/search/analytics", {"query": "макет"})
        connection.execute("ALTER TABLE elsewhere RENAME TO search_analytics")
    body = answer.get_json()
    assert (answer.status_code, body["tracked"], body["event_id"]) == (200, False, None)


def test_runs_come_in_pages_newest_first_however_many_digits_their_numbers_have(
    owner: Browser, searched: Searched
) -> None:
    """As texts, 9 would come after 12."""
    asked = [searched(f"вопрос {n}", owner) for n in range(12)]
    read: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = owner.get("/lightrag/runs", query_string={"limit": 5, "cursor": cursor}).get_json()
        read += [run["id"] for run in page["runs"]]
        assert page["has_more"] is (page["next_cursor"] is not None)
        cursor = page["next_cursor"]
    assert read == sorted(asked, key=int, reverse=True) and len(str(read[0])) > len(read[-1])


def test_what_others_asked_is_read_by_managers_only(
    owner: Browser, searched: Searched, sign_in_as: Callable[..., Browser], project: dict[str, Any]
) -> None:
    executor, manager = sign_in_as("executor", project["id"]), sign_in_as("pm", project["id"])
    theirs, own = searched("чужой вопрос", owner), searched("свой вопрос", executor)
    for reader, expected in (
        (executor, ["свой вопрос"]),
        (manager, ["свой вопрос", "чужой вопрос"]),
    ):
        runs = reader.get("/lightrag/runs").get_json()["runs"]
        assert [run["query_text"] for run in runs] == expected
    assert executor.get(f"/lightrag/runs/{own}").status_code == 200
    assert executor.get(f"/lightrag/runs/{theirs}").status_code == 404
    assert manager.get(f"/lightrag/runs/{theirs}").status_code == 200
