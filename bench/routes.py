"""The application's routes under load, over HTTP, as the UI calls them."""

from __future__ import annotations

import http.client
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson

from bench.data import Loaded
from bench.texts import questions
from bench.timing import Timing, timing
from tests.running import Web

REPEATED = 10  # questions that the cached route asks over and over
VARIETY = 40  # questions that pgbench draws from; it takes 128 scripts at most
SHORT_NUMBER = re.compile(r"(?<!\d)\d{1,2}(?!\d)")
WARM_UP = 15  # requests a client before the clock starts


@dataclass(frozen=True)
class Route:
    """A request to repeat. `bodies` gives each request's JSON; None means GET. `variety` is how many of
    them differ in what they send to Postgres, after the first `skipped` ones."""

    name: str
    path: str
    project: dict[str, object]
    bodies: Iterator[bytes] | None = None
    variety: int = 1
    skipped: int = 1

    @property
    def method(self) -> str:
        return "GET" if self.bodies is None else "POST"


class Shared:
    """An iterator that several threads may draw from."""

    def __init__(self, values: Iterator[bytes]) -> None:
        self._values = values
        self._lock = threading.Lock()

    def __iter__(self) -> Shared:
        return self

    def __next__(self) -> bytes:
        with self._lock:
            return next(self._values)


def new_questions(most: int) -> Shared:
    """Bodies of questions that nobody asked before, without numbers of one or two digits."""
    made = questions(most, seed=1)
    return Shared(body_of(text) for text in made if not SHORT_NUMBER.search(text))


def body_of(question: str) -> bytes:
    return orjson.dumps({"query": question})


def routes(loaded: Loaded, most_questions: int) -> list[Route]:
    """What is measured. New questions go to the largest project, to the largest that is searched
    without the vector index, and to the smallest; those with a number of one or two digits, which no
    trigram index can look up, stand apart."""
    largest, scanned = loaded.largest, loaded.largest_scanned
    made = questions(most_questions, seed=1)
    fresh = new_questions(most_questions)
    numbered = Shared(body_of(text) for text in made if SHORT_NUMBER.search(text))
    repeated = Shared(itertools.cycle([body_of(text) for text in questions(REPEATED, seed=2)]))
    plain = ["/health", "/auth/me", "/projects", "/jobs/status", "/jobs/scheduler"]
    plain += ["/lightrag/status", "/connectors/state"]
    ask = "/lightrag/query"
    return [
        *(Route(path, path, largest) for path in plain),
        *(
            Route(f"{ask}, {_size(project)}", ask, project, fresh, VARIETY)
            for project in (largest, scanned, loaded.smallest)
        ),
        Route(f"{ask}, {_size(largest)}, short number", ask, largest, numbered, VARIETY),
        Route(f"{ask}, {_size(largest)}, remembered", ask, largest, repeated, REPEATED, REPEATED),
        Route(f"/search, {_size(largest)}", "/search", largest, fresh, VARIETY),
    ]


def _size(project: dict[str, object]) -> str:
    return f"{project['chunks']:,}"


def enter(web: Web, project: dict[str, object]) -> None:
    """Work in this project from now on."""
    answer = web.post(f"/projects/{project['id']}/select")
    answer.raise_for_status()


def drive(web: Web, route: Route, clients: int, seconds: float) -> Timing:
    """So many clients, each asking again as soon as it is answered, for `seconds`."""
    durations: list[float] = []
    failed: list[int] = []
    together = threading.Barrier(clients + 1)
    threads = [
        threading.Thread(target=_client, args=(web, route, seconds, together, durations, failed))
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    together.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return timing(durations, time.perf_counter() - started, len(failed))


def _client(
    web: Web,
    route: Route,
    seconds: float,
    together: threading.Barrier,
    durations: list[float],
    failed: list[int],
) -> None:
    ask = _asker(web, route)
    for _ in range(WARM_UP):
        ask()
    together.wait()
    ends = time.perf_counter() + seconds
    while (started := time.perf_counter()) < ends:
        status = ask()
        durations.append((time.perf_counter() - started) * 1000)
        if status != 200:
            failed.append(status)


def _asker(web: Web, route: Route) -> Callable[[], int]:
    """One request on a connection that is kept; answers the status. A connection that the server
    closed meanwhile, because nothing had come for 5 s, is opened again, as browsers do."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    headers = headers_of(web)

    def ask() -> int:
        body = next(route.bodies) if route.bodies is not None else None
        try:
            connection.request(route.method, route.path, body, headers)
            response = connection.getresponse()
        except ConnectionError:
            connection.close()
            connection.request(route.method, route.path, body, headers)
            response = connection.getresponse()
        response.read()
        return response.status

    return ask


def headers_of(web: Web) -> dict[str, str]:
    """What a signed-in browser sends."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in web.http.cookies)
    return {
        "cookie": cookies,
        "x-csrf-token": str(web.http.headers["x-csrf-token"]),
        "content-type": "application/json",
    }
