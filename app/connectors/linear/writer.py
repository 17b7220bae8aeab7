"""Linear's rows into Postgres: one statement a table, only what changed, then documents and events."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from psycopg.types.json import Jsonb

from app.connectors import events
from app.connectors.connections import Connection
from app.connectors.events import Event
from app.connectors.records import Json
from app.connectors.sweeps import forget_confirmation, refuse_too_many
from app.db import Connection as Tx
from app.db import Row, statements
from app.rag import documents
from app.rag.documents import Document
from app.web.responses import dump_json

sql = statements("linear")

SOURCE_TYPE = "linear_issue"
PLAIN = {
    "teams": sql.upsert_teams,
    "states": sql.upsert_states,
    "projects": sql.upsert_projects,
    "cycles": sql.upsert_cycles,
    "labels": sql.upsert_labels,
}
RAW = {
    "teams": "linear_teams_raw",
    "states": "linear_states_raw",
    "projects": "linear_projects_raw",
    "cycles": "linear_cycles_raw",
    "labels": "linear_labels_raw",
    "issues": "linear_issues_raw",
    "comments": "linear_comments_raw",
}
AT_ONCE = 500  # issues whose texts are made anew together
DROP = {
    "teams": sql.delete_teams,
    "states": sql.delete_states,
    "projects": sql.delete_projects,
    "cycles": sql.delete_cycles,
    "labels": sql.delete_labels,
    "issues": sql.delete_issues,
    "comments": sql.delete_comments,
}


def write(
    tx: Tx, connection: Connection, stream: str, rows: list[Json], read_at: datetime
) -> dict[str, int]:
    """Upsert what one answer of a stream held, which was asked for at `read_at`. Answers counts by
    name."""
    if not rows:
        return {}
    # In the order of ids, so that two writers that meet in the same rows wait for each other in turn.
    rows = [row for _, row in sorted({row["id"]: row for row in rows}.items())]
    if stream == "issues":
        return _issues(tx, connection, rows, read_at)
    if stream == "comments":
        return _comments(tx, connection, rows, read_at)
    touched = PLAIN[stream](
        tx,
        project_id=connection.project_id,
        connection_id=connection.id,
        rows=_json(rows),
        read_at=read_at,
    )
    return {f"touched_{stream}": touched}


def _issues(tx: Tx, connection: Connection, rows: list[Json], read_at: datetime) -> dict[str, int]:
    project_id = connection.project_id
    changed: list[Row] = sql.upsert_issues(
        tx, project_id=project_id, connection_id=connection.id, rows=_json(rows), read_at=read_at
    )
    counts = {"touched_issues": len(changed), "processed_issues": len(rows)}
    if not changed:
        return counts
    ids = {row["id"] for row in changed}
    told = [
        {"issue_id": row["id"], **blocker}
        for row in rows
        if row["id"] in ids
        for blocker in row["blockers"]
    ]
    sql.replace_blockers(tx, project_id=project_id, issue_ids=sorted(ids), rows=_json(told))
    happened = [event for row in changed for event in _transitions(row)]
    happened += _blocked(tx, connection, [row["external_id"] for row in changed])
    events.record(tx, project_id, happened)
    return counts | _documents(tx, connection, [row["external_id"] for row in changed])


def _comments(
    tx: Tx, connection: Connection, rows: list[Json], read_at: datetime
) -> dict[str, int]:
    changed: list[Row] = sql.upsert_comments(
        tx,
        project_id=connection.project_id,
        connection_id=connection.id,
        rows=_json(rows),
        read_at=read_at,
    )
    issues = sorted({row["issue_external_id"] for row in changed})
    return {"touched_comments": len(changed)} | _documents(tx, connection, issues)


def _transitions(row: Row) -> list[Event]:
    """What a change of an issue's row says happened. An edit of its text is nothing of the kind."""
    shown = {
        name: row[name]
        for name in ("identifier", "title", "state", "state_type", "due_date", "completed_at")
    }
    base = {"source": "linear", "source_ref": row["id"], "source_url": row["url"], "actor": "team"}
    if row["inserted"]:
        return [
            Event(
                "issue_created",
                occurred_at=row["source_created_at"] or row["source_updated_at"],
                payload=shown,
                **base,
            )
        ]
    found = []
    if row["was_state"] != row["state"]:
        change = f"{row['was_state']} -> {row['state']}"
        payload = {**shown, "from": row["was_state"], "to": row["state"]}
        at = row["source_updated_at"]
        found.append(
            Event("issue_state_changed", occurred_at=at, change=change, payload=payload, **base)
        )
        if row["state_type"] == "completed" and row["was_state_type"] != "completed":
            at = row["completed_at"] or at
            found.append(Event("issue_completed", occurred_at=at, payload=shown, **base))
    return found


def _blocked(tx: Tx, connection: Connection, changed: list[str]) -> list[Event]:
    """Bring the blocked flags of changed issues, and of those that they block, up to date."""
    rows: list[Row] = sql.refresh_blocked(
        tx, project_id=connection.project_id, external_ids=changed
    )
    return [
        Event(
            "issue_blocked" if row["blocked"] else "issue_unblocked",
            source="linear",
            source_ref=row["id"],
            source_url=row["url"],
            actor="team",
            payload={
                "identifier": row["identifier"],
                "title": row["title"],
                "blocked_by_count": row["blocked_by_count"],
                "blockers": row["blockers"],
            },
        )
        for row in rows
        if row["was_blocked"] != row["blocked"]
    ]


def _documents(tx: Tx, connection: Connection, issue_external_ids: list[str]) -> dict[str, int]:
    """The texts of issues with their comments, as they are now."""
    rows: list[Row] = sql.issue_texts(
        tx, project_id=connection.project_id, external_ids=issue_external_ids
    )
    gone = [row["id"] for row in rows if row["gone"]]
    documents.remove(tx, connection.project_id, SOURCE_TYPE, gone)
    counts = documents.store(
        tx, connection.project_id, [_document(row) for row in rows if not row["gone"]]
    )
    return {"inserted_chunks": counts.inserted, "reembedded_chunks": counts.updated}


def _document(row: Row) -> Document:
    said = [f"{comment['author'] or '–'}: {comment['body']}" for comment in row["comments"]]
    return Document(
        id=row["id"],
        source_type=SOURCE_TYPE,
        title=f"{row['identifier']} {row['title']}".strip(),
        body="\n\n".join(part for part in (_standing(row), row["description"], *said) if part),
        author=row["creator_name"],
        source_url=row["url"],
        occurred_at=row["source_updated_at"],
        facts={
            "identifier": row["identifier"],
            "state": row["state"],
            "priority": row["priority"],
            "assignee_name": row["assignee_name"],
            "due_date": row["due_date"],
        },
    )


def _standing(row: Row) -> str:
    """Where an issue stands, in a line."""
    facts = (
        ("State", row["state"]),
        ("Assignee", row["assignee_name"]),
        ("Due", row["due_date"]),
        ("Labels", ", ".join(row["labels"])),
    )
    return ". ".join(f"{name}: {value}" for name, value in facts if value)


def sweep(
    tx: Tx,
    connection: Connection,
    stream: str,
    of: str,
    ids: list[str],
    began: datetime,
    last: bool,
) -> dict[str, int]:
    """Mark what a page of ids names as seen; with the last page, what was not seen is deleted.

    Raises ConnectorError `sweep_guard`.
    """
    scope = {
        "raw": RAW[of],
        "project_id": connection.project_id,
        "connection_id": connection.id,
        "began": began,
    }
    sql.see(tx, ids=ids, **scope)
    if not last:
        return {}
    row = sql.unseen(tx, **scope)
    refuse_too_many(connection, stream, of, len(row["ids"]), row["stored"])
    forget_confirmation(tx, connection, stream)
    return remove(tx, connection, of, row["ids"])


def remove(tx: Tx, connection: Connection, stream: str, ids: list[str]) -> dict[str, int]:
    """Mark rows as gone, and take back what was built on them. Answers counts by name."""
    if not ids:
        return {}
    project_id = connection.project_id
    if stream not in ("issues", "comments"):
        count = {f"deleted_{stream}": DROP[stream](tx, ids=sorted(ids), project_id=project_id)}
        return count | (_without_labels(tx, connection, ids) if stream == "labels" else {})
    dropped: list[Row] = DROP[stream](tx, ids=sorted(ids), project_id=project_id)
    issues = sorted({found["issue_external_id"] for found in dropped})
    events.record(tx, project_id, _blocked(tx, connection, issues))
    return {f"deleted_{stream}": len(dropped)} | _documents(tx, connection, issues)


def _without_labels(tx: Tx, connection: Connection, label_ids: list[str]) -> dict[str, int]:
    """The texts of issues that bore these labels: they name them no longer."""
    found: list[Row] = sql.labelled_issues(
        tx, project_id=connection.project_id, label_ids=label_ids
    )
    issues = [row["external_id"] for row in found]
    counts: Counter[str] = Counter()
    for start in range(0, len(issues), AT_ONCE):
        counts.update(_documents(tx, connection, issues[start : start + AT_ONCE]))
    return dict(counts)


def _json(rows: list[Json]) -> Jsonb:
    return Jsonb(rows, dumps=dump_json)
