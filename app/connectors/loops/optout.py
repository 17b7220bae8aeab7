"""What Loops tells of people who want no mail, or cannot get any."""

from __future__ import annotations

from uuid import UUID

from app.audit import service as audit
from app.contacts.identity import email_of
from app.db import Connection as Tx
from app.db import statements

sql = statements("loops")

# What each event makes of the contact's state here. Leaving one mailing list is no opt-out: we push to
# none. Who deletes a contact in Loops does not want it pushed again.
EVENTS = {
    "contact.unsubscribed": "opted_out",
    "email.unsubscribed": "opted_out",
    "email.hardBounced": "bounced",
    "email.spamReported": "complained",
    "contact.deleted": "deleted",
}
SUPPRESSIONS = {"bounced": "hard_bounce", "complained": "complaint"}


def apply_optout(
    tx: Tx, project_id: UUID, event: str, *, email: str | None = None, loops_id: str | None = None
) -> bool:
    """Keep an address from all further email, as a webhook of Loops says. Answers whether that is news.

    `email` and `loops_id` are those of the event's `contactIdentity`; the address of an id alone is
    taken from what was pushed. False for events that are no opt-out, for unknown contacts, and for what
    was known already: a delivery may come twice.
    """
    status = EVENTS.get(event)
    address = email_of(email) or ""
    if status and not address and loops_id:
        address = sql.find_email(tx, loops_id=loops_id) or ""
    if not status or not 3 <= len(address) <= 500 or "@" not in address:
        return False
    scopes = {
        row["account_scope_id"] for row in sql.opt_out(tx, project_id=project_id, email=address)
    }
    if status in SUPPRESSIONS:
        found = sql.suppress(tx, project_id=project_id, email=address, reason=SUPPRESSIONS[status])
        scopes |= {row["account_scope_id"] for row in found}
    sql.note_optout(tx, email=address, status=status, gone=status == "deleted")
    if scopes:
        audit.record(
            tx,
            "outbound.opt_out",
            project_id=project_id,
            entity_type="contact_channel_policy",
            entity_id=address[:200],
            payload={
                "channel": "email",
                "contact_global_id": address,
                "opted_out": True,
                "event": event,
                "account_scope_ids": sorted(map(str, scopes)),
            },
            actor_username="loops",
        )
    return bool(scopes)
