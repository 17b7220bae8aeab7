"""How each vendor signs its webhooks, and what a delivery says. Pure functions.

A signature covers the bytes as they came. Whoever looks at a delivery calls `verify` first and `read`
after: nothing in a body is believed before its signature is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import Headers

from app.connectors.records import Json, short


class Refused(Exception):
    """The signature is missing, wrong, or too old."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason  # missing | wrong | stale


@dataclass(frozen=True)
class Facts:
    """What a delivery tells: its id, the event, the object to look at, the vendor's account.
    `wanted` is false for events that nothing here depends on."""

    delivery_id: str
    event: str
    object_ref: str
    tenant: str | None
    wanted: bool


@dataclass(frozen=True)
class Scheme:
    """One vendor's rules. `seconds` is how old a delivery may be; `sent_at` its time in seconds of the
    epoch. `names_account` is false where a payload may leave its account out. `may_be_unsigned` where
    older servers of the vendor sign nothing."""

    offered: Callable[[Headers], list[bytes]]
    signed: Callable[[Headers, bytes], bytes]
    sent_at: Callable[[Headers, Json], float | None]
    seconds: float | None
    delivery_header: str
    tell: Callable[[Json], tuple[str, str | None, str | None, bool]]
    key: Callable[[str], bytes] = str.encode
    names_account: bool = True
    may_be_unsigned: bool = False


def verify(scheme: Scheme, headers: Headers, body: bytes, secrets: Iterable[str]) -> None:
    """Raise Refused unless one of the secrets made the signature. Compares in constant time."""
    offered = scheme.offered(headers)
    if not offered:
        raise Refused("missing")
    message = scheme.signed(headers, body)
    right = False
    for secret in secrets:
        expected = hmac.digest(scheme.key(secret), message, hashlib.sha256)
        for given in offered:
            right |= hmac.compare_digest(expected, given)
    if not right:
        raise Refused("wrong")


def refuse_stale(scheme: Scheme, headers: Headers, payload: Json, now: float) -> None:
    """Raise Refused when the delivery is older (or newer) than the vendor's own limit."""
    if scheme.seconds is None:
        return
    sent_at = scheme.sent_at(headers, payload)
    # Written so that a time that is no number is stale too.
    if sent_at is None or not abs(now - sent_at) <= scheme.seconds:
        raise Refused("stale")


def read(scheme: Scheme, headers: Headers, payload: Json, body: bytes) -> Facts:
    """What a delivery tells. Never raises: what cannot be understood is not wanted."""
    try:
        event, object_ref, tenant, wanted = scheme.tell(payload)
    except (TypeError, KeyError, AttributeError, IndexError):
        event, object_ref, tenant, wanted = "unknown", None, None, False
    given = short(headers.get(scheme.delivery_header), 201)
    # Without an id of the vendor's, or with one of absurd length, the body is its own name.
    named = given if given and len(given) <= 200 else hashlib.sha256(body).hexdigest()
    return Facts(
        delivery_id=named,
        event=short(event, 200) or "unknown",
        object_ref=short(object_ref, 300) or "",
        tenant=short(tenant, 200),
        wanted=wanted and bool(object_ref),
    )


def _hex(*names: str, prefix: str = "") -> Callable[[Headers], list[bytes]]:
    """Signatures in hexadecimal: the first of the headers that is there."""

    def offered(headers: Headers) -> list[bytes]:
        found = next((headers[name] for name in names if name in headers), "").strip()
        if not found.startswith(prefix):
            return []
        try:
            return [bytes.fromhex(found.removeprefix(prefix))] if found else []
        except ValueError:
            return []

    return offered


def _standard(headers: Headers) -> list[bytes]:
    """`v1,<base64>`, several of them with spaces between."""
    found = []
    for part in headers.get("webhook-signature", "").split():
        version, _, text = part.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found


def _standard_key(secret: str) -> bytes:
    """The bytes behind `whsec_`. A secret that is no base64 can sign nothing."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True) or b"\x00"
    except (binascii.Error, ValueError):
        return secret.encode()


def _seconds(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _linear_sent_at(headers: Headers, payload: Json) -> float | None:
    milliseconds = _seconds(payload.get("webhookTimestamp", headers.get("Linear-Timestamp")))
    return None if milliseconds is None else milliseconds / 1000


def _chatwoot(payload: Json) -> tuple[str, str | None, str | None, bool]:
    """Messages and conversations are looked at by conversation, contacts by themselves."""
    event = str(payload["event"])
    kind = event.partition("_")[0]
    conversation = payload.get("conversation") if kind == "message" else payload
    number = (conversation or {}).get("id")
    place = {"message": "conversation", "conversation": "conversation", "contact": "contact"}
    wanted = kind in place and "typing" not in event and number is not None
    return event, f"{place[kind]}:{number}" if wanted else None, _chatwoot_account(payload), wanted


def _chatwoot_account(payload: Json) -> str | None:
    """A conversation's payload names the account in its messages only, and may have none."""
    messages = payload.get("messages") or [{}]
    found = (payload.get("account") or {}).get("id") or payload.get("account_id")
    found = found or messages[0].get("account_id")
    return str(found) if found is not None else None


LINEAR_KINDS = {
    "Issue", "Comment", "IssueLabel", "Project", "ProjectUpdate", "Cycle", "User", "Attachment",
    "IssueSLA",
}  # fmt: skip


def _linear(payload: Json) -> tuple[str, str | None, str | None, bool]:
    kind = str(payload["type"])
    about = payload.get("data") or payload.get("issueData") or {}
    ref = f"{kind}:{about['id']}" if about.get("id") else None
    return (
        f"{kind}.{payload.get('action')}",
        ref,
        payload.get("organizationId"),
        kind in LINEAR_KINDS,
    )


ATTIO_PARTS = {
    "record": ("object_id", "record_id"),
    "list-entry": ("list_id", "entry_id"),
    "note": ("note_id",),
    "note-content": ("note_id",),
    "task": ("task_id",),
    "comment": ("comment_id",),
}


def _attio(payload: Json) -> tuple[str, str | None, str | None, bool]:
    """One delivery may hold several events; it is about one object only if all of them are."""
    events = [event for event in payload["events"] if _attio_ref(event) is not None]
    every = payload["events"]
    names = {str(event["event_type"]) for event in every}
    refs = {_attio_ref(event) for event in events}
    tenants = {str(event["id"]["workspace_id"]) for event in every}
    if len(refs) > 1:
        digest = hashlib.sha256("\n".join(sorted(map(str, refs))).encode()).hexdigest()
        refs = {f"batch:{digest[:32]}"}
    return (
        names.pop() if len(names) == 1 else "batch",
        next(iter(refs), None),
        tenants.pop() if len(tenants) == 1 else "several",
        bool(events),
    )


def _attio_ref(event: Json) -> str | None:
    kind = str(event["event_type"]).partition(".")[0]
    parts = ATTIO_PARTS.get(kind)
    if parts is None:
        return None
    name = kind.removesuffix("-content")
    return ":".join([name, *(str(event["id"].get(part, "")) for part in parts)])


LOOPS_EVENTS = {
    "contact.unsubscribed", "contact.deleted", "contact.mailingList.unsubscribed",
    "email.unsubscribed", "email.hardBounced", "email.spamReported",
}  # fmt: skip


def _loops(payload: Json) -> tuple[str, str | None, str | None, bool]:
    event = str(payload["eventName"])
    who = payload.get("contactIdentity") or {}
    found = who.get("id") or who.get("userId") or who.get("email")
    return event, f"contact:{found}" if found else None, None, event in LOOPS_EVENTS


SCHEMES: dict[str, Scheme] = {
    "chatwoot": Scheme(
        offered=_hex("X-Chatwoot-Signature", prefix="sha256="),
        signed=lambda h, body: h.get("X-Chatwoot-Timestamp", "").encode() + b"." + body,
        sent_at=lambda headers, payload: _seconds(headers.get("X-Chatwoot-Timestamp")),
        seconds=300,
        delivery_header="X-Chatwoot-Delivery",
        tell=_chatwoot,
        names_account=False,
        may_be_unsigned=True,
    ),
    "linear": Scheme(
        offered=_hex("Linear-Signature"),
        signed=lambda headers, body: body,
        sent_at=_linear_sent_at,
        seconds=60,
        delivery_header="Linear-Delivery",
        tell=_linear,
    ),
    "attio": Scheme(
        offered=_hex("Attio-Signature", "X-Attio-Signature"),
        signed=lambda headers, body: body,
        sent_at=lambda headers, payload: None,
        seconds=None,  # nothing in a delivery tells its time: its id must do
        delivery_header="Idempotency-Key",
        tell=_attio,
    ),
    "loops": Scheme(
        offered=_standard,
        signed=lambda h, body: (
            f"{h.get('webhook-id', '')}.{h.get('webhook-timestamp', '')}.".encode() + body
        ),
        sent_at=lambda headers, payload: _seconds(headers.get("webhook-timestamp")),
        seconds=300,
        delivery_header="webhook-id",
        tell=_loops,
        key=_standard_key,
        names_account=False,
    ),
}
