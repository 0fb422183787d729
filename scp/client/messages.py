"""Text messages: sending them, and what became of them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from scp.client.call import Call, Reader, json_call, path_of

MessageState: TypeAlias = Literal[
    "queued", "sending", "sent", "delivered", "accepted", "failed", "expired", "unknown"
]


class Message(Struct, frozen=True):
    """A text message as it stands; times are milliseconds since 1970-01-01 UTC.

    ``state`` "unknown" is in doubt: the SMSC may have it or not, and it is not sent again.
    """

    id: str
    state: MessageState
    reason: str
    sender: str
    recipient: str
    parts: int
    references: tuple[str, ...]
    attempts: int
    created_ms: int
    changed_ms: int
    expires_ms: int


class MessageEvent(Struct, frozen=True, kw_only=True):
    """What happened to a message; ``state`` "received": it came in, with its text."""

    seq: int
    id: str
    state: str
    at_ms: int
    sender: str
    recipient: str
    reason: str = ""
    text: str = ""


class MessageEvents(Struct, frozen=True):
    """Some events, oldest first; ``next`` is the ``after`` of the following page, None where none is yet."""

    events: tuple[MessageEvent, ...]
    next: int | None


_MESSAGE: Final = Reader(Message)
_EVENTS: Final = Reader(MessageEvents)


def send_message(
    recipient: str,
    text: str,
    *,
    sender: str | None = None,
    validity_s: int | None = None,
    receipt: bool = True,
) -> Call[Message]:
    """Return the call that sends a text message; with ``once(key)`` it may be repeated.

    Args:
        recipient: E.164 digits.
        text: what it says.
        sender: digits, or up to 11 characters; None: the node's own.
        validity_s: for how long it is tried to be delivered; None: the node's own.
        receipt: whether to ask for a delivery receipt.
    """
    body = {
        "recipient": recipient,
        "text": text,
        "sender": sender,
        "validity_s": validity_s,
        "receipt": receipt,
    }
    return json_call("POST", path_of("messages"), _MESSAGE, body)


def message(message_id: str) -> Call[Message]:
    """Return the call that reads what became of a message."""
    return Call("GET", path_of("messages", message_id), _MESSAGE)


def message_events(after: int = 0, *, limit: int = 100) -> Call[MessageEvents]:
    """Return the call that reads a page of events.

    Args:
        after: begin behind the event with this ``seq``.
        limit: how many at most, 1 to 1000.
    """
    return Call("GET", f"{path_of('messages', 'events')}?after={after}&limit={limit}", _EVENTS)
