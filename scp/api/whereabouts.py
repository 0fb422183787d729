"""Asks the HLR where a subscriber is, and has it arm the M-CSI by which VLRs report moves."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Protocol

from litestar import Request, Response, Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from scp.api.context import Context, key_name
from scp.api.openapi import Msisdn, answer, call, msisdn_of
from scp.api.problems import NOT_SET, UNAVAILABLE, ProblemError, define
from scp.config import Scope
from scp.domain.armed import Armed as Known
from scp.domain.armed import ArmState
from scp.domain.whereabouts import Located, LocateFailure

HLR_REFUSES: Final = define(
    "hlr-refuses",
    409,
    "the HLR does not do that",
    "Ask the HLR's operator: this node's global title may need to be allowed.",
)
_TAG: Final = "whereabouts"
_REFUSALS: Final = frozenset({LocateFailure.REFUSED, LocateFailure.UNKNOWN_SUBSCRIBER})


class Desk(Protocol):
    """What asks the HLR: `scp.app.map.MapParts`."""

    async def locate(self, msisdn: str) -> Located:
        """Return a place, remembered or asked."""
        ...

    async def arm(self, msisdn: str, *, on: bool) -> str:
        """Have moves of a subscriber told, or no more; return "" or in words why the HLR does not."""
        ...

    async def armed(self, msisdn: str) -> Known | None:
        """Return what is known of a subscriber's M-CSI; None: nothing. Raises `StoreError`."""
        ...

    def roaming(self, vlr: str) -> bool | None:
        """Whether a VLR is abroad; None: nothing says so."""
        ...


class Place(Struct, frozen=True):
    """Where a subscriber is.

    ``areas`` are cell or location area ids as hex octets; ``state`` is idle, busy, detached or unknown;
    ``age_s`` says how many seconds ago the subscriber was there.
    """

    msisdn: str
    vlr: str
    areas: tuple[str, ...]
    state: str
    age_s: float
    roaming: bool | None


class Armed(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether VLRs tell this node of a subscriber's moves (M-CSI)."""

    EXAMPLE: ClassVar = {"armed": True}
    armed: bool


class MCsi(Struct, frozen=True):
    """What is known of a subscriber's M-CSI.

    ``state`` is waiting (the HLR is to be asked), armed, or refused; ``reason`` says why it is not armed;
    ``since`` is a time in milliseconds since 1970-01-01 UTC.
    """

    armed: bool
    state: ArmState
    reason: str
    since: int


def whereabouts_router(desk: Desk) -> Router:
    """Return the part of the API that asks the HLR."""

    @get(
        "/v1/whereabouts/{msisdn:str}",
        operation_id="whereabouts",
        **call(Scope.READ, HLR_REFUSES, tag=_TAG),
    )
    async def show(msisdn: Msisdn) -> Response[Place]:
        """Return where the subscriber is: what is remembered, else what the HLR says. Scope: read."""
        number = msisdn_of(msisdn)
        place = await desk.locate(number)
        if isinstance(place, LocateFailure):
            raise ProblemError(HLR_REFUSES if place in _REFUSALS else UNAVAILABLE, f"HLR: {place}")
        shown = Place(
            number, place.vlr, place.areas, place.reach, round(place.age_s, 1), desk.roaming(place.vlr)
        )
        return answer(shown)

    @put(
        "/v1/mobility/{msisdn:str}",
        operation_id="putMobility",
        status_code=200,
        **call(Scope.FORWARDING, HLR_REFUSES, tag=_TAG, body=True, changes=True),
    )
    async def arm(
        request: Request[Any, Any, Any],
        context: NamedDependency[Context],
        msisdn: Msisdn,
        data: JSONBody[Armed],
    ) -> Response[Armed]:
        """Have the HLR switch the subscriber's M-CSI on or off (anyTimeModification). Scope: forwarding."""
        why = await desk.arm(msisdn_of(msisdn), on=data.armed)
        if why:
            raise ProblemError(HLR_REFUSES, why)
        context.audit.changed(key_name(request), f"{request.method} {request.url.path}", None, data)
        return answer(data)

    @get(
        "/v1/mobility/{msisdn:str}",
        operation_id="mobility",
        **call(Scope.READ, NOT_SET, tag=_TAG),
    )
    async def armed(msisdn: Msisdn) -> Response[MCsi]:
        """Return whether VLRs tell of the subscriber's moves, as the nodes have arranged it. Scope: read."""
        number = msisdn_of(msisdn)
        known = await desk.armed(number)
        if known is None:
            raise ProblemError(NOT_SET, f"number {number}: the HLR was not asked to arm its M-CSI")
        is_armed = known.on and known.state is ArmState.ARMED
        return answer(MCsi(is_armed, known.state, known.reason, known.at_ms))

    return Router("/", route_handlers=[show, arm, armed])
