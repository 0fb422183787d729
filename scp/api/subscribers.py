"""Authorizations, registrations, forwarding, roaming, and the view of all of it.

Every change is one compare-and-set on the subscriber's record: read, hold to the preconditions, apply the
rules (`scp.domain.provisioning`), write if the record is still the one that was read, else once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, TypeAlias, TypeVar

from litestar import Request, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody
from msgspec import Meta, Struct

from scp.api.calls import IfMatch, IfNoneMatch, KnownTag, Msisdn, call, msisdn_of, require, tagged, unchanged
from scp.api.context import Context, key_name
from scp.api.problems import (
    CHANGED,
    NOT_AUTHORIZED,
    NOT_REGISTERED,
    NOT_SET,
    UNAVAILABLE,
    Kind,
    ProblemError,
    invalid,
)
from scp.config import Scope
from scp.domain import provisioning
from scp.domain.provisioning import (
    Authorize,
    Deregister,
    DisableForwarding,
    EnableForwarding,
    ForgetRoaming,
    Operation,
    Refusal,
    Register,
    SetRoaming,
    Withdraw,
)
from scp.domain.subscriber import Subscriber, When
from scp.ports import VersionConflictError

_ENDS: Final = (Withdraw, Deregister, ForgetRoaming)
"""Operations that make no record where there is none."""
ATTEMPTS: Final = 100
"""Writers that may overtake one change before it is given up with 503."""

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
E164: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^\+?[1-9][0-9]{4,14}$(?!\n)",
        description="E.164 digits, country code first",
        examples=["46850000001"],
    ),
]
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
    """Whether calls are forwarded, and under which condition."""

    EXAMPLE: ClassVar = {"enabled": True, "when": "locations", "locations": ["4673", "42f0100001"]}
    enabled: bool
    when: When = When.ALWAYS
    locations: Locations = ()


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

    EXAMPLE: ClassVar = {"msisdn": _NUMBER, "enabled": True, "when": "roaming", "locations": []}
    msisdn: str
    enabled: bool
    when: When
    locations: tuple[str, ...]


class Roaming(Struct, frozen=True):
    """Where the subscriber is, as another system said."""

    EXAMPLE: ClassVar = {"msisdn": _NUMBER, "roaming": True, "vlr": "491710000001"}
    msisdn: str
    roaming: bool | None
    vlr: str | None


class SubscriberView(Struct, frozen=True):
    """All that was said of a number. ``version`` counts its changes."""

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


Shown = TypeVar("Shown", bound=Struct)
View: TypeAlias = Callable[[Subscriber], Shown | None]


def _authorization(record: Subscriber) -> Authorization | None:
    return Authorization(record.msisdn, record.imsi) if record.authorized else None


def _registration(record: Subscriber) -> Registration | None:
    if record.aor is None:
        return None
    return Registration(record.msisdn, record.aor, record.forwarding_number)


def _forwarding(record: Subscriber) -> Forwarding | None:
    return Forwarding(record.msisdn, record.forwarding, record.when, record.locations)


def _roaming(record: Subscriber) -> Roaming | None:
    if record.roaming is None and record.vlr is None:
        return None
    return Roaming(record.msisdn, record.roaming, record.vlr)


def view(record: Subscriber) -> SubscriberView:
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
    )


# --- reading and changing ---

_REFUSALS: Final[dict[Refusal, Kind]] = {
    Refusal.NOT_AUTHORIZED: NOT_AUTHORIZED,
    Refusal.NOT_REGISTERED: NOT_REGISTERED,
}


async def show(context: Context, msisdn: str, shown: View[Shown], if_none_match: str | None) -> Response[Any]:
    """Answer a GET: what there is, 304 where it is known already, 404 where there is nothing."""
    number = msisdn_of(msisdn)
    record = await context.store.get(number)
    found = None if record is None else shown(record)
    if found is None:
        raise ProblemError(NOT_SET, f"number {number}")
    response = tagged(found)
    if unchanged(found, if_none_match):
        return Response(b"", status_code=304, headers=response.headers)
    return response


async def change(
    request: Request[Any, Any, Any],
    context: Context,
    msisdn: str,
    operation: Operation,
    shown: View[Shown],
    preconditions: tuple[str | None, str | None],
) -> tuple[Shown | None, Shown | None]:
    """Apply an operation to a number's record; return what was shown of it before and what is after.

    Raises:
        ProblemError: a precondition or a rule forbids it, or too many others changed the record at once.
        StoreError: the store could not do it.
    """
    number = msisdn_of(msisdn)
    before = await context.store.get(number)
    for _attempt in range(ATTEMPTS):
        record = before or Subscriber(number)
        was = None if before is None else shown(before)
        require(was, *preconditions)
        wanted = provisioning.apply(record, operation)
        if isinstance(wanted, Refusal):
            raise ProblemError(_REFUSALS[wanted], f"number {number}")
        if wanted == record and (before is not None or isinstance(operation, _ENDS)):
            return was, shown(record)  # nothing to write
        try:
            after = await context.store.put(wanted)
        except VersionConflictError as conflict:
            before = conflict.current
            continue
        what = f"{request.method} {request.url.path}"
        context.audit.changed(key_name(request), what, before and view(before), view(after))
        return was, shown(after)
    raise ProblemError(UNAVAILABLE, "others change the same number too fast", headers={"Retry-After": "1"})


def _put_answer(outcome: tuple[Struct | None, Struct | None]) -> Response[Any]:
    """Return the answer to a PUT: 201 where nothing was there before (RFC 9110 §9.3.4)."""
    was, now = outcome
    return tagged(now, 201 if was is None else 200)


_UNSEEN: Final = ResponseSpec(None, description="It is what If-None-Match has")
_TAG: Final = "subscribers"


def _created(kind: type[Struct]) -> ResponseSpec:
    return ResponseSpec(kind, generate_examples=False, description="There was none before")


# --- the calls ---


@get(
    "/v1/authorizations/{msisdn:str}",
    operation_id="getAuthorization",
    **call(Scope.AUTHORIZATION, NOT_SET, tag=_TAG, status_304=_UNSEEN),
)
async def get_authorization(
    context: NamedDependency[Context], msisdn: Msisdn, if_none_match: KnownTag = None
) -> Response[Authorization]:
    """Whether the operator lets the number use the service. Scope: authorization."""
    return await show(context, msisdn, _authorization, if_none_match)


@put(
    "/v1/authorizations/{msisdn:str}",
    operation_id="putAuthorization",
    **call(
        Scope.AUTHORIZATION, CHANGED, tag=_TAG, body=True, changes=True, status_201=_created(Authorization)
    ),
)
async def put_authorization(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    msisdn: Msisdn,
    data: JSONBody[AuthorizationBody],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Authorization]:
    """Let the number use the service. Scope: authorization."""
    operation = Authorize(data.imsi)
    return _put_answer(
        await change(request, context, msisdn, operation, _authorization, (if_match, if_none_match))
    )


@delete(
    "/v1/authorizations/{msisdn:str}",
    operation_id="deleteAuthorization",
    **call(Scope.AUTHORIZATION, CHANGED, tag=_TAG, changes=True),
)
async def delete_authorization(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    msisdn: Msisdn,
    if_match: IfMatch = None,
) -> None:
    """End the number's authorization, and with it registration and forwarding. Scope: authorization."""
    await change(request, context, msisdn, Withdraw(), _authorization, (if_match, None))


@get(
    "/v1/registrations/{msisdn:str}",
    operation_id="getRegistration",
    **call(Scope.REGISTRATION, NOT_SET, tag=_TAG, status_304=_UNSEEN),
)
async def get_registration(
    context: NamedDependency[Context], msisdn: Msisdn, if_none_match: KnownTag = None
) -> Response[Registration]:
    """The number's registration with the VoIP service. Scope: registration."""
    return await show(context, msisdn, _registration, if_none_match)


@put(
    "/v1/registrations/{msisdn:str}",
    operation_id="putRegistration",
    **call(
        Scope.REGISTRATION,
        NOT_AUTHORIZED,
        CHANGED,
        tag=_TAG,
        body=True,
        changes=True,
        status_201=_created(Registration),
    ),
)
async def put_registration(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    msisdn: Msisdn,
    data: JSONBody[RegistrationBody],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Registration]:
    """Register the number, which has to be authorized. Scope: registration."""
    number = data.forwarding_number and data.forwarding_number.removeprefix("+")
    if number is not None and number == msisdn_of(msisdn):
        raise invalid("forwarding_number", "it is the number itself: calls would loop")
    operation = Register(data.aor, number)
    return _put_answer(
        await change(request, context, msisdn, operation, _registration, (if_match, if_none_match))
    )


@delete(
    "/v1/registrations/{msisdn:str}",
    operation_id="deleteRegistration",
    **call(Scope.REGISTRATION, CHANGED, tag=_TAG, changes=True),
)
async def delete_registration(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    msisdn: Msisdn,
    if_match: IfMatch = None,
) -> None:
    """End the number's registration, and its forwarding. Scope: registration."""
    await change(request, context, msisdn, Deregister(), _registration, (if_match, None))


@get(
    "/v1/forwarding/{msisdn:str}",
    operation_id="getForwarding",
    **call(Scope.FORWARDING, NOT_SET, tag=_TAG, status_304=_UNSEEN),
)
async def get_forwarding(
    context: NamedDependency[Context], msisdn: Msisdn, if_none_match: KnownTag = None
) -> Response[Forwarding]:
    """Whether the number's calls are forwarded, and under which condition. Scope: forwarding."""
    return await show(context, msisdn, _forwarding, if_none_match)


@put(
    "/v1/forwarding/{msisdn:str}",
    operation_id="putForwarding",
    **call(
        Scope.FORWARDING,
        NOT_AUTHORIZED,
        NOT_REGISTERED,
        CHANGED,
        tag=_TAG,
        body=True,
        changes=True,
        status_201=_created(Forwarding),
    ),
)
async def put_forwarding(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    msisdn: Msisdn,
    data: JSONBody[ForwardingBody],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Forwarding]:
    """Switch forwarding on, for a registered number, or off, which keeps it registered. Scope: forwarding."""
    fault = provisioning.condition_fault(data.when, data.locations)
    if fault:
        raise invalid(*fault.split(": ", 1))
    switch = EnableForwarding if data.enabled else DisableForwarding
    operation = switch(data.when, data.locations)
    return _put_answer(
        await change(request, context, msisdn, operation, _forwarding, (if_match, if_none_match))
    )


@get(
    "/v1/roaming/{msisdn:str}",
    operation_id="getRoaming",
    **call(Scope.FORWARDING, NOT_SET, tag=_TAG, status_304=_UNSEEN),
)
async def get_roaming(
    context: NamedDependency[Context], msisdn: Msisdn, if_none_match: KnownTag = None
) -> Response[Roaming]:
    """Where the subscriber is, as another system said. Scope: forwarding."""
    return await show(context, msisdn, _roaming, if_none_match)


@put(
    "/v1/roaming/{msisdn:str}",
    operation_id="putRoaming",
    **call(Scope.FORWARDING, CHANGED, tag=_TAG, body=True, changes=True, status_201=_created(Roaming)),
)
async def put_roaming(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    msisdn: Msisdn,
    data: JSONBody[RoamingBody],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Roaming]:
    """Say where the subscriber is; what a terminating call itself carries wins over it. Scope: forwarding."""
    operation = SetRoaming(data.roaming, data.vlr and data.vlr.removeprefix("+"))
    return _put_answer(await change(request, context, msisdn, operation, _roaming, (if_match, if_none_match)))


@delete(
    "/v1/roaming/{msisdn:str}",
    operation_id="deleteRoaming",
    **call(Scope.FORWARDING, CHANGED, tag=_TAG, changes=True),
)
async def delete_roaming(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    msisdn: Msisdn,
    if_match: IfMatch = None,
) -> None:
    """Take back what was said of where the subscriber is. Scope: forwarding."""
    await change(request, context, msisdn, ForgetRoaming(), _roaming, (if_match, None))


@get(
    "/v1/subscribers/{msisdn:str}",
    operation_id="getSubscriber",
    **call(Scope.READ, NOT_SET, tag=_TAG, status_304=_UNSEEN),
)
async def get_subscriber(
    context: NamedDependency[Context], msisdn: Msisdn, if_none_match: KnownTag = None
) -> Response[SubscriberView]:
    """All that was said of a number. Scope: read."""
    return await show(context, msisdn, view, if_none_match)


HANDLERS: Final[tuple[Any, ...]] = (
    get_authorization,
    put_authorization,
    delete_authorization,
    get_registration,
    put_registration,
    delete_registration,
    get_forwarding,
    put_forwarding,
    get_roaming,
    put_roaming,
    delete_roaming,
    get_subscriber,
)
