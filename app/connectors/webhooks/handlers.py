"""How each vendor's deliveries are applied: one line a vendor. A vendor without one has them ignored."""

from __future__ import annotations

from app.connectors.attio.webhooks import AttioDeliveries
from app.connectors.chatwoot.webhooks import ChatwootDeliveries
from app.connectors.linear.webhooks import LinearDeliveries
from app.connectors.loops.webhooks import LoopsDeliveries
from app.connectors.webhooks.model import Handler

HANDLERS: dict[str, Handler] = {
    "chatwoot": Handler(ChatwootDeliveries, together=20),
    # One question names them all.
    "linear": Handler(LinearDeliveries, together=50, at_least=50),
    # A deal is found under its company's name, so that what came together is written in order.
    "attio": Handler(AttioDeliveries, together=20, at_least=20),
    "loops": Handler(LoopsDeliveries),
}
