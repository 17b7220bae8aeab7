"""Encoders: text to vectors. Two real ones: the one that ships with us, and any OpenAI-compatible
server."""

from __future__ import annotations

import threading
from typing import Protocol

from config.settings import Settings

Vector = list[float]


class Provider(Protocol):
    """An encoder. `identity` tells its vectors from those of any other; they are never compared."""

    identity: str
    model: str
    dimensions: int
    paid: bool

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        """A vector a text, in the order of the texts. Raises ProviderError."""

    def embed_query(self, text: str) -> Vector:
        """The vector of a question. Raises ProviderError."""


class ProviderError(Exception):
    """An encoder that failed. `kind`: configuration (waiting does not help), input (these texts are
    refused), transient (try again later)."""

    def __init__(self, kind: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


_lock = threading.Lock()
_made: dict[str, Provider] = {}


def provider(settings: Settings) -> Provider:
    """The configured encoder, made at its first use and kept for the process."""
    key = "|".join(
        (
            settings.embedding_provider,
            settings.embedding_model,
            str(settings.embedding_dim),
            settings.openai_base_url,
            settings.openai_api_key or "",
        )
    )
    with _lock:
        if key not in _made:
            _made[key] = _make(settings)
        return _made[key]


def _make(settings: Settings) -> Provider:
    if settings.embedding_provider == "openai":
        from app.rag.embeddings.openai import OpenAIProvider

        return OpenAIProvider(settings)
    from app.rag.embeddings.local import LocalProvider

    return LocalProvider(settings.home / "cache")
