"""A contact's fields: each in one form, each the newest that is not empty, whatever arrives when."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.connectors.attio.mapping import _unified
from app.connectors.chatwoot import mapping, writer
from app.connectors.chatwoot.mapping import Names, Rows
from app.connectors.connections import find
from app.connectors.loops.optout import apply_optout
from app.contacts.identity import email_of, phone_of
from app.db import db
from tests.conftest import Browser
from tests.connectors.conftest import Rows as Ask
from tests.connectors.test_reconciliation import Work
from tests.vendors.chatwoot import ChatwootServer

MONDAY, TUESDAY = 1_760_000_000, 1_760_086_400
WIDE = "Olga.Ｐｅｔｒｏｖａ＠Ｘ．example"


@pytest.fixture
def read(
    app: Flask, project: dict[str, Any], connect: Callable[..., None], chatwoot: ChatwootServer
) -> Callable[..., None]:
    """Write readings of contact 1, as one page of a stream each, or all on one page."""
    connect(project["id"])

    def write(*readings: dict[str, Any], together: bool = False) -> None:
        with app.app_context():
            connection = find(uuid.UUID(project["id"]), "chatwoot")
            assert connection is not None
            names = Names(connection.project_id, 1)
            found = [mapping.contact(names, {"id": 1, **reading}) for reading in readings]
            for page in [found] if together else [[contact] for contact in found]:
                rows = Rows()
                for contact in page:
                    rows.add_contact(contact)
                with db.transaction() as tx:
                    writer.write(tx, connection, rows)

    return write


@pytest.fixture
def kept(rows: Ask) -> Callable[[], dict[str, Any]]:
    columns = ("name", "email", "phone_number", "phone_digits", "identifier", "custom_attributes")

    def ask() -> dict[str, Any]:
        [row] = rows(f"SELECT {', '.join(columns)} FROM cw_contacts")
        return {name: value for name, value in zip(columns, row, strict=True) if value is not None}

    return ask


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("  Olga@X.Example \n", "olga@x.example"),
        ("ＯＬＧＡ＠x.example", "olga@x.example"),
        ("\u00a0ОЛЬГА@пример.рф", "ольга@пример.рф"),
        ("   ", None),
        (None, None),
    ],
)
def test_addresses_have_one_form(written: str | None, stored: str | None) -> None:
    assert email_of(written) == stored


def test_a_number_is_shown_as_it_was_written_and_compared_by_its_digits(
    read: Any, kept: Any
) -> None:
    read({"phone_number": " ＋7 (921)\u00a0555-01-10 ", "email": WIDE})
    assert kept() == {
        "email": "olga.petrova@x.example",
        "phone_number": "+7 (921) 555-01-10",
        "phone_digits": "79215550110",
        "custom_attributes": {},
    }
    assert phone_of("  ") is None


FULL = {
    "name": "Olga", "email": "olga@x.example", "phone_number": "+7 921 555-01-10", "identifier": "crm-7",
    "custom_attributes": {"city": "Omsk", "plan": "pro"},
}  # fmt: skip


@pytest.mark.parametrize("together", [True, False], ids=["on one page", "one after the other"])
@pytest.mark.parametrize(
    ("name", "readings", "expected"),
    [
        (
            "a thinner one empties nothing",
            [
                {**FULL, "updated_at": MONDAY},
                {"name": None, "email": "", "custom_attributes": {"plan": None, "city": ""},
                 "updated_at": TUESDAY},
            ],
            FULL,
        ),
        (
            "a newer one wins field by field",
            [
                {**FULL, "updated_at": MONDAY},
                {"name": "Olga P.", "custom_attributes": {"plan": "free"}, "updated_at": TUESDAY},
            ],
            {**FULL, "name": "Olga P.", "custom_attributes": {"city": "Omsk", "plan": "free"}},
        ),
        (
            "an older one that comes late fills what is empty and nothing else",
            [
                {"name": "Olga P.", "custom_attributes": {"plan": "free"}, "updated_at": TUESDAY},
                {**FULL, "updated_at": MONDAY},
            ],
            {**FULL, "name": "Olga P.", "custom_attributes": {"city": "Omsk", "plan": "free"}},
        ),
        (
            "one without a time counts as new",
            [{**FULL, "updated_at": TUESDAY}, {"name": "Olga P."}],
            {**FULL, "name": "Olga P."},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_readings_are_merged_field_by_field(
    read: Any, kept: Any, name: str, readings: list[Any], expected: dict[str, Any], together: bool
) -> None:
    read(*readings, together=together)
    assert kept() == {**expected, "phone_digits": "79215550110"}, name


def test_an_older_reading_brings_nobody_back(
    read: Any, rows: Ask, app: Flask, project: dict[str, Any]
) -> None:
    read({"name": "Olga", "updated_at": TUESDAY})
    with app.app_context(), db.transaction() as tx:
        project_id = uuid.UUID(project["id"])
        writer.sql.bury_contacts(tx, project_id=project_id, ids=[f"cwc:{project_id}:1:1"])
    read({"name": "Olga", "email": "o@x.example", "updated_at": MONDAY})
    assert rows("SELECT deleted_at IS NULL, email FROM cw_contacts") == [(False, "o@x.example")]
    read({"name": "Olga", "updated_at": TUESDAY})
    assert rows("SELECT deleted_at IS NULL FROM cw_contacts") == [(True,)]


def test_spellings_of_one_person_are_found_counted_and_left_alone_together(
    chatwoot: ChatwootServer,
    project: dict[str, Any],
    connect: Callable[..., None],
    work: Work,
    owner: Browser,
    app: Flask,
    rows: Ask,
) -> None:
    account = chatwoot.state.accounts[1]
    for number, (email, phone) in enumerate(
        [
            (WIDE, "8 (921) 555-01-10"),
            (" olga.petrova@x.EXAMPLE", "+7 921 555 01 10"),
            ("other@x.example", "＋7 921 555-01-10"),
            ("vera@x.example", "+84 92 155 50 11"),  # eleven digits, and of another country
        ],
        1,
    ):
        chatwoot.state.add_contact(account, number, f"Contact {number}", email, phone)
    connect(project["id"])
    work(project["id"], "chatwoot_sync")
    for typed in ("olga.petrova@x.example", "OLGA.PETROVA@X.example", WIDE):
        found = owner.get("/contacts", query_string={"q": typed}).get_json()["contacts"]
        assert {contact["name"] for contact in found} == {"Contact 1", "Contact 2"}, typed
    for typed in ("+7 921 555-01-10", "89215550110", "８９２１５５５０１１０"):
        found = owner.get("/contacts", query_string={"q": typed}).get_json()["contacts"]
        assert len(found) == 3, typed
    work(project["id"], "connectors_reconciliation_daily")
    [(emails, phones)] = rows(
        "SELECT payload -> 'duplicate_contacts_by_email', payload -> 'duplicate_contacts_by_phone' "
        "FROM sync_reconciliation_metrics WHERE connector = 'chatwoot'"
    )
    assert (emails, phones) == (1, 2)
    with app.app_context(), db.transaction() as tx:
        assert apply_optout(tx, uuid.UUID(project["id"]), "email.unsubscribed", email=WIDE)
    assert rows("SELECT contact_global_id FROM contact_channel_policies") == [
        ("olga.petrova@x.example",)
    ]


def test_attios_addresses_have_the_same_form() -> None:
    assert _unified(email_of, [WIDE, "olga.petrova@x.example", " "]) == ["olga.petrova@x.example"]
