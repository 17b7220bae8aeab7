"""Fixtures: one embedded Postgres a test process, one database a test, one application on it."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app import create_app
from app.auth import passwords
from app.auth.service import seed_owner
from app.connectors import connections
from app.db import db, migrations, statements
from app.db.embedded import EmbeddedPostgres
from app.scheduler import service as scheduler
from app.scheduler.runner import Runner
from config.settings import Settings, load
from jobs.handlers import HANDLERS
from tests.demo import Demo, load_demo
from tests.vendors.attio import AttioServer
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.linear import LinearServer

# How long an example takes says nothing on a machine that others use too.
hypothesis.settings.register_profile("lightpost", deadline=None)
hypothesis.settings.load_profile("lightpost")

OWNER_LOGIN = "owner"
OWNER_PASSWORD = "a good long password"
DEMO_DATABASE = "demo"


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many processes as cores: a third of a test's time is spent waiting, for a database to be made,
    for a killed worker's lease to run out, for a vendor that asks for patience."""
    return min(2 * len(os.sched_getaffinity(0)), 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole processes have to be waited for on a busy machine."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(400))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Figures that tests recorded, at the end of every run: how good the search is, not only that it is."""
    reports = [r for found in terminalreporter.stats.values() for r in found]
    lines = [
        str(value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "figures" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def postgres(fast_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server without durability: tests may lose it, they must not wait for it."""
    server = EmbeddedPostgres(
        fast_folder / "pg",
        fsync="off",
        synchronous_commit="off",
        full_page_writes="off",
        shared_buffers="64MB",
        autovacuum="off",
    )
    server.start()
    migrations.upgrade(server.ensure_database("migrated"))
    yield server
    server.stop("immediate")


@pytest.fixture(scope="session")
def fast_folder() -> Iterator[Path]:
    """A folder in memory, where there is room: a database is cloned there in 20 ms instead of 300, and a
    queue's file is made in 1 instead of 25."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 1024**3
    folder = Path(tempfile.mkdtemp(prefix="lightpost-tests-", dir=memory if roomy else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """For a test that runs a Postgres of its own, maybe as another user: whenever a test run begins,
    pytest closes the folder of `tmp_path` to everybody else."""
    folder = Path(tempfile.mkdtemp(prefix="lightpost-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, postgres: EmbeddedPostgres) -> Iterator[str]:
    """A migrated database of the test's own, cloned from a template: an empty one, or the loaded demo
    where the test asks for `demo_workspace`."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    template = "migrated"
    if "demo_workspace" in request.fixturenames:
        request.getfixturevalue("demo_workspace")
        template = DEMO_DATABASE
    yield postgres.ensure_database(name, template=template)
    db.close()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def demo_workspace(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo as `make demo` loads it, all vendors synced and everything embedded; made once a process.

    A test that asks for it gets a database of its own that already holds all this, under the usual
    fixtures (`app`, `owner`, `work` …). The simulated vendors are gone: nothing can be pulled again.
    """
    settings = load(
        {}, **plain_settings(postgres.ensure_database(DEMO_DATABASE, template="migrated"),
                             tmp_path_factory.mktemp("demo")),
    )  # fmt: skip
    return load_demo(settings)


@pytest.fixture
def home(fast_folder: Path) -> Path:
    """The test's own LIGHTPOST_HOME."""
    return Path(tempfile.mkdtemp(prefix="home-", dir=fast_folder)) / "home"


@pytest.fixture
def settings_for(database_url: str, home: Path) -> Callable[..., Settings]:
    """Settings of this test's database; keyword arguments change single ones."""

    def make(**changes: Any) -> Settings:
        return load({}, **{**plain_settings(database_url, home), **changes})

    return make


def plain_settings(database_url: str, home: Path) -> dict[str, Any]:
    """The settings of a test that changes none."""
    return {
        "app_env": "test",
        "database_url": database_url,
        "lightpost_home": home,
        "auth_credentials": f"{OWNER_LOGIN}:{OWNER_PASSWORD}",
        "secret_key": "a secret key for tests, long enough",
        "log_level": "error",
        "pg_pool_wait_ms": 2000,
        "job_wait_seconds": 0.0,  # nobody works beside a test unless it starts a worker
    }


@pytest.fixture
def make_app(settings_for: Callable[..., Settings]) -> Callable[..., Flask]:
    """An application with single settings changed, its owner seeded."""

    def make(**changes: Any) -> Flask:
        settings = settings_for(**changes)
        application = create_app(settings)
        with application.app_context():
            seed_owner(settings)
        return application

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """The application. Requests bring their own context; a test that calls services directly uses
    `with app.app_context():` around them (an outer one would make requests share their `g`)."""
    yield make_app()
    db.close()


class Browser:
    """A client that behaves as the UI does: keeps cookies, sends JSON and the CSRF token."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.http: FlaskClient = app.test_client()
        self.csrf: str | None = None

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self._send("GET", path, **kwargs)

    def post(self, path: str, json: Any = None, **kwargs: Any) -> TestResponse:
        """POST; without `json` the body is empty while the content type still says JSON."""
        return self._send("POST", path, json=json, **kwargs)

    def _send(self, method: str, path: str, json: Any = None, **kwargs: Any) -> TestResponse:
        headers = {"content-type": "application/json", **kwargs.pop("headers", {})}
        if self.csrf:
            headers.setdefault("x-csrf-token", self.csrf)
        if json is not None:
            kwargs["json"] = json
            headers.pop("content-type")
        response = self.http.open(path, method=method, headers=headers, **kwargs)
        body = response.get_json(silent=True)
        if isinstance(body, dict) and body.get("csrf_token"):
            self.csrf = body["csrf_token"]
        return response

    def sign_in(self, login: str = OWNER_LOGIN, password: str = OWNER_PASSWORD) -> TestResponse:
        return self.post("/auth/login", {"username": login, "password": password})


@pytest.fixture
def client(app: Flask) -> Browser:
    """Somebody who has not signed in."""
    return Browser(app)


@pytest.fixture
def owner(client: Browser) -> Browser:
    """The signed-in owner."""
    assert client.sign_in().status_code == 200
    return client


@pytest.fixture
def project(owner: Browser) -> dict[str, Any]:
    """A project, in which the owner's session works."""
    answer = owner.post("/projects", {"name": "Пекарня «Север»"})
    assert answer.status_code == 201, answer.get_json()
    created: dict[str, Any] = answer.get_json()["project"]
    return created


@pytest.fixture
def sign_in_as(app: Flask) -> Callable[..., Browser]:
    """A signed-in user of a role, assigned to the given projects."""

    def make(role: str, *project_ids: str, login: str = "") -> Browser:
        login = login or f"{role}-{uuid.uuid4().hex[:6]}"
        with psycopg.connect(app.config["SETTINGS"].database_url, autocommit=True) as connection:
            row = connection.execute(
                "INSERT INTO app_users (username, role, password_hash) VALUES (%s, %s, %s) RETURNING id",
                (login, role, passwords.hash_password("their own password")),
            ).fetchone()
            assert row is not None
            for project_id in project_ids:
                connection.execute(
                    "INSERT INTO project_assignments (project_id, user_id) VALUES (%s, %s)",
                    (project_id, row[0]),
                )
        browser = Browser(app)
        assert browser.sign_in(login, "their own password").status_code == 200
        return browser

    return make


@pytest.fixture(autouse=True, scope="session")
def _no_outside_settings() -> None:
    """A developer's own environment must not change what tests see."""
    for name in list(os.environ):
        if name.startswith(("CHATWOOT_", "OPENAI_", "AUTH_", "DATABASE_URL", "HUEY_URL")):
            del os.environ[name]
    # A worker that steps back for the web steps back for the other tests too, and is waited for.
    os.environ["WORKER_NICE"] = "0"


@pytest.fixture(autouse=True, scope="session")
def _cheap_passwords() -> None:
    """Nearly every test signs in, and a real hash takes 25 ms of two. `tests/auth/test_passwords.py`
    holds the real cost."""
    passwords._argon2 = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords.DUMMY_HASH = passwords.hash_password("nobody has this password")


@pytest.fixture(autouse=True, scope="session")
def _routes_compiled_once() -> None:
    """Werkzeug compiles two functions a route, most of the work of making an application. They come out
    the same for each of the thousand applications of a test run."""
    compile_one, made = Rule._compile_builder, {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, tuple(rule._trace), str(rule.defaults), append_unknown)
        if key not in made:
            made[key] = compile_one(rule, append_unknown)
        return made[key]

    Rule._compile_builder = compile_once  # type: ignore[method-assign]


@pytest.fixture
def chatwoot() -> Iterator[ChatwootServer]:
    """A simulated Chatwoot server with one empty account, number 1."""
    server = ChatwootServer()
    server.state.add_account(1, "Studio")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def attio() -> Iterator[AttioServer]:
    """A simulated Attio workspace, without deals as every new one."""
    server = AttioServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def linear() -> Iterator[LinearServer]:
    """A simulated Linear workspace."""
    server = LinearServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def connect(app: Flask, chatwoot: ChatwootServer) -> Callable[..., None]:
    """Connect a project to an account of the simulated server."""

    def make(
        project_id: str,
        account: int = 1,
        url: str = "",
        token: str = "",
        filters: dict[str, Any] | None = None,
    ) -> None:
        with app.app_context():
            connections.store(
                uuid.UUID(project_id),
                connector="chatwoot",
                base_url=url or chatwoot.url,
                external_account_id=str(account),
                api_token=token or chatwoot.token,
                filters=filters,
            )

    return make


@pytest.fixture
def work(app: Flask) -> Iterator[Callable[..., dict[str, Any]]]:
    """Run one job of a project in this process, as the worker would, and answer its run."""
    runner = Runner()
    runner.bind(app, HANDLERS)

    def run(project_id: str, job_type: str) -> dict[str, Any]:
        with app.app_context():
            asked = scheduler.request_run(uuid.UUID(project_id), job_type)
        while runner.work():
            pass
        with app.app_context(), db.connection() as connection:
            found: dict[str, Any] = statements("scheduler").find_run(
                connection, project_id=uuid.UUID(project_id), run_id=asked.id
            )
        return found

    yield run
