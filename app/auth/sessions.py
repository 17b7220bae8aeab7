"""Sessions as rows, behind Flask's own interface.

The cookie holds 32 random bytes; the table holds their SHA-256. Flask hands a `TokenSession` to every
request without touching the database; `authenticate` reads the row where a route needs a caller, in
one statement. flask-login and flask-wtf see an ordinary session.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from flask import Flask, Request, Response, g, session
from flask.sessions import SessionInterface, SessionMixin

from app.db import db, statements
from app.web.access import Identity
from config.settings import Settings

sql = statements("auth")
TOKEN = re.compile(r"^[0-9a-f]{64}$")


class TokenSession(dict[str, Any], SessionMixin):
    """What Flask calls the session: the cookie's token, and what must be sent back."""

    def __init__(self, token: str | None) -> None:
        super().__init__()
        self.token = token
        self.cookie: str | None = None  # a token to set, or "" to clear

    @property
    def token_hash(self) -> bytes | None:
        return hash_token(self.token) if self.token else None


class TokenSessionInterface(SessionInterface):
    """Reads the cookie, and writes it after login and logout. Rows are written by the services."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def open_session(self, app: Flask, request: Request) -> TokenSession:
        token = request.cookies.get(self.settings.session_cookie_name, "")
        return TokenSession(token if TOKEN.match(token) else None)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        assert isinstance(session, TokenSession)
        if session.cookie is None:
            return
        names = self.settings.session_cookie_name, self.settings.csrf_cookie_name
        if not session.cookie:
            for name in names:
                response.delete_cookie(name, path="/", samesite="Lax")
            return
        for name, value in zip(names, (session.cookie, g.get("csrf_token", "")), strict=True):
            response.set_cookie(
                name,
                value,
                max_age=self.settings.session_idle_days * 86_400,
                path="/",
                httponly=name == self.settings.session_cookie_name,
                samesite="Lax",
                secure=self.settings.is_production,
            )


def hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    return secrets.token_hex(32)


def current() -> TokenSession:
    assert isinstance(session, TokenSession) or hasattr(session, "token")
    return session  # type: ignore[return-value]


def authenticate(settings: Settings) -> Identity | None:
    """The caller of this request, from its cookie; None when there is no living session.

    A session counts as seen at most twice a minute, so that reading does not mean writing.
    """
    token_hash = current().token_hash
    if token_hash is None:
        return None
    with db.connection() as connection:
        row = sql.load_session(
            connection, token_hash=token_hash, idle_days=settings.session_idle_days
        )
        if row is None:
            return None
        if row["stale"]:
            sql.touch_session(connection, token_hash=token_hash)
    return adopt(row)


def adopt(row: dict[str, Any]) -> Identity:
    """Make a session row the caller of this request, for our code and for the extensions."""
    caller = Identity(
        user_id=row["user_id"],
        username=row["username"],
        role=row["role"],
        session_hash=bytes(row["token_hash"]),
        session_created_at=row["created_at"],
        session_last_seen_at=row["last_seen_at"],
        csrf_secret=row["csrf_secret"],
        project_id=row["project_id"],
        account_scope_id=row["account_scope_id"],
    )
    current().update(_user_id=str(caller.user_id), _fresh=True, csrf_token=caller.csrf_secret)
    g.identity = caller
    return caller
