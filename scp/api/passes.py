"""Passes: the VoIP service lets the next call from a caller to a number go on unsteered, once."""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from litestar import Request, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from scp.api.audit import call as call_of
from scp.api.context import Context, key_name
from scp.api.openapi import Msisdn, answer, call, e164, msisdn_of
from scp.api.problems import NOT_SET, ProblemError
from scp.common.passes import changed
from scp.config import Scope
from scp.domain.passes import granted, withdrawn

_TAG: Final = "subscribers"
PassId: TypeAlias = Annotated[
    str,
    PathParameter(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="The grantor's id of the pass: 1 to 64 letters, digits, - and _.",
    ),
]


class PassBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose call may pass, and for how long. Without ``caller`` it is the next call, whoever calls."""

    EXAMPLE: ClassVar = {"caller": "46709876543", "seconds": 30}
    caller: Annotated[str, e164("46709876543")] | None = None
    seconds: Annotated[int, Meta(ge=1, le=600, description="from 1 to 600")] = 30


class PassView(Struct, frozen=True):
    """A pass; ``expires_ms`` in milliseconds since 1970-01-01 UTC."""

    id: str
    caller: str | None
    expires_ms: int


class PassList(Struct, frozen=True):
    """The passes of a number, those that will be used first in front."""

    passes: list[PassView]


def _view(text: str) -> PassView:
    until, caller, name = text.split(":", 2)
    return PassView(name, caller or None, int(until))


@put(
    "/v1/passes/{msisdn:str}/{pass_id:str}",
    operation_id="putPass",
    **call(Scope.PASSES, NOT_SET, tag=_TAG, body=True, changes=True),
)
async def put_pass(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    msisdn: Msisdn,
    pass_id: PassId,
    data: JSONBody[PassBody],
) -> Response[PassView]:
    """Let the next call from this caller to the number go on unsteered. Scope: passes.

    For a call that is sent back to the number through a gateway that drops redirection data.
    """
    number = msisdn_of(msisdn)
    caller = "" if data.caller is None else data.caller.removeprefix("+")
    now = time.time_ns() // 1_000_000
    until = now + data.seconds * 1000
    before, after = await changed(
        context.store, number, lambda record: granted(record, pass_id, caller, until, now)
    )
    if before is None or after is None:
        raise ProblemError(NOT_SET, f"number {number}")
    view = PassView(pass_id, caller or None, until)
    context.audit.changed(key_name(request), call_of(request.method, request.url.path), None, view)
    return answer(view)


@get(
    "/v1/passes/{msisdn:str}",
    operation_id="getPasses",
    **call(Scope.PASSES, NOT_SET, tag=_TAG),
)
async def get_passes(context: NamedDependency[Context], msisdn: Msisdn) -> Response[PassList]:
    """Show which calls to the number may pass. Scope: passes."""
    number = msisdn_of(msisdn)
    record = await context.store.get(number)
    if record is None:
        raise ProblemError(NOT_SET, f"number {number}")
    now = time.time_ns() // 1_000_000
    found = [_view(each) for each in record.passes]
    return answer(PassList([each for each in found if each.expires_ms > now]))


@delete(
    "/v1/passes/{msisdn:str}/{pass_id:str}",
    operation_id="deletePass",
    **call(Scope.PASSES, tag=_TAG, changes=True),
)
async def delete_pass(
    request: Request[Any, Any, Any], context: NamedDependency[Context], msisdn: Msisdn, pass_id: PassId
) -> None:
    """Withdraw a pass; one that is used or not there is no error. Scope: passes."""
    number = msisdn_of(msisdn)
    now = time.time_ns() // 1_000_000
    _, after = await changed(
        context.store,
        number,
        lambda record: withdrawn(record, pass_id, now) if record.passes else None,
    )
    if after is not None:
        what = call_of(request.method, request.url.path)
        context.audit.changed(key_name(request), what, {"id": pass_id}, None)


HANDLERS: Final = (put_pass, get_passes, delete_pass)
