"""What new messages say happened: somebody wrote, a client wants an approval or more than was agreed,
a client fell silent or came back."""

from __future__ import annotations

import re

from app.connectors import events
from app.connectors.chatwoot.mapping import Rows
from app.connectors.connections import Connection
from app.connectors.events import Event
from app.connectors.records import Json
from app.db import Connection as Tx
from app.db import Row, statements

sql = statements("chatwoot")

SNIPPET = 300
SILENT_DAYS = 4
LOOKED_BACK_DAYS = 60

_NOT = r"(?<!\bне )(?<!\bnot )(?<!n't )(?<!\bno )(?<!\bбез )(?<!\bwithout )"
APPROVAL = re.compile(
    _NOT + r"\b(approv(e|ed|al|als|ing)|апрув\w*|подтверд\w+|согласу\w+|согласов\w+)\b",
    re.IGNORECASE,
)
SCOPE_CHANGE = re.compile(
    _NOT
    + r"\b(out of (the )?scope|outside (of )?(the )?scope|change requests?|вне скоупа|за рамками договора|"
    r"доработ\w+|дополнительн\w+)\b",
    re.IGNORECASE,
)


def record(tx: Tx, connection: Connection, rows: Rows, changed: list[Row]) -> None:
    """Tell of the messages that are new, and take back the texts of those that were deleted."""
    inserted = {row["id"] for row in changed if row["inserted"]}
    found = [
        event
        for message in rows.messages
        if message["id"] in inserted and _worth_telling(message)
        for event in _events(connection, message)
    ]
    events.record(tx, connection.project_id, found)
    hidden = [
        message["id"]
        for message in rows.messages
        if (message["deleted"] or message["private"]) and message["id"] not in inserted
    ]
    if hidden:
        sql.hide_snippets(tx, project_id=connection.project_id, message_ids=hidden)
    if any(message["direction"] == "inbound" for message in rows.messages):
        sql.end_silences(tx, project_id=connection.project_id, message_ids=sorted(inserted))


def record_silences(tx: Tx, connection: Connection) -> int:
    """Tell, once each, of clients who have not answered for four days. Answers how many were new."""
    silent: list[Row] = sql.silent_clients(
        tx,
        project_id=connection.project_id,
        connection_id=connection.id,
        days=SILENT_DAYS,
        looked_back_days=LOOKED_BACK_DAYS,
    )
    return events.record(
        tx,
        connection.project_id,
        [
            Event(
                "client_silent_started",
                source="chatwoot",
                source_ref=row["id"],
                occurred_at=row["since"],
                source_url=link(connection, row["conversation_id"]),
                change=row["message_id"],
                payload={"conversation_global_id": row["id"], "waiting_since": row["since"]},
            )
            for row in silent
        ],
    )


def link(connection: Connection, conversation: int, message: int | None = None) -> str:
    """Where a person opens a conversation, at a message of it."""
    address = f"{connection.base_url}/app/accounts/{connection.external_account_id}"
    place = f"?messageId={message}" if message is not None else ""
    return f"{address}/conversations/{conversation}{place}"


def _worth_telling(message: Json) -> bool:
    return (
        message["direction"] in ("inbound", "outbound")
        and not message["private"]
        and not message["deleted"]
        and message["created_at"] is not None
    )


def _events(connection: Connection, message: Json) -> list[Event]:
    inbound = message["direction"] == "inbound"
    text = message["content"] or ""
    kinds = ["message_sent"]
    if inbound:  # what the team writes about approvals is no request of the client
        kinds += ["approval_requested"] if APPROVAL.search(text) else []
        kinds += ["scope_change_detected"] if SCOPE_CHANGE.search(text) else []
    return [
        Event(
            kind,
            source="chatwoot",
            source_ref=message["id"],
            actor="client" if inbound else "team",
            occurred_at=message["created_at"],
            source_url=link(connection, message["conversation_id"], message["message_id"]),
            payload={
                "conversation_global_id": message["conversation_global_id"],
                "message_global_id": message["id"],
                "sender_type": message["sender_type"],
                "sender_name": message["sender_name"],
                "snippet": text[:SNIPPET],
            },
        )
        for kind in kinds
    ]
