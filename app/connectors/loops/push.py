"""One push of an account scope's contacts.

Only contacts whose payload changed cost a call. Each is remembered as soon as Loops took it, so a push
that is killed goes on with the next one, and what a budget leaves over stays waiting.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from app.connectors.engine import SyncLock
from app.connectors.errors import ConnectorError
from app.connectors.loops import contacts
from app.connectors.loops.client import LoopsClient
from app.db import Row, db, statements
from config.settings import Settings

log = structlog.get_logger(__name__)
sql = statements("loops")

# What speaks against one contact and not against the push.
REFUSED = frozenset({"schema_mismatch", "upstream_4xx", "not_found"})
# Nobody's contacts will be taken: no use in trying the next one.
HOPELESS = frozenset({"auth_failed", "forbidden", "config_missing", "rate_limited"})
FAILURES_IN_A_ROW = 3  # the vendor is away
REFUSALS_IN_A_ROW = 10  # not the contacts are wrong, but what we send


class PushInProgress(Exception):
    """Another push of the scope is at work."""


@dataclass(frozen=True)
class Audience:
    """Whose contacts: those of `project_ids`. `visible_ids` are all projects of the scope that the one
    who asks may see, `limit` is how many contacts may cost a call."""

    account_scope_id: UUID
    project_ids: list[UUID]
    visible_ids: list[UUID]
    limit: int


@dataclass
class Outcome:
    """How a push went. `waiting` are the contacts that it found changed."""

    waiting: int = 0
    unchanged: int = 0
    skipped_reasons: dict[str, int] = field(default_factory=dict)
    created: int = 0
    updated: int = 0
    rejected: int = 0
    failed: int = 0
    error: ConnectorError | None = None

    @property
    def processed(self) -> int:
        return self.created + self.updated + self.rejected + self.failed

    @property
    def remaining(self) -> int:
        """Still to be pushed, by another run."""
        return max(0, self.waiting - self.created - self.updated - self.rejected)

    @property
    def status(self) -> str:
        if self.processed == 0:
            return "failed" if self.error else "ok"
        if self.created + self.updated == 0:
            return "failed"
        return "partial" if self.error or self.failed or self.rejected else "ok"

    def counters(self) -> dict[str, Any]:
        return {
            "processed": self.processed,
            "created": self.created,
            "updated": self.updated,
            "failed": self.failed + self.rejected,
            "skipped": sum(self.skipped_reasons.values()),
            "skipped_reasons": self.skipped_reasons,
            "unchanged": self.unchanged,
            "remaining": self.remaining,
        }


def survey(audience: Audience, settings: Settings, most: int = 0) -> tuple[Outcome, list[Row]]:
    """What a push would find, and the next `most` contacts that wait."""
    with db.connection() as connection:
        found = sql.plan(
            connection,
            account_scope_id=audience.account_scope_id,
            project_ids=audience.project_ids,
            visible_ids=audience.visible_ids,
            internal_domains=[domain.lower() for domain in settings.loops_internal_domains],
            version=contacts.version(settings),
            most=most,
        )
    counts = Counter(found["counts"])
    outcome = Outcome(waiting=counts.pop("waiting", 0), unchanged=counts.pop("unchanged", 0))
    outcome.skipped_reasons = dict(sorted(counts.items()))
    return outcome, found["contacts"]


def push(
    audience: Audience,
    settings: Settings,
    client: LoopsClient,
    progress: Callable[[Outcome], None] = lambda outcome: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Tell Loops of the contacts that changed, for as many seconds of `clock` as a run may take. Raises
    PushInProgress.

    `progress` is called after each contact; what it raises ends the push there.
    """
    with SyncLock(audience.account_scope_id, "loops") as mine:
        if not mine:
            raise PushInProgress
        outcome, waiting = survey(audience, settings, audience.limit)
        if waiting:
            scope_id = audience.account_scope_id
            _push_all(scope_id, waiting, outcome, settings, client, progress, clock)
    log.info("loops_push_ended", status=outcome.status, **outcome.counters())
    return outcome


def _push_all(
    scope_id: UUID,
    waiting: list[Row],
    outcome: Outcome,
    settings: Settings,
    client: LoopsClient,
    progress: Callable[[Outcome], None],
    clock: Callable[[], float],
) -> None:
    """Push one after the other, until the time is up or something speaks against all of them."""
    deadline = clock() + settings.loops_run_seconds
    failures_in_a_row = 0
    try:
        client.ensure_properties(
            [settings.loops_project_ids_property, settings.loops_project_names_property]
        )
        for contact in waiting:
            if clock() > deadline:
                return
            try:
                _push_one(scope_id, contact, outcome, settings, client)
                failures_in_a_row = 0
            except ConnectorError as error:
                if error.kind in HOPELESS:
                    raise
                _remember_failure(scope_id, contact, error, outcome)
                failures_in_a_row += 1
                if failures_in_a_row >= _patience(error):
                    raise
            progress(outcome)
    except ConnectorError as error:
        outcome.error = error


def _push_one(
    scope_id: UUID, contact: Row, outcome: Outcome, settings: Settings, client: LoopsClient
) -> None:
    place = {"account_scope_id": scope_id, "email": contact["email"]}
    with db.connection() as connection:
        blocked = sql.find_block(connection, **place)
    if blocked is not None:  # since the survey
        outcome.waiting -= 1
        outcome.skipped_reasons[blocked] = outcome.skipped_reasons.get(blocked, 0) + 1
        return
    loops_id = client.update(contacts.payload(contact, settings))
    with db.connection() as connection:
        sql.remember_pushed(
            connection,
            **place,
            loops_id=loops_id,
            payload_hash=contact["payload_hash"],
            project_ids=[UUID(found) for found in contact["project_ids"] or []],
        )
    if contact["known"]:
        outcome.updated += 1
    else:
        outcome.created += 1


def _remember_failure(
    scope_id: UUID, contact: Row, error: ConnectorError, outcome: Outcome
) -> None:
    """A refused contact rests until it changes, or for a day; any other waits for the next push."""
    refused = error.kind in REFUSED
    with db.connection() as connection:
        sql.remember_failure(
            connection,
            account_scope_id=scope_id,
            email=contact["email"],
            status="rejected" if refused else "failed",
            payload_hash=contact["payload_hash"] if refused else None,
            error=f"loops_http_{error.http_status}" if error.http_status else f"loops_{error.kind}",
        )
    if refused:
        outcome.rejected += 1
    else:
        outcome.failed += 1


def _patience(error: ConnectorError) -> int:
    return REFUSALS_IN_A_ROW if error.kind in REFUSED else FAILURES_IN_A_ROW
