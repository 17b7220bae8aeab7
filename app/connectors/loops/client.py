"""Calls to Loops: one PUT a contact, no faster than the team's quota allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.connectors.errors import ConnectorError
from app.connectors.http import Answer, HttpClient, Pace
from config.settings import Settings

SHARE_OF_QUOTA = 0.8  # what others of the team send needs room too
QUOTA_WINDOW = 1.0  # seconds


class LoopsClient:
    """Loops as the settings name it. `check` raises when the run must stop."""

    def __init__(
        self,
        settings: Settings,
        check: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
    ) -> None:
        if not settings.loops_secret_key:
            raise ConnectorError("config_missing", "LOOPS_SECRET_KEY is not configured")
        self._pace = pace or Pace(settings.loops_requests_per_second, burst=1)
        self._http = HttpClient(
            "loops",
            settings.loops_api_base_url,
            {"Authorization": f"Bearer {settings.loops_secret_key}"},
            settings,
            check=check,
            judge=self._heed_quota,
            pace=self._pace,
        )

    def team_name(self) -> str:
        """The team that the key belongs to. Raises ConnectorError `auth_failed` for a wrong key."""
        return str(_object(self._http.get("/api-key")).get("teamName") or "")

    def ensure_properties(self, names: list[str]) -> None:
        """Make the custom properties that are missing: Loops takes no values for unknown ones."""
        found = self._http.get("/contacts/properties", list="custom")
        known = {_object(item).get("key") for item in found} if isinstance(found, list) else set()
        for name in names:
            if name not in known:
                self._http.post("/contacts/properties", {"name": name, "type": "string"})

    def update(self, contact: dict[str, Any]) -> str:
        """Tell Loops of a contact, new or known; answers its id there. Raises ConnectorError."""
        answer = _object(self._http.put("/contacts/update", contact))
        if answer.get("success") is not True or not answer.get("id"):
            raise ConnectorError("invalid_response", "Loops did not say that it took the contact")
        return str(answer["id"])[:200]

    def close(self) -> None:
        self._http.close()

    def _heed_quota(self, answer: Answer) -> None:
        """Slow down to the quota that an answer tells of, and wait when it is used up."""
        limit = _number(answer.headers, "x-ratelimit-limit")
        if limit:
            self._pace.slow_to(limit * SHARE_OF_QUOTA)
        if _number(answer.headers, "x-ratelimit-remaining") == 0:
            self._pace.hold(QUOTA_WINDOW)


def team_name(settings: Settings) -> str:
    """Ask Loops whether the key works: the name of its team. Raises ConnectorError."""
    client = LoopsClient(settings)
    try:
        return client.team_name()
    finally:
        client.close()


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isdecimal() else None


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ConnectorError("invalid_response", "Loops sent something else than an object")
    return found
