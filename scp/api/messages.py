"""Text messages: send one, ask what became of it, follow what happens to all.

A message that was accepted is in the store, and is not lost. An ``Idempotency-Key`` makes its id, so that a
request that is repeated sends nothing twice, on whatever node.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Any, ClassVar, Final, TypeAlias

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Raw, Struct

from scp.api.charging import key_of
from scp.api.context import Constant, Context, key_name
from scp.api.openapi import answer, call, documented, e164, msisdn_of
from scp.api.problems import KEY_REUSED, NOT_SET, ProblemError, invalid
from scp.config import Messages, Scope
from scp.domain.message import Message, State
from scp.message_ports import SeqEvent
from scp.messages.queue import MessageQueue

_TAG: Final = "messages"
_PAGE_LIMIT: Final = 1000

MessageKey: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        description=(
            "The same key and body again get the message that the first made, as it is by now; nothing is "
            "sent twice. It is known as long as the message is. Quotes around it do not count."
        ),
    ),
]
MessageId: TypeAlias = Annotated[
    str, PathParameter(description="The id that the message was given.", schema_extra={"maxLength": 64})
]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=_PAGE_LIMIT, description="Events in a page.")]
After: TypeAlias = Annotated[
    int, QueryParameter(ge=0, le=(1 << 62), description="Begin behind the event with this ``seq``.")
]


class MessageBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A text message. Without ``sender`` and ``validity_s`` the node's own hold."""

    EXAMPLE: ClassVar = {"recipient": "46701234567", "text": "Your PIN is 483926."}
    recipient: Annotated[str, e164("46701234567")]
    text: Annotated[str, Meta(min_length=1, max_length=39_015, description="1 to 39015 characters")]
    sender: (
        Annotated[
            str,
            Meta(
                pattern=r"^(\+?[0-9]{1,15}|[ -~]{1,11})$(?!\n)",
                description="1 to 15 digits, or 1 to 11 characters that are shown in place of a number",
            ),
        ]
        | None
    ) = None
    validity_s: Annotated[int, Meta(ge=60, le=604_800)] | None = None
    receipt: bool = True


class MessageView(Struct, frozen=True):
    """A message as it stands; times in milliseconds since 1970-01-01 UTC.

    ``state``: queued and sending (it is still here), sent (the SMSC has it, its receipt is to come), then one
    of delivered, accepted (no receipt was asked for), failed, expired, unknown (in doubt: the SMSC may have
    it or not, it is not sent again). ``references`` are the SMSC's ids of its parts.
    """

    id: str
    state: State
    reason: str
    sender: str
    recipient: str
    parts: int
    references: list[str]
    attempts: int
    created_ms: int
    changed_ms: int
    expires_ms: int


class EventPage(Struct, frozen=True):
    """Some events, oldest first; ``next`` is the ``after`` of the following page, null where none is yet."""

    events: list[Any]
    next: int | None


_encode: Final = msgspec.json.Encoder().encode


def _shown(message: Message) -> MessageView:
    return MessageView(
        id=message.id,
        state=message.state,
        reason=message.reason,
        sender=message.sender,
        recipient=message.recipient,
        parts=len(message.parts),
        references=[part.reference for part in message.parts if part.reference],
        attempts=message.attempts,
        created_ms=message.created_ms,
        changed_ms=message.changed_ms,
        expires_ms=message.expires_ms,
    )


@post(
    "/messages",
    operation_id="sendMessage",
    status_code=202,
    **call(
        Scope.MESSAGES,
        KEY_REUSED,
        tag=_TAG,
        body=True,
        changes=True,
        status_200=documented(MessageView, "It was accepted before, by a request with this Idempotency-Key"),
    ),
)
async def send_message(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    queue: NamedDependency[MessageQueue],
    defaults: NamedDependency[Messages],
    data: JSONBody[MessageBody],
    idempotency_key: MessageKey = None,
) -> Response[MessageView]:
    """Send a text message to a subscriber: it is accepted, and sent as soon as may be. Scope: messages."""
    key = key_of(idempotency_key)
    recipient = msisdn_of(data.recipient, "recipient")
    sender = (defaults.sender if data.sender is None else data.sender).removeprefix("+")
    validity = data.validity_s or defaults.validity_s
    seed = secrets.token_bytes(15) if key is None else f"{key_name(request)}\0{key}".encode()
    particulars = _encode((recipient, data.text, sender, validity, data.receipt))
    wanted = queue.new(
        hashlib.blake2b(seed, digest_size=12).hexdigest(),
        sender,
        recipient,
        data.text,
        validity * 1000,
        receipt=data.receipt,
        fingerprint=hashlib.blake2b(particulars, digest_size=12).hexdigest(),
    )
    if len(wanted.parts) > defaults.most_parts:
        raise invalid(
            "text", f"it takes {len(wanted.parts)} parts, [messages] most_parts is {defaults.most_parts}"
        )
    kept, new = await queue.accept(wanted)
    if kept.fingerprint != wanted.fingerprint:
        raise ProblemError(KEY_REUSED)
    view = _shown(kept)
    if new:
        context.audit.changed(key_name(request), "message", None, view)
    return answer(view, 202 if new else 200, {"Location": f"/v1/messages/{kept.id}"})


@get("/messages/events", operation_id="getMessageEvents", **call(Scope.MESSAGES, tag=_TAG))
async def get_events(
    queue: NamedDependency[MessageQueue], after: After = 0, limit: Limit = 100
) -> Response[EventPage]:
    """Show what happened to messages, and messages that came in, oldest first. Scope: messages."""
    found = await queue.store.events(after, limit)
    return answer(EventPage([_raw(each) for each in found], found[-1].seq if len(found) == limit else None))


def _raw(event: SeqEvent) -> Raw:
    return Raw(f'{{"seq":{event.seq},{event.json[1:]}'.encode())


@get("/messages/{message:str}", operation_id="getMessage", **call(Scope.MESSAGES, NOT_SET, tag=_TAG))
async def get_message(queue: NamedDependency[MessageQueue], message: MessageId) -> Response[MessageView]:
    """Show what became of a message. Scope: messages."""
    found = await queue.store.get(message)
    if found is None:
        raise ProblemError(NOT_SET, "no such message")
    return answer(_shown(found))


def messages_router(queue: MessageQueue, defaults: Messages) -> Router:
    """Return the calls on text messages of a node."""
    return Router(
        "/v1",
        route_handlers=[send_message, get_events, get_message],
        dependencies={"queue": Constant(queue), "defaults": Constant(defaults)},
    )
