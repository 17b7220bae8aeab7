"""Password hashes: Argon2id for our own, bcrypt accepted where settings bring one."""

from __future__ import annotations

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

# OWASP's second recommended setting: 19 MiB and two passes, some 25 ms on a small machine.
_argon2 = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# Checked when the user does not exist, so that a login costs the same whether it does or not.
DUMMY_HASH = _argon2.hash("nobody has this password")


def hash_password(password: str) -> str:
    return _argon2.hash(password)


def verify(password: str, stored: str) -> bool:
    """True when the password fits the stored hash."""
    if stored.startswith("$2"):
        return _fits_bcrypt(password, stored)
    try:
        return _argon2.verify(stored, password)
    except (Argon2Error, InvalidHashError):
        return False


def needs_rehash(stored: str) -> bool:
    return stored.startswith("$2") or _argon2.check_needs_rehash(stored)


def _fits_bcrypt(password: str, stored: str) -> bool:
    secret = password.encode()
    if len(secret) > 72:  # bcrypt would silently compare the first 72 bytes only
        return False
    try:
        return bcrypt.checkpw(secret, stored.encode())
    except ValueError:
        return False
