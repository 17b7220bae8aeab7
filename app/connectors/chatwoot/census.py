"""What a Chatwoot account has: conversations, and contacts where no filter stands between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.connectors.census import Census, Patience, Upstream
from app.connectors.chatwoot.conversations import inboxes
from app.connectors.chatwoot.streams import ChatwootReader
from app.connectors.records import number

LISTED_AT_MOST = 20_000  # of a kind; of more, the vendor's own count is taken


def census(reader: ChatwootReader, patience: Patience) -> Census:
    """Conversations by id and last activity, and contacts by id. Raises ConnectorError."""
    client, wanted = reader.client, inboxes(reader.connection)
    total = client.conversation_count(wanted)
    if total > LISTED_AT_MOST:
        yield Upstream("conversations", total=total, listed=False)
    else:
        yield _listed("conversations", client.conversations_by_age, patience, wanted)
    if wanted is not None:
        return  # an account's contacts know no inboxes
    total = client.contact_count()
    if total > LISTED_AT_MOST:
        yield Upstream("contacts", total=total, listed=False)
    else:
        yield _listed("contacts", client.contacts, patience)


def _listed(
    kind: str, page_of: Callable[[int], list[Any]], patience: Patience, only: set[int] | None = None
) -> Upstream:
    found = Upstream(kind)
    seen: set[int] = set()
    page = 0
    while True:
        patience()
        page += 1
        records = page_of(page)
        if not records:
            return found
        for record in records:
            known = _number(record)
            if known is None or known in seen:
                continue
            if only is not None and record.get("inbox_id") not in only:
                continue
            seen.add(known)
            found.add(known, record.get("created_at"), record.get("last_activity_at"))


def _number(record: Any) -> int | None:
    """The id of a record; None for what is none, which cannot be stored either."""
    try:
        return number(record["id"])
    except (ValueError, TypeError, KeyError):
        return None
