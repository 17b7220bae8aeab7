"""Headers that every answer carries: security, CORS, request id, limits."""

from __future__ import annotations

from flask import Response, g, request

from app.web import limits
from config.settings import Settings

SECURITY = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; font-src 'self'; connect-src 'self'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    ),
}
HSTS = "max-age=63072000; includeSubDomains"
EXPOSED = "x-request-id, retry-after, x-ratelimit-limit, x-ratelimit-remaining"


def add_to(response: Response, settings: Settings) -> Response:
    """All of them, on errors and event streams too."""
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    if settings.is_production:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    response.headers["x-request-id"] = g.get("request_id", "")
    for name, value in limits.headers().items():
        response.headers.setdefault(name, value)
    _add_cors(response, settings)
    return response


def _add_cors(response: Response, settings: Settings) -> None:
    """Only a listed origin is echoed; everybody else sees no CORS header at all."""
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin is None or origin not in settings.cors_origin:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST"
        response.headers["Access-Control-Allow-Headers"] = (
            "content-type, x-csrf-token, x-request-id, x-idempotency-key, last-event-id"
        )
        response.headers["Access-Control-Max-Age"] = "600"
