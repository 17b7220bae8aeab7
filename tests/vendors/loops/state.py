"""What a Loops team holds, and its quota of calls. Thread-safe by one lock."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

STANDARD = {
    "id": "string", "email": "string", "firstName": "string", "lastName": "string",
    "source": "string", "subscribed": "boolean", "userGroup": "string", "userId": "string",
}  # fmt: skip


class Quota:
    """So many calls within any second; tests bring their own clock."""

    def __init__(self, per_second: int = 10, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self.clock = clock
        self.refused = 0
        self._taken: deque[float] = deque()

    def take(self) -> bool:
        now = self.clock()
        while self._taken and self._taken[0] <= now - 1.0:
            self._taken.popleft()
        if len(self._taken) >= self.per_second:
            self.refused += 1
            return False
        self._taken.append(now)
        return True

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.per_second),
            "x-ratelimit-remaining": str(max(0, self.per_second - len(self._taken))),
        }


class Team:
    """Contacts by address, and the custom properties that somebody made."""

    def __init__(self, name: str = "Studio", quota: Quota | None = None) -> None:
        self.lock = threading.RLock()
        self.name = name
        self.quota = quota or Quota()
        self.contacts: dict[str, dict[str, Any]] = {}
        self.properties: dict[str, str] = {}
        self.puts: list[str] = []  # addresses in the order in which they came
        self._last = 0

    def kind_of(self, name: str) -> str | None:
        return STANDARD.get(name) or self.properties.get(name)

    def put(self, values: dict[str, Any]) -> dict[str, Any]:
        """Make the contact, or change what is given; null empties a value."""
        email = str(values["email"]).strip().lower()
        self.puts.append(email)
        contact = self.contacts.get(email)
        if contact is None:
            self._last += 1
            contact = self.contacts[email] = {"id": f"cm{self._last:024d}", "subscribed": True}
        contact.update({**values, "email": email})
        return contact
