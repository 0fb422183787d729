"""What both stores of text messages write, and put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from scp.domain.message import Event
from ss7.sms.parts import from_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.message import Received

FIELDS: Final = (
    *("id", "version", "state", "node", "recipient", "reference"),
    *("due_ms", "expires_ms", "created_ms", "changed_ms"),
)
"""A message's fields that have columns of their own, in their order."""


def received_event(received: Received) -> Event:
    """Return the event that a message came in."""
    return Event(
        id=received.id,
        state="received",
        at_ms=received.at_ms,
        sender=received.sender,
        recipient=received.recipient,
        text=received.text,
    )


def joined(parts: Sequence[Received]) -> Received:
    """Return the message that these parts are, in their order; the last one to come gives time and id.

    Two halves of a character that a sender has put into two parts come together again.
    """
    last = max(parts, key=lambda part: part.at_ms)
    coding = parts[0].coding
    if coding and all(part.coding == coding for part in parts):
        text = from_words(coding, b"".join([part.data for part in parts]))
    else:
        text = "".join([part.text for part in parts])
    return structs.replace(last, text=text, coding="", data=b"")
