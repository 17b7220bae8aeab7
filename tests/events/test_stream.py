"""The event stream, on a real gevent server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.db import db
from app.events.service import publish
from tests.conftest import OWNER_PASSWORD, Browser
from tests.running import PASSWORD, Stream, Web, eventually, promptly

assert OWNER_PASSWORD == PASSWORD  # the running server's owner is the test's


def listen(web: Web, **request: Any) -> Stream:
    return Stream(web.http, web.url, **request)


@pytest.fixture
def web(app: Flask, project: dict[str, Any], home: Path, database_url: str) -> Iterator[Web]:
    running = Web(
        database_url, home, WEB_WORKERS="1", SSE_HEARTBEAT_SECONDS="0.4", SSE_MAX_PER_SESSION="3"
    )
    running.start()
    running.sign_in()
    yield running
    running.kill()


@pytest.fixture
def tell(app: Flask, project: dict[str, Any]) -> Callable[[int], None]:
    """Publish an event of the project, as a job's end does."""

    def publish_one(number: int, project_id: str = project["id"]) -> None:
        with app.app_context(), db.transaction() as tx:
            publish(tx, UUID(project_id), "job_completed", {"number": number, "status": "ok"})

    return publish_one


def test_it_connects_tells_and_beats(web: Web, tell: Callable[[int], None]) -> None:
    streams: list[Stream] = []

    def connect() -> None:
        streams.append(listen(web))
        eventually(lambda: streams[-1].named("connected"), pause=0.01)

    promptly(connect)
    stream = streams[-1]
    headers = stream.response.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no" and headers["X-Frame-Options"] == "DENY"
    assert headers["x-request-id"]

    def hear() -> None:
        before = len(stream.named("job_completed"))
        tell(before + 1)
        eventually(lambda: len(stream.named("job_completed")) > before, pause=0.01)

    promptly(hear)
    # A comment for the reference, and an unnamed message for the UI's watchdog.
    eventually(lambda: any(f.get("comment") == "heartbeat" for f in stream.frames))
    eventually(lambda: any(f.get("data") == "{}" and "event" not in f for f in stream.frames))


def test_what_was_missed_is_replayed_once(web: Web, tell: Callable[[int], None]) -> None:
    first = listen(web)
    eventually(lambda: first.named("connected"))
    tell(1)
    seen = eventually(lambda: first.named("job_completed"))[0]["_id"]
    first.response.close()
    for number in (2, 3):
        tell(number)
    again = listen(web, headers={"Last-Event-ID": str(seen)})
    eventually(lambda: len(again.named("job_completed")) == 2)
    tell(4)
    eventually(lambda: len(again.named("job_completed")) == 3)
    assert [e["number"] for e in again.named("job_completed")] == [2, 3, 4]


def test_too_much_missed_asks_to_read_everything_again(
    web: Web, project: dict[str, Any], database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO events (project_id, event_type, payload) "
            "SELECT id, 'job_completed', '{}' FROM projects, generate_series(1, 1002)"
        )
    stream = listen(web, params={"last_event_id": 0})
    eventually(lambda: stream.named("resync"))


def test_it_closes_on_sign_out(web: Web) -> None:
    stream = listen(web)
    eventually(lambda: stream.named("connected"))
    time.sleep(0.3)
    web.post("/auth/logout")
    assert stream.ended.wait(15)


def test_it_closes_when_the_session_is_taken_away(web: Web, database_url: str) -> None:
    stream = listen(web)
    eventually(lambda: stream.named("connected"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE sessions SET revoked_at = now()")
    assert stream.ended.wait(15)  # found by the regular look at who may still see what


def test_a_session_has_only_so_many_streams(web: Web) -> None:
    streams = [listen(web) for _ in range(3)]
    for stream in streams:
        eventually(lambda stream=stream: stream.named("connected"))
    refused = web.get("/events/stream")
    assert (refused.status_code, refused.json()["error"]) == (503, "sse_capacity")


def test_gauges_count_streams(web: Web) -> None:
    stream = listen(web)
    eventually(lambda: stream.named("connected"))
    assert "app_sse_connections_total 1.0" in web.get("/metrics").text
    stream.response.close()


def test_a_client_that_does_not_read_is_cut_off_and_not_kept(
    web: Web, project: dict[str, Any], database_url: str
) -> None:
    cookies = "; ".join(f"{name}={value}" for name, value in web.http.cookies.items())
    host, port = web.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(
            f"GET /events/stream HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\n\r\n".encode()
        )
        eventually(lambda: "app_sse_connections_total 1.0" in web.get("/metrics").text)
        with psycopg.connect(database_url, autocommit=True) as connection:
            for _ in range(40):  # 20 MB: more than the kernel buffers for it
                connection.execute(
                    "INSERT INTO events (project_id, event_type, payload) SELECT id, 'job_completed',"
                    " jsonb_build_object('text', repeat('x', 50000)) FROM projects, generate_series(1, 10)"
                )
                connection.execute("SELECT pg_notify('lightpost_events', '')")
        eventually(lambda: "app_sse_connections_total 0.0" in web.get("/metrics").text)


def test_an_event_told_while_the_first_stream_opens_is_not_lost(
    web: Web, tell: Callable[[int], None]
) -> None:
    told = threading.Thread(target=lambda: [tell(number) for number in range(40)])
    told.start()
    stream = listen(web)  # the listener of this process starts only now
    told.join()
    tell(40)
    eventually(lambda: any(e["number"] == 40 for e in stream.named("job_completed")))
    numbers = [event["number"] for event in stream.named("job_completed")]
    assert numbers == list(range(numbers[0], 41))


def test_projects_one_may_not_see_stay_silent(
    web: Web,
    app: Flask,
    owner: Browser,
    sign_in_as: Callable[..., Browser],
    tell: Any,
    project: dict[str, Any],
) -> None:
    other = owner.post("/projects", {"name": "Somebody else's"}).get_json()["project"]["id"]
    viewer = sign_in_as("viewer", project["id"])
    cookie = viewer.http.get_cookie("lp_session")
    assert cookie is not None
    web.http.cookies.clear()
    web.http.cookies.set("lp_session", cookie.value)
    stream = listen(web)
    eventually(lambda: stream.named("connected"))
    time.sleep(0.3)
    tell(1, other)
    tell(2, project["id"])
    eventually(lambda: stream.named("job_completed"))
    assert [e["number"] for e in stream.named("job_completed")] == [2]


def test_without_a_project_there_is_nothing_to_listen_to(client: Browser) -> None:
    client.sign_in()
    answer = client.get("/events/stream")
    assert (answer.status_code, answer.get_json()["error"]) == (409, "active_project_required")


def test_a_stopping_server_ends_its_streams_at_once(web: Web) -> None:
    stream = listen(web)
    eventually(lambda: stream.named("connected"))
    started = time.monotonic()
    web.stop()
    assert time.monotonic() - started < 10 and stream.ended.wait(10)
