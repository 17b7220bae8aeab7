"""What happens to every request before its route and after it, in order.

    request id → control characters → who is asking → limits → CSRF → route → headers, metrics, log line

Who is asking comes before the limits: a signed-in user has a budget of her own, and only anonymous
traffic shares one by address.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from flask import Flask, Response, current_app, g, request
from flask_wtf.csrf import validate_csrf
from wtforms import ValidationError

from app import metrics
from app.web import headers, limits
from app.web.access import Identity
from app.web.errors import ApiError, invalid
from app.web.operation import PUBLIC, Operation
from config.settings import Settings

log = structlog.get_logger("app.request")
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# Answered without a session, without a limit and without the database.
PLAIN_ENDPOINTS = {"system.health", "system.ready", "system.metrics"}
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def install(app: Flask, authenticate: Callable[[Settings], Identity | None]) -> None:
    """Attach the steps to the application. `authenticate` finds the caller, or None."""
    app.before_request(_begin)
    app.before_request(lambda: _identify(authenticate))
    app.before_request(_limit)
    app.before_request(_check_csrf)
    app.after_request(_finish)


def clean_request_id(raw: str | None) -> str:
    """A caller's request id with everything but letters, digits and `._-` removed; else a new one."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]", "", (raw or "")[:64])
    return cleaned or str(uuid.uuid4())


def _begin() -> None:
    g.request_id = clean_request_id(request.headers.get("x-request-id"))
    g.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    metrics.REQUESTS.inc()
    if "\x00" in request.path or any(
        CONTROL_CHARACTER.search(text) for pair in request.args.items(multi=True) for text in pair
    ):
        raise invalid("The address must not contain control characters.", code="control_character")


def _identify(authenticate: Callable[[Settings], Identity | None]) -> Response | None:
    if request.method == "OPTIONS":
        return Response(status=204)
    operation = _operation()
    if request.endpoint in PLAIN_ENDPOINTS or (operation is not None and operation.machine):
        return None
    caller = authenticate(_settings())
    if caller is not None:
        structlog.contextvars.bind_contextvars(
            user_id=str(caller.user_id), project_id=str(caller.project_id or "")
        )
    return None


def _limit() -> None:
    if request.endpoint in PLAIN_ENDPOINTS:
        return
    caller = g.get("identity")
    if caller is not None:
        per_minute = _settings().rate_limit_session_per_minute
        limits.take(f"session:{caller.session_hash.hex()}", per_minute)
        return
    operation = _operation()
    if operation is None or operation.permission != PUBLIC:
        limits.take(f"ip:{limits.client_ip()}", _settings().rate_limit_anonymous_per_minute)
        raise ApiError(401, "unauthorized", "Sign in first.")


def _check_csrf() -> None:
    """A session's changing requests carry its token. Signing in starts a session and needs none."""
    operation = _operation()
    signing_in = operation is not None and operation.path == "/auth/login"
    if g.get("identity") is None or request.method in SAFE_METHODS or signing_in:
        return
    try:
        validate_csrf(request.headers.get("x-csrf-token"))
    except ValidationError as error:
        raise ApiError(
            403, "csrf_invalid", "Send the session's CSRF token in the x-csrf-token header."
        ) from error


def _finish(response: Response) -> Response:
    if "request_id" not in g:  # a request that failed before the first step
        g.request_id = clean_request_id(request.headers.get("x-request-id"))
    settings = _settings()
    headers.add_to(response, settings)
    route = request.url_rule.rule if request.url_rule else "unknown"
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    _count(response)
    if request.endpoint not in PLAIN_ENDPOINTS:
        # The route's template, never the query: it may hold what a client wrote.
        log.info(
            "request",
            method=request.method,
            route=route,
            status=response.status_code,
            ms=round(seconds * 1000, 1),
        )
    return response


def _count(response: Response) -> None:
    metrics.RESPONSES.inc()
    family = metrics.STATUS_CLASS.get(response.status_code // 100)
    if family is not None:
        family.inc()
    if response.status_code >= 500:
        metrics.ERRORS.inc()


def _operation() -> Operation | None:
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "operation", None)


def _settings() -> Settings:
    return limits.settings()
