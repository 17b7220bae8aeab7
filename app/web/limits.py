"""Request limits, shared by all processes through one row per bucket in Postgres.

Each bucket is a token bucket in its generic-cell-rate form: a single timestamp, `full_at`, and one
upsert that either moves it or refuses. A limit of N per minute lets N through at once and then one
every 60/N seconds. The statement takes several buckets in one round trip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from flask import current_app, g, request

from app.db import db, statements
from app.web.errors import ApiError
from config.settings import Settings

sql = statements("limits")


@dataclass(frozen=True)
class Decision:
    """What a bucket said: how many requests it has left, and in how many seconds the next fits."""

    limit: int
    remaining: int
    retry_after: int  # whole seconds, 0 when allowed


def settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


def client_ip() -> str:
    return request.remote_addr or "unknown"


def take(bucket: str, per_minute: int) -> None:
    """Take one token. Raises 429 `rate_limited`; the headers of the tightest bucket are answered."""
    if not settings().rate_limit_enabled:
        return
    with db.connection() as connection:
        row = sql.take_token(connection, bucket=bucket, per_minute=per_minute)
    decision = Decision(
        limit=per_minute,
        remaining=max(0, math.floor(row["remaining"])),
        retry_after=0 if row["allowed"] else max(1, math.ceil(row["wait_seconds"])),
    )
    _remember(decision)
    if not row["allowed"]:
        raise ApiError(
            429,
            "rate_limited",
            f"Too many requests: try again in {decision.retry_after} s.",
            {"limit_per_minute": per_minute},
            {"Retry-After": str(decision.retry_after)},
        )


def take_for_route(kind: str, path: str) -> None:
    """The extra limit of an expensive route, per person, however many sessions. `kind` names the setting
    that it obeys."""
    per_minute = getattr(settings(), f"rate_limit_{kind}_per_minute")
    who = str(g.identity.user_id) if g.get("identity") else client_ip()
    take(f"{kind}:{path}:{who}", per_minute)


def _remember(decision: Decision) -> None:
    tightest: Decision | None = g.get("rate_decision")
    if tightest is None or decision.remaining < tightest.remaining or decision.retry_after:
        g.rate_decision = decision


def headers() -> dict[str, str]:
    """The limit headers of this answer."""
    decision: Decision | None = g.get("rate_decision")
    if decision is None:
        return {}
    return {
        "X-RateLimit-Limit": str(decision.limit),
        "X-RateLimit-Remaining": str(decision.remaining),
    }
