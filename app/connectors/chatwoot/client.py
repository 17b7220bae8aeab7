"""The calls that Chatwoot's REST API takes, as it really answers them.

A list of conversations shows open ones only unless asked for all; its pages have 25 whatever one asks
for. A conversation's messages come 20 at a time from the end, or up to 100 in ascending order after
a given id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.connectors.breaker import Breaker
from app.connectors.connections import Connection
from app.connectors.errors import ConnectorError
from app.connectors.http import HttpClient
from config.settings import Settings

CONVERSATIONS_PER_PAGE = 25
MESSAGES_PER_CALL = 100
CONTACTS_PER_PAGE = 15


class ChatwootClient:
    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        breaker: Breaker | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.http = HttpClient(
            "chatwoot",
            connection.base_url,
            {"api_access_token": connection.token},
            settings,
            breaker,
            check,
            guarded=not connection.from_settings,
        )
        self._account = f"/api/v1/accounts/{connection.external_account_id}"

    def profile(self) -> dict[str, Any]:
        return _object(self.http.get("/api/v1/profile"))

    def account(self) -> dict[str, Any]:
        return _object(self.http.get(self._account))

    def inboxes(self) -> list[Any]:
        return _list(self.http.get(f"{self._account}/inboxes"))

    def agents(self) -> list[Any]:
        return _bare_list(self.http.get(f"{self._account}/agents"))

    def contacts(self, page: int) -> list[Any]:
        """One page of 15, the most recently active first, those without activity last."""
        return _list(
            self.http.get(f"{self._account}/contacts", page=page, sort="-last_activity_at")
        )

    def conversations(self, page: int) -> list[Any]:
        """One page of 25 of every state and assignee, the most recently active first."""
        return _list(self._conversations(page, sort_by="last_activity_at_desc"))

    def _conversations(self, page: int, **asked: Any) -> Any:
        return self.http.get(
            f"{self._account}/conversations",
            status="all",
            assignee_type="all",
            page=page,
            **asked,
        )

    def conversations_by_age(self, page: int) -> list[Any]:
        """The same, the oldest first: nothing that happens meanwhile moves what is still to come,
        except that something is deleted."""
        return _list(self._conversations(page, sort_by="created_at_asc"))

    def conversation_count(self, inboxes: set[int] | None = None) -> int:
        """How many there are, of every state and assignee; of some inboxes or of the account."""
        asked = [{}] if inboxes is None else [{"inbox_id": inbox} for inbox in sorted(inboxes)]
        return sum(_count(self._conversations(1, **only), "all_count") for only in asked)

    def contact_count(self) -> int:
        return _count(self.http.get(f"{self._account}/contacts", page=1), "count")

    def conversation(self, number: int) -> dict[str, Any]:
        return _object(self.http.get(f"{self._account}/conversations/{number}"))

    def contact(self, number: int) -> dict[str, Any]:
        found = _object(self.http.get(f"{self._account}/contacts/{number}"))
        return _object(found.get("payload", found))

    def exists(self, conversation: int) -> bool:
        try:
            self.http.get(f"{self._account}/conversations/{conversation}")
        except ConnectorError as error:
            if error.kind != "not_found":
                raise
            return False
        return True

    def messages_after(self, conversation: int, message_id: int) -> list[Any]:
        """Up to 100 messages with greater ids, in ascending order."""
        return _list(
            self.http.get(
                f"{self._account}/conversations/{conversation}/messages", after=message_id
            )
        )

    def close(self) -> None:
        self.http.close()


def asked(ask: Callable[[int], dict[str, Any]], number: int) -> dict[str, Any] | None:
    """The vendor's answer; None when it has no such thing any more."""
    try:
        return ask(number)
    except ConnectorError as error:
        if error.kind != "not_found":
            raise
        return None


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ConnectorError("invalid_response", "Chatwoot answered something that is no object")
    return found


def _list(found: Any) -> list[Any]:
    """The list in an answer: under `payload`, or under `data` (and `payload` there).

    A bare list is refused: an empty one would pass for the end of everything.
    """
    found = _object(found)
    found = found.get("payload", found.get("data"))
    if isinstance(found, dict):
        found = found.get("payload")
    return _bare_list(found)


def _count(found: Any, name: str) -> int:
    """A number of an answer's `meta`, which stands beside the list or above it."""
    found = _object(found)
    holder = found.get("data") if isinstance(found.get("data"), dict) else found
    meta = holder.get("meta") if isinstance(holder, dict) else None
    counted = meta.get(name) if isinstance(meta, dict) else None
    if not isinstance(counted, int) or counted < 0:
        raise ConnectorError("invalid_response", f"Chatwoot answered without {name}")
    return counted


def _bare_list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise ConnectorError(
            "invalid_response", "Chatwoot answered without the list it was asked for"
        )
    return found
