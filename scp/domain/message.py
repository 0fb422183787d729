"""A text message on its way: its states, and the one table of how they follow each other.

A message is sent in one or more parts, each of which the carrier (an SMSC, a serving MSC) takes, refuses or
leaves in doubt by itself. The message's state is that of its parts together (`overall`).

**In doubt**: a part is marked `SENDING`, durably, before its first octet goes out. Where the answer never
came (the process was killed, the connection lost, no response in time), the carrier may have it or not. It is
then `UNKNOWN`, not sent again, and reported; a delivery receipt may still settle it. So the subscriber sees
it at most once. An operator that rather has it twice than not at all says ``repeat``: it is sent again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


class State(StrEnum):
    """Of a part, and of a message."""

    QUEUED = "queued"  # to be sent, now or at the next attempt
    SENDING = "sending"  # handed to the carrier, whose answer is not known yet
    SENT = "sent"  # the carrier has it; a delivery receipt is to come
    DELIVERED = "delivered"  # the receipt says so, or the carrier that delivers by itself
    ACCEPTED = "accepted"  # the carrier has it, and no receipt was asked for
    FAILED = "failed"  # refused for good, or undeliverable by the receipt
    EXPIRED = "expired"  # its validity ended before
    UNKNOWN = "unknown"  # in doubt: the carrier may have it or not


FINAL: Final = frozenset({State.DELIVERED, State.ACCEPTED, State.FAILED, State.EXPIRED, State.UNKNOWN})

# The worst of its parts is the message's state, but for parts still under way.
_ORDER: Final = (
    *(State.FAILED, State.EXPIRED, State.UNKNOWN),
    *(State.SENDING, State.QUEUED, State.SENT, State.ACCEPTED, State.DELIVERED),
)
_UNDER_WAY: Final = (State.SENDING, State.QUEUED, State.SENT)

RETRY_SECONDS: Final = (15, 30, 60, 120, 300, 600, 1800)
"""Pauses between attempts that were refused for the time being; the last one repeats until it expires."""
DOUBT_MS: Final = 120_000
"""A part that is `SENDING` for so long has lost its node: longer than any adapter waits for an answer."""
RECEIPT_MS: Final = 300_000
"""How long after its validity the receipt of a message is waited for."""


class Part(Struct, frozen=True):
    """One part.

    Attributes:
        state: see `State`.
        reference: the carrier's id of it, "" while it has none.
    """

    state: State = State.QUEUED
    reference: str = ""


class Message(Struct, frozen=True, kw_only=True):
    """A text message that this system sends. Times in milliseconds since 1970-01-01 UTC.

    Attributes:
        id: ours, unique.
        sender: digits, or up to 11 characters that are shown in place of a number.
        recipient: E.164 digits.
        text: as it was given.
        receipt: whether a delivery receipt is asked for.
        created_ms: when it was accepted.
        expires_ms: it is not sent, nor tried to be delivered, any longer.
        parts: in their order.
        reference: 16 bits that go out with it, so that a receipt finds it before the carrier's id is known.
        attempts: how often the carrier was asked.
        due_ms: when something is to be done about it next; 0: never, it is over.
        node: the node that is sending it, or did last.
        reason: why it is in the state that it is in, "" if nothing is wrong.
        version: of the record; 0 before it is stored.
        changed_ms: when its state last changed.
        fingerprint: of the request that made it.
    """

    id: str
    sender: str
    recipient: str
    text: str
    created_ms: int
    expires_ms: int
    parts: tuple[Part, ...]
    receipt: bool = True
    reference: int = 0
    attempts: int = 0
    due_ms: int = 0
    node: str = ""
    reason: str = ""
    version: int = 0
    changed_ms: int = 0
    fingerprint: str = ""

    @property
    def state(self) -> State:
        """See `overall`."""
        return overall(self.parts)

    @property
    def final(self) -> bool:
        """Whether nothing is done about it any more; a receipt that comes late may still settle a doubt."""
        return self.due_ms == 0


class Received(Struct, frozen=True, kw_only=True):
    """A text message that came from the carrier, addressed to a subscriber of ours; whole, or a part.

    Attributes:
        id: ours, unique.
        sender: as it came.
        recipient: as it came.
        text: of it, or of the part.
        at_ms: when it came.
        coding: how a part's octets are coded: a sender may cut within a character; "" of a whole.
        data: these octets.
    """

    id: str
    sender: str
    recipient: str
    text: str
    at_ms: int
    coding: str = ""
    data: bytes = b""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to a message, for those who follow. ``state`` "received": it came in, with its text."""

    id: str
    state: str
    at_ms: int
    sender: str
    recipient: str
    reason: str = ""
    text: str = ""


def overall(parts: tuple[Part, ...]) -> State:
    """Return the state of a message of these parts.

    One part that failed fails it, though others are still to come: what is left is not sent any more.
    """
    states = {part.state for part in parts}
    if State.FAILED in states or State.EXPIRED in states:
        return State.FAILED if State.FAILED in states else State.EXPIRED
    for state in _UNDER_WAY:
        if state in states:
            return state
    return next(state for state in _ORDER if state in states)


def event_of(message: Message) -> Event:
    """Return the event that a message is now in its state."""
    return Event(
        id=message.id,
        state=message.state.value,
        at_ms=message.changed_ms,
        sender=message.sender,
        recipient=message.recipient,
        reason=message.reason,
    )


def with_parts(message: Message, parts: tuple[Part, ...], now: int, *, reason: str = "") -> Message:
    """Return the message with other parts, and with what follows from them: when it is due, its reason."""
    state = overall(parts)
    changed = now if state is not message.state or reason != message.reason else message.changed_ms
    next_ms = 0
    if state is State.SENDING:
        next_ms = now + DOUBT_MS
    elif state is State.SENT:
        next_ms = max(now, message.expires_ms) + RECEIPT_MS
    elif state is State.QUEUED:
        next_ms = min(message.expires_ms, now)
    return replace(message, parts=parts, due_ms=next_ms, reason=reason, changed_ms=changed)


def sending(message: Message, node: str, now: int) -> Message:
    """Return the message with all parts that are still queued marked as being sent by ``node``."""
    marked = tuple(
        replace(part, state=State.SENDING) if part.state is State.QUEUED else part for part in message.parts
    )
    return replace(
        with_parts(message, marked, now, reason=message.reason), node=node, attempts=message.attempts + 1
    )


def retried(message: Message, now: int, after_ms: int, reason: str) -> Message:
    """Return a message, parts of which are queued again, due after a pause, at its expiry at the latest."""
    return replace(message, due_ms=min(now + after_ms, message.expires_ms), reason=reason)


def pause_ms(attempts: int) -> int:
    """Return how long to wait after so many attempts that were refused for the time being."""
    return RETRY_SECONDS[min(max(attempts, 1), len(RETRY_SECONDS)) - 1] * 1000


def expired(message: Message, now: int) -> Message:
    """Return the message after its validity: what is still queued is not sent."""
    parts = tuple(
        replace(part, state=State.EXPIRED) if part.state is State.QUEUED else part for part in message.parts
    )
    return with_parts(message, parts, now, reason="validity-ended")


def doubted(message: Message, now: int, *, repeat: bool, reason: str) -> Message:
    """Return the message whose `SENDING` parts' answers will not come: queued again, or unknown."""
    state = State.QUEUED if repeat else State.UNKNOWN
    parts = tuple(
        replace(part, state=state) if part.state is State.SENDING else part for part in message.parts
    )
    return with_parts(message, parts, now, reason=reason)


def unreceipted(message: Message, now: int) -> Message:
    """Return the message whose receipts did not come in time."""
    parts = tuple(
        replace(part, state=State.UNKNOWN) if part.state is State.SENT else part for part in message.parts
    )
    return with_parts(message, parts, now, reason="no-receipt")


def receipted(message: Message, reference: str, state: State, now: int, reason: str = "") -> Message:
    """Return the message after a delivery receipt: the part with this reference is in ``state``.

    Where no part has the reference, it is of one whose own is not known; the first of these takes it. What is
    delivered stays delivered, whatever a later receipt says.
    """
    open_states = (State.SENT, State.UNKNOWN, State.SENDING, State.ACCEPTED)
    index = next((n for n, part in enumerate(message.parts) if part.reference == reference), -1)
    if index < 0:
        index = next(
            (n for n, part in enumerate(message.parts) if not part.reference and part.state in open_states),
            -1,
        )
    if index < 0 or message.parts[index].state not in open_states:
        return message
    parts = (*message.parts[:index], Part(state, reference), *message.parts[index + 1 :])
    kept = reason or (message.reason if State.UNKNOWN in {part.state for part in parts} else "")
    return with_parts(message, parts, now, reason=kept)
