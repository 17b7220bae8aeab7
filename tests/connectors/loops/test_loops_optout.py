"""Who is not pushed: opt-outs, bounces, complaints, the team, addresses that are none."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.connectors.loops import push
from app.connectors.loops.client import LoopsClient
from app.connectors.loops.optout import apply_optout
from app.db import db
from tests.conftest import Browser
from tests.connectors.loops.helpers import people, rows, sync, whole
from tests.vendors.loops import LoopsServer


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("contact.unsubscribed", "opted_out"),
        ("email.unsubscribed", "opted_out"),
        ("email.hardBounced", "bounced"),
        ("email.spamReported", "suppressed"),
        ("contact.deleted", "opted_out"),
    ],
)
def test_what_a_webhook_tells_blocks_the_next_push(
    app: Flask, owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer,
    database_url: str, event: str, reason: str,
) -> None:  # fmt: skip
    add(two[0], {"olga@x.example": "Ольга", "ivan@y.example": "Иван"})
    sync(owner)
    identity = {"email": "Olga@X.example"}
    if event == "contact.deleted":  # it may come with the id alone
        identity = {"loops_id": loops.team.contacts["olga@x.example"]["id"]}
    with app.app_context(), db.transaction() as tx:
        assert apply_optout(tx, UUID(two[1]), event, **identity) is True
    with app.app_context(), db.transaction() as tx:
        assert apply_optout(tx, UUID(two[1]), event, email="olga@x.example") is False
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE cw_contacts SET name = 'Новое Имя'")
    loops.team.puts.clear()
    answer = sync(owner)
    assert loops.team.puts == ["ivan@y.example"]
    assert answer["skipped_reasons"] == {reason: 1} and answer["skipped"] == 1
    audit = rows(
        database_url, "SELECT actor_username FROM audit_events WHERE action = 'outbound.opt_out'"
    )
    assert audit == [("loops",)]


def test_leaving_a_mailing_list_is_no_optout(
    app: Flask, two: tuple[str, str], database_url: str
) -> None:
    with app.app_context(), db.transaction() as tx:
        for event in ("contact.mailingList.unsubscribed", "testing.testEvent", "email.opened"):
            assert not apply_optout(tx, UUID(two[0]), event, email="olga@x.example")
        assert not apply_optout(tx, UUID(two[0]), "contact.deleted", loops_id="unknown")
        assert not apply_optout(tx, UUID(two[0]), "contact.unsubscribed", email=" ")
    assert rows(database_url, "SELECT count(*) FROM contact_channel_policies") == [(0,)]


def test_an_optout_under_a_contacts_id_holds_in_every_project(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    add(two[0], {"olga@x.example": "Ольга"})
    add(two[1], {"OLGA@x.example": "Ольга"})
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO contact_channel_policies (account_scope_id, contact_global_id, channel, opted_out) "
            "SELECT account_scope_id, %s, 'all', true FROM projects WHERE id = %s",
            (f"cwc:{two[0]}:1:1", two[0]),
        )
        connection.execute(
            "UPDATE cw_contacts SET deleted_at = now() WHERE project_id = %s", (two[0],)
        )
    assert sync(owner)["skipped_reasons"] == {"opted_out": 1} and loops.team.puts == []


def test_an_optout_that_comes_during_a_push_counts(
    app: Flask, two: tuple[str, str], add: Any, loops: LoopsServer
) -> None:
    add(two[0], people(4))

    def leave(outcome: push.Outcome) -> None:
        with db.transaction() as tx:
            apply_optout(tx, UUID(two[0]), "contact.unsubscribed", email="client0003@x.example")

    with app.app_context():
        settings = app.config["SETTINGS"]
        outcome = push.push(whole(app, two[0]), settings, LoopsClient(settings), leave)
    assert outcome.created == 3 and outcome.skipped_reasons == {"opted_out": 1}
    assert "client0003@x.example" not in loops.team.contacts and outcome.remaining == 0


def test_who_is_not_pushed_and_why(
    owner: Browser, two: tuple[str, str], add: Any, loops: LoopsServer, database_url: str
) -> None:
    invalid = ["none", "a@b", "a b@x.example", "a@x..example", "@x.example", "<a@x.example>"]
    team = ["anna@studio.example", "agent@freelance.example"]
    add(two[0], {**dict.fromkeys([*invalid, *team], "Имя"), "whole@blocked.example": "Б", "": "–"})
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO cw_agents (project_id, id, account_id, agent_id, email) "
            "VALUES (%s, 'a', 1, 1, 'Agent@freelance.example')", (two[1],))  # fmt: skip
        connection.execute(
            "INSERT INTO suppressions (account_scope_id, kind, value, value_hash, reason) "
            "SELECT account_scope_id, 'domain', v, sha256(v::bytea), 'do_not_contact' "
            "FROM projects, (VALUES ('blocked.example')) AS d(v) WHERE id = %s", (two[0],))  # fmt: skip
    answer = sync(owner)
    assert answer["skipped_reasons"] == {"internal": 2, "invalid_email": 6, "suppressed": 1}
    assert answer["processed"] == 0 and loops.requests.count() == 0
