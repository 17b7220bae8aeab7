"""The state of a connector in sentences that need no manual: how it is, since when, why, what happens by
itself, and what somebody has to do. Pure functions."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import Any

State = dict[str, Any]

REASONS = {
    "auth_failed": "the token is refused",
    "forbidden": "the token may not read everything",
    "config_missing": "the connection is not complete",
    "binding_conflict": "the account belongs to another project or another token",
    "schema_mismatch": "it does not understand what it is asked",
    "upstream_not_found": "it knows no such account",
    "timeout": "it does not answer in time",
    "network": "it cannot be reached",
    "upstream_5xx": "it answers with errors",
    "circuit_open": "it failed several times in a row and is left alone for a moment",
    "rate_limited": "it asks for a pause",
    "invalid_response": "it answers something that cannot be read",
    "db_error": "our database was away",
    "lease_expired": "the worker was lost in the middle",
    "internal": "a mistake of ours",
}
# Their own words only say the same again.
TOLD_WHOLE = frozenset({"auth_failed", "network", "timeout", "circuit_open", "rate_limited"})
OVERDUE = 300.0  # seconds: a sync that is due begins within a tick of the worker
TO_DO = {
    "auth_failed": "Give the connection a new token",
    "forbidden": "Give the token the right to read, or the connection another token",
    "config_missing": "Complete the connection",
    "binding_conflict": "Give the connection a token of its own account, or connect the token's account",
    "schema_mismatch": "Look at the error; after an update, retry it",
    "upstream_not_found": "Check the address and the account of the connection",
    "internal": "Tell the developers the error's id; retry it after an update",
}


def message(state: State, now: datetime | None = None) -> str:
    """The whole state in a few sentences."""
    now = now or datetime.now(UTC)
    said = [sentence(state, now), what_next(state, now), *_asides(state)]
    return " ".join(part for part in said if part)


def sentence(state: State, now: datetime) -> str:
    return f"{_name(state)} {how_it_is(state, now)}."


def summary(project: str, states: list[State], elsewhere: list[State], now: datetime) -> str:
    """All connectors of a project in a sentence, and another one about other projects."""
    connected = [state for state in states if state["connection"] is not None]
    behind = [state for state in connected if state["behind"]]
    if not connected:
        said = f"Nothing is connected to {project} yet."
    elif not behind:
        said = f"No connector of {project} is behind."
    else:
        named = ", ".join(f"{_name(state)} {_since_when(state, now)}" for state in behind)
        said = f"{len(behind)} of {len(connected)} connectors of {project} {_are(behind)} behind: {named}."
    if not elsewhere:
        return said
    others = [
        f"{project[0]['project_name']} ({', '.join(map(_name, project))})"
        for project in (list(group) for _, group in groupby(elsewhere, key=_project))
    ]
    return f"{said} Behind elsewhere: {', '.join(others)}."


def _project(state: State) -> Any:
    return state["project_id"]


def _name(state: State) -> str:
    return str(state["connector"]).capitalize()


def _are(some: list[State]) -> str:
    return "is" if len(some) == 1 else "are"


def _since_when(state: State, now: datetime) -> str:
    moment = since(state)
    return f"since {_clock(moment, now)}" if moment else "for some time"


def how_it_is(state: State, now: datetime) -> str:
    """The rest of a sentence that begins with the connector's name."""
    connection, status = state["connection"], state["status"]
    if connection is None:
        return "is not connected to this project"
    if not connection["enabled"]:
        return "is switched off"
    if connection["health"] == "needs_attention":
        return f"has stood still for {_duration(since(state), now)}: {reason(state)}"
    if status == "running" and state["behind"] and state["failing_since"]:
        again = (
            f"the worker that read it again {_was_lost(state, now)}"
            if state.get("lost_worker")
            else "it is being read again now"
        )
        return f"has been behind for {_duration(since(state), now)}: {reason(state)}; {again}"
    if status == "idle":
        waited = f" for {_duration(since(state), now)}" if state["behind"] else ""
        return f"is connected and has not been read yet{waited}"
    if status == "running" and state.get("lost_worker"):
        return f"was being read when the worker {_was_lost(state, now)}"
    if status == "running":
        return f"is being read, for {_duration(state['last_attempt_at'], now)}"
    if status == "failed":
        return f"has been behind for {_duration(since(state), now)}: {reason(state)}"
    if state["behind"]:
        return f"has not been read for {_duration(since(state), now)}"
    if state["last_error_kind"] is not None and not state["meta"].get("unfinished"):
        # What to do about it follows.
        but = str(state["last_error"]).partition(". ")[0]
        return f"is up to date, read {_when(state['last_success_at'], now)}, but {but}"
    if status == "partial":
        return f"is being read in parts, the last {_when(state['last_success_at'], now)}"
    if state["webhook_health"]["polling"] == "stretched":
        applied = _when(state["webhook_health"]["last_applied_at"], now)
        return f"is kept current by its webhooks, the last {applied}"
    return f"is up to date, read {_when(state['last_success_at'], now)}"


def _was_lost(state: State, now: datetime) -> str:
    return f"was lost at {_clock(state['lost_worker']['lost_at'], now, '%H:%M:%S')}"


def reason(state: State) -> str:
    """Why the last sync failed. What only its own words tell is told in these."""
    kind = str(state["last_error_kind"])
    detail = state["last_error"]
    known = REASONS.get(kind)
    if known is None:
        return detail or "the last sync failed"
    return known if kind in TOLD_WHOLE or not detail else f"{known} ({detail})"


def what_next(state: State, now: datetime) -> str:
    """What happens by itself, or what somebody has to do; a sentence."""
    connection, status = state["connection"], state["status"]
    if connection is None:
        return "An owner connects it: POST /connectors/connections, or `flask connectors connect`."
    if not connection["enabled"]:
        return f"An owner switches it on: POST /connectors/connections/{connection['id']}/enable."
    kind = str(state["last_error_kind"])
    if connection["health"] == "needs_attention":
        place = f"POST /connectors/connections/{connection['id']}/update"
        return f"{TO_DO.get(kind, 'Mend the connection')} ({place}); then it goes on by itself."
    if kind == "sweep_guard":
        return (
            "If they were deleted on purpose, retry this error "
            "(POST /connectors/errors/dead-letter/:id/retry); else see what the token may read."
        )
    if status == "running":
        return _takeover(state.get("lost_worker"), now)
    if _overdue(state["next_run_at"], now):
        return (
            f"Its sync was due {_when(state['next_run_at'], now)} and nobody made it: "
            "is the worker (`python -m jobs`) running?"
        )
    coming = f"{_coming(state['next_run_at'], now)}"
    if status == "failed" and kind in TO_DO:
        return f"{TO_DO[kind]}. It is tried again {coming} all the same."
    if status == "failed":
        return f"Nothing has to be done: it is tried again {coming} and goes on where it was."
    if state["meta"].get("unfinished"):
        return f"The rest follows {coming}."
    return f"The next sync is {coming}."


def _takeover(lost: dict[str, datetime] | None, now: datetime) -> str:
    """What becomes of a run whose worker was lost."""
    if lost is None:
        return ""
    at = lost["taken_over_at"]
    if _overdue(at, now):
        return (
            f"Since {_clock(at, now)} another may take it over and none does: "
            "is the worker (`python -m jobs`) running?"
        )
    when = f"at {_clock(at, now, '%H:%M:%S')}" if at > now else "within a minute"
    return f"Nothing has to be done: it is taken over {when} and goes on where it was."


def _asides(state: State) -> list[str]:
    found = []
    webhooks = state["webhook_health"]
    if webhooks and webhooks["status"] == "failing":
        found.append("Its webhooks fail; syncs bring what they should have brought.")
    aside = state["quarantined"]
    if aside:
        what = "One record" if aside == 1 else f"{aside} records"
        found.append(
            f"{what} could not be understood (GET /connectors/errors?kind=record_invalid)."
        )
    return found


def since(state: State) -> datetime | None:
    """Since when a connector is behind: its first failure, or the last time that it was well."""
    failing = state["status"] in ("failed", "running")
    well = state["last_success_at"] or state["connected_at"]
    found: datetime | None = state["failing_since"] or (
        state["last_attempt_at"] if failing else well
    )
    return found or state["last_attempt_at"]


def _overdue(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and (now - moment).total_seconds() > OVERDUE


def _when(moment: datetime | None, now: datetime) -> str:
    """A time in the past: how long ago, and by the clock."""
    if moment is None:
        return "its first sync"
    seconds = (now - moment).total_seconds()
    if seconds < 60:
        return "a moment ago"
    return f"{_length(seconds)} ago ({_clock(moment, now)})"


def _duration(since: datetime | None, now: datetime) -> str:
    """A time that goes on: how long, and since when."""
    if since is None or (now - since).total_seconds() < 60:
        return "less than a minute"
    return f"{_length((now - since).total_seconds())} (since {_clock(since, now)})"


def _coming(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "when somebody asks for it: its schedule is paused"
    seconds = (moment - now).total_seconds()
    if seconds < 30:
        return "within a minute"
    return f"in {_length(seconds)} ({_clock(moment, now)})"


def _length(seconds: float) -> str:
    unit, size = "day", 86_400
    if seconds < 36 * 3600:
        unit, size = "hour", 3600
    if seconds < 5400:
        unit, size = "minute", 60
    number = max(1, round(seconds / size))
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _clock(moment: datetime, now: datetime, form: str = "%H:%M") -> str:
    local = moment.astimezone(UTC)
    day = "" if local.date() == now.astimezone(UTC).date() else f"{local.day} {local:%b} "
    return f"{day}{local:{form}} UTC"
