"""What an Attio workspace has, of each kind that the connection reads, by id."""

from __future__ import annotations

from app.connectors.attio.mapping import external_id
from app.connectors.attio.streams import AttioReader, SweepStream
from app.connectors.census import Census, Patience, Upstream
from app.connectors.errors import ConnectorError

MISSING = frozenset({"not_found", "forbidden"})


def census(reader: AttioReader, patience: Patience) -> Census:
    """A kind that is not there for us is left out, as by the sync. Raises ConnectorError."""
    for kind in reader.kinds:
        try:
            yield _listed(kind, patience)
        except ConnectorError as error:
            if error.kind not in MISSING:
                raise


def _listed(kind: SweepStream, patience: Patience) -> Upstream:
    found = Upstream(kind.name)
    offset = 0
    while True:
        patience()
        records = kind.fetch(kind.size, offset)
        for record in records:
            known = external_id(record)
            if known:
                found.add(known, record.get("created_at"))
        if len(records) < kind.size:
            return found
        offset += len(records)
