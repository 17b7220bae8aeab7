"""Signing in and out, and what is switched off."""

from __future__ import annotations

from typing import Any

from flask import current_app, g, request
from marshmallow import Schema, fields, validate

from app.auth import service, sessions
from app.web.access import identity
from app.web.errors import ApiError
from app.web.inputs import Input, Text
from app.web.limits import client_ip
from app.web.operation import PUBLIC
from app.web.routing import Api

api = Api("auth")


class Credentials(Input):
    username = Text(required=True, validate=validate.Length(1, 200))
    password = fields.String(required=True, validate=validate.Length(1, 1000))


class SignedIn(Schema):
    username = fields.String()
    user_id = fields.UUID()
    role = fields.String()
    active_project_id = fields.UUID(allow_none=True)
    csrf_cookie_name = fields.String()
    csrf_token = fields.String()


class Me(SignedIn):
    authenticated = fields.Boolean()
    account_scope_id = fields.UUID(allow_none=True)
    created_at = fields.DateTime()
    last_seen_at = fields.DateTime()


class SessionList(Schema):
    sessions = fields.List(fields.Dict())


@api.post(
    "/auth/login",
    permission=PUBLIC,
    body=Credentials,
    reply=SignedIn,
    limit="login",
    errors=("invalid_credentials", "login_rate_limited"),
)
def login(body: dict[str, Any]) -> dict[str, Any]:
    """Sign in and receive the session cookie and the CSRF token."""
    settings = current_app.config["SETTINGS"]
    caller = service.log_in(
        body["username"], body["password"], client_ip(), request.user_agent.string, settings
    )
    return {
        "username": caller.username,
        "user_id": caller.user_id,
        "role": caller.role,
        "active_project_id": caller.project_id,
        "csrf_cookie_name": settings.csrf_cookie_name,
        "csrf_token": service.csrf_token(),
    }


@api.post("/auth/logout", permission=PUBLIC)
def logout() -> dict[str, Any]:
    """Sign out. Without a session it only clears the cookies."""
    service.log_out(g.get("identity"))
    return {}


@api.get("/auth/me", permission=PUBLIC, reply=Me)
def me() -> dict[str, Any]:
    """Who is signed in, if anybody."""
    caller = g.get("identity")
    if caller is None:
        if request.cookies.get(current_app.config["SETTINGS"].session_cookie_name):
            sessions.current().cookie = ""
        return {"authenticated": False}
    return {
        "authenticated": True,
        "username": caller.username,
        "user_id": caller.user_id,
        "role": caller.role,
        "active_project_id": caller.project_id,
        "account_scope_id": caller.account_scope_id,
        "csrf_cookie_name": current_app.config["SETTINGS"].csrf_cookie_name,
        "csrf_token": service.csrf_token(),
        "created_at": caller.session_created_at,
        "last_seen_at": caller.session_last_seen_at,
    }


@api.get("/auth/sessions", permission="session.self", project=False, reply=SessionList)
def list_sessions() -> dict[str, Any]:
    """The caller's own sessions."""
    return {"sessions": service.list_sessions(identity(), current_app.config["SETTINGS"])}


@api.post(
    "/auth/sessions/<key>/revoke",
    permission="session.self",
    project=False,
    errors=("session_not_found",),
)
def revoke_session(key: str) -> dict[str, Any]:
    """End one of the caller's own sessions."""
    service.revoke_session(identity(), key)
    return {"revoked": True}


def _signup_disabled() -> ApiError:
    return ApiError(
        410,
        "signup_disabled",
        "Accounts are made by the owner.",
        {
            "enabled": False,
            "has_telegram_token": False,
            "owner_bound": False,
            "reason": "signup_disabled",
        },
    )


@api.get("/auth/signup/status", permission=PUBLIC, errors=("signup_disabled",))
def signup_status() -> None:
    """Signing up is switched off."""
    raise _signup_disabled()


@api.post("/auth/signup/start", permission=PUBLIC, errors=("signup_disabled",))
def signup_start() -> None:
    """Signing up is switched off."""
    raise _signup_disabled()


@api.post("/auth/signup/confirm", permission=PUBLIC, errors=("signup_disabled",))
def signup_confirm() -> None:
    """Signing up is switched off."""
    raise _signup_disabled()


@api.post("/auth/telegram/webhook", permission=PUBLIC, errors=("telegram_disabled",))
def telegram_webhook() -> None:
    """Signing up through Telegram is switched off."""
    raise ApiError(410, "telegram_disabled", "Signing up through Telegram is switched off.")
