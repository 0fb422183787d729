"""Identities: their numbers, how they are called, what their users have set."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from litestar import Request, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from scp.api.audit import call as call_of
from scp.api.openapi import Msisdn, answer, e164, msisdn_of
from scp.api.problems import NOT_SET, ProblemError, invalid
from scp.voip.accounts import RefusedError
from scp.voip.api.calls import NOT_YOURS, ApiContext, call, caller_of, require_own
from scp.voip.api.refusals import AGAIN, FIXED, OTHERS, refused
from scp.voip.config_api import Scope
from scp.voip.directory import E164, Identity, Mobile
from scp.voip.user_rules import NO_RULES, UserRules

_TAG: Final = "identities"
_OWN: Final = (Scope.OWN, Scope.OPERATOR)


class IdentityBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An identity; what is left out is as by default. Its own rules are set at ``/rules``."""

    EXAMPLE: ClassVar = {"dids": ["46812345"], "zone": "Europe/Stockholm", "barred": ["46900"]}
    dids: tuple[E164, ...] = ()
    shared: tuple[E164, ...] = ()
    aliases: tuple[
        Annotated[
            str, Meta(pattern=r"^[a-z][a-z0-9._-]{0,62}$(?!\n)", description="small letters, digits, . _ -")
        ],
        ...,
    ] = ()
    forwarding: Literal["always", "roaming", "off"] = "roaming"
    mobile: Mobile = Mobile.LAST
    payer: Annotated[str, e164("46701234567")] | None = None
    zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    barred: tuple[
        Annotated[
            str, Meta(pattern=r"^([0-9]{1,15}|[a-z][a-z0-9-]{0,31})$(?!\n)", description="digits, or a class")
        ],
        ...,
    ] = ()
    presentation: Annotated[
        str,
        Meta(
            pattern=r"^(own|withheld|[1-9][0-9]{4,14})$(?!\n)", description="own, withheld, or an own number"
        ),
    ] = "own"
    mode: Literal["shared", "exclusive"] = "shared"


class IdentityView(Struct, frozen=True):
    """An identity with its devices, and how many bindings it has now."""

    msisdn: str
    dids: tuple[str, ...]
    shared: tuple[str, ...]
    aliases: tuple[str, ...]
    forwarding: str
    mobile: str
    payer: str | None
    zone: str
    barred: tuple[str, ...]
    presentation: str
    mode: str
    devices: list[str]
    bindings: int


class NumberView(Struct, frozen=True):
    """A number of an identity: ``role`` own, did (this identity's alone) or shared."""

    number: str
    role: str


class NumberList(Struct, frozen=True):
    """The numbers of an identity."""

    numbers: list[NumberView]


class NumberBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a number is to the identity."""

    EXAMPLE: ClassVar = {"role": "did"}
    role: Literal["did", "shared"]


def identity_of(context: ApiContext, msisdn: str) -> Identity:
    """Return an identity; raises `ProblemError` (404) if there is none."""
    found = context.brain.directory.identity(msisdn)
    if found is None:
        raise ProblemError(NOT_SET, f"number {msisdn}")
    return found


def _view(context: ApiContext, identity: Identity) -> IdentityView:
    directory = context.brain.directory
    fields = asdict(identity)
    del fields["rules"]
    return IdentityView(
        **fields,
        devices=[one.id for one in directory.devices_of(identity.msisdn)],
        bindings=directory.bindings(identity.msisdn),
    )


async def _changed(
    request: Request[Any, Any, Any], context: ApiContext, identity: Identity
) -> Identity | None:
    """Have an identity as it is given, with a line in the audit; return what it was."""
    try:
        before = await context.accounts.put_identity(identity)
    except RefusedError as error:
        raise refused(error) from None
    caller = caller_of(request)
    what = call_of(request.method, request.url.path)
    context.audit.changed(caller.name if caller else "", what, before, identity)
    return before


@get(
    "/identities/{msisdn:str}",
    operation_id="getIdentity",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS), tag=_TAG),
)
async def get_identity(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn
) -> Response[IdentityView]:
    """Show an identity. Scopes: own, operator."""
    number = msisdn_of(msisdn)
    require_own(request, number)
    return answer(_view(context, identity_of(context, number)))


@put(
    "/identities/{msisdn:str}",
    operation_id="putIdentity",
    **call(Scope.OPERATOR, kinds=(FIXED, OTHERS, AGAIN), tag=_TAG, body=True, changes=True),
)
async def put_identity(
    request: Request[Any, Any, Any],
    context: NamedDependency[ApiContext],
    msisdn: Msisdn,
    data: JSONBody[IdentityBody],
) -> Response[IdentityView]:
    """Have an identity as it is given; its user's rules stay. Scope: operator."""
    number = msisdn_of(msisdn)
    before = context.brain.directory.identity(number)
    fields = asdict(data)
    fields["payer"] = None if data.payer is None else data.payer.removeprefix("+")
    rules = NO_RULES if before is None else before.rules
    was = await _changed(request, context, Identity(number, **fields, rules=rules))
    return answer(_view(context, identity_of(context, number)), 201 if was is None else 200)


@delete(
    "/identities/{msisdn:str}",
    operation_id="deleteIdentity",
    **call(Scope.OPERATOR, kinds=(NOT_SET, FIXED, AGAIN), tag=_TAG, changes=True),
)
async def delete_identity(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn
) -> None:
    """Let an identity go, with its devices and bindings. Scope: operator."""
    number = msisdn_of(msisdn)
    try:
        before = await context.accounts.remove_identity(number)
    except RefusedError as error:
        raise refused(error) from None
    caller = caller_of(request)
    context.audit.changed(
        caller.name if caller else "", call_of(request.method, request.url.path), before, None
    )


# --- numbers ---


@get(
    "/identities/{msisdn:str}/numbers",
    operation_id="getNumbers",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS), tag=_TAG),
)
async def get_numbers(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn
) -> Response[NumberList]:
    """Show an identity's numbers. Scopes: own, operator."""
    number = msisdn_of(msisdn)
    require_own(request, number)
    identity = identity_of(context, number)
    dids = [NumberView(one, "did") for one in identity.dids]
    shared = [NumberView(one, "shared") for one in identity.shared]
    return answer(NumberList([NumberView(number, "own"), *dids, *shared]))


Number = Annotated[str, PathParameter(description="E.164 digits.", schema_extra={"examples": ["46812345"]})]


@put(
    "/identities/{msisdn:str}/numbers/{number:str}",
    operation_id="putNumber",
    **call(Scope.OPERATOR, kinds=(NOT_SET, FIXED, OTHERS, AGAIN), tag=_TAG, body=True, changes=True),
)
async def put_number(
    request: Request[Any, Any, Any],
    context: NamedDependency[ApiContext],
    msisdn: Msisdn,
    number: Number,
    data: JSONBody[NumberBody],
) -> Response[NumberView]:
    """Give an identity a number. Scope: operator."""
    identity = _without(identity_of(context, msisdn_of(msisdn)), given := msisdn_of(number, "number"))
    if given == identity.msisdn:
        raise invalid("number", "it is the identity's own")
    field = "dids" if data.role == "did" else "shared"
    await _changed(request, context, replace(identity, **{field: (*getattr(identity, field), given)}))
    return answer(NumberView(given, data.role))


@delete(
    "/identities/{msisdn:str}/numbers/{number:str}",
    operation_id="deleteNumber",
    **call(Scope.OPERATOR, kinds=(NOT_SET, FIXED, AGAIN), tag=_TAG, changes=True),
)
async def delete_number(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn, number: Number
) -> None:
    """Take a number from an identity. Scope: operator."""
    identity = identity_of(context, msisdn_of(msisdn))
    after = _without(identity, msisdn_of(number, "number"))
    if after != identity:
        await _changed(request, context, after)


def _without(identity: Identity, number: str) -> Identity:
    return replace(
        identity,
        dids=tuple(one for one in identity.dids if one != number),
        shared=tuple(one for one in identity.shared if one != number),
    )


# --- the user's rules ---


@get(
    "/identities/{msisdn:str}/rules",
    operation_id="getRules",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS), tag=_TAG),
)
async def get_rules(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn
) -> Response[UserRules]:
    """Show who may call, and when nothing rings. Scopes: own, operator."""
    number = msisdn_of(msisdn)
    require_own(request, number)
    return answer(identity_of(context, number).rules)


@put(
    "/identities/{msisdn:str}/rules",
    operation_id="putRules",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS, FIXED, AGAIN), tag=_TAG, body=True, changes=True),
)
async def put_rules(
    request: Request[Any, Any, Any],
    context: NamedDependency[ApiContext],
    msisdn: Msisdn,
    data: JSONBody[UserRules],
) -> Response[UserRules]:
    """Set who may call, and when nothing rings; it holds for the next call. Scopes: own, operator."""
    number = msisdn_of(msisdn)
    require_own(request, number)
    await _changed(request, context, replace(identity_of(context, number), rules=data))
    return answer(data)


HANDLERS: Final = (
    get_identity,
    put_identity,
    delete_identity,
    get_numbers,
    put_number,
    delete_number,
    get_rules,
    put_rules,
)
