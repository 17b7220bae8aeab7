"""The keys of each type of value, as the published API has them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def text(value: str) -> Json:
    return {"value": value, "attribute_type": "text"}


def number(value: float) -> Json:
    return {"value": value, "attribute_type": "number"}


def rating(value: int) -> Json:
    return {"value": value, "attribute_type": "rating"}


def checkbox(value: bool) -> Json:
    return {"value": value, "attribute_type": "checkbox"}


def date(value: str) -> Json:
    return {"attribute_type": "date", "value": value}


def timestamp(value: str) -> Json:
    return {"attribute_type": "timestamp", "value": value}


def currency(value: float, code: str | None = "EUR") -> Json:
    return {"currency_value": value, "currency_code": code, "attribute_type": "currency"}


def domain(value: str) -> Json:
    return {
        "domain": value,
        "root_domain": ".".join(value.split(".")[-2:]),
        "attribute_type": "domain",
    }


def email(value: str) -> Json:
    local, _, host = value.partition("@")
    return {
        "original_email_address": value,
        "email_address": value.lower(),
        "email_domain": host,
        "email_root_domain": host,
        "email_local_specifier": local,
        "attribute_type": "email-address",
    }


def phone(value: str, country: str = "RU") -> Json:
    return {
        "original_phone_number": value,
        "country_code": country,
        "phone_number": value.replace(" ", ""),
        "attribute_type": "phone-number",
    }


def person(full_name: str) -> Json:
    first, _, last = full_name.partition(" ")
    return {
        "first_name": first,
        "last_name": last,
        "full_name": full_name,
        "attribute_type": "personal-name",
    }


def reference(target_object: str, record_id: str) -> Json:
    return {
        "target_object": target_object,
        "target_record_id": record_id,
        "attribute_type": "record-reference",
    }


def actor(member_id: str) -> Json:
    return {
        "referenced_actor_type": "workspace-member",
        "referenced_actor_id": member_id,
        "attribute_type": "actor-reference",
    }


def interaction(at: str, member_id: str) -> Json:
    return {
        "interaction_type": "email",
        "interacted_at": at,
        "owner_actor": {"type": "workspace-member", "id": member_id},
        "attribute_type": "interaction",
    }


def location(locality: str, country: str) -> Json:
    empty = dict.fromkeys(
        ("line_1", "line_2", "line_3", "line_4", "region", "postcode", "latitude", "longitude")
    )
    return {
        **empty,
        "locality": locality,
        "country_code": country,
        "attribute_type": "location",
    }


def status(
    title: str, workspace_id: str, object_id: str, attribute_id: str, status_id: str
) -> Json:
    return {
        "status": {
            "id": {
                "workspace_id": workspace_id,
                "object_id": object_id,
                "attribute_id": attribute_id,
                "status_id": status_id,
            },
            "title": title,
            "is_archived": False,
            "celebration_enabled": "🎉" in title,
            "target_time_in_status": None,
        },
        "attribute_type": "status",
    }


def select(
    title: str, workspace_id: str, object_id: str, attribute_id: str, option_id: str
) -> Json:
    return {
        "option": {
            "id": {
                "workspace_id": workspace_id,
                "object_id": object_id,
                "attribute_id": attribute_id,
                "option_id": option_id,
            },
            "title": title,
            "is_archived": False,
        },
        "attribute_type": "select",
    }
