"""What can go wrong with a vendor, in the kinds that decide what happens next."""

from __future__ import annotations

# Waiting does not help: somebody has to change something.
PERMANENT = frozenset(
    {"config_missing", "binding_conflict", "auth_failed", "forbidden", "schema_mismatch"}
)
# One part of a run that did not come off, while all the rest did.
SOFT = frozenset({"stream_unavailable", "sweep_guard"})
# Held back until a person says so.
HELD = frozenset({"sweep_guard"})
# The vendor is away or overloaded: worth another try within the same call.
TRANSIENT = frozenset({"timeout", "network", "upstream_5xx", "invalid_response"})
# The vendor's trouble and none of ours: tried again at growing pauses for as long as an outage may last.
PASSING = TRANSIENT | {"rate_limited", "circuit_open"}
# The vendor was not asked, asked us to wait, or has nothing of the kind: no failed attempt.
NO_ATTEMPT = frozenset({"rate_limited", "circuit_open", "stream_unavailable"})
# What lasts longer is no outage any more: somebody should look.
LONGEST_OUTAGE = 3 * 86_400.0  # seconds


def patience(kind: str) -> float | None:
    """For how many seconds failures of this kind are nobody's task; None for none."""
    return LONGEST_OUTAGE if kind in PASSING else None


class ConnectorError(Exception):
    """A call or a stream that failed. The message never holds tokens, texts or full addresses."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        http_status: int | None = None,
        retry_after: float | None = None,
        vendor_request_id: str | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.http_status = http_status
        self.retry_after = retry_after  # seconds
        self.vendor_request_id = vendor_request_id
        self.excerpt = excerpt

    @property
    def permanent(self) -> bool:
        """Whether only a person can mend it: a dead letter at once."""
        return self.kind in PERMANENT

    @property
    def soft(self) -> bool:
        """Whether the connection as such is well."""
        return self.kind in SOFT

    def details(self) -> dict[str, object]:
        """What is kept with the error's row."""
        found = {
            "http_status": self.http_status,
            "retry_after": self.retry_after,
            "vendor_request_id": self.vendor_request_id,
            "excerpt": self.excerpt,
        }
        return {name: value for name, value in found.items() if value is not None}
