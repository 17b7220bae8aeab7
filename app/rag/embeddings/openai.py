"""Any server that speaks OpenAI's embeddings API."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import orjson
import requests

from app import metrics
from app.rag.chunking import CHUNKER_VERSION, estimate_tokens
from app.rag.embeddings import ProviderError, Vector
from config.settings import Settings

LONGEST_INPUT = 8000  # characters
QUERY_SECONDS = 2.5
RETRIES = 2


class OpenAIProvider:
    paid = True

    def __init__(self, settings: Settings) -> None:
        self.model = settings.embedding_model
        self.dimensions = settings.embedding_dim
        self.identity = f"openai:{self.model}:{self.dimensions}:chunker-{CHUNKER_VERSION}"
        self._url = settings.openai_base_url.rstrip("/") + "/embeddings"
        self._seconds = settings.openai_timeout_ms / 1000
        self._most = settings.openai_embed_max_inputs
        self._headers = {
            "Authorization": f"Bearer {settings.openai_api_key}",
            "Content-Type": "application/json",
        }

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        vectors: list[Vector] = []
        for start in range(0, len(texts), self._most):
            vectors += self._call_patiently(texts[start : start + self._most])
        return vectors

    def embed_query(self, text: str) -> Vector:
        """One try within 2.5 s: a question does not wait for a tired provider."""
        return self._call([text], QUERY_SECONDS)[0]

    def _call_patiently(self, texts: list[str]) -> list[Vector]:
        for attempt in range(RETRIES + 1):
            try:
                return self._call(texts, self._seconds)
            except ProviderError as error:
                if error.kind != "transient" or attempt == RETRIES:
                    raise
                pause = error.retry_after or random.uniform(0.2, 0.5) * 2**attempt
                if pause > self._seconds:
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _call(self, texts: list[str], seconds: float) -> list[Vector]:
        began, result = time.monotonic(), "ok"
        try:
            return self._ask(texts, seconds)
        except ProviderError as error:
            result = error.kind
            raise
        finally:
            metrics.PROVIDER_SECONDS.labels(result).observe(time.monotonic() - began)
            metrics.PROVIDER_TOKENS.inc(sum(map(estimate_tokens, texts)))

    def _ask(self, texts: list[str], seconds: float) -> list[Vector]:
        prepared = [" ".join(text.split())[:LONGEST_INPUT] or " " for text in texts]
        deadline = time.monotonic() + seconds
        try:
            with requests.post(
                self._url,
                data=orjson.dumps({"model": self.model, "input": prepared}),
                headers=self._headers,
                timeout=(min(5.0, seconds), seconds),
                stream=True,
                allow_redirects=False,
            ) as response:
                body = bytearray()
                while part := response.raw.read1(65_536, decode_content=True):
                    body += part
                    if time.monotonic() > deadline:
                        raise ProviderError("transient", "the provider answered too slowly")
                _refuse(response, bytes(body))
        except ProviderError:
            raise
        except Exception as error:
            raise ProviderError(
                "transient", f"the provider cannot be reached ({type(error).__name__})"
            ) from None
        return self._vectors(bytes(body), len(texts))

    def _vectors(self, body: bytes, wanted: int) -> list[Vector]:
        """The vectors in the order of the inputs: by `index`, never by their place in the answer."""
        try:
            items: list[dict[str, Any]] = orjson.loads(body)["data"]
            found = {int(item["index"]): item["embedding"] for item in items}
            vectors = [found[number] for number in range(wanted)]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            raise ProviderError("transient", "the provider's answer cannot be read") from None
        if not all(isinstance(vector, list) for vector in vectors):
            raise ProviderError("transient", "the provider's answer cannot be read")
        for vector in vectors:
            if len(vector) != self.dimensions:
                raise ProviderError(
                    "configuration",
                    f"the provider sends {len(vector)} dimensions; EMBEDDING_DIM says {self.dimensions}",
                )
        return [_direction(vector) for vector in vectors]


def _direction(vector: list[Any]) -> Vector:
    """A vector of length 1: distances by angle are the same, and half precision holds every one of them."""
    numbers = all(isinstance(x, int | float) for x in vector)
    length = math.hypot(*vector) if numbers else 0.0
    if not 0 < length < math.inf:
        raise ProviderError("input", "the provider sent a vector without direction")
    return [x / length for x in vector]


def _refuse(response: requests.Response, body: bytes) -> None:
    """Raise the ProviderError of a refusal; its text may tell quota from pace."""
    status = response.status_code
    if status < 300:
        return
    text = body[:500].decode("utf-8", "replace")
    if status in (401, 403, 404) or "insufficient_quota" in text:
        raise ProviderError(
            "configuration", f"the provider refuses the key or the model ({status})"
        )
    if status in (400, 413, 422):
        raise ProviderError("input", f"the provider refuses the texts ({status})")
    header = response.headers.get("Retry-After", "")
    wait = float(header) if header.replace(".", "", 1).isdigit() else None
    raise ProviderError("transient", f"the provider answered {status}", wait)
