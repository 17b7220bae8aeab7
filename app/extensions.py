"""Flask extensions, made once here and bound to the application in its factory."""

from __future__ import annotations

from flask import Flask, g
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics

from app.web.access import Identity

csrf = CSRFProtect()
login_manager = LoginManager()
# Sessions are rows that can be revoked; the extension's own address check would only lose people
# whose phone changes networks.
login_manager.session_protection = None


@login_manager.user_loader
def load_user(user_id: str) -> Identity | None:
    """The caller that `authenticate` found: `flask_login.current_user` costs no second query."""
    caller: Identity | None = g.get("identity")
    return caller if caller and caller.get_id() == user_id else None


def measure_requests(app: Flask) -> None:
    """Durations of every route by template, method and status, in the exporter's usual names.

    Each application has a registry of its own, so that several can live in one process.
    """
    app.extensions["prometheus"] = PrometheusMetrics(
        app, path=None, group_by="url_rule", registry=CollectorRegistry()
    )
