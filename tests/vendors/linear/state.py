"""What a simulated Linear workspace holds. Nodes are plain dictionaries with the API's field names."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

Node = dict[str, Any]

STATES = (
    ("Backlog", "backlog"),
    ("Todo", "unstarted"),
    ("In Progress", "started"),
    ("In Review", "started"),
    ("Done", "completed"),
    ("Canceled", "canceled"),
)
KINDS = (
    "teams", "workflowStates", "projects", "cycles", "issueLabels", "issues", "comments", "users",
)  # fmt: skip


class Workspace:
    """One workspace. Its clock goes on by a second and a quarter with every change."""

    def __init__(self, name: str = "Mayak", seed: str = "mayak") -> None:
        self.lock = threading.RLock()
        self.seed = seed
        self._made = 0
        self._clock = datetime(2026, 9, 1, 9, tzinfo=UTC)
        self.nodes: dict[str, dict[str, Node]] = {kind: {} for kind in KINDS}
        self.relations: dict[str, list[Node]] = {}  # by the id of the issue they point at
        self.organization = {"id": self.new_id(), "urlKey": seed, "name": name}
        self.viewer = self.add_user("Integration", "integration@example.com")

    def new_id(self) -> str:
        self._made += 1
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.seed}/{self._made}"))

    def tick(self) -> str:
        self._clock += timedelta(seconds=1.25)
        return stamp(self._clock)

    def pass_time(self, seconds: float) -> None:
        """What happens next happens so much later."""
        self._clock += timedelta(seconds=seconds)

    def at(self, moment: datetime) -> None:
        """What happens next happens then."""
        self._clock = moment

    def _add(self, kind: str, **fields: Any) -> Node:
        with self.lock:
            now = self.tick()
            node = {
                "id": self.new_id(),
                "createdAt": now,
                "updatedAt": now,
                "archivedAt": None,
                **fields,
            }
            self.nodes[kind][node["id"]] = node
            return node

    def add_user(self, name: str, email: str) -> Node:
        return self._add("users", name=name, email=email)

    def add_team(self, key: str, name: str) -> Node:
        """A team with Linear's usual states."""
        team = self._add("teams", key=key, name=name, _states={}, _last=0)
        for position, (state, type) in enumerate(STATES):
            made = self._add(
                "workflowStates", name=state, type=type, position=float(position), team=team
            )
            team["_states"][state] = made
        return team

    def add_project(self, name: str, team: Node, lead: Node | None = None, **fields: Any) -> Node:
        status = {"id": self.new_id(), "name": "In Progress", "type": "started"}
        node = {
            "name": name, "description": "", "health": "onTrack", "progress": 0.4, "startDate": None,
            "targetDate": None, "completedAt": None, "canceledAt": None, "trashed": None, "status": status,
            "lead": lead, "_team": team, **fields,
        }  # fmt: skip
        return self._add("projects", url=f"https://linear.app/{self.seed}/project/{name}", **node)

    def add_cycle(self, team: Node, number: int, starts: datetime, ends: datetime) -> Node:
        return self._add(
            "cycles", number=float(number), name=None, startsAt=stamp(starts), endsAt=stamp(ends),
            completedAt=None, progress=0.4, team=team,
        )  # fmt: skip

    def add_label(self, name: str, team: Node | None = None) -> Node:
        return self._add("issueLabels", name=name, team=team)

    def add_issue(
        self, team: Node, title: str, description: str | None = None, *, state: str = "Todo", number: int = 0,
        project: Node | None = None, assignee: Node | None = None, creator: Node | None = None,
        cycle: Node | None = None, labels: list[Node] | None = None, priority: int = 0,
        due: str | None = None,
    ) -> Node:  # fmt: skip
        with self.lock:
            team["_last"] = number or team["_last"] + 1
            identifier = f"{team['key']}-{team['_last']}"
            return self._add(
                "issues", identifier=identifier, number=float(team["_last"]), title=title,
                description=description, url=f"https://linear.app/{self.seed}/issue/{identifier}",
                priority=float(priority), estimate=None, dueDate=due,
                labelIds=[label["id"] for label in labels or []], startedAt=None, completedAt=None,
                canceledAt=None, trashed=None, team=team, project=project, state=team["_states"][state],
                cycle=cycle, assignee=assignee, creator=creator, parent=None,
            )  # fmt: skip

    def add_comment(self, issue: Node, body: str, user: Node | None) -> Node:
        return self._add(
            "comments", body=body, url=f"{issue['url']}#comment", editedAt=None, issue=issue,
            parent=None, user=user, externalUser=None,
        )  # fmt: skip

    def change(self, kind: str, node: Node, **fields: Any) -> None:
        """An edit: the node's time of change moves."""
        with self.lock:
            node.update(fields, updatedAt=self.tick())

    def move(self, issue: Node, state: str) -> None:
        """Another state, with the times that come with it."""
        now = self.tick()
        found = issue["team"]["_states"][state]
        self.change(
            "issues",
            issue,
            state=found,
            startedAt=now if found["type"] == "started" else issue["startedAt"],
            completedAt=now if found["type"] == "completed" else None,
            canceledAt=now if found["type"] == "canceled" else None,
        )

    def block(self, issue: Node, blocker: Node) -> None:
        with self.lock:
            relation = {
                "id": self.new_id(),
                "type": "blocks",
                "issue": blocker,
                "relatedIssue": issue,
            }
            self.relations.setdefault(issue["id"], []).append(relation)
            self.change("issues", issue)

    def unblock(self, issue: Node, blocker: Node) -> None:
        with self.lock:
            left = [r for r in self.relations.get(issue["id"], []) if r["issue"] is not blocker]
            self.relations[issue["id"]] = left
            self.change("issues", issue)

    def delete(self, kind: str, node: Node) -> None:
        """Gone for good: no answer names it any more."""
        with self.lock:
            del self.nodes[kind][node["id"]]


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
