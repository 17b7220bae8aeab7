"""Postgres: the pool, transactions, and the statements of sql/*.sql."""

from app.db.pool import Connection, Row, Unavailable, db
from app.db.statements import statements, unprepared

__all__ = ["Connection", "Row", "Unavailable", "db", "statements", "unprepared"]
