"""Signing in and out."""

from __future__ import annotations

import hashlib
import math
import secrets
from typing import Any

from flask_wtf.csrf import generate_csrf

from app.audit import service as audit
from app.auth import passwords, sessions
from app.db import Connection, db, statements
from app.events import service as events
from app.web.access import Identity
from app.web.errors import ApiError
from app.web.offload import offload
from config.settings import Settings, is_password_hash

sql = statements("auth")
limits_sql = statements("limits")


def log_in(username: str, password: str, ip: str, user_agent: str, settings: Settings) -> Identity:
    """Check a password and open a session; the cookie is set with the answer.

    Raises 401 `invalid_credentials` (the same for an unknown login and a wrong password, after the
    same work) and 429 `login_rate_limited`.
    """
    bucket = f"{ip}|{username.lower()}"
    _count_attempt(bucket, settings)
    with db.connection() as connection:
        user = sql.find_user(connection, username=username)
    stored = user["password_hash"] if user else passwords.DUMMY_HASH
    fits = offload(passwords.verify, password, stored)
    if not user or not fits:
        with db.transaction() as tx:
            audit.record(
                tx,
                "auth.login_failed",
                entity_type="session",
                status="failed",
                payload={"ip": ip},
                actor_username=username,
            )
        raise ApiError(401, "invalid_credentials", "The login or the password is wrong.")
    if passwords.needs_rehash(stored):
        with db.connection() as connection:
            sql.update_password_hash(
                connection,
                user_id=user["id"],
                password_hash=offload(passwords.hash_password, password),
            )
    return _open_session(user, bucket, ip, user_agent, settings)


def _count_attempt(bucket: str, settings: Settings) -> None:
    """Count before looking at the password: however many guesses arrive together, no more than the
    limit reach the hash."""
    with db.connection() as connection:
        row = limits_sql.count_login_attempt(
            connection, bucket=bucket, window_minutes=settings.login_rate_limit_window_minutes
        )
    if row["attempts"] > settings.login_rate_limit_max_attempts:
        seconds = max(1, math.ceil(row["seconds_left"]))
        raise ApiError(
            429,
            "login_rate_limited",
            f"Too many wrong passwords: try again in {math.ceil(seconds / 60)} min.",
            headers={"Retry-After": str(seconds)},
        )


def _open_session(
    user: dict[str, Any], bucket: str, ip: str, user_agent: str, settings: Settings
) -> Identity:
    token = sessions.new_token()
    token_hash = sessions.hash_token(token)
    earlier = sessions.current().token_hash
    with db.transaction() as tx:
        sql.create_session(
            tx,
            token_hash=token_hash,
            user_id=user["id"],
            csrf_secret=secrets.token_hex(24),
            ip=ip,
            user_agent=user_agent,
            absolute_days=settings.session_absolute_days,
        )
        if earlier:
            end_session(tx, earlier)
        limits_sql.forget_login_attempts(tx, bucket=bucket)
        audit.record(
            tx,
            "auth.login",
            entity_type="session",
            entity_id=short_id(token_hash),
            payload={"ip": ip, "role": user["role"]},
            actor_username=user["username"],
            actor_user_id=user["id"],
        )
        row = sql.load_session(tx, token_hash=token_hash, idle_days=settings.session_idle_days)
    here = sessions.current()
    here.token = here.cookie = token
    return sessions.adopt(row)


def log_out(caller: Identity | None) -> None:
    """End the session if there is one, and clear the cookies in any case."""
    sessions.current().cookie = ""
    if caller is None:
        return
    with db.transaction() as tx:
        end_session(tx, caller.session_hash)
        audit.record(
            tx, "auth.logout", entity_type="session", entity_id=short_id(caller.session_hash)
        )


def end_session(tx: Connection, token_hash: bytes) -> None:
    """Revoke a session and close its live streams."""
    sql.revoke_session(tx, token_hash=token_hash)
    events.session_ended(tx, token_hash)


def list_sessions(caller: Identity, settings: Settings) -> list[dict[str, Any]]:
    """The caller's living sessions, most recently used first."""
    with db.connection() as connection:
        rows = sql.list_sessions(
            connection, user_id=caller.user_id, idle_days=settings.session_idle_days
        )
    return [{"current": bytes(row.pop("token_hash")) == caller.session_hash, **row} for row in rows]


def revoke_session(caller: Identity, session_id: str) -> None:
    """End one of the caller's own sessions. Raises 404 `session_not_found`."""
    with db.transaction() as tx:
        row = sql.revoke_session_of_user(tx, user_id=caller.user_id, short_id=session_id)
        if row is None:
            raise ApiError(404, "session_not_found", "You have no such session.")
        events.session_ended(tx, bytes(row["token_hash"]))
        audit.record(tx, "session.revoke", entity_type="session", entity_id=session_id)


def csrf_token() -> str:
    """The token the UI must send back, signed by flask-wtf from the session's secret."""
    return str(generate_csrf())


def short_id(token_hash: bytes) -> str:
    """How audit and session lists name a session: enough to tell it, not enough to use it."""
    return token_hash.hex()[:16]


def seed_owner(settings: Settings) -> str | None:
    """Make (or update) the owner that the settings name; answers the login, None without settings.

    A changed password ends the owner's sessions.
    """
    credentials = settings.owner_credentials
    if credentials is None:
        return None
    login, secret = credentials
    with db.transaction() as tx:
        known = sql.find_user(tx, username=login)
        if known and _unchanged(tx, secret, known["password_hash"]):
            return login
        stored = secret if is_password_hash(secret) else passwords.hash_password(secret)
        changed = sql.seed_owner(tx, username=login, password_hash=stored)
        sql.remember_configured_secret(tx, fingerprint=_fingerprint(secret))
        if known and changed:
            end_sessions_of_user(tx, known["id"])
    return login


def _unchanged(tx: Connection, secret: str, stored: str) -> bool:
    """Whether the settings still say what they said. A configured hash is compared by fingerprint,
    because the stored one is renewed at login."""
    if is_password_hash(secret):
        return bool(sql.configured_secret(tx) == _fingerprint(secret))
    return passwords.verify(secret, stored)


def _fingerprint(secret: str) -> str | None:
    """Only of hashes: a digest of a plain password would be a gift."""
    return hashlib.sha256(secret.encode()).hexdigest() if is_password_hash(secret) else None


def end_sessions_of_user(tx: Connection, user_id: Any, keep: bytes = b"") -> None:
    """Revoke all sessions of a user but one: after a change of password, role or access."""
    for row in sql.revoke_sessions_of_user(tx, user_id=user_id, except_hash=keep):
        events.session_ended(tx, bytes(row["token_hash"]))
