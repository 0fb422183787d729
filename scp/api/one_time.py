"""One-time numbers: the call of one caller to a number that is no subscriber's passes, once."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from litestar import Request, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from scp.api.audit import call as call_of
from scp.api.context import Context, key_name
from scp.api.openapi import Msisdn, answer, call, e164, msisdn_of
from scp.api.problems import NOT_SET, ProblemError, define
from scp.common.one_time import TakenError
from scp.config import Scope

_TAG: Final = "subscribers"
TAKEN: Final = define(
    "subscribers-number",
    409,
    "The number is a subscriber's",
    "A one-time number has to be nobody's; PUT /v1/passes lets a call to a subscriber pass.",
)


class OneTimeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose call the number stands for, and for how long."""

    EXAMPLE: ClassVar = {"caller": "46709876543", "seconds": 30}
    caller: Annotated[str, e164("46709876543")]
    seconds: Annotated[int, Meta(ge=1, le=600, description="from 1 to 600")] = 30


class OneTimeView(Struct, frozen=True):
    """A one-time number; ``expires_ms`` in milliseconds since 1970-01-01 UTC."""

    number: str
    caller: str
    expires_ms: int


@put(
    "/v1/one-time-numbers/{number:str}",
    operation_id="putOneTimeNumber",
    **call(Scope.PASSES, TAKEN, tag=_TAG, body=True, changes=True),
)
async def put_one_time(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    number: Msisdn,
    data: JSONBody[OneTimeBody],
) -> Response[OneTimeView]:
    """Let the next call from this caller to the number pass, and charge it not. Scope: passes.

    The VoIP service has given the number to a device, whose mobile dials it; what follows is charged there.
    """
    own, caller = msisdn_of(number, "number"), data.caller.removeprefix("+")
    before = await context.one_time.shown(own)
    try:
        until = await context.one_time.grant(own, caller, data.seconds)
    except TakenError:
        raise ProblemError(TAKEN, f"number {own}") from None
    view = OneTimeView(own, caller, until)
    earlier = None if before is None else OneTimeView(own, *before)
    context.audit.changed(key_name(request), call_of(request.method, request.url.path), earlier, view)
    return answer(view)


@get(
    "/v1/one-time-numbers/{number:str}",
    operation_id="getOneTimeNumber",
    **call(Scope.PASSES, NOT_SET, tag=_TAG),
)
async def get_one_time(context: NamedDependency[Context], number: Msisdn) -> Response[OneTimeView]:
    """Show whose call a number stands for. Scope: passes."""
    own = msisdn_of(number, "number")
    found = await context.one_time.shown(own)
    if found is None:
        raise ProblemError(NOT_SET, f"number {own}")
    return answer(OneTimeView(own, *found))


@delete(
    "/v1/one-time-numbers/{number:str}",
    operation_id="deleteOneTimeNumber",
    **call(Scope.PASSES, tag=_TAG, changes=True),
)
async def delete_one_time(
    request: Request[Any, Any, Any], context: NamedDependency[Context], number: Msisdn
) -> None:
    """Have a number stand for no call; one that is used or not there is no error. Scope: passes."""
    own = msisdn_of(number, "number")
    before = await context.one_time.shown(own)
    if before is not None and await context.one_time.withdraw(own):
        what = call_of(request.method, request.url.path)
        context.audit.changed(key_name(request), what, OneTimeView(own, *before), None)


HANDLERS: Final = (put_one_time, get_one_time, delete_one_time)
