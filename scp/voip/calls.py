"""What has to be known of a call until the node has its end: a note that travels with the call. Pure.

The brain keeps no table of calls. Kamailio holds the note with the dialog and gives it back with every event
of it, so that any brain can settle any call.
"""

from __future__ import annotations

import base64
import re
from typing import Final

import msgspec
from msgspec import Struct

from scp.client import VoipLeg
from scp.voip.messages import Ended, Failed, precise

NORMAL_CLEARING: Final = 16
NETWORK_OUT_OF_ORDER: Final = 38
"""Q.850 cause values: the latter of a call whose Kamailio died."""
_REFERENCE: Final = re.compile(r"(?P<reference>[0-9A-Fa-f]{2,16}) *; *msc *= *\+?(?P<msc>[0-9]{5,15})")


class Note(Struct, frozen=True, omit_defaults=True):
    """What the brain knew of a call when it was put through.

    Attributes:
        call: the brain's id of the call, also the node's ``call_id`` of its reservation and leg.
        a: E.164 digits of the caller, "" if not known.
        b: E.164 digits of the called number.
        started_ms: when it came, in milliseconds since 1970.
        reservation: the node's id of the minutes, "" if the call costs nothing.
        granted_s: seconds of them.
        reference: call reference number of the switch, hexadecimal, "" if the gateway does not say it.
        msc: E.164 digits of the address of the MSC that gave it.
    """

    call: str
    a: str
    b: str
    started_ms: int
    reservation: str = ""
    granted_s: int = 0
    reference: str = ""
    msc: str = ""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Note).decode


def sealed(note: Note) -> str:
    """Return a note as text without a character that SIP, JSON or Kamailio's scripts take for theirs."""
    return base64.urlsafe_b64encode(_encode(note)).decode().rstrip("=")


def opened(text: str) -> Note | None:
    """Return the note that was `sealed`, None if it is none."""
    try:
        return _decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.DecodeError, RecursionError):  # the last: nested too deep
        return None


def reference(header: str) -> tuple[str, str]:
    """Return call reference number and MSC of ``X-Call-Reference: 0A0B0C;msc=46700000001``, or ("", "")."""
    found = _REFERENCE.match(header)
    return (found["reference"].lower(), found["msc"]) if found else ("", "")


def note_of(end: Ended | Failed, b: str, a: str) -> Note:
    """Return the note of a call that has ended; one that no brain has decided has what Kamailio knew."""
    note = opened(end.note) if end.note else None
    if note is not None:
        return note
    began = end.at if isinstance(end, Failed) else end.start
    return Note(end.call, a, b, began * 1000)


def milliseconds(text: str, whole: int) -> int:
    """Return a time of Kamailio in milliseconds: from seconds with a fraction, else from whole ones."""
    seconds = precise(text, whole)
    return whole * 1000 if seconds is None else int(seconds * 1000)


def leg_of(note: Note, end: Ended | Failed, cause: int = NORMAL_CLEARING) -> VoipLeg:
    """Return the record of a call's leg; its times are in order though they come from two clocks."""
    answered = None if isinstance(end, Failed) else max(milliseconds(end.begun, end.start), note.started_ms)
    ended = max(milliseconds(end.over, end.at), answered or note.started_ms)
    return VoipLeg(
        id=note.call,
        call_id=note.call,
        a_number=note.a,
        b_number=note.b,
        started_ms=note.started_ms,
        answered_ms=answered,
        ended_ms=ended,
        cause=None if answered is None else cause,
        call_reference=note.reference,
        msc_address=note.msc,
        reservation=note.reservation,
    )
