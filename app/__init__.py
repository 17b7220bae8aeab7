"""Lightpost: the application factory, to be read as a table of contents."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import crypto
from app.auth.routes import api as auth_api
from app.auth.sessions import TokenSessionInterface, authenticate
from app.cli import install as install_commands
from app.connectors.loops.routes import api as loops_api
from app.connectors.reconciliation.routes import api as reconciliation_api
from app.connectors.routes import api as connectors_api
from app.connectors.sync_routes import api as connector_syncs_api
from app.connectors.webhooks.routes import api as webhooks_api
from app.contacts.routes import api as contacts_api
from app.db import db
from app.events.routes import api as events_api
from app.evidence.routes import api as evidence_api
from app.extensions import csrf, login_manager, measure_requests
from app.projects.routes import api as projects_api
from app.rag.routes import api as rag_api
from app.scheduler import queue
from app.scheduler.routes import api as scheduler_api
from app.search.routes import api as search_api
from app.system.routes import api as system_api
from app.web import failures, pipeline, routing
from app.web.openapi import api as openapi_api
from app.web.proxy import TrustedProxies, VersionAlias
from config import logs
from config.settings import Settings, load

BLUEPRINTS = (
    system_api,
    auth_api,
    projects_api,
    connectors_api,
    webhooks_api,
    connector_syncs_api,
    reconciliation_api,
    loops_api,
    rag_api,
    search_api,
    contacts_api,
    evidence_api,
    scheduler_api,
    events_api,
    openapi_api,
)


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Raises SettingsError, or DeclarationError for a route without a permission."""
    settings = settings or load()
    logs.configure(settings)
    app = Flask("lightpost", static_folder=None)
    _configure(app, settings)
    db.bind(settings)
    queue.bind(settings)
    app.session_interface = TokenSessionInterface(settings)
    csrf.init_app(app)
    login_manager.init_app(app)
    measure_requests(app)
    pipeline.install(app, authenticate)
    failures.install(app)
    for api in BLUEPRINTS:
        app.register_blueprint(api)
    install_commands(app)
    routing.verify(app)
    app.wsgi_app = VersionAlias(_behind_proxies(app.wsgi_app, settings))  # type: ignore[method-assign]
    return app


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=crypto.installation_key(settings),
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        WTF_CSRF_CHECK_DEFAULT=False,  # the pipeline checks, in its own order
        WTF_CSRF_HEADERS=["x-csrf-token"],
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session
        WTF_CSRF_SSL_STRICT=False,  # behind the UI's proxy the Referer names another host
    )


def _behind_proxies(wsgi: Any, settings: Settings) -> Any:
    """Believe X-Forwarded-* from the proxies that settings name, and from nobody else."""
    if not settings.trust_proxy:
        return wsgi
    trusting = ProxyFix(wsgi, x_for=1, x_proto=1, x_host=1)
    if settings.trust_proxy.lower() in ("true", "1", "yes", "on"):
        return trusting
    return TrustedProxies(direct=wsgi, trusting=trusting, networks=settings.trust_proxy)
