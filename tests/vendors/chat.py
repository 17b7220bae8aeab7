"""A server that speaks OpenAI's chat completions API. What its model writes is for a test to say; by
itself it repeats the first sentence of the first passage, and cites it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, request

from tests.vendors import faults as faulty
from tests.vendors.serving import SimulatedVendor

KNOWN = {
    "model",
    "messages",
    "temperature",
    "max_completion_tokens",
    "max_tokens",
    "stream",
    "seed",
    "n",
}
ROLES = {"system", "developer", "user", "assistant"}
SHOWN = re.compile(r"Passage \[(\d+)\] \([^\n]*\)\n(==[0-9a-f]+==)\n(.*?)\n\2", re.DOTALL)

Write = Callable[[list[str], str], str]


def first_sentence(passages: list[str], asked: str) -> str:
    return f"{re.split(r'(?<=[.!?]) ', passages[0])[0]} [1]"


class ChatServer(SimulatedVendor):
    """`write` gets the passages and the whole of what was asked; `asked` notes what came."""

    def __init__(self, token: str = "sk-chat") -> None:
        super().__init__(token)
        self.write: Write = first_sentence
        self.finish_reason = "stop"
        self.asked: list[str] = []

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def says(self, text: str) -> None:
        self.write = lambda passages, asked: text

    def make_api(self) -> Flask:
        app = Flask("chat")
        app.add_url_rule("/v1/chat/completions", "chat", self._complete, methods=["POST"])
        return app

    def _complete(self) -> Response:
        self.requests.note("/v1/chat/completions", "")
        fault = self.faults.take("/v1/chat/completions")
        if fault is not None:
            answered = faulty.answer(fault)
            if answered is not None:
                return answered
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _refusal(401, "invalid_api_key", "Incorrect API key provided")
        body = request.get_json()
        wrong = _mistake(body)
        if wrong:
            return _refusal(400, "invalid_request_error", wrong)
        asked = "\n".join(message["content"] for message in body["messages"])
        self.asked.append(asked)
        passages = [text for _, _, text in SHOWN.findall(body["messages"][-1]["content"])]
        return self._answer(body["model"], self.write(passages, asked))

    def _answer(self, model: str, text: str) -> Response:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self.finish_reason,
        }
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": model,
            "choices": [choice],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        return Response(orjson.dumps(body), mimetype="application/json")


def _mistake(body: dict[str, Any]) -> str | None:
    """What the real server would refuse, as far as its description tells."""
    unknown = set(body) - KNOWN
    if unknown:
        return f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}"
    if not isinstance(body.get("model"), str) or not body["model"]:
        return "you must provide a model parameter"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "'messages' is a required property"
    for message in messages:
        if message.get("role") not in ROLES or not isinstance(message.get("content"), str):
            return "Invalid value: 'messages'"
    if not 0 <= body.get("temperature", 1) <= 2:
        return "Invalid 'temperature'"
    if (
        not isinstance(body.get("max_completion_tokens", 1), int)
        or body["max_completion_tokens"] < 1
    ):
        return "Invalid 'max_completion_tokens'"
    return None


def _refusal(status: int, code: str, message: str) -> Response:
    body = {
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    }
    return Response(orjson.dumps(body), status, mimetype="application/json")
