"""Connections of projects to vendors: where they are, with which token, and whether they may be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg.errors
from flask import current_app
from psycopg.types.json import Jsonb

from app import crypto
from app.audit import service as audit
from app.connectors.addresses import refuse_unsafe_url
from app.connectors.errors import ConnectorError
from app.db import Connection as Tx
from app.db import Row, db, statements
from app.web.access import Identity
from app.web.errors import ApiError
from config.settings import Settings

sql = statements("connectors")

# What an account is called by each vendor, and in the settings.
ACCOUNT = {"chatwoot": "account", "linear": "workspace", "attio": "workspace"}


@dataclass(frozen=True)
class Connection:
    """One vendor account as one project reads it."""

    id: UUID
    project_id: UUID
    connector: str
    base_url: str
    external_account_id: str
    token: str
    filters: dict[str, Any]
    mapping: dict[str, Any]
    options: dict[str, Any]
    enabled: bool
    health: str
    from_settings: bool = False  # whoever runs the installation chose its address


def settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


def find(project_id: UUID, connector: str) -> Connection | None:
    """The project's connection; made from the settings at first use when it has none.

    Raises ConnectorError `binding_conflict` when the configured account is another project's.
    """
    with db.connection() as connection:
        row = sql.find_connection(connection, project_id=project_id, connector=connector)
    if row is None:
        row = _from_settings(project_id, connector)
    # One that was switched off is not made anew from the settings.
    return _open(row) if row and row["enabled"] else None


def is_off(project_id: UUID, connector: str) -> bool:
    """Whether the project has a connection that somebody switched off."""
    with db.connection() as connection:
        row = sql.find_connection(connection, project_id=project_id, connector=connector)
    return row is not None and not row["enabled"]


def find_by_id(project_id: UUID, connection_id: UUID) -> Connection | None:
    """One connection, switched on or off. Raises SecretUnreadable."""
    with db.connection() as connection:
        row = sql.find_connection_by_id(
            connection, project_id=project_id, connection_id=connection_id
        )
    return _open(row) if row else None


def require_by_id(project_id: UUID, connection_id: UUID) -> Connection:
    """The same. Raises 404 `connection_not_found`, 409 `connector_not_configured` when its token cannot
    be read."""
    try:
        found = find_by_id(project_id, connection_id)
    except crypto.SecretUnreadable as error:
        raise ApiError(409, "connector_not_configured", f"{error}.") from None
    if found is None:
        raise _missing()
    return found


def _open(row: Row) -> Connection:
    return Connection(
        id=row["id"],
        project_id=row["project_id"],
        connector=row["connector"],
        base_url=row["base_url"],
        external_account_id=row["external_account_id"],
        token=crypto.decrypt(row["credentials_enc"]),
        filters=row["filters"],
        mapping=row["mapping"],
        options=row["options"],
        enabled=row["enabled"],
        health=row["health"],
        from_settings=row["from_settings"],
    )


def draft(
    project_id: UUID,
    *,
    connector: str,
    base_url: str,
    external_account_id: str,
    api_token: str,
    filters: dict[str, Any] | None = None,
    mapping: dict[str, Any] | None = None,
    display_name: str = "",
) -> Connection:
    """A connection as it would be, to try it before it is stored."""
    return Connection(
        id=project_id,
        project_id=project_id,
        connector=connector,
        base_url=base_url,
        external_account_id=external_account_id,
        token=api_token,
        filters=filters or {},
        mapping=mapping or {},
        options={},
        enabled=True,
        health="ok",
    )


def _from_settings(project_id: UUID, connector: str) -> Row | None:
    """The connection that CHATWOOT_…, LINEAR_… name. An account that is not named is not guessed: a
    token alone would pull a whole workspace into every project."""
    found = settings()
    base_url = getattr(found, f"{connector}_base_url", None)
    api_token = getattr(found, f"{connector}_api_token", None)
    account = getattr(found, f"{connector}_{ACCOUNT.get(connector)}_id", None)
    if not (base_url and api_token and account):
        return None
    with db.transaction() as tx:
        return _write(
            tx,
            project_id,
            connector=connector,
            base_url=base_url.rstrip("/"),
            external_account_id=account,
            api_token=api_token,
            display_name=f"{connector.capitalize()} (from settings)",
            filters=None,
            mapping=None,
            from_settings=True,
            created_by=None,
        )


def store(
    project_id: UUID,
    *,
    connector: str,
    base_url: str,
    external_account_id: str,
    api_token: str,
    display_name: str = "",
    filters: dict[str, Any] | None = None,
    mapping: dict[str, Any] | None = None,
    caller: Identity | None = None,
) -> Row:
    """Make the project's connection, or give the same account a new token; its filters and its mapping
    stay when none are given. Other filters mean that everything is read again.

    Raises 400 `connection_url_refused`, 409 `<connector>_source_binding_error`.
    """
    refuse_unsafe_url(base_url, settings())
    try:
        with db.transaction() as tx:
            before = sql.stored_filters(
                tx,
                project_id=project_id,
                connector=connector,
                external_account_id=external_account_id,
            )
            row = _write(
                tx,
                project_id,
                connector=connector,
                base_url=base_url.rstrip("/"),
                external_account_id=external_account_id,
                api_token=api_token,
                display_name=display_name,
                filters=filters,
                mapping=mapping,
                from_settings=False,
                created_by=caller.user_id if caller else None,
            )
            if before is not None and row["filters"] != before:
                sql.forget_places(tx, project_id=project_id, connection_id=row["id"])
            audit.record(
                tx,
                "connector.connection.create",
                project_id=project_id,
                entity_type="connector_connection",
                entity_id=str(row["id"]),
                payload={"connector": connector, "external_account_id": external_account_id},
            )
    except ConnectorError as error:
        raise binding_error(connector, error) from None
    return public(row)


def _write(
    tx: Tx,
    project_id: UUID,
    *,
    api_token: str,
    filters: dict[str, Any] | None,
    mapping: dict[str, Any] | None,
    **values: Any,
) -> Row:
    try:
        with tx.transaction():
            row: Row = sql.store_connection(
                tx,
                project_id=project_id,
                credentials_enc=crypto.encrypt(api_token),
                credential_hint=api_token[-4:],
                filters=None if filters is None else Jsonb(filters),
                mapping=None if mapping is None else Jsonb(mapping),
                **values,
            )
    except psycopg.errors.UniqueViolation as violation:
        raise _conflict(values["connector"], violation) from None
    # What was wrong with the old token is no longer known to be wrong.
    sql.reopen_errors(tx, project_id=project_id, connector=values["connector"])
    return row


def change(
    project_id: UUID,
    connection_id: UUID,
    *,
    display_name: str | None = None,
    api_token: str | None = None,
    filters: dict[str, Any] | None = None,
    mapping: dict[str, Any] | None = None,
    enabled: bool | None = None,
    check: Callable[[str, dict[str, Any], dict[str, Any]], None] = lambda *_: None,
) -> Row:
    """Change what is given of a connection. Other filters mean that everything is read again. `check`
    may refuse the mapping that it then has beside its filters.

    Raises 404 `connection_not_found`, 409 `<connector>_source_binding_error`.
    """
    given = {
        "display_name": display_name,
        "filters": filters,
        "mapping": mapping,
        "enabled": enabled,
    }
    with db.transaction() as tx:
        try:
            with tx.transaction():
                row: Row | None = sql.change_connection(
                    tx,
                    project_id=project_id,
                    connection_id=connection_id,
                    display_name=display_name,
                    filters=None if filters is None else Jsonb(filters),
                    mapping=None if mapping is None else Jsonb(mapping),
                    credentials_enc=crypto.encrypt(api_token) if api_token else None,
                    credential_hint=api_token[-4:] if api_token else None,
                    enabled=enabled,
                )
        except psycopg.errors.UniqueViolation as violation:
            connector = sql.connector_of(tx, project_id=project_id, connection_id=connection_id)
            raise binding_error(connector, _conflict(connector, violation)) from None
        if row is None:
            raise _missing()
        if row["connector"] != "loops" and (filters is not None or mapping is not None):
            check(row["connector"], row["mapping"], row["filters"])
        if filters is not None:
            sql.forget_places(tx, project_id=project_id, connection_id=connection_id)
        if api_token:
            sql.reopen_errors(tx, project_id=project_id, connector=row["connector"])
        changed = sorted(name for name, value in given.items() if value is not None)
        audit.record(
            tx,
            "connector.connection.update",
            project_id=project_id,
            entity_type="connector_connection",
            entity_id=str(connection_id),
            payload={"changed": changed + (["api_token"] if api_token else [])},
        )
    return public(row)


def remove(project_id: UUID, connection_id: UUID) -> Row:
    """Forget a connection, its token and how far it was read; the rows it brought stay.

    Raises 404 `connection_not_found`.
    """
    with db.transaction() as tx:
        row: Row | None = sql.delete_connection(
            tx, project_id=project_id, connection_id=connection_id
        )
        if row is None:
            raise _missing()
        audit.record(
            tx,
            "connector.connection.remove",
            project_id=project_id,
            entity_type="connector_connection",
            entity_id=str(connection_id),
            payload={name: str(row[name]) for name in ("connector", "external_account_id")},
        )
    return row


def _missing() -> ApiError:
    return ApiError(404, "connection_not_found", "There is no such connection in this project.")


def _conflict(connector: str, violation: psycopg.errors.UniqueViolation) -> ConnectorError:
    """Which rule a connection would break: a project reads one account of a vendor, and without filters
    an account is read by one project."""
    second = violation.diag.constraint_name == "connector_connections_one"
    what = (
        "project_already_has_binding" if second else "external_id_already_bound_to_another_project"
    )
    return ConnectorError("binding_conflict", f"{connector}_{ACCOUNT.get(connector, '')}_{what}")


def binding_error(connector: str, error: ConnectorError) -> ApiError:
    account, vendor = ACCOUNT.get(connector, "account"), connector.capitalize()
    told = (
        f"This project reads another {account} of {vendor}: switch that connection off, or remove it, first."
        if error.message.endswith("project_already_has_binding")
        else f"Another project reads this {account} of {vendor}: without filters it belongs to one."
    )
    return ApiError(
        409,
        f"{connector}_source_binding_error",
        told,
        {"connector": connector, "error_kind": error.kind, "reason": error.message},
    )


def list_public(project_id: UUID) -> list[Row]:
    """The project's connections without their secrets."""
    with db.connection() as connection:
        return [public(row) for row in sql.list_connections(connection, project_id=project_id)]


def public(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.endswith(("_enc", "_hash"))}
