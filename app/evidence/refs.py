"""References to evidence, as callers name them and as they are kept. Pure functions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from app.web.errors import ApiError

MOST = 50
SNIPPET = 1000
LONGEST_REF = 500
LONGEST_SOURCE = 100
TABLES = {"cwmsg:": "cw_messages", "cw:": "cw_conversations", "cwc:": "cw_contacts"}
CHUNK_ID_LENGTH = 36


@dataclass(frozen=True)
class EvidenceRef:
    """What something was based on: a row of ours, or something outside."""

    source: str
    ref: str
    snippet: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """Where the reference leads; its form tells."""
        for prefix, table in TABLES.items():
            if self.ref.startswith(prefix):
                return table
        return "rag_chunks" if len(self.ref) == CHUNK_ID_LENGTH else "external"

    @property
    def named(self) -> dict[str, Any]:
        """The reference without its words, which the audit log could not forget."""
        return {**asdict(self), "snippet": None}


def normalise(given: Any) -> list[EvidenceRef]:
    """References from strings and objects, each once, the first 50.

    Raises 400 `invalid_evidence_refs` for anything but a list (none is an empty one).
    """
    if given is None:
        return []
    if not isinstance(given, list):
        raise ApiError(400, "invalid_evidence_refs", "Evidence references are a list.")
    found: dict[tuple[str, str], EvidenceRef] = {}
    for item in given:
        ref = _read(item)
        if ref is not None:
            found.setdefault((ref.source, ref.ref), ref)
    return list(found.values())[:MOST]


def _read(item: Any) -> EvidenceRef | None:
    if isinstance(item, str):
        item = {"ref": item}
    if not isinstance(item, dict):
        return None
    ref = _text(item.get("ref") or item.get("source_ref") or item.get("id"), LONGEST_REF)
    if ref is None:
        return None
    source = _text(item.get("source") or item.get("source_type"), LONGEST_SOURCE)
    meta = item.get("meta")
    bare = EvidenceRef("", ref)
    return EvidenceRef(
        source=source.lower() if source else bare.table,
        ref=ref,
        snippet=_text(item.get("snippet"), SNIPPET),
        meta=meta if isinstance(meta, dict) else {},
    )


def _text(value: Any, most: int) -> str | None:
    if value is None or isinstance(value, (dict, list, bool)):
        return None
    return str(value).strip()[:most].strip() or None
