"""One call to any server that speaks OpenAI's chat completions API."""

from __future__ import annotations

import threading
import time

import orjson
import requests

from config.settings import Settings

LONGEST_REPLY = 1_000_000  # bytes
CONNECT_SECONDS = 3.0
PAUSE_AFTER = 30.0  # seconds without calls after a refusal that the next call would meet too
REFUSALS = {401: "the key", 403: "the key", 404: "the model"}


class ChatError(Exception):
    """The server gave nothing usable; the text says why."""


class Pause:
    """Whether the server asked not to be called for a while, per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def check(self, url: str) -> None:
        with self._lock:
            if self._until.get(url, 0.0) > time.monotonic():
                raise ChatError("the model is left alone for a while after a refusal")

    def begin(self, url: str, seconds: float) -> None:
        with self._lock:
            self._until[url] = time.monotonic() + seconds

    def end(self) -> None:
        with self._lock:
            self._until.clear()


pause = Pause()


def complete(conversation: list[dict[str, str]], seconds: float, settings: Settings) -> str:
    """What the model writes, within so many seconds. Raises ChatError."""
    url = settings.answer_base_url.rstrip("/") + "/chat/completions"
    pause.check(url)
    body = {
        "model": settings.answer_model,
        "messages": conversation,
        "temperature": 0,
        "max_completion_tokens": settings.answer_max_tokens,
    }
    headers = {"Content-Type": "application/json"}
    if settings.answer_api_key:
        headers["Authorization"] = f"Bearer {settings.answer_api_key}"
    return _content(_post(url, orjson.dumps(body), headers, seconds))


def _post(url: str, body: bytes, headers: dict[str, str], seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    reply = bytearray()
    try:
        with requests.post(
            url, data=body, headers=headers, timeout=(min(CONNECT_SECONDS, seconds), seconds),
            stream=True, allow_redirects=False,
        ) as response:  # fmt: skip
            while part := response.raw.read1(65_536, decode_content=True):
                reply += part
                if time.monotonic() > deadline:
                    raise ChatError("the model was too slow")
                if len(reply) > LONGEST_REPLY:
                    raise ChatError("the model's reply is too long")
            _refuse(url, response)
    except ChatError:
        raise
    except requests.Timeout:
        raise ChatError("the model was too slow") from None
    except Exception as error:
        late = time.monotonic() > deadline
        reason = "was too slow" if late else f"cannot be reached ({type(error).__name__})"
        raise ChatError(f"the model {reason}") from None
    return bytes(reply)


def _refuse(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in REFUSALS:
        pause.begin(url, PAUSE_AFTER)
        raise ChatError(f"the server refuses {REFUSALS[status]} ({status})")
    if status == 429:
        told = response.headers.get("Retry-After", "")
        wait = float(told) if told.replace(".", "", 1).isdecimal() else 5.0
        pause.begin(url, min(wait, 300.0))
        raise ChatError("the model's quota is used up for now (429)")
    raise ChatError(f"the server answered {status}")


def _content(body: bytes) -> str:
    """The text of a reply that came to its end: a cut one may lack the half that matters."""
    try:
        choice = orjson.loads(body)["choices"][0]
        text, ended = choice["message"]["content"], choice["finish_reason"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        raise ChatError("the model's reply cannot be read") from None
    if not isinstance(text, str) or not text.strip():
        raise ChatError("the model's reply is empty")
    if ended not in ("stop", None):
        raise ChatError(f"the model's reply was cut ({ended})"[:200])
    return text
