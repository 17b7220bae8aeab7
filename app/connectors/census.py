"""What a vendor has right now, as ids: one side of a reconciliation. Each vendor's folder has a `census`
that lists it, with calls of its own and none of what a sync remembers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.connectors.errors import ConnectorError
from app.connectors.records import moment

# What is younger may be on its way: it is neither missing nor here.
ON_ITS_WAY = timedelta(hours=1)


@dataclass
class Upstream:
    """The records of one kind. `total` alone is known where there are too many to be listed; then
    `listed` is false. `active` holds when each was last active, for kinds that can lag behind; `young`
    is the number of those that are left out."""

    kind: str
    ids: list[Any] = field(default_factory=list)
    active: list[datetime | None] = field(default_factory=list)
    total: int = 0
    listed: bool = True
    young: int = 0

    def add(self, record_id: Any, created: Any = None, active: Any = None) -> None:
        """Count a record, unless it is so young that it may be on its way."""
        born = moment(created)
        if born is not None and datetime.now(UTC) - born < ON_ITS_WAY:
            self.young += 1
            return
        self.ids.append(record_id)
        self.active.append(moment(active))
        self.total += 1

    def without(self, refused: set[Any]) -> Upstream:
        """The same but for these, which must not be here."""
        kept = [(id, at) for id, at in zip(self.ids, self.active, strict=True) if id not in refused]
        gone = len(self.ids) - len(kept)
        return replace(
            self,
            ids=[id for id, _ in kept],
            active=[at for _, at in kept],
            total=self.total - gone,
        )


class Patience:
    """How long a census may go on. Raises ConnectorError when it takes too long: half a list would
    count as deletions."""

    def __init__(self, seconds: float, check: Callable[[], None] = lambda: None) -> None:
        self._deadline = time.monotonic() + seconds
        self._check = check

    def __call__(self) -> None:
        self._check()
        if time.monotonic() > self._deadline:
            raise ConnectorError(
                "census_too_long", "listing everything there is took longer than a run may"
            )


Census = Iterator[Upstream]
