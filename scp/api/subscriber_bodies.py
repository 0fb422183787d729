"""Bodies of the calls on subscribers, and their conversion to and from records."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, TypeAlias

from msgspec import Meta, Struct

from scp.api.openapi import e164
from scp.domain.subscriber import Subscriber, When

# A pattern's $ also stands before a newline at the end in Python: the look-ahead forbids it.
Imsi: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{6,15}$(?!\n)",
        description="6 to 15 digits (23.003 §2.2)",
        examples=["240010123456789"],
    ),
]
Aor: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^sips?:[!-~]{1,250}$(?!\n)",
        description="SIP or SIPS URI (RFC 3261 §6, address-of-record)",
        examples=["sip:+46701234567@voip.example"],
    ),
]
E164: TypeAlias = Annotated[str, e164("46850000001")]
Location: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f]{1,32}$(?!\n)",
        description="first digits of a VLR number, or a cell or location area id as hex octets",
        examples=["4673", "42f0100001"],
    ),
]
Locations: TypeAlias = Annotated[tuple[Location, ...], Meta(max_length=64)]


_NUMBER: Final = "46701234567"
_AOR: Final = "sip:+46701234567@voip.example"


# --- what is sent ---


class AuthorizationBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The operator lets the number use the service."""

    EXAMPLE: ClassVar = {"imsi": "240010123456789"}
    imsi: Imsi | None = None


class RegistrationBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The VoIP service knows the number. ``forwarding_number`` (a DID) replaces the marked number."""

    EXAMPLE: ClassVar = {"aor": _AOR}
    aor: Aor
    forwarding_number: E164 | None = None


class ForwardingBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether calls are forwarded, and under which condition; whether they are rescued, and where to.

    ``rescue`` null is as the service has it for all; ``rescue_number`` null is the subscriber's own line.
    """

    EXAMPLE: ClassVar = {"enabled": True, "when": "locations", "locations": ["4673", "42f0100001"]}
    enabled: bool
    when: When = When.ALWAYS
    locations: Locations = ()
    rescue: bool | None = None
    rescue_number: E164 | None = None


class RoamingBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the subscriber is, from another system."""

    EXAMPLE: ClassVar = {"roaming": True, "vlr": "491710000001"}
    roaming: bool
    vlr: E164 | None = None


# --- what is shown ---


class Authorization(Struct, frozen=True):
    """An authorization."""

    EXAMPLE: ClassVar = {"msisdn": _NUMBER, "imsi": "240010123456789"}
    msisdn: str
    imsi: str | None


class Registration(Struct, frozen=True):
    """A registration."""

    EXAMPLE: ClassVar = {"msisdn": _NUMBER, "aor": _AOR, "forwarding_number": None}
    msisdn: str
    aor: str
    forwarding_number: str | None


class Forwarding(Struct, frozen=True):
    """Forwarding and its condition."""

    EXAMPLE: ClassVar = {
        "msisdn": _NUMBER,
        "enabled": True,
        "when": "roaming",
        "locations": [],
        "rescue": None,
        "rescue_number": None,
    }
    msisdn: str
    enabled: bool
    when: When
    locations: tuple[str, ...]
    rescue: bool | None
    rescue_number: str | None


class Roaming(Struct, frozen=True):
    """Where the subscriber is, as another system reported it."""

    EXAMPLE: ClassVar = {"msisdn": _NUMBER, "roaming": True, "vlr": "491710000001"}
    msisdn: str
    roaming: bool | None
    vlr: str | None


class SubscriberView(Struct, frozen=True):
    """The whole record of a number. ``version`` counts its changes."""

    EXAMPLE: ClassVar = {
        "msisdn": _NUMBER,
        "authorized": True,
        "imsi": "240010123456789",
        "registered": True,
        "aor": _AOR,
        "forwarding_number": None,
        "forwarding": True,
        "when": "roaming",
        "locations": [],
        "roaming": None,
        "vlr": None,
        "version": 3,
        "rescue": None,
        "rescue_number": None,
    }
    msisdn: str
    authorized: bool
    imsi: str | None
    registered: bool
    aor: str | None
    forwarding_number: str | None
    forwarding: bool
    when: When
    locations: tuple[str, ...]
    roaming: bool | None
    vlr: str | None
    version: int
    rescue: bool | None
    rescue_number: str | None


# --- what is shown of a record ---


def authorization_of(record: Subscriber) -> Authorization | None:
    """Return a record's authorization, None without one."""
    return Authorization(record.msisdn, record.imsi) if record.authorized else None


def registration_of(record: Subscriber) -> Registration | None:
    """Return a record's registration, None without one."""
    if record.aor is None:
        return None
    return Registration(record.msisdn, record.aor, record.forwarding_number)


def forwarding_of(record: Subscriber) -> Forwarding | None:
    """Return a record's forwarding."""
    return Forwarding(
        record.msisdn,
        record.forwarding,
        record.when,
        record.locations,
        record.rescue,
        record.rescue_number,
    )


def roaming_of(record: Subscriber) -> Roaming | None:
    """Return the place stored in a record, None if there is none."""
    if record.roaming is None and record.vlr is None:
        return None
    return Roaming(record.msisdn, record.roaming, record.vlr)


def view_of(record: Subscriber) -> SubscriberView:
    """Return all of a record as it is shown."""
    return SubscriberView(
        record.msisdn,
        record.authorized,
        record.imsi,
        record.registered,
        record.aor,
        record.forwarding_number,
        record.forwarding,
        record.when,
        record.locations,
        record.roaming,
        record.vlr,
        record.version,
        record.rescue,
        record.rescue_number,
    )
