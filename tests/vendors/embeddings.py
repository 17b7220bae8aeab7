"""A server that speaks OpenAI's embeddings API: the same text gets the same vector, texts that share
words get similar ones."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, request

from tests.vendors import faults as faulty
from tests.vendors.serving import SimulatedVendor

MOST_INPUTS = 2048
WORD = re.compile(r"\w+")


# What a server may send for a vector, by the name of the fault.
ODD: dict[str, Callable[[list[float]], Any]] = {
    "zero": lambda found: [0.0] * len(found),
    "null": lambda found: None,
    "texts": lambda found: [str(x) for x in found],
    "base64": lambda found: "AAAA",
    "endless": lambda found: [1e308] * len(found),
    "long": lambda found: [x * 1e9 for x in found],  # right in direction
    "tiny": lambda found: [x * 1e-12 for x in found],  # the same
}


class EmbeddingsServer(SimulatedVendor):
    """`texts` notes every text that was encoded; `poison` is a text that is always refused, as are the
    `refused_models`."""

    def __init__(self, dimensions: int = 64, token: str = "sk-test") -> None:
        super().__init__(token)
        self.dimensions = dimensions
        self.texts: list[str] = []
        self.poison: str | None = None
        self.refused_models: set[str] = set()

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def make_api(self) -> Flask:
        app = Flask("embeddings")
        app.add_url_rule("/v1/embeddings", "embeddings", self._embed, methods=["POST"])
        return app

    def _embed(self) -> Response:
        self.requests.note("/v1/embeddings", "")
        fault = self.faults.take("/v1/embeddings")
        if fault is not None and fault.kind not in ("short", "narrow", "backwards", *ODD):
            answered = faulty.answer(fault)
            if answered is not None:
                return answered
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _refusal(401, "invalid_api_key", "Incorrect API key provided")
        body = request.get_json()
        if body["model"] in self.refused_models:
            return _refusal(404, "model_not_found", f"The model {body['model']} does not exist")
        texts = body["input"]
        if not isinstance(texts, list) or not 0 < len(texts) <= MOST_INPUTS or not all(texts):
            return _refusal(400, "invalid_request_error", "'$.input' is invalid.")
        if self.poison is not None and any(self.poison in text for text in texts):
            return _refusal(400, "invalid_request_error", "This model's maximum context length ...")
        self.texts += texts
        return self._answer(texts, body["model"], fault.kind if fault else "")

    def _answer(self, texts: list[str], model: str, fault: str) -> Response:
        width = self.dimensions - 1 if fault == "narrow" else self.dimensions
        data: list[dict[str, Any]] = [
            {
                "object": "embedding",
                "index": number,
                "embedding": ODD[fault](vector(text, width))
                if fault in ODD
                else vector(text, width),
            }
            for number, text in enumerate(texts)
        ]
        if fault == "short":
            data.pop()
        if fault == "backwards":
            data.reverse()
        usage = {"prompt_tokens": sum(len(text) // 4 for text in texts), "total_tokens": 0}
        body = {"object": "list", "model": model, "data": data, "usage": usage}
        return Response(orjson.dumps(body), mimetype="application/json")


def vector(text: str, width: int) -> list[float]:
    """A direction for each word, added up."""
    total = [0.0] * width
    for word in {word.lower()[:5] for word in WORD.findall(text)} or {text}:
        seed = hashlib.sha512(word.encode()).digest()
        for place in range(width):
            total[place] += seed[place % 64] / 127.5 - 1.0
    length = math.sqrt(sum(x * x for x in total)) or 1.0
    return [x / length for x in total]


def _refusal(status: int, code: str, message: str) -> Response:
    body = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
    return Response(orjson.dumps(body), status, mimetype="application/json")
