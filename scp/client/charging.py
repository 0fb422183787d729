"""Reservations, accounts and call detail records. Amounts are in minor units of the currency."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import Struct

from scp.client.call import NOTHING, Call, Reader, json_call, path_of

State: TypeAlias = Literal["reserved", "extended", "committed", "released", "expired", "denied"]


# --- answers; times are milliseconds since 1970-01-01 UTC ---


class Reservation(Struct, frozen=True):
    """A reservation as it stands; if it is not ``approved``, ``reason`` says why there are no (more) minutes.

    ``price`` is what is held for what was granted, ``charged`` what was taken when it was committed.
    """

    approved: bool
    reason: str | None
    id: str | None
    state: State | None
    account: str | None
    call_id: str | None
    granted_minutes: int
    granted_seconds: int
    price: int
    used_seconds: int
    charged: int
    currency: str
    expires_ms: int


class Account(Struct, frozen=True):
    """What an account has, what reservations hold of it, and what is left for further ones."""

    msisdn: str
    balance: int
    held: int
    available: int
    currency: str


class Attempt(Struct, frozen=True, kw_only=True, tag_field="kind", tag="attempt"):
    """The node's record of a call that it was asked about; ``seq`` is its number among the node's records."""

    seq: int
    id: str
    node: str
    received_ms: int
    decided_ms: int
    service: str
    service_key: int
    trigger: str | None
    action: str
    reason: str
    a_number: str = ""
    b_number: str = ""
    number: str = ""
    call_reference: str = ""
    msc_address: str = ""
    imsi: str = ""
    answered_ms: int | None = None
    disconnected_ms: int | None = None
    release_cause: int | None = None
    charged_ms: int | None = None
    reservation: str | None = None
    failed_attempts: str = ""
    charge: int | None = None
    reserved: int | None = None
    tariff: str | None = None
    charged_by: str | None = None


class VoipLeg(Struct, frozen=True, kw_only=True):
    """What the VoIP service says of its leg of a call; ``id`` is its own, and unique among its records."""

    id: str
    call_id: str
    a_number: str
    b_number: str
    started_ms: int
    ended_ms: int
    answered_ms: int | None = None
    cause: int | None = None
    call_reference: str = ""
    msc_address: str = ""
    reservation: str = ""


class VoipRecord(VoipLeg, frozen=True, kw_only=True, tag_field="kind", tag="voip"):
    """The record that the node keeps of a `VoipLeg`; its ``id`` is ``voip-`` and the leg's."""

    seq: int = 0


class Charge(Struct, frozen=True, kw_only=True, tag_field="kind", tag="charge"):
    """The record of a reservation that was committed."""

    seq: int
    id: str
    node: str
    account: str
    call_id: str
    a_number: str
    b_number: str
    reservation: str
    reserved_ms: int
    ended_ms: int
    granted_seconds: int
    used_seconds: int
    charged: int = 0
    currency: str = ""
    tariff: str | None = None
    reference: str = ""


Cdr: TypeAlias = Attempt | VoipRecord | Charge


class CdrPage(Struct, frozen=True):
    """Some records, oldest first; ``next`` is the ``after`` of the following page, None at the end."""

    cdrs: tuple[Cdr, ...]
    next: int | None


_RESERVATION: Final = Reader(Reservation)
_ACCOUNT: Final = Reader(Account)
_VOIP_RECORD: Final = Reader(VoipRecord)
_PAGE: Final = Reader(CdrPage)


# --- calls ---


def reserve(
    call_id: str, a_number: str, b_number: str, minutes: int, account: str | None = None
) -> Call[Reservation]:
    """Return the call that asks for minutes; look at ``approved``, and send it with ``once(key)``.

    Args:
        call_id: the VoIP service's id of the call.
        a_number: who calls, and pays unless ``account`` says otherwise.
        b_number: who is called.
        minutes: how many are wanted; fewer are granted where the balance does not suffice.
        account: who pays.
    """
    body = {"call_id": call_id, "a_number": a_number, "b_number": b_number}
    return json_call(
        "POST",
        path_of("charging", "reservations"),
        _RESERVATION,
        {**body, "minutes": minutes, "account": account},
    )


def _of(reservation_id: str, *further: str) -> str:
    return path_of("charging", "reservations", reservation_id, *further)


def reservation(reservation_id: str) -> Call[Reservation]:
    """Return the call that reads a reservation."""
    return Call("GET", _of(reservation_id), _RESERVATION)


def extend(reservation_id: str, minutes: int) -> Call[Reservation]:
    """Return the call that raises a reservation's minutes to a total, counted from the start of the call."""
    return json_call("PUT", _of(reservation_id), _RESERVATION, {"minutes": minutes})


def commit(reservation_id: str, used_seconds: int) -> Call[Reservation]:
    """Return the call that charges the seconds that the call took, 0 if it was not answered."""
    return json_call("POST", _of(reservation_id, "commit"), _RESERVATION, {"used_seconds": used_seconds})


def release(reservation_id: str) -> Call[None]:
    """Return the call that gives the minutes back: there was no call."""
    return Call("DELETE", _of(reservation_id), NOTHING)


def account(msisdn: str) -> Call[Account]:
    """Return the call that reads an account."""
    return Call("GET", path_of("charging", "accounts", msisdn), _ACCOUNT)


def credit(msisdn: str, payment_id: str, amount: int) -> Call[Account]:
    """Return the call that adds an amount to an account, or takes it off, once for each ``payment_id``."""
    path = path_of("charging", "accounts", msisdn, "credits", payment_id)
    return json_call("PUT", path, _ACCOUNT, {"amount": amount})


def record_leg(leg: VoipLeg) -> Call[VoipRecord]:
    """Return the call that keeps the VoIP service's record of its leg, once for each ``leg.id``."""
    return json_call("POST", path_of("cdrs"), _VOIP_RECORD, msgspec.structs.asdict(leg))


def cdrs(after: int = 0, *, limit: int = 100, since_ms: int = 0, until_ms: int = 0) -> Call[CdrPage]:
    """Return the call that reads a page of a node's call detail records.

    Args:
        after: begin behind the record with this ``seq``.
        limit: how many at most, 1 to 1000.
        since_ms: kept at or after this time.
        until_ms: kept before this time; 0: no end.
    """
    query = f"?after={after}&limit={limit}&since_ms={since_ms}&until_ms={until_ms}"
    return Call("GET", path_of("cdrs") + query, _PAGE)


def related_cdrs(record_id: str) -> Call[CdrPage]:
    """Return the call that reads the records of the call that a record is of."""
    return Call("GET", f"{path_of('cdrs', 'related')}?to={quote(record_id, safe='')}", _PAGE)
