"""Protocols of text messages: what carries them, keeps them, and takes those that come in."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from scp.domain.message import Event, Message, Received, State


class SeqEvent(NamedTuple):
    """An event of a message as it is kept: its number, which later ones exceed, and its JSON."""

    seq: int
    json: str


class Piece(NamedTuple):
    """One part of a text message that came in; ``number`` counts from 1.

    Attributes:
        whole: a message of this part alone; its id is that of the whole if it is the last one to come.
        reference: what the sender's phone numbered the message with; the same in all parts.
        total: how many parts there are.
        number: which of them this is.
    """

    whole: Received
    reference: int = 0
    total: int = 1
    number: int = 1


class MessageStore(Protocol):
    """Text messages on their way, and what happened to them. Every method may raise `StoreError`.

    Every change is atomic, and durable when its coroutine returns.
    """

    async def open(self) -> None:
        """Connect or open."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go."""
        ...

    def usable(self) -> str:
        """Return "" if it can be used now, else in words why not."""
        ...

    async def add(self, message: Message, event: Event) -> tuple[Message, bool]:
        """Keep a new message (version 0) and return it and True, or the one that has its id already."""
        ...

    async def get(self, message_id: str) -> Message | None:
        """Return a message, None if there is none or it was forgotten."""
        ...

    async def put(self, message: Message, event: Event | None) -> Message | None:
        """Compare and set: write, if the record has ``message.version``; else None, and no event."""
        ...

    async def find(self, reference: str, recipient: str, own_reference: int) -> Message | None:
        """Return the message that has a part with the carrier's reference.

        Args:
            reference: the carrier's id of a part, "" if it is not known.
            recipient: whom the message was to; matters for ``own_reference`` only.
            own_reference: `Message.reference`, -1 if it is not known; for a message whose part has no
                reference yet, the newest to that recipient.
        """
        ...

    async def due(self, now_ms: int, most: int) -> list[Message]:
        """Return messages about which something is to be done by now, the longest due first."""
        ...

    async def expired(self, now_ms: int, most: int) -> list[Message]:
        """Return messages that are under way and whose validity has ended."""
        ...

    async def waiting(self, recipient: str, most: int) -> list[Message]:
        """Return messages to a recipient that wait to be sent."""
        ...

    async def sending(self, node: str) -> list[Message]:
        """Return the messages that this node was sending."""
        ...

    async def receive(self, piece: Piece) -> Received | None:
        """Keep a message that came in, or a part of one; return it if it is whole by now.

        Once it is whole its event is there.
        """
        ...

    async def events(self, after: int, most: int) -> list[SeqEvent]:
        """Return events above the number ``after``, oldest first."""
        ...

    async def open_messages(self) -> tuple[int, int]:
        """Return how many messages are under way, and the earliest time that one of them is due (0: none)."""
        ...

    async def forget(self, before_ms: int, most: int) -> int:
        """Drop messages that were over before, with events and parts as old; return how many messages."""
        ...


class Taken(StrEnum):
    """What a carrier made of a part of a message."""

    SENT = "sent"  # it has it, and answers for it
    DELIVERED = "delivered"  # the recipient has it
    REFUSED = "refused"  # for good
    LATER = "later"  # refused for the time being: an attempt
    BUSY = "busy"  # refused because too much is asked at once: no attempt
    AWAY = "away"  # not asked, there is no connection: no attempt
    DOUBT = "doubt"  # asked, and no answer came


class Submission(NamedTuple):
    """What came of handing over one part: the carrier's id of it, and a word for what was wrong."""

    taken: Taken
    reference: str = ""
    reason: str = ""


class Receipt(NamedTuple):
    """A delivery receipt.

    Attributes:
        reference: the carrier's id of the part.
        own_reference: `Message.reference`, -1 where the carrier does not repeat it.
        recipient: whom the part was to.
        state: what became of it.
        reason: a word for why, "" if it was delivered.
        spellings: what else the reference may be, as the carrier had written it before.
    """

    reference: str
    own_reference: int
    recipient: str
    state: State
    reason: str = ""
    spellings: tuple[str, ...] = ()


class TextMessagesUser(Protocol):
    """What takes the messages and receipts that a carrier brings; durable when the coroutine returns."""

    async def receipt(self, receipt: Receipt) -> None:
        """Take a delivery receipt."""
        ...

    async def received(self, piece: Piece) -> None:
        """Take a message, or a part of one, to a subscriber of ours."""
        ...

    async def hasten(self, recipient: str) -> None:
        """Try messages to a recipient that wait for their next attempt now; raises nothing."""
        ...

    def ready(self) -> None:
        """The carrier can be asked, after it could not."""
        ...


class TextMessages(Protocol):
    """A carrier of text messages: an SMSC by SMPP, or the network itself by MAP."""

    async def start(self, user: TextMessagesUser) -> None:
        """Begin to connect."""
        ...

    async def close(self) -> None:
        """Take leave of it; what was asked is answered before, or in doubt."""
        ...

    def usable(self) -> str:
        """Return "" if it can be asked now, else in words why not."""
        ...

    @property
    def window(self) -> int:
        """How many parts it takes at once."""
        ...

    def parts(self, text: str) -> int:
        """Return how many parts it sends a text in."""
        ...

    async def submit(self, message: Message, number: int) -> Submission:
        """Hand over a part of a message, counted from 0; raises nothing."""
        ...


@runtime_checkable
class MessageTelemetry(Protocol):
    """What text messages report; label values are bounded."""

    def message(self, result: str) -> None:
        """A message came to this state (`scp.domain.message.State`), or was "received"."""
        ...

    def submission(self, result: str) -> None:
        """A part was handed over, with this result (`Taken`)."""
        ...

    def unmatched_receipt(self) -> None:
        """A receipt came for a message that nobody knows."""
        ...
