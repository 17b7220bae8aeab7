"""The first morning: `make run` on a machine that has never seen the project, to a cited answer."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.running import ROOT, Stream, eventually, free_port, resident_mb
from tests.vendors.chatwoot import ChatwootServer
from tests.vendors.chatwoot.state import State
from tests.vendors.chatwoot.story import load_story


@pytest.fixture
def running(open_folder: Path) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    """The supervisor, started as `make run` starts it, in an environment with nothing of ours."""
    port = free_port()
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with (open_folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli.run"],
            cwd=ROOT,
            env={**plain, "LIGHTPOST_HOME": str(open_folder / "home"), "PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        yield f"http://127.0.0.1:{port}", open_folder, process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(40)


@pytest.fixture
def bakery() -> Iterator[ChatwootServer]:
    """A bakery's Chatwoot, with the one message that answers."""
    state = State()
    account = state.add_account(1, "Пекарня")
    olga = state.add_contact(account, 1, "Ольга Северина", "olga@sever.example")
    artem = state.add_agent(account, 102, "Артём Лосев")
    talk = state.add_conversation(account, olga, labels=["design"])
    state.add_message(talk, "Артём, добрый день! Когда увидим макеты корзины?", olga)
    state.add_message(
        talk,
        "Ольга, макеты корзины задержались на девять дней: Мила болела, и слоты доставки изменились.",
        artem,
    )
    for number in range(30):
        state.add_message(
            state.add_conversation(account, olga),
            f"Вопрос про доставку тортов номер {number}",
            olga,
        )
    server = ChatwootServer(state)
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
def test_from_an_empty_machine_to_a_cited_answer(
    running: tuple[str, Path, subprocess.Popen[bytes]], bakery: ChatwootServer
) -> None:
    url, folder, process = running
    http = requests.Session()

    def ready() -> bool:
        assert process.poll() is None, (folder / "output").read_text()
        try:
            return http.get(f"{url}/health/ready", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    eventually(ready, 90)
    eventually(lambda: "Sign in as" in (folder / "output").read_text())
    password = (folder / "home" / "owner-password").read_text().strip()
    assert password in (folder / "output").read_text()

    signed_in = http.post(f"{url}/auth/login", json={"username": "owner", "password": password})
    assert signed_in.status_code == 200
    http.headers["x-csrf-token"] = signed_in.json()["csrf_token"]
    assert http.post(f"{url}/projects", json={"name": "Пекарня"}).status_code == 201
    connected = http.post(
        f"{url}/connectors/connections",
        json={
            "connector": "chatwoot",
            "base_url": bakery.url,
            "external_account_id": "1",
            "api_token": bakery.token,
        },
    )
    assert connected.status_code == 201, connected.text
    assert bakery.token not in connected.text

    stream = Stream(http, url)
    eventually(lambda: stream.frames)
    assert stream.frames[0]["event"] == "connected"
    synced = http.post(f"{url}/jobs/chatwoot/sync", timeout=30)
    assert synced.status_code in (200, 202), synced.text  # 202: it goes on after ten seconds

    def told(job_type: str) -> dict[str, Any] | None:
        ends = stream.named("job_completed")
        return next((end for end in ends if end["job_type"] == job_type), None)

    end = eventually(lambda: told("chatwoot_sync"), 60)
    assert end["status"] == "ok" and _late(end) < 1.0
    eventually(lambda: told("embeddings_run"), 60)
    state = http.get(f"{url}/jobs/status").json()
    assert state["entities"]["messages"] == 32 and state["rag_counts"]["pending"] == 0
    if synced.status_code == 200:
        assert synced.json()["result"]["processed_messages"] == 32

    for question in ("Почему задержались макеты корзины?", "Why were the cart mockups late?"):
        answer = http.post(f"{url}/lightrag/query", json={"query": question}).json()
        best = answer["evidence"][0]
        assert "девять дней" in best["snippet"], question
        assert (
            "[1]" in answer["answer"]
            and answer["citations"][0]["document_ref"] == best["source_pk"]
        )
        assert (
            best["source_url"].startswith(bakery.url) and "/conversations/1" in best["source_url"]
        )

    # From another terminal, with nothing configured there either.
    listed = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "projects", "list"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LIGHTPOST_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
    )
    assert "Пекарня" in listed.stdout, listed.stderr

    nothing = http.post(f"{url}/lightrag/query", json={"query": "Сколько планет у Альфы Центавра?"})
    assert nothing.json()["evidence"] == [] and "Недостаточно" in nothing.json()["answer"]

    _stops_cleanly(process, folder)


@pytest.mark.slow
def test_the_readmes_first_screen_works_as_it_is_written(
    running: tuple[str, Path, subprocess.Popen[bytes]],
) -> None:
    url, folder, _ = running
    chatwoot = ChatwootServer(load_story(ROOT / "demo" / "story").state, "demo-chatwoot-token")
    chatwoot.start()
    eventually(lambda: "Sign in as" in (folder / "output").read_text(), 90)
    screen = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert screen is not None
    script = (
        screen[1]
        .replace("http://localhost:8080", url)
        .replace("http://127.0.0.1:8091", chatwoot.url)
        .replace("var/owner-password", str(folder / "home" / "owner-password"))
    )
    shown = _output(f"{script}\necho asked\nwait", until=("asked", '"job_type":"embeddings_run"'))
    chatwoot.stop()
    answers = _answers(shown)
    assert all(answer["ok"] for answer in answers), shown
    if any("queued" in answer.get("result", {}) for answer in answers):
        # A job took longer than a request waits for it, on a busy machine: it has ended by now.
        sign_in, questions = script.split("# A project")[0], re.findall(r"post /lightrag.*", script)
        answers = _answers(
            _output("\n".join([sign_in, *questions, "echo asked"]), until=("asked",))
        )
    for answer in answers[-2:]:
        assert answer["citations"][0]["source_url"].startswith(chatwoot.url)
        assert "[1]" in answer["answer"]
    assert "event: connected" in shown


def _late(event: dict[str, Any]) -> float:
    """Seconds from the end of a job until its event was here; both clocks are this machine's."""
    return float(event["_came"]) - datetime.fromisoformat(event["at"]).timestamp()


def _answers(shown: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shown.splitlines() if line.startswith("{")]


def _output(script: str, until: tuple[str, ...]) -> str:
    """What a script prints until it has printed all of `until`; then it is stopped, streams included."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    shown = ""
    for line in process.stdout:
        shown += line
        if all(mark in shown for mark in until):
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(10)
    return shown


def _stops_cleanly(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Ctrl-C stops web, worker and Postgres, and leaves nothing running."""
    children = [
        int(pid)
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    assert all(resident_mb(pid) < 200 for pid in children)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0, (folder / "output").read_text()
    assert time.monotonic() - asked < 20, "an open stream must not use up the patience of a stop"
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert not (folder / "home" / "postgres" / "postmaster.pid").exists()
