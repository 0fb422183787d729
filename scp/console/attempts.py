"""API calls about call attempts that are kept while somebody looks, and what the VoIP service tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Raw

from scp.api.openapi import answer, call
from scp.api.problems import NOT_SET, ProblemError
from scp.charging.export import as_json
from scp.config import Scope
from scp.console.context import ConsoleContext
from scp.console.recent_calls import MOST, decoded
from scp.console.records import records_of
from scp.console.sip_calls import SipEventsBody, Wanted
from scp.console.views import AttemptDetail, AttemptList, AttemptRecords, attempt_view

if TYPE_CHECKING:
    from scp.console.recent_calls import KeptCall

TAG: Final = "console"

Digits: TypeAlias = Annotated[
    str, QueryParameter(max_length=40, description="Digits that the calling, called or new number contains.")
]
Exactly: TypeAlias = Annotated[
    str, QueryParameter(max_length=64, description="Exactly this one; empty: any.")
]
Switch: TypeAlias = Annotated[
    str, QueryParameter(max_length=40, description="First digits of the MSC address; empty: any.")
]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=MOST, description="Calls at the most.")]


@get("/v1/attempts", operation_id="attempts", **call(Scope.READ, tag=TAG))
async def attempts(
    console: NamedDependency[ConsoleContext],
    number: Digits = "",
    reason: Exactly = "",
    action: Exactly = "",
    service: Exactly = "",
    switch: Switch = "",
    limit: Limit = 100,
) -> Response[AttemptList]:
    """Return call attempts of this node that are kept since a stream is open. Scope: read."""
    calls = console.hub.calls
    found = []
    digits, msc = _digits(number), _digits(switch)
    for each in calls.latest():
        attempt = each.attempt
        if (
            _named(each, digits)
            and attempt.msc_address.startswith(msc)
            and reason in ("", attempt.reason)
            and action in ("", attempt.action)
            and service in ("", attempt.service)
        ):
            found.append(attempt_view(each))
            if len(found) == limit:
                break
    return answer(AttemptList(tuple(found), calls.kept, calls.unseen))


@get("/v1/attempts/{attempt:str}", operation_id="attempt", **call(Scope.TRACE, NOT_SET, tag=TAG))
async def one_attempt(
    console: NamedDependency[ConsoleContext], attempt: FromPath[str]
) -> Response[AttemptDetail]:
    """Return one call attempt with its messages, decoded. Scope: trace."""
    kept = _kept(console, attempt)
    name, half = console.hub.sip.of(kept.attempt) or ("", None)
    events = () if half is None else tuple(half.events)
    return answer(AttemptDetail(attempt_view(kept), decoded(kept), kept.left_out, name, events))


@get(
    "/v1/attempts/{attempt:str}/records",
    operation_id="attemptRecords",
    **call(Scope.CHARGING, NOT_SET, tag=TAG),
)
async def attempt_records(
    console: NamedDependency[ConsoleContext], attempt: FromPath[str]
) -> Response[AttemptRecords]:
    """Return the call detail records of one call attempt, as far as they are there. Scope: charging."""
    kept = _kept(console, attempt)
    name, _ = console.hub.sip.of(kept.attempt) or ("", None)
    found = await records_of(console.cdrs, kept.attempt, name)
    return answer(AttemptRecords([Raw(as_json(each).encode()) for each in found]))


@post(
    "/v1/sip-events",
    operation_id="postSipEvents",
    status_code=200,
    **call(Scope.REGISTRATION, tag=TAG, body=True),
)
async def take_sip_events(
    console: NamedDependency[ConsoleContext], data: JSONBody[SipEventsBody]
) -> Response[Wanted]:
    """Take what happens to calls in the SIP network, as long as somebody looks. Scope: registration."""
    wanted = console.hub.watching is not None
    if wanted:
        console.hub.sip.take(data.events)
    return answer(Wanted(wanted))


HANDLERS: Final[tuple[Any, ...]] = (attempts, one_attempt, attempt_records, take_sip_events)


def _kept(console: ConsoleContext, attempt: str) -> KeptCall:
    """Return a call attempt that is kept; raises the problem 404."""
    kept = console.hub.calls.get(attempt)
    if kept is None:
        raise ProblemError(NOT_SET, f"call attempt {attempt}")
    return kept


def _digits(text: str) -> str:
    return text.strip().removeprefix("+").replace(" ", "")


def _named(kept: KeptCall, digits: str) -> bool:
    attempt = kept.attempt
    return not digits or any(digits in each for each in (attempt.a_number, attempt.b_number, attempt.number))
