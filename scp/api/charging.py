"""Reservations of minutes, and accounts.

What must not happen twice is told apart in the ledger, by the reservation's id, so that a request may be
repeated at any time, on any node: an ``Idempotency-Key`` makes the id, PUT says totals, a commit and a
release happen once. A denial is an answer and no error: 200 with ``approved: false`` and the reason; with a
key it is kept, so that the same request can't be granted later (`scp.charging.grants.answered_once`).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Any, ClassVar, Final, TypeAlias

import msgspec
from litestar import Request, Response, Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from scp.api import cdrs
from scp.api.context import Constant, Context, key_name
from scp.api.openapi import IdempotencyKey, Msisdn, answer, call, documented, e164, msisdn_of
from scp.api.problems import KEY_REUSED, NOT_SET, OTHERWISE, Kind, ProblemError, define, invalid
from scp.charging.service import ChargingService
from scp.config import Scope
from scp.domain.cdr import PRINTABLE
from scp.domain.reservation import Account, Reservation, Result, State, reservation_id
from scp.domain.tariff import MAX_AMOUNT, MINUTE
from scp.ports import ChargingRequest, Denied, Grant

CLOSED: Final = define(
    "reservation-closed",
    409,
    "The reservation is settled, released, expired or denied",
    "GET it: its state says which. Minutes for a call that goes on need a new one.",
)
TOO_LITTLE: Final = define(
    "balance-out-of-range",
    409,
    "The balance does not allow it",
    "What reservations hold can't be taken back; a balance has a limit.",
)

CallId: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=PRINTABLE,
        description="the VoIP service's id of the call (Call-ID), without control characters",
    ),
]
E164: TypeAlias = Annotated[str, e164("46701234567")]
Minutes: TypeAlias = Annotated[int, Meta(ge=1, le=1440)]
ReservationId: TypeAlias = Annotated[
    str, PathParameter(description="The id that the reservation was given.", schema_extra={"maxLength": 64})
]
CreditId: TypeAlias = Annotated[
    str,
    PathParameter(
        min_length=1,
        max_length=128,
        pattern=PRINTABLE,
        description="The operator's id of the payment; no slash or control character in it.",
    ),
]


class ReservationBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A request for minutes. ``account`` pays; without it ``a_number`` pays."""

    EXAMPLE: ClassVar = {
        "call_id": "a84b4c76e66710@voip.example",
        "a_number": "46701234567",
        "b_number": "46850000001",
        "minutes": 5,
    }
    call_id: CallId
    a_number: E164
    b_number: E164
    minutes: Minutes
    account: E164 | None = None


class ExtensionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The minutes wanted in all, from the start of the call."""

    EXAMPLE: ClassVar = {"minutes": 10}
    minutes: Minutes


class CommitBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How long the call lasted after it was answered; 0 if it was not."""

    EXAMPLE: ClassVar = {"used_seconds": 272}
    used_seconds: Annotated[int, Meta(ge=0, le=604_800)]


class CreditBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to add to the balance, in minor units; negative: to take off."""

    EXAMPLE: ClassVar = {"amount": 2000}
    amount: Annotated[int, Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]


class ReservationView(Struct, frozen=True):
    """A reservation, or why there is none. Amounts in minor units of ``currency``, times in ms since 1970."""

    approved: bool
    reason: Denied | None = None
    id: str | None = None
    state: State | None = None
    account: str | None = None
    call_id: str | None = None
    granted_minutes: int = 0
    granted_seconds: int = 0
    price: int = 0
    used_seconds: int = 0
    charged: int = 0
    currency: str = ""
    expires_ms: int = 0


class AccountView(Struct, frozen=True):
    """An account; amounts in minor units of ``currency``."""

    msisdn: str
    balance: int
    held: int
    available: int
    currency: str


_PROBLEMS: Final[dict[Denied, Kind]] = {
    Denied.UNKNOWN_RESERVATION: NOT_SET,
    Denied.CLOSED: CLOSED,
    Denied.MISMATCH: OTHERWISE,
}
_NO_RESERVATION: Final = "no such reservation"
_TAG: Final = "charging"
_encode: Final = msgspec.json.Encoder().encode


def _view(service: ChargingService, grant: Grant, mismatch: Kind = OTHERWISE) -> ReservationView:
    """Return what came of a request; raise what is a fault of it."""
    denied, found = grant.denied, grant.reservation
    if denied is Denied.MISMATCH:
        raise ProblemError(mismatch)
    if denied in _PROBLEMS:
        raise ProblemError(_PROBLEMS[denied], _NO_RESERVATION if found is None else f"it is {found.state}")
    if found is None:
        return ReservationView(approved=False, reason=denied, currency=service.currency)
    return _shown(service, found, denied)


def _shown(service: ChargingService, found: Reservation, denied: Denied | None = None) -> ReservationView:
    if found.state is State.DENIED:
        denied = Denied(found.denial)
    return ReservationView(
        approved=denied is None,
        reason=denied,
        id=found.id,
        state=found.state,
        account=found.account,
        call_id=found.call_id,
        granted_minutes=found.granted_seconds // MINUTE,
        granted_seconds=found.granted_seconds,
        price=found.held,
        used_seconds=found.used_seconds,
        charged=found.charged,
        currency=service.currency,
        expires_ms=found.expires_ms,
    )


# --- reservations ---


@post(
    "/charging/reservations",
    operation_id="reserve",
    status_code=201,
    **call(
        Scope.CHARGING,
        KEY_REUSED,
        tag=_TAG,
        body=True,
        changes=True,
        status_200=documented(ReservationView, "Denied, with the reason"),
    ),
)
async def reserve(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    charging: NamedDependency[ChargingService],
    data: JSONBody[ReservationBody],
    idempotency_key: IdempotencyKey = None,
) -> Response[ReservationView]:
    """Ask for minutes: fewer are granted where the balance does not suffice for all. Scope: charging."""
    key = key_of(idempotency_key)
    a_number, b_number = msisdn_of(data.a_number, "a_number"), msisdn_of(data.b_number, "b_number")
    account = a_number if data.account is None else msisdn_of(data.account, "account")
    particulars = _encode((data.call_id, a_number, b_number, data.minutes, account))
    wanted = ChargingRequest(
        reservation_id(account, _seed(key_name(request), key)),
        account,
        data.call_id,
        a_number,
        b_number,
        data.minutes * MINUTE,
        hashlib.blake2b(particulars, digest_size=12).hexdigest(),
        repeatable=key is not None,
        step=MINUTE,
    )
    view = _view(charging, await charging.system.create(wanted), KEY_REUSED)
    context.audit.changed(key_name(request), "reserve", None, view)
    return answer(view, 201 if view.approved else 200)


def key_of(header: str | None) -> str | None:
    """Return the key in an ``Idempotency-Key``.

    The draft has it in quotes, as a structured field's String (draft-ietf-httpapi-idempotency-key-header-07
    §2.1); most clients leave them out. An empty one would belong to all requests alike.
    """
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not key.strip():
        raise invalid("Idempotency-Key", "empty: take a new key for each new request")
    return key


def _seed(who: str, key: str | None) -> bytes:
    """Return what a reservation's id is made of: the same for the same key of the same client."""
    if key is None:
        return secrets.token_bytes(15)
    return hashlib.blake2b(f"{who}\0{key}".encode(), digest_size=15).digest()


@get(
    "/charging/reservations/{reservation:str}",
    operation_id="getReservation",
    **call(Scope.CHARGING, NOT_SET, tag=_TAG),
)
async def get_reservation(
    charging: NamedDependency[ChargingService], reservation: ReservationId
) -> Response[ReservationView]:
    """Show a reservation; one that ended is there for a week. Scope: charging."""
    found = await charging.ledger.reservation(reservation)
    if found is None:
        raise ProblemError(NOT_SET, _NO_RESERVATION)
    return answer(_shown(charging, found))


@put(
    "/charging/reservations/{reservation:str}",
    operation_id="extendReservation",
    **call(Scope.CHARGING, NOT_SET, CLOSED, tag=_TAG, body=True, changes=True),
)
async def extend(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    charging: NamedDependency[ChargingService],
    reservation: ReservationId,
    data: JSONBody[ExtensionBody],
) -> Response[ReservationView]:
    """Raise the minutes to a total; a total that is granted already changes nothing. Scope: charging."""
    view = _view(charging, await charging.system.update(reservation, data.minutes * MINUTE, MINUTE))
    context.audit.changed(key_name(request), "extend", None, view)
    return answer(view)


@post(
    "/charging/reservations/{reservation:str}/commit",
    operation_id="commitReservation",
    status_code=200,
    **call(Scope.CHARGING, NOT_SET, CLOSED, OTHERWISE, tag=_TAG, body=True, changes=True),
)
async def commit(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    charging: NamedDependency[ChargingService],
    reservation: ReservationId,
    data: JSONBody[CommitBody],
) -> Response[ReservationView]:
    """Settle: charge what was used, at most what was granted, and free the rest. Scope: charging."""
    grant = await charging.system.release(reservation, data.used_seconds)
    view = _view(charging, grant)
    if grant.done and grant.reservation is not None:  # else who charged it records it, or a sweep
        charging.charged(grant.reservation, at_once=True)
    context.audit.changed(key_name(request), "commit", None, view)
    return answer(view)


@delete(
    "/charging/reservations/{reservation:str}",
    operation_id="releaseReservation",
    **call(Scope.CHARGING, NOT_SET, CLOSED, tag=_TAG, changes=True),
)
async def release(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    charging: NamedDependency[ChargingService],
    reservation: ReservationId,
) -> None:
    """Give the minutes back: there was no call. Scope: charging."""
    view = _view(charging, await charging.system.release(reservation, None))
    context.audit.changed(key_name(request), "release", None, view)


# --- accounts ---


def _account(service: ChargingService, account: Account) -> AccountView:
    return AccountView(account.msisdn, account.balance, account.held, account.available, service.currency)


@get(
    "/charging/accounts/{msisdn:str}",
    operation_id="getAccount",
    **call(Scope.CHARGING, NOT_SET, tag=_TAG),
)
async def get_account(charging: NamedDependency[ChargingService], msisdn: Msisdn) -> Response[AccountView]:
    """Show an account. Scope: charging."""
    number = msisdn_of(msisdn)
    account = await charging.ledger.account(number)
    if account is None:
        raise ProblemError(NOT_SET, f"no account {number}")
    return answer(_account(charging, account))


@put(
    "/charging/accounts/{msisdn:str}/credits/{credit:str}",
    operation_id="putCredit",
    **call(
        Scope.AUTHORIZATION,
        OTHERWISE,
        TOO_LITTLE,
        tag=_TAG,
        body=True,
        changes=True,
        status_201=documented(AccountView, "The balance was changed"),
    ),
)
async def put_credit(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    charging: NamedDependency[ChargingService],
    msisdn: Msisdn,
    credit: CreditId,
    data: JSONBody[CreditBody],
) -> Response[AccountView]:
    """Add an amount to an account, once for each payment's id; opens the account. Scope: authorization."""
    number = msisdn_of(msisdn)
    outcome = await charging.ledger.credit(number, credit, data.amount, charging.wall())
    account = _account(charging, outcome.account or Account(number))
    if outcome.result is Result.REFUSED:
        raise ProblemError(OTHERWISE, f"credit {credit} stands for another amount")
    if outcome.result is Result.INSUFFICIENT:
        raise ProblemError(TOO_LITTLE, f"available: {account.available}")
    if outcome.result is Result.REPEATED:
        return answer(account)
    context.audit.changed(key_name(request), f"credit {credit}: {data.amount}", None, account)
    return answer(account, 201)


def charging_router(service: ChargingService) -> Router:
    """Return the calls on charging of a node."""
    return Router(
        "/v1",
        route_handlers=[
            *(reserve, get_reservation, extend, commit, release),
            *(get_account, put_credit),
            *cdrs.HANDLERS,
        ],
        dependencies={"charging": Constant(service)},
    )
