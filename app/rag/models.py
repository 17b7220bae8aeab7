"""Which encoder a project's texts are for, and which one its questions.

They are the same, except while one model replaces another: then texts get vectors of the new one, and
questions go to the old one until the new one is complete.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.db import Row, db, statements
from app.rag.embeddings import Provider, provider
from app.rag.redaction import Redacting
from config.settings import Settings

sql = statements("rag")

POLICIES = ("as_is", "redacted", "local_only")

_numbers: dict[tuple[str, str], int] = {}  # by database and identity


@dataclass(frozen=True)
class Model:
    """An encoder and the database's number for its vectors."""

    id: int
    encoder: Provider


def wanted_encoder(policy: str, settings: Settings) -> Provider:
    """The encoder that a project's texts should have: the configured one, or the local one for a
    project whose texts must not leave."""
    configured = provider(settings)
    if configured.paid and policy == "local_only":
        return provider(replace(settings, embedding_provider="local"))
    return _as_allowed(configured, policy)


def searchable_model(context: Row, settings: Settings) -> Model:
    """The model that the project's questions are for; `context` is a row of `query_context`."""
    wanted = wanted_encoder(context["embedding_policy"], settings)
    identity = context["search_model"]
    if identity is not None and identity != wanted.identity:
        old = former_encoder(identity, context["embedding_policy"], settings)
        if old is not None:
            return Model(context["search_model_id"], old)
    return Model(known_number(wanted), wanted)


def former_encoder(identity: str, policy: str, settings: Settings) -> Provider | None:
    """The encoder of vectors that are being replaced; None when it cannot or must not be asked."""
    kind, _, rest = identity.partition(":")
    name, dimensions, _chunker = rest.rsplit(":", 2)
    if kind == "local":
        local = provider(replace(settings, embedding_provider="local"))
        return local if local.model == name else None
    if policy == "local_only" or not settings.openai_api_key:
        return None
    return _as_allowed(
        provider(
            replace(
                settings,
                embedding_provider="openai",
                embedding_model=name,
                embedding_dim=int(dimensions),
            )
        ),
        policy,
    )


def _as_allowed(encoder: Provider, policy: str) -> Provider:
    return Redacting(encoder) if encoder.paid and policy == "redacted" else encoder


def model_number(encoder: Provider) -> int:
    """The database's number for an encoder; its vector index is made when there is none."""
    with db.connection() as connection:
        found: int = sql.ensure_model(
            connection, identity=encoder.identity, dimensions=encoder.dimensions
        )
    return found


def known_number(encoder: Provider) -> int:
    """The same, asked for once a process."""
    key = (db.url, encoder.identity)
    if key not in _numbers:
        _numbers[key] = model_number(encoder)
    return _numbers[key]
