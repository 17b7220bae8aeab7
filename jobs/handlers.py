"""What each job does: one line each. The functions live in their domains."""

from __future__ import annotations

from app.connectors.loops.service import run_contacts_sync
from app.connectors.reconciliation.service import run_reconciliation
from app.connectors.service import run_error_retry, run_sync_cycle, sync_of
from app.connectors.webhooks.deliveries import run_deliveries
from app.rag.pipeline import run_embeddings
from app.scheduler.context import Handler
from app.search.retention import run_cleanup

HANDLERS: dict[str, Handler] = {
    "chatwoot_sync": sync_of("chatwoot"),
    "linear_sync": sync_of("linear"),
    "attio_sync": sync_of("attio"),
    "connectors_sync_cycle": run_sync_cycle,
    "connector_errors_retry": run_error_retry,
    "connectors_reconciliation_daily": run_reconciliation,
    "webhook_deliveries": run_deliveries,
    "embeddings_run": run_embeddings,
    "loops_contacts_sync": run_contacts_sync,
    "analytics_retention_cleanup": run_cleanup,
}
