"""What one route declares: what is checked before it runs, and what the API's document says of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from marshmallow import Schema

PUBLIC = "public"


@dataclass(frozen=True)
class Operation:
    """What one route declares. `permission` is PUBLIC or a key of access.PERMISSIONS. `machine`: called by
    other programs, which have no session; it reads its body itself."""

    method: str
    path: str
    permission: str
    project: bool
    body: type[Schema] | None
    query: type[Schema] | None
    reply: type[Schema] | None
    status: int
    limit: str | None
    idempotent: bool
    errors: tuple[str, ...]
    machine: bool
    tag: str
    summary: str
    description: str = field(default="")
