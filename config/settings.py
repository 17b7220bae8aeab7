"""Every setting of the application, typed, in one place.

A setting is a field of `Settings`: its name in the environment is the field's name in capitals, its
type is the annotation, and its help text is what `docs/configuration.md` prints. `load()` reads them
all and reports every mistake at once. Nothing else in the project reads the environment.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints
from zoneinfo import available_timezones

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}


class SettingsError(ValueError):
    """One or more settings cannot be used; the message names each of them."""


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    secret: bool = False,
    group: str | None = None,
) -> Any:
    """A field of `Settings` with its bounds and its documentation."""
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "low": low,
            "high": high,
            "choices": choices,
            "secret": secret,
            "group": group,
        },
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    # --- Process
    app_env: str = setting(
        "development",
        "`production` refuses weak secrets and sends HSTS and Secure cookies.",
        choices=("development", "production", "test"),
        group="Process",
    )
    host: str = setting("0.0.0.0", "Address the web server listens on.")
    port: int = setting(8080, "Port the web server listens on.", low=1, high=65535)
    web_workers: int = setting(2, "Web processes (gunicorn gevent workers).", low=1, high=64)
    worker_threads: int = setting(4, "Job threads in the worker process.", low=1, high=64)
    worker_nice: int = setting(
        10,
        "Steps of `nice` that the worker stands behind the web on the same machine, so that a burst of "
        "jobs slows no request.",
        low=0,
        high=19,
    )
    time_zone: str = setting(
        "Europe/Moscow", "Where days, weeks and months begin: a name of the IANA time zones."
    )
    log_level: str = setting(
        "info", "How much is logged.", choices=("debug", "info", "warning", "error")
    )
    lightpost_home: Path = setting(
        Path("var"), "Folder for everything that embedded defaults keep between starts."
    )
    secret_key: str | None = setting(
        None,
        "Signs CSRF tokens and encrypts stored vendor credentials (32 characters or more). Unset: made "
        "once and kept in the home folder; required in production.",
        secret=True,
    )
    shutdown_timeout_ms: int = setting(
        30_000, "How long a stopping process may finish its work.", low=1000, high=600_000
    )

    # --- Database
    database_url: str | None = setting(
        None,
        "Postgres 16+ with pgvector 0.8+ and pg_trgm. Unset: the embedded server in the home folder.",
        secret=True,
        group="Database",
    )
    listen_database_url: str | None = setting(
        None,
        "Direct address for LISTEN where a pooler stands before the database. Unset: DATABASE_URL.",
        secret=True,
    )
    pg_pool_max: int = setting(10, "Connections per process.", low=2, high=200)
    pg_pool_wait_ms: int = setting(
        5000, "How long a request waits for a free connection before 503.", low=100, high=60_000
    )
    pg_statement_timeout_ms: int = setting(
        30_000, "Longest time for one statement.", low=100, high=600_000
    )
    pg_app_name: str = setting("lightpost", "Name shown in pg_stat_activity.")

    # --- Sign-in
    auth_credentials: str | None = setting(
        None,
        "Owner's `login:password`; the password may be a bcrypt or argon2 hash. `make run` makes one "
        "when nothing is configured.",
        secret=True,
        group="Sign-in",
    )
    auth_username: str | None = setting(None, "Owner's login, with AUTH_PASSWORD.")
    auth_password: str | None = setting(None, "Owner's password, with AUTH_USERNAME.", secret=True)
    session_cookie_name: str = setting(
        "lp_session", "Session cookie; the UI must be told the same name."
    )
    csrf_cookie_name: str = setting("csrf_token", "Cookie that repeats the CSRF token.")
    session_idle_days: int = setting(14, "A session ends after so many idle days.", low=1, high=365)
    session_absolute_days: int = setting(
        90, "A session ends after so many days, used or not.", low=1, high=3650
    )
    login_rate_limit_max_attempts: int = setting(
        10, "Wrong passwords per address and login in the window.", low=3, high=100
    )
    login_rate_limit_window_minutes: int = setting(
        15, "Length of that window, from the first failure.", low=1, high=1440
    )

    # --- HTTP
    cors_origin: tuple[str, ...] = setting(
        ("http://localhost:3000",),
        "Comma-separated origins that may call with credentials.",
        group="HTTP",
    )
    trust_proxy: str = setting(
        "",
        "Which proxies may name the client's address: `true`, empty, or addresses and CIDR ranges.",
    )
    max_body_bytes: int = setting(65_536, "Largest request body.", low=1024, high=16_777_216)
    rate_limit_enabled: bool = setting(True, "Switch for all request limits (off for a bench).")
    rate_limit_anonymous_per_minute: int = setting(
        60, "Requests without a session, per address.", low=1, high=1_000_000
    )
    rate_limit_login_per_minute: int = setting(
        30, "POST /auth/login, per address.", low=1, high=1_000_000
    )
    rate_limit_session_per_minute: int = setting(
        200, "Requests per session.", low=1, high=1_000_000
    )
    rate_limit_query_per_minute: int = setting(
        30, "Search queries per person and route.", low=1, high=1_000_000
    )
    rate_limit_job_per_minute: int = setting(
        10, "Job starts per person and route.", low=1, high=1_000_000
    )

    # --- Jobs
    huey_url: str | None = setting(
        None,
        "Queue of wake-ups: `sqlite:///path` or `redis://host/db`. Unset: SQLite in the home folder.",
        secret=True,
        group="Jobs",
    )
    scheduler_tick_seconds: int = setting(
        15, "How often due schedules are looked for.", low=1, high=300
    )
    scheduler_max_concurrent_jobs: int = setting(
        10, "Runs at once, over all projects.", low=1, high=100
    )
    scheduler_max_per_project: int = setting(2, "Runs at once in one project.", low=1, high=100)
    job_lease_seconds: int = setting(
        60, "A run without a heartbeat for so long is taken over.", low=2, high=3600
    )
    job_timeout_seconds: int = setting(600, "Longest run of one job.", low=5, high=1800)
    job_timeout_chatwoot_sync_seconds: int | None = setting(
        None, "The same for chatwoot_sync; unset: as above.", low=5, high=1800
    )
    job_timeout_connectors_sync_cycle_seconds: int | None = setting(
        None, "The same for connectors_sync_cycle; unset: as above.", low=5, high=1800
    )
    job_timeout_connector_errors_retry_seconds: int | None = setting(
        None, "The same for connector_errors_retry; unset: as above.", low=5, high=1800
    )
    job_timeout_webhook_deliveries_seconds: int | None = setting(
        None, "The same for webhook_deliveries; unset: as above.", low=5, high=1800
    )
    job_timeout_embeddings_run_seconds: int | None = setting(
        None, "The same for embeddings_run; unset: as above.", low=5, high=1800
    )
    job_timeout_attio_sync_seconds: int | None = setting(
        None, "The same for attio_sync; unset: as above.", low=5, high=1800
    )
    job_timeout_linear_sync_seconds: int | None = setting(
        None, "The same for linear_sync; unset: as above.", low=5, high=1800
    )
    job_timeout_connectors_reconciliation_daily_seconds: int | None = setting(
        None, "The same for connectors_reconciliation_daily; unset: as above.", low=5, high=1800
    )
    job_timeout_loops_contacts_sync_seconds: int | None = setting(
        None, "The same for loops_contacts_sync; unset: as above.", low=5, high=1800
    )
    job_max_attempts: int = setting(3, "Lost leases before a run is dead.", low=1, high=20)
    job_max_retries: int = setting(
        10, "Failures in a row before a schedule is suspended.", low=1, high=100
    )
    job_retry_backoff_base_seconds: int = setting(
        30, "First delay after a failure.", low=5, high=600
    )
    job_retry_backoff_cap_seconds: int = setting(3600, "Longest delay.", low=60, high=86_400)
    job_wait_seconds: float = setting(
        10.0, "How long a request that starts a job waits for its end before 202.", low=0, high=25
    )
    dead_job_threshold_minutes: int = setting(
        30, "Age without heartbeat at which a run shows as dead.", low=5, high=1440
    )

    # --- Live events
    sse_max_per_project: int = setting(
        200, "Streams per project.", low=1, high=100_000, group="Live events"
    )
    sse_max_per_process: int = setting(5000, "Streams per web process.", low=1, high=100_000)
    sse_max_per_session: int = setting(10, "Streams per session.", low=1, high=1000)
    sse_heartbeat_seconds: float = setting(15.0, "Pause between heartbeats.", low=0.2, high=20)
    sse_queue_size: int = setting(100, "Events a slow client may fall behind.", low=1, high=10_000)
    events_retention_hours: int = setting(24, "How long events can be replayed.", low=1, high=720)

    # --- Chatwoot
    chatwoot_base_url: str | None = setting(
        None, "Address of the Chatwoot server.", group="Chatwoot"
    )
    chatwoot_api_token: str | None = setting(None, "Token of an administrator.", secret=True)
    chatwoot_account_id: str | None = setting(
        None, "Account bound to the first project that syncs."
    )
    chatwoot_pages_limit: int = setting(200, "Pages of conversations per run.", low=1, high=10_000)
    chatwoot_conversations_limit: int = setting(
        5000, "Conversations read per run; the rest follow in the next.", low=1, high=1_000_000
    )
    chatwoot_concurrency: int = setting(4, "Parallel calls per connection.", low=1, high=16)

    # --- Linear
    linear_base_url: str = setting(
        "https://api.linear.app/graphql", "Address of Linear's API.", group="Linear"
    )
    linear_api_token: str | None = setting(
        None, "A personal key (lin_api_…) or an OAuth token.", secret=True
    )
    linear_workspace_id: str | None = setting(
        None, "Id of the workspace that the token belongs to."
    )
    linear_sync_limit: int = setting(100, "Issues on a page.", low=1, high=250)
    linear_sync_max_pages: int = setting(500, "Pages of each stream per run.", low=1, high=10_000)
    linear_overlap_seconds: int = setting(
        120, "How far each run reads back over its cursor.", low=0, high=86_400
    )

    # --- Attio
    attio_base_url: str = setting("https://api.attio.com", "Address of Attio's API.", group="Attio")
    attio_api_token: str | None = setting(None, "Token of the workspace.", secret=True)
    attio_workspace_id: str | None = setting(None, "Id of the workspace that the token belongs to.")
    attio_sync_limit: int = setting(
        200, "Records on a page; Attio gives at most 500, and 50 notes.", low=1, high=1000
    )
    attio_sync_max_pages: int = setting(50, "Pages of each stream per run.", low=1, high=500)
    attio_sweep_seconds: int = setting(
        0,
        "Pause between two complete readings of a workspace, which cannot be asked for changes; 0: with "
        "every sync.",
        low=0,
        high=604_800,
    )

    # --- Loops
    loops_secret_key: str | None = setting(
        None,
        "API key of the Loops team. Unset: contacts are not pushed.",
        secret=True,
        group="Loops",
    )
    loops_api_base_url: str = setting("https://app.loops.so/api/v1", "Address of Loops' API.")
    loops_requests_per_second: float = setting(
        8.0, "Calls a second; Loops allows a team 10.", low=0.1, high=100
    )
    loops_contacts_limit: int = setting(
        5000, "Contacts pushed by one scheduled run; the rest follow.", low=1, high=5000
    )
    loops_run_seconds: int = setting(240, "Time budget of one push.", low=5, high=1700)
    loops_internal_domains: tuple[str, ...] = setting(
        (),
        "Comma-separated domains of the team's own addresses, which are not pushed. Addresses of users "
        "and of Chatwoot agents never are.",
    )
    loops_project_ids_property: str = setting(
        "projectIds", "Custom property that holds the ids of a contact's projects."
    )
    loops_project_names_property: str = setting(
        "projectNames", "Custom property that holds their names."
    )

    # --- Connectors
    connector_overlap_seconds: int = setting(
        300, "How far each run reads back over its cursor.", low=0, high=86_400, group="Connectors"
    )
    connector_run_seconds: int = setting(240, "Time budget of one run.", low=5, high=1700)
    connector_max_retries: int = setting(5, "Attempts before a dead letter.", low=1, high=20)
    connector_reconciliation_min_completeness_pct: float = setting(
        95.0,
        "Share of what a vendor has that must be here; less is told once in the audit log and as a live "
        "event, and once when it is well again.",
        low=0,
        high=100,
    )
    connector_retry_base_seconds: int = setting(30, "First delay after an error.", low=5, high=300)
    connector_connect_timeout_seconds: float = setting(
        5.0, "Connecting to a vendor.", low=0.1, high=60
    )
    connector_read_timeout_seconds: float = setting(
        20.0, "Silence within an answer.", low=0.1, high=120
    )
    connector_total_timeout_seconds: float = setting(30.0, "One whole call.", low=0.1, high=300)
    connector_max_response_bytes: int = setting(
        20_971_520, "Largest answer of a vendor.", low=1024, high=1_073_741_824
    )
    connector_http_retries: int = setting(
        2, "Repeats of a failed call within a run.", low=0, high=10
    )
    connector_requests_per_second: float = setting(
        40.0, "Calls per connection and second.", low=0.1, high=10_000
    )
    connector_burst: int = setting(
        600, "Calls that may come faster than that at the beginning of a run.", low=1, high=100_000
    )
    connector_breaker_failures: int = setting(
        5, "Failures in a row that open the breaker.", low=1, high=100
    )
    connector_breaker_seconds: float = setting(30.0, "How long it stays open.", low=0.1, high=3600)
    connector_private_hosts: tuple[str, ...] = setting(
        (),
        "Hosts and ranges in private networks that connections may call; outside production loopback "
        "is always allowed.",
    )

    # --- Webhooks
    webhook_max_body_bytes: int = setting(
        1_048_576, "Largest delivery.", low=1024, high=16_777_216, group="Webhooks"
    )
    webhook_rate_per_second: float = setting(
        50.0, "Deliveries per connection and second.", low=0.1, high=100_000
    )
    webhook_burst: int = setting(
        200, "Deliveries that may come faster than that.", low=1, high=1_000_000
    )
    webhook_debounce_seconds: float = setting(
        2.0, "Deliveries of one object within this time are applied together.", low=0, high=60
    )
    webhook_concurrency: int = setting(
        4, "Objects of a project that are read from its vendors at once.", low=1, high=16
    )
    webhook_max_attempts: int = setting(
        8, "Attempts to apply a delivery before it is a dead letter.", low=1, high=50
    )
    webhook_healthy_seconds: int = setting(
        3600,
        "Webhooks are healthy while a delivery was applied within this time and none is left behind.",
        low=60,
        high=86_400,
    )
    webhook_poll_seconds: int = setting(
        3600,
        "Longest pause between two polls of a connector with healthy webhooks; 0: polled as often as "
        "without them.",
        low=0,
        high=86_400,
    )

    # --- Embeddings and search
    embedding_provider: str = setting(
        "local",
        "`local`: the encoder that ships with the application. `openai`: any OpenAI-compatible server.",
        choices=("local", "openai"),
        group="Embeddings and search",
    )
    openai_api_key: str | None = setting(None, "Key of the embeddings server.", secret=True)
    openai_base_url: str = setting("https://api.openai.com/v1", "Its address.")
    openai_timeout_ms: int = setting(20_000, "Per attempt.", low=1000, high=120_000)
    openai_embed_max_inputs: int = setting(100, "Texts per call.", low=1, high=2048)
    embedding_model: str = setting(
        "text-embedding-3-small", "Model name at the OpenAI-compatible server."
    )
    embedding_dim: int = setting(1536, "Its dimensions.", low=8, high=4000)
    embed_batch_size: int = setting(128, "Chunks claimed at once.", low=1, high=1000)
    embed_concurrency: int = setting(2, "Provider calls in flight.", low=1, high=16)
    embed_max_attempts: int = setting(5, "Attempts before a chunk has failed.", low=1, high=20)
    embed_lease_seconds: int = setting(
        120, "How long a claimed chunk is reserved.", low=5, high=3600
    )
    embed_run_seconds: int = setting(240, "Time budget of one run.", low=5, high=1700)
    embed_tokens_per_day: int = setting(
        5_000_000, "Token budget of a project and day (paid providers).", low=1000, high=10**12
    )
    chunk_size: int = setting(600, "Target length of a chunk, in characters.", low=200, high=4000)
    chunk_overlap: int = setting(80, "Characters repeated between neighbours.", low=0, high=1000)
    min_embed_chars: int = setting(
        30, "Shorter messages are only embedded in a window.", low=1, high=2000
    )
    search_hnsw_ef_search: int = setting(80, "Width of the vector index scan.", low=10, high=1000)
    search_exact_below: int = setting(
        5_000, "Projects with fewer chunks are scanned exactly.", low=0, high=10_000_000
    )
    search_deadline_ms: int = setting(8000, "Longest time for one query.", low=200, high=30_000)
    search_leg_timeout_ms: int = setting(
        1500, "Longest time for one leg of it.", low=50, high=30_000
    )
    search_min_relevance: float = setting(
        0.3, "Relevance under which a hit is no evidence.", low=0, high=1
    )
    search_min_confidence: float = setting(
        0.5, "Confidence under which a question is told that there is not enough.", low=0, high=1
    )
    search_towards_answers: bool = setting(
        True,
        "Turn the local encoder's vector of a question towards where answers to such questions lie.",
    )
    search_weight_words: float = setting(
        0.44,
        "Weight of the question's words that a source has, beside its similarity.",
        low=0,
        high=5,
    )
    search_weight_talk: float = setting(
        0.39,
        "Weight of the question's words that a source or the rest of its conversation has.",
        low=0,
        high=2,
    )
    search_weight_unknown_word: float = setting(
        0.5, "Weight of a word that nobody wrote, beside one that somebody did.", low=0, high=1
    )
    search_weight_reply: float = setting(
        0.57, "What a message gains from the one it replies to.", low=0, high=2
    )
    search_weight_document: float = setting(
        0.27,
        "What a note or an issue gains beside a message; other documents gain half.",
        low=0,
        high=1,
    )
    search_weight_length: float = setting(
        0.05, "What a text of 400 characters and more gains over a line.", low=0, high=1
    )
    search_weight_kind: float = setting(
        0.15,
        "Gained with a sign of what is asked for: a date, an amount, a reason.",
        low=0,
        high=1,
    )
    search_weight_asking: float = setting(
        0.57, "Lost by a message that consists of questions.", low=0, high=2
    )
    search_weight_semantic: float = setting(0.96, "Weight of relevance.", low=0, high=1)
    search_weight_recency: float = setting(0.02, "Weight of recency.", low=0, high=1)
    search_weight_authority: float = setting(0.02, "Weight of the kind of source.", low=0, high=1)
    search_recency_half_life_days: float = setting(
        7.0, "Age at which recency halves.", low=0.1, high=3650
    )

    # --- Answers
    answer_provider: str = setting(
        "extractive",
        "`extractive`: answers are sentences of the evidence. `openai`: written by a model of any "
        "OpenAI-compatible server, of which only what the evidence bears out is kept. The best passages are "
        "then sent there.",
        choices=("extractive", "openai"),
        group="Answers",
    )
    answer_model: str = setting("gpt-4.1-mini", "Its name at that server.")
    answer_base_url: str = setting("https://api.openai.com/v1", "The server's address.")
    answer_api_key: str | None = setting(None, "Its key, if it asks for one.", secret=True)
    answer_timeout_ms: int = setting(
        4000,
        "Longest wait for a generated answer; then the evidence's own sentences.",
        low=200,
        high=25_000,
    )
    answer_max_tokens: int = setting(500, "Longest generated answer.", low=50, high=4000)
    answer_passages: int = setting(6, "Passages that the model is given.", low=1, high=20)
    answer_redact: bool = setting(
        True, "Leave out e-mail addresses, phone and card numbers of what is sent to the model."
    )

    # --- Search history
    search_analytics_retention_days: int = setting(
        365, "How long search events are kept.", low=7, high=3650, group="Search history"
    )
    lightrag_query_runs_retention_days: int = setting(
        180, "How long questions with their answers are kept.", low=7, high=3650
    )
    embedding_usage_retention_days: int = setting(
        400, "How long the use of the embedding provider is kept.", low=7, high=3650
    )
    analytics_retention_batch_size: int = setting(
        1000, "Rows deleted at once.", low=100, high=20_000
    )
    job_timeout_analytics_retention_cleanup_seconds: int | None = setting(
        None, "Longest run of analytics_retention_cleanup; unset: as other jobs.", low=5, high=1800
    )

    # --- Storage
    storage_budget_gb: float = setting(
        20.0, "Size the database may have.", low=0.001, high=5000, group="Storage"
    )
    storage_alert_threshold_pct: float = setting(85.0, "Share of it that warns.", low=1, high=100)

    # --- Metrics
    metrics_token: str | None = setting(
        None, "Bearer token that /metrics asks for. Unset: open.", secret=True, group="Metrics"
    )

    @property
    def is_production(self) -> bool:
        return self.app_env == "production"

    @property
    def home(self) -> Path:
        return self.lightpost_home.expanduser().resolve()

    @property
    def queue_url(self) -> str:
        return self.huey_url or f"sqlite:///{self.home / 'huey.db'}"

    @property
    def owner_credentials(self) -> tuple[str, str] | None:
        """The owner's (login, password or hash) as configured, else None."""
        if self.auth_credentials:
            login, _, password = self.auth_credentials.partition(":")
            return login.strip(), password
        if self.auth_username and self.auth_password:
            return self.auth_username.strip(), self.auth_password
        return None


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read all settings from the environment; `overrides` win (tests and commands use them).

    Raises SettingsError with one line per mistake.
    """
    environ = os.environ if environ is None else environ
    hints = get_type_hints(Settings)
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for field in dataclasses.fields(Settings):
        name = field.name.upper()
        raw = environ.get(name, "").strip()
        if field.name in overrides:
            values[field.name] = overrides[field.name]
        elif raw:
            try:
                values[field.name] = _parse(raw, hints[field.name], field.metadata)
            except ValueError as error:
                mistakes.append(f"{name} {error}")
    settings = Settings(**values)
    mistakes += _contradictions(settings)
    if mistakes:
        raise SettingsError(
            "These settings cannot be used (see docs/configuration.md):\n"
            + "\n".join(f"  - {mistake}" for mistake in mistakes)
        )
    return settings


def _parse(raw: str, kind: Any, rules: Mapping[str, Any]) -> Any:
    kind = next((k for k in get_args(kind) if type(None) in get_args(kind)), kind)
    if kind is bool:
        if raw.lower() in TRUE_WORDS | FALSE_WORDS:
            return raw.lower() in TRUE_WORDS
        raise ValueError(f"must be yes or no, not {raw!r}")
    if kind in (int, float):
        try:
            number = kind(raw)
        except ValueError:
            raise ValueError(f"must be a number, not {raw!r}") from None
        low, high = rules["low"], rules["high"]
        if not (low is None or low <= number) or not (high is None or number <= high):
            raise ValueError(f"must be from {low:g} to {high:g}, not {raw}")
        return number
    if kind is Path:
        return Path(raw)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    if rules["choices"] and raw.lower() not in rules["choices"]:
        raise ValueError(f"must be one of {', '.join(rules['choices'])}, not {raw!r}")
    return raw.lower() if rules["choices"] else raw


@cache
def _time_zones() -> set[str]:
    """All that the machine knows: 600 files are opened for it. Empty where it has no list of its own."""
    return available_timezones()


def _contradictions(settings: Settings) -> list[str]:
    """Mistakes that only show when settings are seen together."""
    mistakes = []
    zones = _time_zones()
    if zones and settings.time_zone not in zones:
        mistakes.append(f"TIME_ZONE is no time zone: {settings.time_zone!r}")
    owner = settings.owner_credentials
    if settings.auth_credentials and (owner is None or not owner[0] or not owner[1]):
        mistakes.append("AUTH_CREDENTIALS must read login:password")
    if bool(settings.auth_username) != bool(settings.auth_password):
        mistakes.append("AUTH_USERNAME and AUTH_PASSWORD go together")
    if settings.secret_key is not None and len(settings.secret_key) < 32:
        mistakes.append("SECRET_KEY must have 32 characters or more")
    if settings.embedding_provider == "openai" and not settings.openai_api_key:
        mistakes.append("OPENAI_API_KEY is needed when EMBEDDING_PROVIDER is openai")
    if settings.huey_url and not settings.huey_url.startswith(("sqlite:", "redis:", "rediss:")):
        mistakes.append("HUEY_URL must start with sqlite: or redis:")
    if settings.chunk_overlap * 2 > settings.chunk_size:
        mistakes.append("CHUNK_OVERLAP must be at most half of CHUNK_SIZE")
    if settings.is_production:
        mistakes += _production_mistakes(settings, owner)
    return mistakes


def _production_mistakes(settings: Settings, owner: tuple[str, str] | None) -> list[str]:
    mistakes = []
    if not settings.secret_key:
        mistakes.append("SECRET_KEY is required in production")
    if not settings.database_url:
        mistakes.append("DATABASE_URL is required in production")
    if owner and not is_password_hash(owner[1]):
        mistakes.append(
            "AUTH_CREDENTIALS holds a plain password: in production give a hash "
            "(`flask users hash-password` prints one)"
        )
    return mistakes


def is_password_hash(text: str) -> bool:
    """True when a configured password is already a bcrypt or argon2 hash."""
    return text.startswith(("$2a$", "$2b$", "$2y$", "$argon2"))


def documentation() -> str:
    """`docs/configuration.md`: one table a group, generated from the fields above."""
    hints = get_type_hints(Settings)
    lines = [
        "# Configuration",
        "",
        "Every setting is an environment variable; blank means the default. Generated by",
        "`flask config docs --write` from `config/settings.py`; a test holds the two together.",
    ]
    for field in dataclasses.fields(Settings):
        rules = field.metadata
        if rules["group"]:
            lines += [
                "",
                f"## {rules['group']}",
                "",
                "| Variable | Default | What it does |",
                "|---|---|---|",
            ]
        lines.append(f"| `{field.name.upper()}` | {_shown(field, hints)} | {rules['help']} |")
    return "\n".join(lines) + "\n"


def _shown(field: dataclasses.Field[Any], hints: Mapping[str, Any]) -> str:
    default, rules = field.default, field.metadata
    if default is None or default == "" or default == ():
        text = "–"
    elif isinstance(default, bool):
        text = "yes" if default else "no"
    elif isinstance(default, tuple):
        text = "`" + ",".join(default) + "`"
    else:
        text = f"`{default}`"
    if rules["choices"]:
        text += " (" + ", ".join(rules["choices"]) + ")"
    elif rules["low"] is not None:
        text += f" [{rules['low']:g}–{rules['high']:g}]"
    return text
