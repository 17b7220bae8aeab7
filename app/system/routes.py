"""Liveness, readiness and metrics: what machines ask."""

from __future__ import annotations

import hmac
from typing import Any

from flask import Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST

from app.system import service
from app.web.errors import ApiError
from app.web.operation import PUBLIC
from app.web.routing import Api

api = Api("system")


@api.get("/health", permission=PUBLIC)
def health() -> dict[str, Any]:
    """This process answers. Touches nothing else."""
    return {"service": "server"}


@api.get("/health/ready", permission=PUBLIC, errors=("unavailable",))
def ready() -> tuple[dict[str, Any], int]:
    """Whether the database, its migrations and the queue of jobs are fit for work."""
    checks = service.readiness()
    fit = all(check["ok"] for check in checks.values())
    if not fit:
        raise ApiError(503, "unavailable", "Not ready: see details.", checks)
    return {"status": "ready", "checks": checks}, 200


@api.get("/metrics", permission=PUBLIC)
def metrics() -> Response:
    """Metrics of all processes in the Prometheus text format."""
    token = current_app.config["SETTINGS"].metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token and not hmac.compare_digest(given.encode(), token.encode()):
        raise ApiError(401, "unauthorized", "Send the metrics token as a bearer token.")
    return Response(service.metrics_text(), content_type=CONTENT_TYPE_LATEST)
