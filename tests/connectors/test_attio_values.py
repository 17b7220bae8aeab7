"""Attio's typed values, and what a connection's mapping makes of them."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.connectors.attio import values
from app.connectors.attio.configured import Configured, plain
from app.connectors.attio.mapping import Mapper
from app.connectors.errors import ConnectorError
from tests.vendors.attio import State, typed
from tests.vendors.attio.state import MEMBER, WORKSPACE

STATE = State()
RECORD = "214bde81-b19b-462d-a93b-730728ad1308"  # the same in every test process


def mapper(**mapping: Any) -> Mapper:
    return Mapper(WORKSPACE, Configured.of(mapping, {}), lambda workspace_id: None)


def record(**found: Any) -> dict[str, Any]:
    """A record as the API answers it, each value valid from a moment that must never show up."""
    return {
        "id": {"workspace_id": WORKSPACE, "object_id": RECORD, "record_id": RECORD},
        "created_at": "2026-01-02T03:04:05.061281000Z",
        "values": {
            slug: [STATE.value(**item) for item in (items if isinstance(items, list) else [items])]
            for slug, items in found.items()
        },
    }


@pytest.mark.parametrize(
    "value, expected",
    [
        (typed.text("Fleetline"), "Fleetline"),
        (typed.text("до\x00после"), "допосле"),
        (typed.number(0), Decimal(0)),
        (typed.number(12.25), Decimal("12.25")),
        (typed.rating(4), Decimal(4)),
        (typed.currency(1234.5), Decimal("1234.5")),
        (typed.currency(0), Decimal(0)),
        (typed.checkbox(False), False),
        (typed.date("2026-12-01"), date(2026, 12, 1)),
        (typed.timestamp("2026-12-01T10:00:00.000000000Z"), datetime(2026, 12, 1, 10, tzinfo=UTC)),
        (STATE.stage("Won 🎉"), "Won 🎉"),
        (STATE.option("SaaS", "industry"), "SaaS"),
        ({"status": RECORD, "attribute_type": "status"}, RECORD),
        ({"option": RECORD, "attribute_type": "select"}, RECORD),
        (typed.domain("app.fleetline.example"), "app.fleetline.example"),
        (typed.email("Olga@Fleetline.example"), "olga@fleetline.example"),
        (typed.phone("+7 921 555 01 10"), "+79215550110"),
        (typed.person("Ольга Зимина"), "Ольга Зимина"),
        (
            {
                "first_name": "Ольга",
                "last_name": "",
                "full_name": "",
                "attribute_type": "personal-name",
            },
            "Ольга",
        ),
        (typed.reference("companies", RECORD), RECORD),
        (typed.actor(MEMBER), MEMBER),
        (
            typed.interaction("2026-10-05T08:00:00.000000000Z", MEMBER),
            datetime(2026, 10, 5, 8, tzinfo=UTC),
        ),
        (typed.location("Riga", "LV"), "Riga, LV"),
        ({"value": "?", "attribute_type": "something-new"}, None),
        ({"value": "2026", "attribute_type": "number"}, Decimal(2026)),
        ({"value": True, "attribute_type": "number"}, None),
        ({"value": "yes", "attribute_type": "checkbox"}, None),
        ({"value": None, "attribute_type": "text"}, None),
    ],
)
def test_a_value_is_read_by_its_type(value: dict[str, Any], expected: Any) -> None:
    found = values.read(STATE.value(**value))
    assert found == expected and type(found) is type(expected)


def test_what_was_replaced_is_not_read() -> None:
    old, new = STATE.value(**typed.text("Old name")), STATE.value(**typed.text("New name"))
    old["active_until"] = new["active_from"]
    assert values.text({"name": [old, new]}, ["name"]) == "New name"
    new["active_until"] = STATE.now()
    assert values.text({"name": [old, new]}, ["name"]) is None


def test_several_values_keep_their_order() -> None:
    found = record(domains=[typed.domain("b.example"), typed.domain("a.example")])
    row = mapper().company(found)
    assert row["domain"] == "b.example" and row["domains"] == ["b.example", "a.example"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1234.50", "1234.50"),
        ("1234,5", "1234.5"),
        ("1,234", "1234"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("€ 1 234,50", "1234.50"),
        ("12 000 руб.", "12000"),
        ("-5", "-5"),
        ("35%", "35"),
        ("1234 USD", "1234"),
        ("Q3 2026", None),
        ("100k", None),
        ("12-15", None),
        ("TBD", None),
        ("", None),
    ],
)
def test_amounts_that_somebody_typed_as_text(text: str, expected: str | None) -> None:
    found = values.written_number(text)
    assert found == (Decimal(expected) if expected else None)


@pytest.mark.parametrize(
    "value, expected",
    [
        (typed.currency(1234.50), "1234.50"),
        (typed.currency(0.1), "0.10"),
        (typed.currency(999_999_999_999.99), "999999999999.99"),
        (typed.currency(0), "0.00"),
        (typed.text("1,234.50"), "1234.50"),
        (typed.text("to be told"), None),
    ],
)
def test_amounts_are_exact(value: dict[str, Any], expected: str | None) -> None:
    assert mapper().deal(record(value=value))["amount"] == expected


def test_zero_is_an_amount_and_nothing_falls_through_to_other_slugs() -> None:
    assert (
        mapper().deal(record(value=typed.currency(0), amount=typed.number(77)))["amount"] == "0.00"
    )


@pytest.mark.parametrize("amount", [1e12, -1e12, 1e300])
def test_an_amount_that_no_row_holds_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="out of range"):
        mapper().deal(record(value=typed.currency(amount)))


@pytest.mark.parametrize(
    "title, stage",
    [
        ("Lead", "discovery"),
        ("In Progress", "discovery"),
        ("Won 🎉", "won"),
        ("won!", "won"),
        ("Closed-Won", "won"),
        ("Lost", "lost"),
        ("proposal_sent", "proposal"),
        ("Переговоры", "negotiation"),
        ("Something else", "discovery"),
        ("Сдано 🎉", "won"),  # nobody mapped it, and Attio celebrates it
    ],
)
def test_stages(title: str, stage: str) -> None:
    row = mapper().deal(record(stage=STATE.stage(title)))
    assert (row["stage"], row["crm_stage"]) == (title, stage)
    assert row["stage_changed_at"] is not None


def test_a_connection_maps_its_own_stages_and_slugs() -> None:
    own = mapper(
        stages={"Согласование договора 📝": "negotiation", "Lead": "qualified"},
        account_stages={"Наш": "active"},
        fields={"deals": {"amount": "budget", "probability": ["chance"]}},
    )
    row = own.deal(
        record(
            stage=STATE.stage("согласование договора"),
            budget=typed.number(10),
            value=typed.currency(99),
            chance=typed.number(35),
        )
    )
    assert (row["crm_stage"], row["amount"], row["probability"]) == (
        "negotiation",
        "10.00",
        "0.3500",
    )
    assert own.deal(record(stage=STATE.stage("Lead")))["crm_stage"] == "qualified"
    assert own.company(record(stage=STATE.option("наш", "stage")))["crm_stage"] == "active"


@pytest.mark.parametrize(
    "scale, value, expected",
    [
        (None, 35, "0.3500"),
        (None, 1, "0.0100"),  # one percent, not certainty
        (None, 0.4, "0.4000"),
        (None, 0, "0.0000"),
        (None, 100, "1.0000"),
        (None, 140, None),
        (None, -3, None),
        (1, 1, "1.0000"),
        (100, 0.5, "0.0050"),
        (5, 4, "0.8000"),
    ],
)
def test_probability(scale: int | None, value: float, expected: str | None) -> None:
    own = mapper(probability_scale=scale)
    assert own.deal(record(probability=typed.number(value)))["probability"] == expected


def test_a_deal_finds_its_company_people_and_dates() -> None:
    company, person = str(uuid.uuid4()), str(uuid.uuid4())
    row = mapper().deal(
        record(
            associated_company=typed.reference("companies", company),
            associated_people=[typed.reference("people", person)],
            close_date=typed.date("2026-12-24"),
            owner=typed.actor(MEMBER),
        )
    )
    assert row["account_external_id"] == company and row["people_external_ids"] == [person]
    assert row["expected_close_date"] == date(2026, 12, 24) and row["owner_id"] == MEMBER


def test_a_row_changes_with_its_content_only() -> None:
    found = record(name=typed.text("Fleetline"))
    again = {
        **found,
        "values": {"name": [{**found["values"]["name"][0], "active_from": STATE.now()}]},
    }
    other = record(name=typed.text("Fleetline Ltd"))
    first, second, third = (mapper().company(r)["content_hash"] for r in (found, again, other))
    assert first == second != third


@pytest.mark.parametrize("broken", [{"id": "text"}, {"id": {}}, {"values": None}, {"values": []}])
def test_a_record_that_is_none_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        mapper().company({**record(), **broken})


def test_titles_without_their_decoration() -> None:
    assert plain("  Won 🎉 ") == plain("WON!") == "won"
    assert plain("proposal_sent") == plain("Proposal — sent") == "proposal sent"


@pytest.mark.parametrize(
    "mapping, named",
    [
        ({"feilds": {}}, "feilds"),
        ({"fields": {"deals": {"price": "value"}}}, "price"),
        ({"fields": {"orders": {}}}, "companies"),
        ({"fields": {"deals": {"amount": 7}}}, "slug"),
        ({"stages": {"Lead": "maybe"}}, "maybe"),
        ({"probability_scale": 0}, "probability_scale"),
        ({"lists": "sales"}, "lists"),
        ({"vendor_wins": ["colour"]}, "colour"),
    ],
)
def test_a_mapping_that_cannot_be_used_names_the_mistake(
    mapping: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConnectorError, match=named) as raised:
        Configured.of(mapping, {})
    assert raised.value.kind == "config_missing"
