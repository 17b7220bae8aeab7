"""`python -m tests.vendors.filled`: a Linear and an Attio workspace with much in them, for measurements.

Made up and readable, the same in every start; every text distinct, lengths uneven.
"""

from __future__ import annotations

import argparse
import contextlib
import random

from tests.vendors.attio import AttioServer, State, typed
from tests.vendors.chatwoot.state import OPENERS, SUBJECTS, VERBS
from tests.vendors.linear import LinearServer, Workspace

STATES = ("Backlog", "Todo", "In Progress", "In Review", "Done", "Done", "Canceled")
STAGES = ("Lead", "In Progress", "Proposal", "Won 🎉", "Lost")
DEALS_OF_A_COMPANY = 5


def text(dice: random.Random, sentences: int, number: int) -> str:
    said = [f"{dice.choice(SUBJECTS)} {dice.choice(VERBS)}" for _ in range(sentences)]
    return f"{dice.choice(OPENERS)} {'. '.join(said)}. Номер {number}."


def linear(issues: int, workspace: Workspace | None = None) -> Workspace:
    """Issues of five teams; one in ten has a comment, one in twenty is blocked."""
    workspace = workspace or Workspace()
    dice = random.Random(2)
    teams = [workspace.add_team(f"T{n}", f"Team {n}") for n in range(5)]
    people = [workspace.add_user(f"Person {n}", f"person{n}@mayak.example") for n in range(12)]
    projects = [workspace.add_project(f"Project {n}", dice.choice(teams)) for n in range(40)]
    last = None
    for number in range(issues):
        issue = workspace.add_issue(
            dice.choice(teams),
            text(dice, 1, number)[:200],
            text(dice, dice.choice([1, 2, 3, 6]), number),
            state=dice.choice(STATES),
            project=dice.choice(projects),
            assignee=dice.choice(people),
            creator=dice.choice(people),
            priority=dice.randrange(5),
        )
        if number % 10 == 0:
            workspace.add_comment(issue, text(dice, 2, number), dice.choice(people))
        if last is not None and number % 20 == 0:
            workspace.block(issue, last)
        last = issue
    return workspace


def attio(deals: int) -> State:
    """Deals, five of a company, each company with one person and one note."""
    state = State()
    state.objects["deals"].enabled = True
    dice = random.Random(3)
    company = None
    for number in range(deals):
        if number % DEALS_OF_A_COMPANY == 0 or company is None:
            company = state.add_company(
                f"Company {number}",
                f"company{number}.example",
                description=typed.text(text(dice, 2, number)),
            )
            state.add_person(f"Anna Ivanova {number}", f"anna@company{number}.example", company)
            state.add_note("companies", company, f"Call {number}", text(dice, 3, number))
        amount = float(dice.randrange(100, 90_000))
        state.add_deal(f"Deal {number}", dice.choice(STAGES), amount, company)
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description="A filled Linear and a filled Attio workspace.")
    parser.add_argument("--linear-port", type=int, required=True)
    parser.add_argument("--attio-port", type=int, required=True)
    parser.add_argument("--issues", type=int, default=20_000)
    parser.add_argument("--deals", type=int, default=5_000)
    options = parser.parse_args()
    issues = LinearServer(linear(options.issues), port=options.linear_port)
    # Enough for any number of pages: what is measured is not how long an hour is.
    issues.quota.limits = dict.fromkeys(issues.quota.limits, 1e9)
    issues.quota.left = dict(issues.quota.limits)
    issues.start()
    with contextlib.suppress(KeyboardInterrupt):
        AttioServer(attio(options.deals), port=options.attio_port).serve()


if __name__ == "__main__":
    main()
