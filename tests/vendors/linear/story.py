"""A client project's Linear side of the demo's story, as a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests.vendors import calendar
from tests.vendors.linear.state import Node, Workspace

CHANGES = (("started", "In Progress"), ("done", "Done"), ("canceled", "Canceled"))


@dataclass
class LinearStory:
    """A workspace, and the id of the issue behind each key of the golden questions."""

    workspace: Workspace
    refs: dict[str, str] = field(default_factory=dict)


def load_linear(path: Path, today: date | None = None) -> LinearStory:
    """The workspace of one file, its dates moved as those of the conversations."""
    told = yaml.safe_load(path.read_text())
    return _Teller(told, calendar.last_day(today)).tell()


class _Teller:
    def __init__(self, told: dict[str, Any], end: date) -> None:
        self.told = told
        self.end = end
        self.workspace = Workspace("Студия «Маяк»", told["workspace"]["url_key"])
        self.workspace.organization["id"] = told["workspace"]["id"]
        self._at(1, "09:00")
        self.team = self.workspace.add_team(told["team"]["key"], told["team"]["name"])
        self.people = {key: self.workspace.add_user(*who) for key, who in told["people"].items()}
        self.projects = {item["key"]: self._project(item) for item in told["projects"]}
        self.cycles = {item["n"]: self._cycle(item) for item in told["cycles"]}
        self.labels: dict[str, Node] = {}
        self.issues: dict[int, Node] = {}

    def tell(self) -> LinearStory:
        for item in self.told["issues"]:
            self.issues[item["n"]] = self._issue(item)
        for item in self.told["issues"]:
            for blocker in item.get("blocked_by", ()):
                self._at(item["day"], "12:30")
                self.workspace.block(self.issues[item["n"]], self.issues[blocker])
            self._happens(item)
        refs = {f"issue:{node['identifier']}": node["id"] for node in self.issues.values()}
        return LinearStory(self.workspace, refs)

    def _at(self, day: int, at: str) -> None:
        self.workspace.at(calendar.moment(day, at, self.end))

    def _project(self, item: dict[str, Any]) -> Node:
        return self.workspace.add_project(
            item["name"],
            self.team,
            self.people[item["lead"]],
            description=item["description"],
            health=item.get("health", "onTrack"),
            startDate=self._day(item["start"]),
            targetDate=self._day(item["target"]),
        )

    def _cycle(self, item: dict[str, Any]) -> Node:
        first, last = (calendar.moment(day, "00:00", self.end) for day in item["days"])
        return self.workspace.add_cycle(self.team, item["n"], first, last)

    def _label(self, name: str) -> Node:
        if name not in self.labels:
            self.labels[name] = self.workspace.add_label(name, self.team)
        return self.labels[name]

    def _issue(self, item: dict[str, Any]) -> Node:
        self._at(item["day"], "11:00")
        labels = [self._label(name) for name in item.get("labels", ())]
        return self.workspace.add_issue(
            self.team,
            item["title"],
            item["text"],
            number=item["n"],
            project=self.projects.get(item.get("project")),
            assignee=self.people.get(item.get("for")),
            creator=self.people[item["by"]],
            cycle=self.cycles.get(item.get("cycle")),
            labels=labels,
            priority=item.get("priority", 0),
            due=self._day(item["due"]) if "due" in item else None,
        )

    def _happens(self, item: dict[str, Any]) -> None:
        """Comments and changes of state, in the order of their days."""
        issue = self.issues[item["n"]]
        for number, (day, author, text) in enumerate(item.get("comments", ())):
            self._at(day, f"14:{number:02}")
            self.workspace.add_comment(issue, text, self.people[author])
        for key, state in CHANGES:
            if key in item:
                self._at(item[key], "18:00" if key != "started" else "13:00")
                self.workspace.move(issue, state)
        if "state" in item and issue["state"]["name"] != item["state"]:
            self.workspace.move(issue, item["state"])

    def _day(self, number: int) -> str:
        return calendar.day(number, self.end).isoformat()
