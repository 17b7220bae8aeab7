"""What is thrown away: expired keys, old events, sessions long ended, runs nobody looks at."""

from __future__ import annotations

import structlog

from app.db import db, statements
from app.rag.models import POLICIES, wanted_encoder
from app.rag.question_vectors import HOURS_KEPT
from config.settings import Settings

log = structlog.get_logger(__name__)

RUNS_KEPT_DAYS = 90
WEBHOOK_BODIES_KEPT_DAYS = 7
WEBHOOKS_KEPT_DAYS = 30
EVENTS_KEPT_DAYS = 365  # what happened upstream
RESOLVED_ERRORS_KEPT_DAYS = 90
RECONCILIATIONS_KEPT_DAYS = 400  # charts go back a year
EVERY_SECONDS = 3600


def purge_when_due(settings: Settings) -> dict[str, int] | None:
    """Purge what the whole installation no longer needs, once an hour however many workers ask.

    Answers the rows deleted of each kind, or None when it is not time. Every step is its own
    statement: a worker that dies between two has done the first.
    """
    scheduler, webhooks = statements("scheduler"), statements("webhooks")
    connectors = statements("connectors")
    with db.connection() as connection:
        if scheduler.take_housekeeping(connection, seconds=EVERY_SECONDS) is None:
            return None
        deleted = {
            "idempotency_keys": statements("idempotency").purge_expired(connection),
            "limits": statements("limits").purge_limits(connection),
            "sessions": statements("auth").purge_sessions(
                connection, idle_days=settings.session_idle_days
            ),
            "events": statements("events").purge(connection, hours=settings.events_retention_hours),
            "job_runs": scheduler.purge_runs(connection, days=RUNS_KEPT_DAYS),
            "webhook_bodies": webhooks.purge_bodies(connection, days=WEBHOOK_BODIES_KEPT_DAYS),
            "webhook_deliveries": webhooks.purge_deliveries(connection, days=WEBHOOKS_KEPT_DAYS),
            "connector_events": connectors.purge_events(connection, days=EVENTS_KEPT_DAYS),
            "connector_errors": connectors.purge_errors(connection, days=RESOLVED_ERRORS_KEPT_DAYS),
            "reconciliations": statements("reconciliation").purge(
                connection, days=RECONCILIATIONS_KEPT_DAYS
            ),
            "question_vectors": statements("rag").purge_questions(connection, hours=HOURS_KEPT),
            "vector_indexes": statements("rag").drop_unused_indexes(
                connection,
                wanted=[wanted_encoder(policy, settings).identity for policy in POLICIES],
            ),
            "processes": scheduler.purge_processes(connection),
        }
    log.info("housekeeping", **deleted)
    return deleted
