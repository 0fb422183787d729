"""Traces of numbers: starts, shows and ends them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final

from litestar import Request, Response, Router, delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from scp.api.context import Context, key_name
from scp.api.openapi import Msisdn, answer, call, documented, msisdn_of
from scp.api.problems import NOT_SET, ProblemError, define
from scp.config import Scope
from scp.telemetry.number_traces import MOST, TooManyTracesError, Trace, Traces

TOO_MANY_TRACES: Final = define(
    "too-many-traces",
    409,
    f"{MOST} numbers are traced already",
    "DELETE a trace that nobody needs; GET /v1/traces lists them.",
)
_TAG: Final = "traces"


class TraceBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a number is traced: until its time is over or its messages are written, whichever is first."""

    EXAMPLE: ClassVar = {"seconds": 600, "messages": 1000}
    seconds: Annotated[int, Meta(ge=1, le=86_400)] = 600
    messages: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class TraceView(Struct, frozen=True):
    """A number's trace on this node.

    ``skipped`` are messages that were not written since too many came at once; ``by`` is the key that asked.
    """

    msisdn: str
    by: str
    until: str
    messages_left: int
    written: int
    skipped: int


class TraceList(Struct, frozen=True):
    """What this node traces."""

    traces: tuple[TraceView, ...]


def traces_router(traces: Traces) -> Router:
    """Return the part of the API that switches these traces."""

    @put(
        "/v1/traces/{msisdn:str}",
        operation_id="putTrace",
        **call(
            Scope.TRACE,
            TOO_MANY_TRACES,
            tag=_TAG,
            body=True,
            changes=True,
            status_201=documented(TraceView, "There was none before"),
        ),
    )
    async def start(
        request: Request[Any, Any, Any],
        context: NamedDependency[Context],
        msisdn: Msisdn,
        data: JSONBody[TraceBody],
    ) -> Response[TraceView]:
        """Trace the number from now on: the log of this node has its calls' messages. Scope: trace."""
        key = key_name(request)
        try:
            before, now = traces.start(msisdn_of(msisdn), data.seconds, data.messages, key)
        except TooManyTracesError:
            raise ProblemError(TOO_MANY_TRACES) from None
        _audit(context, request, before, now)
        return answer(_view(now), 201 if before is None else 200)

    @delete(
        "/v1/traces/{msisdn:str}",
        operation_id="deleteTrace",
        **call(Scope.TRACE, tag=_TAG, changes=True),
    )
    async def stop(
        request: Request[Any, Any, Any], context: NamedDependency[Context], msisdn: Msisdn
    ) -> None:
        """Trace the number no more. Scope: trace."""
        before = traces.stop(msisdn_of(msisdn))
        if before is not None:
            _audit(context, request, before, None)

    @get("/v1/traces/{msisdn:str}", operation_id="getTrace", **call(Scope.TRACE, NOT_SET, tag=_TAG))
    async def show(msisdn: Msisdn) -> Response[TraceView]:
        """Return the number's trace. Scope: trace."""
        number = msisdn_of(msisdn)
        trace = traces.get(number)
        if trace is None:
            raise ProblemError(NOT_SET, f"number {number}")
        return answer(_view(trace))

    @get("/v1/traces", operation_id="traces", **call(Scope.TRACE, tag=_TAG))
    async def show_all() -> Response[TraceList]:
        """Return every number that this node traces. Scope: trace."""
        return answer(TraceList(tuple(_view(each) for each in traces.all())))

    return Router("/", route_handlers=[start, stop, show, show_all])


def _audit(
    context: Context, request: Request[Any, Any, Any], before: Trace | None, after: Trace | None
) -> None:
    what = f"{request.method} {request.url.path}"
    context.audit.changed(key_name(request), what, before and _view(before), after and _view(after))


def _view(trace: Trace) -> TraceView:
    return TraceView(
        trace.msisdn,
        trace.by,
        datetime.fromtimestamp(trace.until, UTC).isoformat(timespec="milliseconds"),
        trace.left,
        trace.written,
        trace.skipped,
    )
