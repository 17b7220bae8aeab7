"""The days of the demo's story as dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MOSCOW = ZoneInfo("Europe/Moscow")
STORY_DAYS = 90
WRITTEN_UNTIL = date(2026, 11, 22)  # the last day of the story as it was written, a Sunday


def last_day(today: date | None = None) -> date:
    """Day 90 of the story: as written, moved on by whole weeks, so that weekdays named in the texts
    stay right and the story ends within the last seven days."""
    today = today or datetime.now(UTC).date()
    weeks = max(0, (today - timedelta(days=1) - WRITTEN_UNTIL).days // 7)
    return WRITTEN_UNTIL + timedelta(weeks=weeks)


def day(number: int, end: date) -> date:
    """A day of the story; those after the last one are still to come."""
    return end - timedelta(days=STORY_DAYS - number)


def moment(number: int, at: str, end: date) -> datetime:
    """An hour of the studio's day, as in `14:05`."""
    hours, minutes = at.split(":")
    return datetime.combine(day(number, end), time(int(hours), int(minutes)), MOSCOW)
