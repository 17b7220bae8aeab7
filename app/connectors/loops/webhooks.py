"""What Loops' webhooks do: people who want no mail get none."""

from __future__ import annotations

from app.connectors.connections import Connection
from app.connectors.loops.optout import apply_optout
from app.connectors.webhooks.model import Delivery, Effect
from app.db import db
from app.scheduler.context import RunContext


class LoopsDeliveries:
    """A connection opened for deliveries; nothing needs to be asked."""

    def __init__(self, connection: Connection, context: RunContext) -> None:
        self.project_id = connection.project_id

    def apply(self, deliveries: list[Delivery]) -> Effect:
        """Note the opt-outs of one contact, in the order in which they came."""
        news = 0
        for delivery in deliveries:
            who = delivery.payload.get("contactIdentity") or {}
            email, loops_id = who.get("email"), who.get("id")
            with db.transaction() as tx:
                news += apply_optout(
                    tx,
                    self.project_id,
                    delivery.event,
                    email=email if isinstance(email, str) else None,
                    loops_id=loops_id if isinstance(loops_id, str) else None,
                )
        return Effect({"opted_out": news})

    def close(self) -> None:
        """Nothing is open."""
