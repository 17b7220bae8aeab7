"""Errors that a client sees: a status, a stable code, a sentence that helps."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """Raised anywhere below a route; answered in the envelope.

    `code` is short snake_case, for programs (the UI shows it too); `message` is for people;
    `details` is any JSON, present in the answer only when given.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Any = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = headers or {}


def invalid(message: str, path: str = "", code: str = "invalid") -> ApiError:
    """400 for one field that cannot be used."""
    return ApiError(
        400, "validation_error", message, [{"path": path, "message": message, "code": code}]
    )


def not_found(code: str, what: str) -> ApiError:
    return ApiError(404, code, f"{what} was not found.")
