"""Every metric of the application, by its public name.

Values live in files that all processes of one start share (PROMETHEUS_MULTIPROC_DIR, set by
`config/gunicorn.py` and the worker before this module is imported), so that any web process answers
for all of them. The reference names `app_status_2xx` and the like carry no `_total`, which the client
library adds to every counter; they are gauges that only ever grow.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("app_requests", "Requests received")
RESPONSES = Counter("app_responses", "Responses sent")
ERRORS = Counter("app_errors", "Responses with status 500 or above")
STATUS_CLASS = {
    family: Gauge(f"app_status_{family}xx", f"Responses {family}xx", multiprocess_mode="sum")
    for family in (2, 4, 5)
}
QUERY_SECONDS = Histogram(
    "app_query_duration_seconds",
    "Time of one SQL statement, by its name",
    ["query"],
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
SSE_CONNECTIONS = Gauge(
    "app_sse_connections_total", "Open event streams", multiprocess_mode="livesum"
)
SSE_PROJECTS = Gauge(
    "app_sse_projects_subscribed", "Projects with an open stream", multiprocess_mode="livemax"
)
JOB_SECONDS = Histogram(
    "app_job_seconds",
    "Time of one job run",
    ["job_type", "status"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1200),
)
CONNECTOR_REQUESTS = Counter(
    "app_connector_requests", "Calls to vendors", ["connector", "status_class"]
)
CONNECTOR_SECONDS = Histogram(
    "app_connector_request_seconds",
    "Time of one call to a vendor",
    ["connector"],
    buckets=(0.02, 0.1, 0.5, 1, 5, 30),
)
CONNECTOR_RECORDS = Counter(
    "app_connector_records", "Records applied", ["connector", "stream", "op"]
)
WEBHOOK_DELIVERIES = Counter(
    "app_webhook_deliveries", "Webhook deliveries by what became of them", ["connector", "result"]
)
ANSWERS = Counter("app_answers", "Answers to questions, made or remembered", ["source"])
PROVIDER_SECONDS = Histogram(
    "app_embedding_provider_seconds",
    "Time of one call to the paid encoder, by what became of it",
    ["result"],
    buckets=(0.05, 0.2, 0.5, 1, 2.5, 10, 30),
)
PROVIDER_TOKENS = Counter("app_embedding_tokens", "Tokens sent to the paid encoder, estimated")
DEGRADED_ANSWERS = Counter("app_degraded_answers", "Queries answered without a leg", ["leg"])
RETENTION_RUNS = Counter("app_retention_cleanup_runs", "Runs that deleted what is too old")
RETENTION_DELETED = Counter("app_retention_cleanup_deleted_rows", "Rows that they deleted")
RETENTION_WARNINGS = Counter(
    "app_retention_cleanup_saturation_warnings", "Tables of which they left older rows"
)
RETENTION_LAST = Gauge(
    "app_retention_cleanup_last_deleted_rows",
    "Rows that the last run deleted",
    multiprocess_mode="mostrecent",
)
RETENTION_LAG = Gauge(
    "app_retention_cleanup_lag_days",
    "By how much the oldest row is older than it should be",
    ["table"],
    multiprocess_mode="mostrecent",
)
CONNECTOR_QUOTA = Gauge(
    "app_connector_rate_limit_remaining",
    "What a vendor's quota has left, as it told last",
    ["connector", "quota"],
    multiprocess_mode="mostrecent",
)
