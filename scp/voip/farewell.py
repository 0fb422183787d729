"""BYE for both ends of a call whose Kamailio died: what it told at the answer is all that is needed. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from scp.voip.messages import Send, plain

if TYPE_CHECKING:
    from scp.voip.messages import Answered

SEQUENCE: Final = 1_000_000_000
"""Higher than any that the other end has used: gaps are allowed (RFC 3261 §12.2.2), 2**31 not (§8.1.1.5)."""


class Party(NamedTuple):
    """One end of a dialog: its URI, tag and contact, and the URI of the address that it was heard from."""

    uri: str = ""
    tag: str = ""
    contact: str = ""
    at: str = ""


class Ends(NamedTuple):
    """Both ends of a dialog."""

    call_id: str
    caller: Party = Party()
    called: Party = Party()


def ends_of(answered: Answered) -> Ends:
    """Return the ends of a call that was answered; without them only a name of its own."""
    fields = [plain(one) for one in answered.ends.split(",")]
    if len(fields) != 9 or any(mark in one for one in fields for mark in "\r\n<>"):
        return Ends(answered.call)
    return Ends(fields[0], Party(*fields[1:5]), Party(*fields[5:]))


def farewells(ends: Ends, host: str) -> list[Send]:
    """Return a BYE to each end that can be reached; ``host`` stands in Via, answers come by its rport."""
    sides = (ends.caller, ends.called), (ends.called, ends.caller)
    return [Send(to.at, _bye(ends.call_id, to, other, host)) for to, other in sides if to.contact and to.at]


def _bye(call_id: str, to: Party, other: Party, host: str) -> str:
    """Return the request that the other end would send (RFC 3261 §12.2.1.1)."""
    branch = sha256(f"{call_id} {to.tag}".encode()).hexdigest()[:16]
    transport = to.at.rpartition("=")[2].upper()
    lines = (
        f"BYE {to.contact} SIP/2.0",
        f"Via: SIP/2.0/{transport} {host};rport;branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        f"From: <{other.uri}>;tag={other.tag}",
        f"To: <{to.uri}>;tag={to.tag}",
        f"Call-ID: {call_id}",
        f"CSeq: {SEQUENCE} BYE",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", ""))
