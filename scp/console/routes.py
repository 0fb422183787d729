"""The console's part of the API: the node's state, streams of what happens, and what belongs to them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from scp.api.auth import bearer
from scp.api.connections import ENDLESS
from scp.api.context import Context
from scp.api.openapi import answer, call
from scp.api.problems import NOT_SET, ProblemError, define
from scp.config import Scope
from scp.console import attempts, one_message, page
from scp.console.alerts import AlertList, Section
from scp.console.attempts import TAG
from scp.console.context import ConsoleContext
from scp.console.hub import MOST_WATCHERS
from scp.console.sources import Drift
from scp.console.views import Overview, Session
from scp.version import VERSION

if TYPE_CHECKING:
    from scp.config import ApiKey
    from scp.console.captures import Captures

TOO_MANY_STREAMS: Final = define(
    "too-many-streams",
    503,
    f"{MOST_WATCHERS} streams of events are open already",
    "Close a console that nobody looks at, and try again.",
)

After: TypeAlias = Annotated[
    int, QueryParameter(ge=0, le=(1 << 62), description="Number of the last call that is known already.")
]
For: TypeAlias = Annotated[
    float, QueryParameter(ge=0, le=86_400, description="Seconds after which the stream ends; 0: it does not.")
]


@get("/v1/session", operation_id="session", **call(Scope.READ, tag=TAG))
async def session(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    console: NamedDependency[ConsoleContext],
) -> Response[Session]:
    """Say whose token it is, what it may do, and until when. Scope: read."""
    key: ApiKey = request.scope["auth"]
    scopes = tuple(sorted(key.scopes))
    devices = console.devices is not None
    name = context.node.name
    return answer(Session(key.name, scopes, name, VERSION, devices, key.until, console.asks_hlr))


@get("/v1/overview", operation_id="overview", **call(Scope.READ, tag=TAG))
async def show_overview(
    context: NamedDependency[Context], console: NamedDependency[ConsoleContext]
) -> Response[Overview]:
    """Return the state of this node: health, calls by reason, answer times. Scope: read."""
    return Response(console.hub.snapshot(context), media_type="application/json")  # type: ignore[arg-type]


@get(
    "/v1/events",
    operation_id="events",
    media_type="text/event-stream",
    **call(Scope.READ, TOO_MANY_STREAMS, tag=TAG),
)
async def events(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    console: NamedDependency[ConsoleContext],
    after: After = 0,
    seconds: For = 0,
) -> Stream:
    """Stream server-sent events each second: `overview`, and `calls` that have come. Scope: read.

    Failed calls are all shown up to 200 a second, of the others 20 a second. It ends with the key.
    """
    if console.hub.streams >= MOST_WATCHERS:
        raise ProblemError(TOO_MANY_STREAMS)
    token = bearer(request.headers.get("authorization"))
    request.scope["state"][ENDLESS] = True
    return Stream(
        console.hub.events(context, after, seconds, lambda: _may_look(context, token)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@get("/v1/alerts", operation_id="alerts", **call(Scope.READ, tag=TAG))
async def show_alerts(console: NamedDependency[ConsoleContext]) -> Response[AlertList]:
    """Return which of the shipped alerts hold for this node, with their runbook sections. Scope: read.

    How long one has held is known from when a stream of events is open.
    """
    alerts = console.hub.alerts
    return answer(AlertList((), 0, (), 0.0) if alerts is None else await alerts.now())


@get("/v1/runbook/{alert:str}", operation_id="runbook", **call(Scope.READ, NOT_SET, tag=TAG))
async def show_runbook(console: NamedDependency[ConsoleContext], alert: FromPath[str]) -> Response[Section]:
    """Return what the runbook says of an alert, whether or not it holds. Scope: read."""
    alerts = console.hub.alerts
    found = None if alerts is None else alerts.sections.get(alert)
    if found is None:
        raise ProblemError(NOT_SET, f"alert {alert}")
    return answer(found)


@get("/v1/configuration", operation_id="configuration", **call(Scope.READ, tag=TAG))
async def show_drift(console: NamedDependency[ConsoleContext]) -> Response[Drift]:
    """Return which keys the configuration's file has otherwise than what runs. Scope: read."""
    return answer(await asyncio.to_thread(console.drift))


HANDLERS: Final[tuple[Any, ...]] = (session, show_overview, events, show_alerts, show_runbook, show_drift)


def console_router(console: ConsoleContext, captures: Captures) -> Router:
    """Return the part of the API that the console needs, with its page."""

    async def provided() -> ConsoleContext:
        return console

    page.read_files()
    handlers = [*page.HANDLERS, *HANDLERS, *attempts.HANDLERS, *one_message.HANDLERS, *captures.handlers()]
    if console.devices is not None:
        handlers.append(console.devices.handler())
    return Router("/", route_handlers=handlers, dependencies={"console": Provide(provided)})


def _may_look(context: Context, token: str) -> bool:
    """Whether a token is still one of a key with the scope read."""
    key = context.keyring.holder(token)
    return key is not None and Scope.READ in key.scopes
