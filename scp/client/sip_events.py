"""Calls that tell the node what happens to calls in the SIP network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from scp.client.call import Call, Reader, json_call, path_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class SipEvent(Struct, frozen=True, omit_defaults=True):
    """A message of a call, or something that was decided about it.

    Attributes:
        call: the VoIP service's id of the call.
        time_ms: milliseconds since 1970-01-01 UTC.
        source: the party that sent it.
        target: the party that got it; the same as ``source`` for what happened at one party.
        message: what it is: ``INVITE``, ``200 OK``.
        details: what it says, by name.
        number: user part of the request URI, with the first event.
        call_reference: call reference number of the switch, hexadecimal, with the first event.
        msc_address: E.164 digits of the MSC that gave it.
        octets: of a message as it came or went, hexadecimal; "" for what is told in words alone.
    """

    call: str
    time_ms: int
    source: str
    target: str
    message: str
    details: dict[str, str] = {}
    number: str = ""
    call_reference: str = ""
    msc_address: str = ""
    octets: str = ""


class Wanted(Struct, frozen=True):
    """Whether somebody looks at calls: if not, nothing of it was kept."""

    wanted: bool


_WANTED: Final = Reader(Wanted)


def tell_sip_events(events: Sequence[SipEvent]) -> Call[Wanted]:
    """Return the call that tells what happened, 200 events at the most; none: only asks whether to tell."""
    return json_call("POST", path_of("sip-events"), _WANTED, {"events": msgspec.to_builtins(list(events))})
