"""What each vendor's deliveries do: one line a vendor. A vendor without one has them ignored."""

from __future__ import annotations

from app.connectors.chatwoot import webhooks as chatwoot
from app.connectors.webhooks.model import DeliveryHandler

HANDLERS: dict[str, DeliveryHandler] = {
    "chatwoot": chatwoot.apply,
}
