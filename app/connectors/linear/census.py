"""What a Linear workspace has: issues and the comments on them, by id."""

from __future__ import annotations

from app.connectors.census import Census, Patience, Upstream
from app.connectors.linear.client import MOST_PER_PAGE
from app.connectors.linear.streams import LinearReader, scope


def census(reader: LinearReader, patience: Patience) -> Census:
    """Raises ConnectorError."""
    yield _listed("issues", "IssueIds", reader, patience)
    yield _listed("comments", "CommentIds", reader, patience)


def _listed(kind: str, query: str, reader: LinearReader, patience: Patience) -> Upstream:
    wanted = scope(kind, reader.connection.filters)
    found = Upstream(kind)
    after: str | None = None
    while True:
        patience()
        records, after = reader.client.page(
            query, kind, first=MOST_PER_PAGE, after=after, filter=wanted
        )
        for record in records:
            # A comment of a project or a document belongs to no issue, and is not read.
            if isinstance(record, dict) and (kind == "issues" or record.get("issue")):
                found.add(record.get("id"), record.get("createdAt"))
        if after is None:
            return found
