"""The end of a sweep: what the vendor no longer has is marked as deleted here, unless it is too much
to be believed."""

from __future__ import annotations

from app.connectors.errors import ConnectorError

FEW = 50
SHARE = 0.3


def refuse_too_many(what: str, missing: int, stored: int) -> None:
    """Raise ConnectorError `sweep_guard` when a sweep would remove more than 30 % and 50 rows: a token
    that lost its rights looks just like that."""
    if missing > FEW and missing > SHARE * stored:
        raise ConnectorError(
            "sweep_guard",
            f"{missing} of {stored} {what} are no longer listed; nothing was removed. If they were "
            "deleted on purpose, retry this error by hand",
        )
