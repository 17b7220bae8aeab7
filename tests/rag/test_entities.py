"""What the evidence names: people, companies, issue keys, amounts, dates."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rag.entities import entities_in
from app.rag.entities.amounts import amounts_in
from app.rag.entities.dates import dates_in
from app.rag.entities.names import Name, Names
from app.rag.retrieval.ranking import Item

WRITTEN = date(2026, 9, 20)


KNOWN = [
    {"kind": kind, "known_as": known_as, "id": key, "name": name}
    for kind, known_as, key, name in (
        ("person", "contact", "c:1", "Ольга Северина"),
        ("person", "crm_person", "p:1", "Kadri Tamm"),
        ("person", "agent", "a:1", "Костя Бреднев"),
        ("person", "contact", "c:2", "Костя Ли"),
        ("company", "company", "k:1", "Fleetline"),
        ("company", "company", "k:2", "Пекарня Север"),
    )
]


def item(text: str, key: str = "m:1", author: str | None = None) -> Item:
    row = {"author": author, "title": None, "created_at": datetime(2026, 9, 20, tzinfo=UTC)}
    return Item("chatwoot_message", key, row, passage=text)


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("The pilot costs £6,400 in all.", "6400", "GBP"),
        ("Остаток 6 400 ₽, ждём.", "6400", "RUB"),
        ("Платим 120 тыс. руб. в пятницу", "120000", "RUB"),
        ("бюджет 1.2 млн на год", "1200000", None),
        ("about €2.5k a month", "2500", "EUR"),
        ("Amount: 12,400.00 GBP", "12400", "GBP"),
        ("1 250 000,50 рублей", "1250000.50", "RUB"),
        ("$1,250.75 was paid", "1250.75", "USD"),
        ("300 евро за час", "300", "EUR"),
        ("USD 900 a day", "900", "USD"),
        ("два счёта: 85 тысяч рублей", "85000", "RUB"),
    ],
)
def test_amounts_as_people_write_them(text: str, value: str, currency: str | None) -> None:
    (amount,) = amounts_in(text)
    assert (amount.value, amount.currency) == (Decimal(value), currency)
    assert amount.text in text


@pytest.mark.parametrize(
    "text",
    [
        "версия 2.5",
        "в 10:30",
        "INV-118",
        "FLT-61",
        "3 m от стены",
        "10 %",
        "+372 555 0208",
        "80 часов",
    ],
)
def test_other_numbers_are_no_amounts(text: str) -> None:
    assert list(amounts_in(text)) == []


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Заплатим 15 октября.", "2026-10-15"),
        ("до 15-го октября 2025 года", "2025-10-15"),
        ("двадцать первого октября сдаём", "2026-10-21"),
        ("двадцатого октября", "2026-10-20"),
        ("by Friday 25 Oct, please", "2026-10-25"),
        ("on the 3rd of March", "2027-03-03"),
        ("October 25, 2026 at noon", "2026-10-25"),
        ("Expected close: 2026-10-15", "2026-10-15"),
        ("встреча 15.10 в офисе", "2026-10-15"),
        ("договор от 01.02.2025.", "2025-02-01"),
        ("с 9 мая", "2026-05-09"),
    ],
)
def test_dates_as_people_write_them(text: str, day: str) -> None:
    (found,) = dates_in(text, WRITTEN)
    assert found.date.isoformat() == day and found.text in text


@pytest.mark.parametrize(
    "text",
    [
        "версия 1.05.2",
        "€2.05",
        "2.05 млн",
        "31 февраля",
        "2026-13-01",
        "12 макетов",
        "192.168.10.12",
    ],
)
def test_other_numbers_are_no_dates(text: str) -> None:
    assert list(dates_in(text, WRITTEN)) == []


def test_a_date_without_a_year_is_near_its_message() -> None:
    (after_newyear,) = dates_in("с 28 декабря", date(2027, 1, 3))
    assert after_newyear.date == date(2026, 12, 28)
    assert list(dates_in("28 декабря", None)) == []


CURRENCY = st.sampled_from(
    [("{} ₽", "RUB"), ("£{}", "GBP"), ("{} EUR", "EUR"), ("{} долларов", "USD")]
)


@given(st.integers(1, 999_999_999), st.sampled_from([",", " ", "\u00a0", ""]), CURRENCY)
def test_an_amount_is_read_back_in_any_form(
    value: int, separator: str, currency: tuple[str, str]
) -> None:
    written = currency[0].format(f"{value:,}".replace(",", separator))
    (amount,) = amounts_in(f"Итого {written} за всё")
    assert (amount.value, amount.currency) == (value, currency[1])


@given(
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%d/%m/%Y"]),
)
def test_a_date_is_read_back_in_any_form(day: date, form: str) -> None:
    (found,) = dates_in(f"until {day.strftime(form)} at most", WRITTEN)
    assert found.date == day


@given(st.text(max_size=500))
def test_any_text_can_be_read(text: str) -> None:
    found = entities_in([item(text)], KNOWN)
    for kind in ("amounts", "dates"):
        assert all(entity["text"] in text for entity in found[kind])
    assert all(entity["key"] in text for entity in found["issue_keys"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Скажите Ольге Севериной, что макеты готовы", {"Ольга Северина"}),
        ("Северина не против", {"Ольга Северина"}),
        ("Кадри Тамм просит скидку", {"Kadri Tamm"}),
        ("Kadri's number", {"Kadri Tamm"}),
        ("Костя обещал", set()),  # two people are called so
        ("Косте Бредневу отдали", {"Костя Бреднев"}),
        ("Fleetline will pay; so will Пекарне Север", {"Fleetline", "Пекарня Север"}),
        ("на север от пекарни", set()),
        ("Ольгинская улица", set()),
    ],
)
def test_names_in_any_inflection_and_alphabet(text: str, names: set[str]) -> None:
    assert {name.name for name in Names(Name(**row) for row in KNOWN).found_in(text)} == names


def test_where_teams_are_known_other_numbers_are_no_issues() -> None:
    told = [item("FLT-61 стоит по CO-3, заказ PO-4533")]
    keys = [e["key"] for e in entities_in(told, KNOWN)["issue_keys"]]
    assert keys == ["FLT-61", "CO-3", "PO-4533"]  # whatever looks like one
    team = {"kind": "issues", "known_as": "team", "id": "linteam:w:t", "name": "FLT"}
    found = entities_in(told, [*KNOWN, team])
    assert [e["key"] for e in found["issue_keys"]] == ["FLT-61"] and found["people"] == []


def test_an_entity_tells_all_the_evidence_it_stands_in() -> None:
    found = entities_in(
        [
            item("FLT-61: £6,400 by 15 October. UTF-8 is fine.", "m:1", "Kadri Tamm"),
            item("6,400 GBP для FLT-61, 15.10", "m:2"),
        ],
        KNOWN,
    )
    assert found["issue_keys"] == [{"key": "FLT-61", "evidence": ["m:1", "m:2"]}]
    (amount,) = found["amounts"]
    assert (amount["value"], amount["evidence"]) == (6400, ["m:1", "m:2"])
    (day,) = found["dates"]
    assert (day["date"], day["evidence"]) == ("2026-10-15", ["m:1", "m:2"])
    (person,) = found["people"]
    assert (person["id"], person["evidence"]) == ("p:1", ["m:1"])
