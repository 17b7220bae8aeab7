"""Every exception as an answer in the envelope."""

from __future__ import annotations

import psycopg
import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, InternalServerError

from app.db import Unavailable
from app.web.errors import ApiError
from app.web.pipeline import clean_request_id
from app.web.responses import failure

log = structlog.get_logger("app.error")

FRAMEWORK_CODES = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("not_found", "There is no such address."),
    405: ("method_not_allowed", "This address does not take that method."),
    413: ("payload_too_large", "The body is too large."),
    415: ("unsupported_media_type", "Send JSON (content-type: application/json)."),
}


def install(app: Flask) -> None:
    app.register_error_handler(ApiError, _answer)
    app.register_error_handler(HTTPException, _framework_error)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(psycopg.Error, _database_error)
    app.register_error_handler(Exception, _unexpected)


def _answer(error: ApiError) -> Response:
    if "request_id" not in g:
        g.request_id = clean_request_id(request.headers.get("x-request-id"))
    return failure(error)


def _framework_error(error: HTTPException) -> Response:
    if isinstance(error, InternalServerError):
        return _unexpected(error.original_exception or error)
    status = error.code or 500
    code, message = FRAMEWORK_CODES.get(status, ("request_failed", error.name + "."))
    kept = {
        name: value
        for name, value in error.get_headers()
        if name.lower() in ("allow", "retry-after")
    }
    return _answer(ApiError(status, code, message, headers=kept))


def _unavailable(error: Unavailable) -> Response:
    log.warning("database_unavailable", reason=str(error))
    return _answer(
        ApiError(
            503,
            "unavailable",
            "The database cannot be reached just now; try again in a few seconds.",
            headers={"Retry-After": "2"},
        )
    )


def _database_error(error: psycopg.Error) -> Response:
    if isinstance(error, psycopg.errors.QueryCanceled):
        log.warning("statement_timeout")
        return _answer(ApiError(503, "unavailable", "This took too long; try again."))
    if isinstance(error, psycopg.OperationalError):
        return _unavailable(Unavailable(type(error).__name__))
    return _unexpected(error)


def _unexpected(error: BaseException) -> Response:
    log.error("unexpected", error_type=type(error).__name__, exc_info=error)
    return _answer(
        ApiError(500, "internal_error", "Something went wrong on our side; it has been logged.")
    )
