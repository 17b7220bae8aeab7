"""How each vendor's deliveries are applied: one line a vendor. A vendor without one has them ignored."""

from __future__ import annotations

from app.connectors.attio.webhooks import AttioDeliveries
from app.connectors.chatwoot.webhooks import ChatwootDeliveries
from app.connectors.linear.webhooks import LinearDeliveries
from app.connectors.loops.webhooks import LoopsDeliveries
from app.connectors.webhooks.model import Handler

HANDLERS: dict[str, Handler] = {
    # Each object is asked for by itself, and what was read is written together.
    "chatwoot": Handler(ChatwootDeliveries, together=20),
    "attio": Handler(AttioDeliveries, together=20),
    # One question names them all.
    "linear": Handler(LinearDeliveries, together=50, at_least=50),
    "loops": Handler(LoopsDeliveries),
}
