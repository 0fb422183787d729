"""Where calls go: who is reachable, a dry run, the latest calls."""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct

from scp.api.openapi import Msisdn, answer, e164, msisdn_of
from scp.api.problems import invalid
from scp.voip import decision
from scp.voip.api.calls import NOT_YOURS, ApiContext, call, caller_of, require_own
from scp.voip.config_api import Scope
from scp.voip.decision import Call, Condition, Plan
from scp.voip.feed import CallView
from scp.voip.reason import WORDS

_TAG: Final = "calls"
_ANY: Final = (Scope.OWN, Scope.OPERATOR, Scope.TRUNK)
Dialled: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class Reachability(Struct, frozen=True):
    """Whether a call to a number reaches devices here (``ps``), or goes to the mobile (``cs``)."""

    number: str
    by: str
    devices: int
    ours: bool


class RouteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A call that did not come: from a trunk, or from a device as one of its numbers.

    ``to`` is as dialled, for a trunk with the mark where it has one; ``at_ms`` when, now if it is left out.
    """

    EXAMPLE: ClassVar = {"to": "990046701234567", "caller": "46709876543", "trunk": "gateway"}
    to: Dialled
    caller: Annotated[str, Meta(max_length=64)] = ""
    trunk: Annotated[str, Meta(max_length=64)] = ""
    device: Annotated[str, Meta(max_length=63)] = ""
    diverted_by: tuple[Dialled, ...] = ()
    at_ms: Annotated[int, Meta(ge=0, le=(1 << 53))] | None = None


class StepView(Struct, frozen=True):
    """One step: whose devices ring, or where the call goes, and for how long."""

    rings: list[str]
    uri: str
    seconds: int


class Route(Struct, frozen=True):
    """What would happen, why, and every condition that was looked at."""

    reason: str
    words: str
    path: list[Condition]
    steps: list[StepView]
    code: int
    called: str
    caller: str
    payer: str


class CallList(Struct, frozen=True):
    """The latest calls, newest first."""

    calls: list[CallView]


@get(
    "/reachability/{msisdn:str}",
    operation_id="getReachability",
    **call(*_ANY, tag=_TAG),
)
async def get_reachability(context: NamedDependency[ApiContext], msisdn: Msisdn) -> Response[Reachability]:
    """Say whether a call to a number would ring devices. Scopes: own, operator, trunk."""
    number = msisdn_of(msisdn)
    directory = context.brain.directory
    identities = directory.called(number)
    devices = sum(directory.bindings(one.msisdn) for one in identities)
    return answer(Reachability(number, "ps" if devices else "cs", devices, bool(identities)))


@post(
    "/routes",
    operation_id="tryRoute",
    status_code=200,
    **call(*_ANY, kinds=(NOT_YOURS,), tag=_TAG, body=True),
)
async def try_route(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], data: JSONBody[RouteBody]
) -> Response[Route]:
    """Say where a call would go, and why; nothing happens. A device's token asks for its own calls.

    Scopes: own, operator, trunk.
    """
    caller = caller_of(request)
    device, number = data.device, data.caller
    own = None if caller is None else caller.device
    if own is not None:
        device = device or own.id
        if device == own.id and not number and len(own.identities) == 1:
            number = next(iter(own.identities))
    if bool(data.trunk) is bool(device):
        raise invalid("trunk", "either trunk or device is needed")
    if device and not number:
        raise invalid("caller", "the number that the device calls as is needed")
    if own is not None:
        require_own(request, number.removeprefix("+"))
    at = time.time() if data.at_ms is None else data.at_ms / 1000
    wanted = Call(data.to, number, data.trunk, device, data.diverted_by, at)
    if context.brain.one_time.number_of(wanted):
        wanted = context.brain.one_time.seen(wanted)
    plan = decision.decide(wanted, context.brain.directory, context.brain.config.rules)
    return answer(_shown(plan))


def _shown(plan: Plan) -> Route:
    steps = [
        StepView([one.aor, *one.more] if one.aor else [], one.uri or one.branch, one.seconds)
        for one in plan.steps
    ]
    return Route(
        plan.reason,
        WORDS[plan.reason],
        list(plan.path),
        steps,
        plan.code,
        plan.called,
        plan.caller,
        plan.payer,
    )


@get("/calls", operation_id="getCalls", **call(Scope.OWN, Scope.OPERATOR, kinds=(NOT_YOURS,), tag=_TAG))
async def get_calls(
    request: Request[Any, Any, Any],
    context: NamedDependency[ApiContext],
    msisdn: Annotated[
        str | None, e164("46701234567"), QueryParameter(description="Of this number alone.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="How many.")] = 100,
) -> Response[CallList]:
    """Show the latest calls, newest first, also those under way. Scopes: own, operator.

    Of this process since its start; the node's CDRs have all.
    """
    caller = caller_of(request)
    wanted: frozenset[str] | None = None
    if msisdn is not None:
        number = msisdn_of(msisdn)
        require_own(request, number)
        wanted = frozenset((number,))
    elif caller is not None and caller.device is not None:
        wanted = frozenset(caller.device.identities)
    feed = context.brain.feed
    return answer(CallList([] if feed is None else feed.calls_of(wanted, limit)))


HANDLERS: Final = (get_reachability, try_route, get_calls)
