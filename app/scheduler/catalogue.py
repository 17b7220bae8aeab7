"""Every type of job: how often it runs and what follows it. Plain data; what a job does stands in
`jobs/handlers.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobType:
    """`cadence_seconds` None means on demand. `cascades` start when a run changed something.
    `also_tells` is a second name under which its end is told, for pages that wait for that one.
    `connector` is the vendor it asks, if it asks one. `suspends`: too many failures in a row end its
    schedule."""

    name: str
    cadence_seconds: int | None
    cascades: tuple[str, ...] = ()
    also_tells: str | None = None
    connector: str | None = None
    suspends: bool = True


def _sync(connector: str) -> JobType:
    """One vendor's sync by hand; pages that wait for the cycle are told of it too."""
    return JobType(
        f"{connector}_sync",
        None,
        cascades=("embeddings_run",),
        also_tells="connectors_sync_cycle",
        connector=connector,
    )


CATALOGUE: dict[str, JobType] = {
    job.name: job
    for job in (
        # Each connector has errors of its own, and one that is mended must not find the cycle asleep.
        JobType("connectors_sync_cycle", 900, cascades=("embeddings_run",), suspends=False),
        JobType("connector_errors_retry", 300, cascades=("embeddings_run",)),
        JobType("connectors_reconciliation_daily", 86_400),
        _sync("chatwoot"),
        _sync("linear"),
        _sync("attio"),
        JobType(
            "webhook_deliveries",
            300,
            cascades=("embeddings_run",),
            also_tells="connectors_sync_cycle",
        ),
        JobType("embeddings_run", 1200),
        JobType("loops_contacts_sync", 3600, connector="loops"),
        JobType("analytics_retention_cleanup", 43_200),
    )
}
