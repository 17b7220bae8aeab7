"""A contact as Loops takes it, and as people who may not see its address are shown it."""

from __future__ import annotations

from typing import Any

from config.settings import Settings

RULES = 1  # counted up when the same contact makes another payload: then all are pushed anew
LONGEST_NAME = 200
LONGEST_TEXT = 500  # of a property's value


def version(settings: Settings) -> str:
    """What a payload depends on besides its contact."""
    return "|".join(
        (
            str(RULES),
            settings.loops_api_base_url,
            settings.loops_project_ids_property,
            settings.loops_project_names_property,
        )
    )


def payload(contact: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The body of the call. `subscribed` is never in it: a push must not undo an unsubscription."""
    first, last = split_name(contact["name"])
    names = {"firstName": first, "lastName": last}
    return {
        "email": contact["email"],
        # What we do not know is left out: Loops keeps what it has.
        **{key: value for key, value in names.items() if value},
        "source": "lightpost",
        settings.loops_project_ids_property: joined(contact["project_ids"]),
        settings.loops_project_names_property: joined(contact["project_names"]),
    }


def split_name(name: str | None) -> tuple[str, str]:
    """First and last name; blank where unknown. `Петрова, Ольга` is turned round; an address or a
    number in place of a name is none."""
    if not name or "@" in name or not any(letter.isalpha() for letter in name):
        return "", ""
    last, comma, first = name.partition(",")
    if comma and first.strip() and last.strip():
        first, last = " ".join(first.split()), " ".join(last.split())
    else:
        first, _, last = " ".join(name.replace(",", " ").split()).partition(" ")
    return first[:LONGEST_NAME], last[:LONGEST_NAME]


def joined(values: list[str] | None) -> str:
    """A list as one text, since Loops has no lists; whole items only, as many as fit."""
    text = ""
    for value in values or []:
        item = " ".join(str(value).replace(",", " ").split())
        longer = f"{text}, {item}" if text else item
        if len(longer) > LONGEST_TEXT:
            break
        text = longer
    return text


def masked(email: str) -> str:
    """`a***@d.com`"""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"
