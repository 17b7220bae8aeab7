"""The calls that Attio's REST API (v2) takes.

Records and list entries are asked for with a POST that changes nothing: limit and offset in the body, no
cursor, no "changed since". A page shorter than its limit is the last one. Notes come at most 50 at
a time, everything else at most 500.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from app.connectors.breaker import Breaker
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.connectors.http import HttpClient
from config.settings import Settings

RECORDS_PER_CALL = 500
NOTES_PER_CALL = 50
# New records join at the end, so that a reading by offsets is not shifted by them.
OLDEST_FIRST = [{"attribute": "created_at", "direction": "asc"}]


class AttioClient:
    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        breaker: Breaker | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.http = HttpClient(
            "attio",
            connection.base_url,
            {"Authorization": f"Bearer {connection.token}"},
            settings,
            breaker,
            check,
            guarded=not connection.from_settings,
        )
        self.workspace_id = connection.external_account_id.lower()

    def identify(self) -> dict[str, Any]:
        """Whose token this is. Raises ConnectorError `auth_failed` for one that is no longer active,
        `binding_conflict` for one of another workspace than the connection's."""
        found = self.http.get("/v2/self")
        if not isinstance(found, dict):
            raise _unreadable()
        if found.get("active") is not True:
            raise ConnectorError("auth_failed", "Attio says that the token is not active")
        self.require_workspace(found.get("workspace_id"))
        return found

    def require_workspace(self, workspace_id: Any) -> None:
        """Raise ConnectorError `binding_conflict` for anything of another workspace."""
        if str(workspace_id).lower() != self.workspace_id:
            raise ConnectorError(
                "binding_conflict",
                "the token belongs to another Attio workspace than the connection",
            )

    def records(self, obj: str, limit: int, offset: int) -> list[Any]:
        return self._query(f"/v2/objects/{_part(obj)}/records/query", limit, offset)

    def entries(self, list_slug: str, limit: int, offset: int) -> list[Any]:
        return self._query(f"/v2/lists/{_part(list_slug)}/entries/query", limit, offset)

    def notes(self, limit: int, offset: int) -> list[Any]:
        return _data(self.http.get("/v2/notes", limit=limit, offset=offset))

    def tasks(self, limit: int, offset: int) -> list[Any]:
        return _data(self.http.get("/v2/tasks", limit=limit, offset=offset, sort="created_at:asc"))

    def record(self, obj: str, record_id: str) -> dict[str, Any] | None:
        """One record as it is now; None when there is none. So for the three below."""
        return self._one(f"/v2/objects/{_part(obj)}/records/{_part(record_id)}")

    def entry(self, list_slug: str, entry_id: str) -> dict[str, Any] | None:
        return self._one(f"/v2/lists/{_part(list_slug)}/entries/{_part(entry_id)}")

    def note(self, note_id: str) -> dict[str, Any] | None:
        return self._one(f"/v2/notes/{_part(note_id)}")

    def task(self, task_id: str) -> dict[str, Any] | None:
        return self._one(f"/v2/tasks/{_part(task_id)}")

    def object_slug(self, object_id: str) -> str | None:
        """What an object is called in the workspace; None when it is not enabled. So for a list."""
        return self._slug(f"/v2/objects/{_part(object_id)}")

    def list_slug(self, list_id: str) -> str | None:
        return self._slug(f"/v2/lists/{_part(list_id)}")

    def close(self) -> None:
        self.http.close()

    def _slug(self, path: str) -> str | None:
        found = self._one(path)
        return str(found["api_slug"]) if found and found.get("api_slug") else None

    def _one(self, path: str) -> dict[str, Any] | None:
        try:
            answer = self.http.get(path)
        except ConnectorError as error:
            if error.kind != "not_found":
                raise
            return None
        found = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(found, dict):
            raise _unreadable()
        return found

    def _query(self, path: str, limit: int, offset: int) -> list[Any]:
        return _data(
            self.http.post(path, {"sorts": OLDEST_FIRST, "limit": limit, "offset": offset})
        )


def _part(name: str) -> str:
    """A slug or id as one segment of a path, whatever a person configured."""
    return quote(name, safe="")


def _data(found: Any) -> list[Any]:
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, list):
        raise _unreadable()
    return data


def _unreadable() -> ConnectorError:
    return ConnectorError("invalid_response", "Attio answered something else than it was asked for")
