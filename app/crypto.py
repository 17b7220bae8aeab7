"""Encryption of stored secrets, and the installation's secret key.

Secrets are Fernet tokens (AES-128-CBC with HMAC-SHA256) under a key derived from SECRET_KEY. Whoever
holds a copy of the database alone reads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from flask import current_app

from config.settings import Settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


class SecretUnreadable(Exception):
    """A stored secret was made with another SECRET_KEY."""


def encrypt(text: str) -> bytes:
    return _fernet().encrypt(text.encode())


def decrypt(blob: bytes) -> str:
    """The text of a stored secret. Raises SecretUnreadable."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet().decrypt(bytes(blob)).decode()
    except InvalidToken:
        raise SecretUnreadable(
            "a stored secret cannot be read with this SECRET_KEY: store it again"
        ) from None


def installation_key(settings: Settings) -> str:
    """SECRET_KEY, or one made once and kept in the home folder."""
    if settings.secret_key:
        return settings.secret_key
    return kept_secret(settings.home / "secret.key", lambda: secrets.token_urlsafe(48))


def kept_secret(path: Path, make: object) -> str:
    """The text of a private file, written once; two processes that start together agree on it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    assert callable(make)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(make() + "\n")
    try:
        # A hard link fails when the file is there already: the first writer wins, whole.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def _fernet() -> Fernet:
    # Imported at first use: seven megabytes that a web process seldom needs.
    from cryptography.fernet import Fernet

    digest = hashlib.sha256(
        b"lightpost stored secrets\x00" + str(current_app.config["SECRET_KEY"]).encode()
    ).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
