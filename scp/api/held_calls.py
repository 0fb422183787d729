"""Calls that services hold: lists them, and releases one."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from litestar import Request, Response, Router, delete, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from msgspec import Struct

from scp.api.context import Context, key_name
from scp.api.openapi import answer, call, msisdn_of
from scp.api.problems import ProblemError, define
from scp.config import Scope
from scp.engine.dialogue_state import LOOKUP, QUOTA
from scp.engine.return_path import ReturnPath
from scp.services.api import Outgoing, Release
from scp.services.idp import calling_e164, read_call, trigger_of
from ss7.cap.operations import Opcode
from ss7.cause import Cause, Location

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.numbers import Numbering
    from scp.engine.cap.dialogue import CapDialogue
    from scp.engine.cap.user import CapUser

NO_SUCH_CALL: Final = define(
    "no-such-call",
    404,
    "This node holds no such call",
    "It may be over. The first two digits of its id are the instance of the node that holds it.",
)
_TAG: Final = "held calls"
_PAGE_LIMIT: Final = 1000
_AT_ONCE: Final = 64
"""Calls that are looked at between two turns of the loop: an InitialDP is decoded in some 20 µs."""
_WAITS: Final = {LOOKUP: "store", QUOTA: "charging"}

CallId: TypeAlias = Annotated[
    str,
    PathParameter(
        description="The node's transaction id, as GET /v1/calls has it.",
        schema_extra={"pattern": "^[0-9a-fA-F]{8}$", "examples": ["07a31c02"]},
    ),
]
Number: TypeAlias = Annotated[
    str | None,
    QueryParameter(min_length=5, max_length=20, description="Only calls from or to this E.164 number."),
]
After: TypeAlias = Annotated[
    str | None, QueryParameter(pattern="^[0-9a-fA-F]{8}$", description="Begin behind the call with this id.")
]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=_PAGE_LIMIT, description="Calls in an answer.")]
CauseQuery: TypeAlias = Annotated[
    int | None,
    QueryParameter(ge=1, le=127, description="Q.850 cause value; otherwise [api] release_cause."),
]
Force: TypeAlias = Annotated[
    bool,
    QueryParameter(
        description="Release at once, without the last report: what it costs is what was reported so far."
    ),
]


class HeldCall(Struct, frozen=True):
    """A call whose dialogue a service holds on this node.

    ``id`` is the node's transaction id, ``since`` when its InitialDP came, ``calling`` and ``called`` are
    E.164 digits ("" if not known), ``waits_for`` is what the service awaits: the "switch", the "store" or
    "charging"; ``reservation`` is what it has reserved and not settled.
    """

    id: str
    since: str
    service: str
    service_key: int
    trigger: str | None
    calling: str
    called: str
    peer: str
    cap_version: int
    waits_for: str
    reservation: str | None


class HeldCallPage(Struct, frozen=True):
    """Held calls by their ids; ``next`` is the ``after`` of the next page, null if this is the last."""

    calls: tuple[HeldCall, ...]
    next: str | None


def held_calls_router(cap: CapUser, numbering: Callable[[], Numbering]) -> Router:
    """Return the part of the API that shows and releases the calls that this TC-user holds."""

    @get("/v1/calls", operation_id="heldCalls", **call(Scope.CALLS, tag=_TAG))
    async def show_all(
        number: Number = None, after: After = None, limit: Limit = 100
    ) -> Response[HeldCallPage]:
        """Return the calls that this node holds, with one number or all. Scope: calls."""
        wanted = None if number is None else msisdn_of(number, "number")
        ids = sorted(cap.tcap.ids())
        found: list[HeldCall] = []
        more = False
        start = 0 if after is None else bisect_right(ids, bytes.fromhex(after))
        for seen, each in enumerate(ids[start:], 1):
            view = _view(cap, each, numbering())
            if view is not None and wanted in (None, view.calling, view.called):
                more = len(found) == limit
                if more:
                    break
                found.append(view)
            if not seen % _AT_ONCE:
                await asyncio.sleep(0)
        return answer(HeldCallPage(tuple(found), found[-1].id if more else None))

    @get("/v1/calls/{call_id:str}", operation_id="heldCall", **call(Scope.CALLS, NO_SUCH_CALL, tag=_TAG))
    async def show(call_id: CallId) -> Response[HeldCall]:
        """Return one call that this node holds. Scope: calls."""
        return answer(_known(cap, call_id, numbering()))

    @delete(
        "/v1/calls/{call_id:str}",
        operation_id="releaseCall",
        status_code=202,
        **call(Scope.CALLS, NO_SUCH_CALL, tag=_TAG, changes=True),
    )
    async def release(
        request: Request[Any, Any, Any],
        context: NamedDependency[Context],
        call_id: CallId,
        cause: CauseQuery = None,
        force: Force = False,
    ) -> Response[HeldCall]:
        """Have a call released: its service sends ReleaseCall, takes the last report, and settles.

        The answer comes before that: the call is gone when GET says 404. With `force` the node sends
        ReleaseCall in the service's place and ends the dialogue. Scope: calls.
        """
        view = _known(cap, call_id, numbering())
        value = cause or context.config.release_cause
        octets = Cause(value, Location.LOCAL_PUBLIC_NETWORK).encode()
        what = f"{request.method} {request.url.path}"
        context.audit.changed(key_name(request), what, view, None, cause=value, force=force)
        tid = bytes.fromhex(call_id)
        if force:
            cap.finish(tid, Outgoing(Opcode.RELEASE_CALL, octets))
        else:
            cap.tell(tid, Release(octets))
        return answer(view, 202)

    return Router("/", route_handlers=[show_all, show, release])


def _known(cap: CapUser, call_id: str, numbering: Numbering) -> HeldCall:
    """Return a call; raises the problem 404."""
    try:
        tid = bytes.fromhex(call_id) if call_id.isalnum() else b""
    except ValueError:
        tid = b""
    view = _view(cap, tid, numbering)
    if view is None:
        raise ProblemError(NO_SUCH_CALL, f"call {call_id}")
    return view


def _view(cap: CapUser, tid: bytes, numbering: Numbering) -> HeldCall | None:
    held: CapDialogue | None = cap.held(tid)
    if held is None:
        return None
    idp = held.idp
    path = held.dialogue.path
    return HeldCall(
        tid.hex(),
        datetime.fromtimestamp(cap.epoch + held.started, UTC).isoformat(timespec="milliseconds"),
        held.service,
        idp.service_key,
        trigger_of(idp),
        calling_e164(idp, numbering),
        read_call(idp, numbering).e164,
        path.link.name if isinstance(path, ReturnPath) else "",
        held.context.version,
        _WAITS.get(held.wait, "switch"),
        held.session,
    )
