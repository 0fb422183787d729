"""The console's page and the API calls behind it."""

from __future__ import annotations

import asyncio
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Raw

from scp.api.auth import bearer
from scp.api.context import Context
from scp.api.openapi import answer, call
from scp.api.problems import NO_SUCH_PATH, NOT_SET, ProblemError, define
from scp.charging.export import as_json
from scp.config import Scope
from scp.console.alerts import AlertList
from scp.console.hub import MOST_WATCHERS
from scp.console.recent_calls import MOST, decoded
from scp.console.records import records_of
from scp.console.sip_calls import SipEventsBody, Wanted
from scp.console.sources import Drift
from scp.console.views import (
    AttemptDetail,
    AttemptList,
    AttemptRecords,
    Overview,
    Session,
    attempt_view,
)
from scp.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.config import ApiKey
    from scp.console.captures import Captures
    from scp.console.devices import Devices
    from scp.console.hub import Hub
    from scp.console.recent_calls import KeptCall
    from scp.ports import CdrStore

TOO_MANY_STREAMS: Final = define(
    "too-many-streams",
    503,
    f"{MOST_WATCHERS} streams of events are open already",
    "Close a console that nobody looks at, and try again.",
)
_TAG: Final = "console"
_FILES: Final = {
    "index.html": "text/html",
    "console.js": "text/javascript",
    "views.js": "text/javascript",
    "captures.js": "text/javascript",
    "ladder.js": "text/javascript",
    "octets.js": "text/javascript",
    "replays.js": "text/javascript",
    "story.js": "text/javascript",
    "api.js": "text/javascript",
    "preact.js": "text/javascript",
    "console.css": "text/css",
    "licences.txt": "text/plain",
}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Of the page: it loads from the node alone, and nothing that stands in the data can run."""

After: TypeAlias = Annotated[
    int, QueryParameter(ge=0, le=(1 << 62), description="Number of the last call that is known already.")
]
For: TypeAlias = Annotated[
    float, QueryParameter(ge=0, le=86_400, description="Seconds after which the stream ends; 0: it does not.")
]
Digits: TypeAlias = Annotated[
    str, QueryParameter(max_length=40, description="Digits that the calling, called or new number contains.")
]
Exactly: TypeAlias = Annotated[
    str, QueryParameter(max_length=64, description="Exactly this one; empty: any.")
]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=MOST, description="Calls at the most.")]


def console_router(
    hub: Hub, captures: Captures, cdrs: CdrStore, drift: Callable[[], Drift], devices: Devices | None = None
) -> Router:
    """Return the part of the API that the console needs, with its page.

    Args:
        hub: looks at the node.
        captures: works on captures.
        cdrs: the node's records.
        drift: compares the configuration's file with what runs; takes some milliseconds.
        devices: asks the VoIP service; None: nobody has said where it is.
    """
    pages = {name: _file(name) for name in _FILES}

    @get("/console", include_in_schema=False)
    async def page() -> Response[bytes]:
        """The page."""
        return _served(pages, "index.html")

    @get("/console/{name:str}", include_in_schema=False)
    async def part(name: FromPath[str]) -> Response[bytes]:
        """A file that the page loads."""
        if name not in pages:
            raise ProblemError(NO_SUCH_PATH, f"/console/{name}")
        return _served(pages, name)

    @get("/v1/session", operation_id="session", **call(Scope.READ, tag=_TAG))
    async def session(
        request: Request[Any, Any, Any], context: NamedDependency[Context]
    ) -> Response[Session]:
        """Say whose token it is, and what it may do. Scope: read."""
        key: ApiKey = request.scope["auth"]
        return answer(
            Session(
                key.name, tuple(sorted(key.scopes)), context.node.name, VERSION, devices=devices is not None
            )
        )

    @get("/v1/overview", operation_id="overview", **call(Scope.READ, tag=_TAG))
    async def show_overview(context: NamedDependency[Context]) -> Response[Overview]:
        """Return the state of this node: health, calls by reason, answer times. Scope: read."""
        return Response(hub.snapshot(context), media_type="application/json")  # type: ignore[arg-type]

    @get(
        "/v1/events",
        operation_id="events",
        media_type="text/event-stream",
        **call(Scope.READ, TOO_MANY_STREAMS, tag=_TAG),
    )
    async def events(
        request: Request[Any, Any, Any],
        context: NamedDependency[Context],
        after: After = 0,
        seconds: For = 0,
    ) -> Stream:
        """Stream server-sent events: `overview` each second, `calls` as they come. Scope: read.

        Failed calls are all shown up to 200 a second, of the others 20 a second. It ends with the key.
        """
        if hub.streams >= MOST_WATCHERS:
            raise ProblemError(TOO_MANY_STREAMS)
        token = bearer(request.headers.get("authorization"))
        return Stream(
            hub.events(context, after, seconds, lambda: _may_look(context, token)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @get("/v1/attempts", operation_id="attempts", **call(Scope.READ, tag=_TAG))
    async def attempts(
        number: Digits = "",
        reason: Exactly = "",
        action: Exactly = "",
        service: Exactly = "",
        limit: Limit = 100,
    ) -> Response[AttemptList]:
        """Return call attempts of this node that are kept since a stream is open. Scope: read."""
        found = []
        digits = number.strip().removeprefix("+").replace(" ", "")
        for each in hub.calls.latest():
            if _fits(each, digits, reason, action, service):
                found.append(attempt_view(each))
                if len(found) == limit:
                    break
        return answer(AttemptList(tuple(found), hub.calls.kept, hub.calls.unseen))

    @get("/v1/attempts/{attempt:str}", operation_id="attempt", **call(Scope.TRACE, NOT_SET, tag=_TAG))
    async def one_attempt(attempt: FromPath[str]) -> Response[AttemptDetail]:
        """Return one call attempt with its messages, decoded. Scope: trace."""
        kept = _kept(hub, attempt)
        name, half = hub.sip.of(kept.attempt) or ("", None)
        events = () if half is None else tuple(half.events)
        return answer(AttemptDetail(attempt_view(kept), decoded(kept), kept.left_out, name, events))

    @get(
        "/v1/attempts/{attempt:str}/records",
        operation_id="attemptRecords",
        **call(Scope.CHARGING, NOT_SET, tag=_TAG),
    )
    async def attempt_records(attempt: FromPath[str]) -> Response[AttemptRecords]:
        """Return the call detail records of one call attempt, as far as they are there. Scope: charging."""
        kept = _kept(hub, attempt)
        name, _ = hub.sip.of(kept.attempt) or ("", None)
        found = await records_of(cdrs, kept.attempt, name)
        return answer(AttemptRecords([Raw(as_json(each).encode()) for each in found]))

    @post(
        "/v1/sip-events",
        operation_id="postSipEvents",
        status_code=200,
        **call(Scope.REGISTRATION, tag=_TAG, body=True),
    )
    async def take_sip_events(data: JSONBody[SipEventsBody]) -> Response[Wanted]:
        """Take what happens to calls in the SIP network, as long as somebody looks. Scope: registration."""
        wanted = hub.watching is not None
        if wanted:
            hub.sip.take(data.events)
        return answer(Wanted(wanted))

    @get("/v1/alerts", operation_id="alerts", **call(Scope.READ, tag=_TAG))
    async def show_alerts() -> Response[AlertList]:
        """Return which of the shipped alerts hold for this node, with their runbook sections. Scope: read.

        How long one has held is known from when a stream of events is open.
        """
        return answer(AlertList((), 0, (), 0.0) if hub.alerts is None else await hub.alerts.now())

    @get("/v1/configuration", operation_id="configuration", **call(Scope.READ, tag=_TAG))
    async def show_drift() -> Response[Drift]:
        """Return which keys the configuration's file has otherwise than what runs. Scope: read."""
        return answer(await asyncio.to_thread(drift))

    return Router(
        "/",
        route_handlers=[
            page,
            part,
            session,
            show_overview,
            events,
            attempts,
            one_attempt,
            attempt_records,
            take_sip_events,
            show_alerts,
            show_drift,
            *captures.handlers(),
            *(() if devices is None else (devices.handler(),)),
        ],
    )


def _may_look(context: Context, token: str) -> bool:
    """Whether a token is still one of a key with the scope read."""
    key = context.keyring.holder(token)
    return key is not None and Scope.READ in key.scopes


def _kept(hub: Hub, attempt: str) -> KeptCall:
    """Return a call attempt that is kept; raises the problem 404."""
    kept = hub.calls.get(attempt)
    if kept is None:
        raise ProblemError(NOT_SET, f"call attempt {attempt}")
    return kept


def _fits(kept: KeptCall, digits: str, reason: str, action: str, service: str) -> bool:
    attempt = kept.attempt
    return (
        (not digits or any(digits in each for each in (attempt.a_number, attempt.b_number, attempt.number)))
        and reason in ("", attempt.reason)
        and action in ("", attempt.action)
        and service in ("", attempt.service)
    )


def _file(name: str) -> bytes:
    return resources.files("scp.console").joinpath("static", name).read_bytes()


def _served(pages: dict[str, bytes], name: str) -> Response[bytes]:
    return Response(pages[name], media_type=_FILES[name], headers=HEADERS)
