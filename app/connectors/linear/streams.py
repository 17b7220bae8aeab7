"""Linear's streams, each read newest first down to what is known already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from app.connectors.breaker import Breaker
from app.connectors.connections import Connection
from app.connectors.engine import Budget, Page, Place, Stream
from app.connectors.errors import ConnectorError
from app.connectors.failures import Judged
from app.connectors.linear import mapping, writer
from app.connectors.linear.client import MOST_PER_PAGE, LinearClient, nodes
from app.connectors.linear.mapping import Names
from app.connectors.records import Json, collect, moment
from app.db import Connection as Tx
from config.settings import Settings

SWEEP_EVERY = timedelta(hours=24)


class LinearReader:
    """An opened workspace: its streams, in the order in which their rows refer to each other."""

    def __init__(self, connection: Connection, client: LinearClient, settings: Settings) -> None:
        self.connection = connection
        self.client = client
        self.pages = settings.linear_sync_max_pages
        self.records = self.pages * MOST_PER_PAGE
        names = Names(connection.external_account_id)
        shared = (connection, client, names, settings)
        self.streams: list[Stream] = [*lists(*shared), *sweeps(*shared)]

    @classmethod
    def open(
        cls,
        connection: Connection,
        settings: Settings,
        breaker: Breaker,
        check: Callable[[], None],
    ) -> LinearReader:
        """Raises ConnectorError `binding_conflict` when the token is of another workspace: its rows
        must not end up in this project."""
        client = LinearClient(connection, settings, breaker, check)
        try:
            _right_workspace(client, connection)
        except BaseException:
            client.close()
            raise
        return cls(connection, client, settings)

    def close(self) -> None:
        self.client.close()


def lists(
    connection: Connection, client: LinearClient, names: Names, settings: Settings
) -> list[ListStream]:
    """Everything but the sweeps, in the order in which rows refer to each other."""
    shared = (connection, client, names, settings)
    return [
        ListStream(*shared, "teams", "Teams", "teams", mapping.team),
        ListStream(*shared, "states", "WorkflowStates", "workflowStates", mapping.state),
        ListStream(*shared, "projects", "Projects", "projects", mapping.project),
        ListStream(*shared, "cycles", "Cycles", "cycles", mapping.cycle),
        ListStream(*shared, "labels", "IssueLabels", "issueLabels", mapping.label),
        IssueStream(*shared, "issues", "Issues", "issues", mapping.issue),
        ListStream(*shared, "comments", "Comments", "comments", mapping.comment),
    ]


def sweeps(
    connection: Connection, client: LinearClient, names: Names, settings: Settings
) -> list[SweepStream]:
    """What was deleted, of every kind: no list of changes tells it."""
    shared = (connection, client, names, settings)
    return [
        SweepStream(*shared, "team_sweep", "TeamIds", "teams", "teams"),
        SweepStream(*shared, "state_sweep", "WorkflowStateIds", "workflowStates", "states"),
        SweepStream(*shared, "project_sweep", "ProjectIds", "projects", "projects"),
        SweepStream(*shared, "cycle_sweep", "CycleIds", "cycles", "cycles"),
        SweepStream(*shared, "label_sweep", "IssueLabelIds", "issueLabels", "labels"),
        SweepStream(*shared, "issue_sweep", "IssueIds", "issues", "issues"),
        SweepStream(*shared, "comment_sweep", "CommentIds", "comments", "comments"),
    ]


def _right_workspace(client: LinearClient, connection: Connection) -> dict[str, Any]:
    data = client.ask("Organization")
    found = data.get("organization") or {}
    if found.get("id") != connection.external_account_id:
        raise ConnectorError(
            "binding_conflict",
            f"this token belongs to the workspace {found.get('name')} ({found.get('id')}), "
            f"and the connection to {connection.external_account_id}",
        )
    return data


def verify(connection: Connection, settings: Settings) -> dict[str, Any]:
    """Whose token it is, and the workspace's name. Raises ConnectorError."""
    client = LinearClient(connection, settings)
    try:
        data = _right_workspace(client, connection)
    finally:
        client.close()
    return {"account": data["organization"].get("name"), "user": (data["viewer"] or {}).get("name")}


@dataclass
class Reading:
    """What an answer held: rows, what could not be understood, the ids of both; asked for at `read_at`."""

    read_at: datetime
    rows: list[Json] = field(default_factory=list)
    judged: Judged = field(default_factory=Judged)
    ids: set[str] = field(default_factory=set)


@dataclass
class ListStream:
    """A list that can be asked for what changed since a moment, the newest first."""

    connection: Connection
    client: LinearClient
    names: Names
    settings: Settings
    name: str
    query: str
    field: str
    understand: Callable[[Names, Json], Json | None]
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        window = Window.resume(place, self.settings.linear_overlap_seconds)
        # While a page is written the next one is on its way.
        with ThreadPoolExecutor(1) as ahead:
            asked = ahead.submit(self._ask, window.since, window.after)
            while True:
                records, after, read_at = asked.result()
                if after is not None:
                    asked = ahead.submit(self._ask, window.since, after)
                window.turn(records, after)
                reading = self.understood(records, read_at)
                yield Page(
                    write=partial(self.write, reading),
                    place=window.place(place),
                    records=len(records),
                    judged=reading.judged,
                )
                if after is None:
                    return

    def _ask(
        self, since: datetime | None, after: str | None
    ) -> tuple[list[Any], str | None, datetime]:
        """A page, the cursor that continues it, and when it was asked for."""
        read_at = datetime.now(UTC)
        records, following = self.client.page(
            self.query,
            self.field,
            first=self.page_size,
            after=after,
            filter=self._filter(since),
        )
        return records, following, read_at

    def named(self, ids: list[str], scoped: bool = True) -> Reading:
        """These and no others, as they are now. What does not exist, or stands where the connection
        does not read, is not among them; with `scoped` false it may stand anywhere."""
        read_at = datetime.now(UTC)
        wanted = scope(self.name, self.connection.filters) if scoped else {}
        if "id" in wanted:  # the projects that may be read
            ids = [found for found in ids if found in wanted["id"]["in"]]
        records: list[Any] = []
        if ids:
            asked = {**wanted, "id": {"in": ids}}
            records, _ = self.client.page(
                self.query, self.field, first=len(ids), after=None, filter=asked
            )
        return self.understood(records, read_at)

    @property
    def page_size(self) -> int:
        return self.settings.linear_sync_limit

    def understood(self, records: list[Any], read_at: datetime) -> Reading:
        reading = Reading(read_at)

        def take(record: Json) -> None:
            row = self.understand(self.names, self.complete(record))
            if row is not None:
                reading.rows.append(row)

        collect(records, self.name, take, reading.judged)
        reading.ids = {str(found.get("id")) for found in records if isinstance(found, dict)}
        return reading

    def write(self, reading: Reading, tx: Tx) -> dict[str, int]:
        return writer.write(tx, self.connection, self.name, reading.rows, reading.read_at)

    def complete(self, record: Json) -> Json:
        """The record with what its page left out."""
        return record

    def _filter(self, since: datetime | None) -> Json:
        found: Json = scope(self.name, self.connection.filters)
        if since is not None:
            found["updatedAt"] = {"gte": since.isoformat()}
        return found


@dataclass
class IssueStream(ListStream):
    """Issues; one with more blockers than come with it is asked about again."""

    def complete(self, record: Json) -> Json:
        told = record.get("inverseRelations") or {"nodes": []}
        if not isinstance(told, dict) or not isinstance(told.get("nodes"), list):
            raise ValueError("inverseRelations is no list")
        relations, after = nodes(told)
        while after is not None:
            data = self.client.ask("IssueBlockers", id=record["id"], after=after)
            more, after = nodes((data.get("issue") or {}).get("inverseRelations"))
            relations = relations + more
        return {**record, "inverseRelations": {"nodes": relations}}


@dataclass
class SweepStream:
    """Once a day the ids of everything that exists: what is stored and not among them was deleted.

    Rows that a page names are marked as seen; those not seen since the sweep began are gone once it
    has come to its end. So it holds no list in memory, and goes on where it was interrupted.
    """

    connection: Connection
    client: LinearClient
    names: Names
    settings: Settings
    name: str
    query: str
    field: str
    of: str
    optional: bool = False

    def read(self, place: Place, budget: Budget) -> Iterator[Page]:
        saved = place.page_cursor
        now = datetime.now(UTC)
        if saved is None and place.last_sweep_at and now - place.last_sweep_at < SWEEP_EVERY:
            return
        began = (moment(saved["began"]) if saved else None) or now
        after: str | None = saved["after"] if saved else None
        while True:
            records, after = self.client.page(
                self.query,
                self.field,
                first=MOST_PER_PAGE,
                after=after,
                filter=scope(self.of, self.connection.filters),
            )
            yield self._page(records, began, after)
            if after is None:
                return

    def _page(self, records: list[Any], began: datetime, after: str | None) -> Page:
        ids = [record["id"] for record in records if isinstance(record, dict) and "id" in record]
        last = after is None
        saved = None if last else {"began": began.isoformat(), "after": after}
        return Page(
            write=lambda tx: writer.sweep(
                tx, self.connection, self.name, self.of, ids, began, last
            ),
            place=Place(page_cursor=saved),
            records=len(records),
            swept=last,
        )


@dataclass
class Window:
    """What changed since a moment, newest first. `top` is the newest change seen when the window began;
    the cursor moves there only when the window is read to its end, so that an interrupted one skips
    nothing. Relay cursors point at records, and stay right while others move to the front."""

    since: datetime | None
    after: str | None = None
    top: datetime | None = None

    @classmethod
    def resume(cls, place: Place, overlap: int) -> Window:
        saved = place.page_cursor
        if saved:
            return cls(moment(saved["since"]), saved["after"], moment(saved["top"]))
        since = place.cursor_ts - timedelta(seconds=overlap) if place.cursor_ts else None
        return cls(since)

    def turn(self, records: list[Any], after: str | None) -> None:
        if self.top is None:
            times = [moment(r.get("updatedAt")) for r in records if isinstance(r, dict)]
            self.top = max((time for time in times if time is not None), default=None)
        self.after = after

    def place(self, earlier: Place) -> Place:
        if self.after is None:
            return Place(cursor_ts=self.top or earlier.cursor_ts)
        saved = {
            "since": self.since.isoformat() if self.since else None,
            "after": self.after,
            "top": self.top.isoformat() if self.top else None,
        }
        return Place(cursor_ts=earlier.cursor_ts, page_cursor=saved)


def scope(stream: str, filters: Json) -> Json:
    """The part of the workspace that a connection may read: its teams and its projects."""
    teams = [str(found) for found in filters.get("team_ids") or []]
    projects = [str(found) for found in filters.get("project_ids") or []]
    in_team, in_project = {"id": {"in": teams}}, {"id": {"in": projects}}
    of_issue: Json = {}
    if teams:
        of_issue["team"] = in_team
    if projects:
        of_issue["project"] = in_project
    if stream == "issues":
        return of_issue
    if stream == "comments":
        return {"issue": of_issue} if of_issue else {}
    if stream == "projects":
        return (
            dict(in_project)
            if projects
            else {"accessibleTeams": {"some": in_team}}
            if teams
            else {}
        )
    if not teams:
        return {}
    if stream == "labels":  # those of the whole workspace have no team
        return {"or": [{"team": in_team}, {"team": {"null": True}}]}
    return dict(in_team) if stream == "teams" else {"team": in_team}
