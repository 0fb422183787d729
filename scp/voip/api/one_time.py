"""One-time numbers: asked for, withdrawn."""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Final

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from scp.api.audit import call as call_of
from scp.api.openapi import Msisdn, answer, e164, msisdn_of
from scp.api.problems import NOT_SET, ProblemError, define
from scp.voip import decision
from scp.voip.api.calls import NOT_YOURS, ApiContext, call, caller_of, require_own
from scp.voip.api.identities import Number, identity_of
from scp.voip.config_api import Scope
from scp.voip.decision import Call
from scp.voip.one_time import NoNumberError
from scp.voip.reason import WORDS, Reason
from scp.voip.records import OneTime

_TAG: Final = "calls"
_OWN: Final = (Scope.OWN, Scope.OPERATOR)
ALL_GIVEN: Final = define(
    "no-one-time-number",
    503,
    "No one-time number is free",
    "Ask again later, or [one_time] needs more of them.",
)
MOST: Final = define(
    "too-many-one-time-numbers",
    409,
    "The number has as many one-time numbers as it may",
    "Call or withdraw one of them, or wait until they are too old.",
)
NO_CALL: Final = define(
    "call-refused",
    409,
    "A call to this target would be refused",
    "'detail' says why; POST /v1/routes, in full.",
)


class OneTimeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose call it will be, and where it goes: as dialled, or an alias."""

    EXAMPLE: ClassVar = {"msisdn": "46701234567", "to": "+4915700000001"}
    msisdn: Annotated[str, e164("46701234567")]
    to: Annotated[str, Meta(min_length=1, max_length=64)]


class OneTimeView(Struct, frozen=True):
    """A one-time number; ``expires_ms`` in milliseconds since 1970-01-01 UTC."""

    number: str
    msisdn: str
    to: str
    expires_ms: int


class OneTimeList(Struct, frozen=True):
    """The one-time numbers of an identity, the oldest first."""

    numbers: list[OneTimeView]


def _view(one: OneTime) -> OneTimeView:
    return OneTimeView(one.number, one.msisdn, one.to, one.until_ms)


@post(
    "/one-time-numbers",
    operation_id="getOneTimeNumber",
    status_code=201,
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS, NO_CALL, MOST, ALL_GIVEN), tag=_TAG, body=True, changes=True),
)
async def post_one_time(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], data: JSONBody[OneTimeBody]
) -> Response[OneTimeView]:
    """Give a number that the identity's mobile dials, once: its call goes on to ``to`` as the identity's.

    Scopes: own, operator.
    """
    own = msisdn_of(data.msisdn, "msisdn")
    require_own(request, own)
    identity_of(context, own)
    brain = context.brain
    would = decision.decide(
        Call(data.to, f"+{own}", "api", at=time.time(), behalf=own), brain.directory, brain.config.rules
    )
    if would.reason is Reason.EMERGENCY:
        raise ProblemError(NO_CALL, f"{data.to} is an emergency number: dial it itself")
    if would.code:
        raise ProblemError(NO_CALL, f"{would.reason}: {WORDS[would.reason]}")
    try:
        given = await brain.one_time.give(own, data.to)
    except NoNumberError as error:
        if error.most:
            raise ProblemError(MOST, str(error)) from None
        raise ProblemError(ALL_GIVEN, str(error), headers={"Retry-After": "30"}) from None
    _audit(request, context, None, given)
    return answer(_view(given), 201)


@get(
    "/identities/{msisdn:str}/one-time-numbers",
    operation_id="getOneTimeNumbers",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS), tag=_TAG),
)
async def get_one_time(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn
) -> Response[OneTimeList]:
    """Show the one-time numbers of a number that are valid. Scopes: own, operator."""
    own = msisdn_of(msisdn)
    require_own(request, own)
    identity_of(context, own)
    return answer(OneTimeList([_view(one) for one in context.brain.one_time.of(own)]))


@delete(
    "/identities/{msisdn:str}/one-time-numbers/{number:str}",
    operation_id="deleteOneTimeNumber",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS), tag=_TAG, changes=True),
)
async def delete_one_time(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn, number: Number
) -> None:
    """Withdraw a one-time number; one that is used or not there is no error. Scopes: own, operator."""
    own = msisdn_of(msisdn)
    require_own(request, own)
    identity_of(context, own)
    wanted = msisdn_of(number, "number")
    if wanted in {one.number for one in context.brain.one_time.of(own)}:
        before = await context.brain.one_time.withdraw(wanted)
        if before is not None:
            _audit(request, context, before, None)


def _audit(
    request: Request[Any, Any, Any], context: ApiContext, before: OneTime | None, after: OneTime | None
) -> None:
    caller = caller_of(request)
    context.audit.changed(
        caller.name if caller else "", call_of(request.method, request.url.path), before, after
    )


HANDLERS: Final = (post_one_time, get_one_time, delete_one_time)
