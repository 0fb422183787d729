"""Text messages of clients, and the stream of what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody
from litestar.response import Stream
from msgspec import Meta, Struct

from scp.api.connections import ENDLESS
from scp.api.openapi import Msisdn, answer, e164, msisdn_of
from scp.api.problems import NOT_SET, ProblemError, define
from scp.voip.api.calls import NOT_YOURS, ApiContext, call, caller_of, require_own
from scp.voip.api.identities import identity_of
from scp.voip.config_api import Scope
from scp.voip.feed import Feed

_TAG: Final = "messages"
_OWN: Final = (Scope.OWN, Scope.OPERATOR)
BEAT: Final = 15.0
"""Seconds after which a stream without an event shows that it is alive."""

NOT_SENT: Final = define(
    "message-refused", 409, "The message can't be sent", "'detail' has the SIP status for it."
)
INCOMPLETE: Final = 484
"""Address Incomplete (RFC 3261 §21.4.22)."""
NO_STREAM: Final = define("too-many-followers", 503, "Too many follow events", "[api] streams limits them.")


class TextBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A text from an identity to a number as dialled, or an alias."""

    EXAMPLE: ClassVar = {"sender": "46701234567", "to": "+4915700000001", "text": "Hello"}
    sender: Annotated[str, e164("46701234567")]
    to: Annotated[str, Meta(min_length=1, max_length=64)]
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class TextAccepted(Struct, frozen=True):
    """It is on the disk: it goes to devices, or by the SMSC; events say what becomes of it."""

    id: str


class WaitingText(Struct, frozen=True):
    """A text that waits for devices; time in milliseconds since 1970-01-01 UTC."""

    id: str
    sender: str
    text: str
    at_ms: int
    devices: tuple[str, ...]


class WaitingTexts(Struct, frozen=True):
    """What waits, oldest first."""

    messages: list[WaitingText]


@post(
    "/messages",
    operation_id="sendText",
    status_code=202,
    **call(*_OWN, kinds=(NOT_YOURS, NOT_SENT), tag=_TAG, body=True),
)
async def send_text(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], data: JSONBody[TextBody]
) -> Response[TextAccepted]:
    """Send a text from an identity. Scopes: own, operator."""
    own = msisdn_of(data.sender, "sender")
    require_own(request, own)
    caller = caller_of(request)
    device = caller.device.id if caller is not None and caller.device is not None else ""
    name, code, words = await context.inbox.send(own, device, data.to, data.text)
    if code >= 300:
        hint = f": {data.to} is read as if it was dialled; E.164 is with a plus" if code == INCOMPLETE else ""
        raise ProblemError(NOT_SENT, f"{code} {words}{hint}")
    return answer(TextAccepted(name), 202)


@get(
    "/identities/{msisdn:str}/messages",
    operation_id="getWaitingTexts",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS), tag=_TAG),
)
async def get_waiting(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn
) -> Response[WaitingTexts]:
    """Show the texts that wait for devices of a number. Scopes: own, operator."""
    number = msisdn_of(msisdn)
    require_own(request, number)
    identity_of(context, number)
    found = [
        WaitingText(one.id, one.sender, one.text, one.at_ms, one.devices) for one in context.inbox.of(number)
    ]
    return answer(WaitingTexts(found))


@get(
    "/events",
    operation_id="followEvents",
    media_type="text/event-stream",
    **call(*_OWN, kinds=(NO_STREAM,), tag="events"),
)
async def follow(
    request: Request[Any, Any, Any],
    context: NamedDependency[ApiContext],
    last_event_id: Annotated[
        int | None,
        HeaderParameter(name="Last-Event-ID", ge=0, le=(1 << 62), description="Go on behind this event."),
    ] = None,
) -> Stream:
    """Follow what happens, as server-sent events: call, message, message-state, bindings, device, ….

    A device's token follows what is its own. Scopes: own, operator.
    """
    feed = context.brain.feed
    if feed is None or feed.readers >= context.config.streams:
        raise ProblemError(NO_STREAM)
    caller = caller_of(request)
    assert caller is not None
    wanted = None if caller.device is None else frozenset(caller.device.identities)
    headers = {"Cache-Control": "no-store"}
    request.scope["state"][ENDLESS] = True
    return Stream(_stream(feed, wanted, last_event_id or 0), media_type="text/event-stream", headers=headers)


_encode: Final = msgspec.json.Encoder().encode


async def _stream(feed: Feed, wanted: frozenset[str] | None, after: int) -> AsyncIterator[bytes]:
    yield b": these are events\n\n"
    async for event in feed.follow(wanted, after, BEAT):
        if event is None:
            yield b": still here\n\n"
        else:
            yield b"id: %d\nevent: %b\ndata: %b\n\n" % (event.seq, event.kind.encode(), _encode(event.data))


HANDLERS: Final = (send_text, get_waiting, follow)
