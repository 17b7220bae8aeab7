"""What each vendor's deliveries do: one line a vendor. A vendor without one has them ignored."""

from __future__ import annotations

from app.connectors.chatwoot import webhooks as chatwoot
from app.connectors.connections import Connection
from app.connectors.loops import webhooks as loops
from app.connectors.webhooks.model import Delivery, DeliveryHandler
from app.scheduler.context import RunContext
from app.scheduler.service import expect_run

SYNC_WITHIN = 30.0  # seconds; however many deliveries there are, no more syncs than that


def sync_soon(
    connection: Connection, context: RunContext, deliveries: list[Delivery]
) -> dict[str, int]:
    """Have the vendor's changes read by its sync, which knows how far it has read. What was removed is
    found by its sweep."""
    expect_run(
        context.project_id, f"{connection.connector}_sync", trigger="webhook", delay=SYNC_WITHIN
    )
    return {}


HANDLERS: dict[str, DeliveryHandler] = {
    "chatwoot": chatwoot.apply,
    "linear": sync_soon,
    "attio": sync_soon,
    "loops": loops.apply,
}
