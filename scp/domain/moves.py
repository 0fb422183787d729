"""What VLRs and HLRs tell of a subscriber, and whether it still may change something: each once, none late.

A store keeps beside a subscriber's record what `remembered` returns, and changes both together. So it holds
for all nodes on the store, and after a restart: octets, big endian::

    4  when the subscriber last moved, seconds since 1970-01-01 UTC
    4  when the last message came
    8  for each message: its identity, the oldest first
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from scp.domain.map_results import Result

IDENTITY: Final = 8
"""Octets of a message's identity."""
TIMES: Final = 8
"""Octets before the identities."""
TOLERANCE: Final = 60
"""Seconds: an age is in whole minutes (ageOfLocationInformation), and clocks are not the same."""
RECENT: Final = 3600
"""Seconds for which up to `MOST` messages of a subscriber are known."""
MOST: Final = 31
ALWAYS: Final = 7
"""Messages that are known however long ago they came; with the times 64 octets, Redis' compact form."""


class Move(Struct, frozen=True, gc=False):
    """What a message tells.

    Attributes:
        msisdn: of whom, E.164 digits.
        identity: `IDENTITY` octets, the same for the same message.
        age_s: how many seconds ago the subscriber was there; None: it is no place, and changes no record.
        roaming: the flag from now on; None: it stays as it is, and so does the VLR.
        vlr: E.164 digits of the VLR number.
    """

    msisdn: str
    identity: bytes
    age_s: int | None = 0
    roaming: bool | None = None
    vlr: str = ""


class Moved(NamedTuple):
    """What came of it.

    Attributes:
        result: WRITTEN, UNCHANGED (the flag and the VLR were so before), TAKEN (it says nothing of them),
            REPLAYED, STALE, UNKNOWN_SUBSCRIBER.
        version: of the subscriber's record afterwards; 0: there is none.
    """

    result: Result
    version: int = 0


def remembered(known: bytes, move: Move, now: int) -> tuple[bytes, Result | None]:
    """Return what is known after a message, and why it changes nothing (None: it may).

    Args:
        known: what was remembered; b"" for nothing.
        move: the message.
        now: seconds since 1970-01-01 UTC.
    """
    at = int.from_bytes(known[:4], "big")
    came = int.from_bytes(known[4:TIMES], "big")
    seen = known[TIMES:]
    if at > now + TOLERANCE:  # a clock that was ahead said so
        at = 0
    for start in range(0, len(seen), IDENTITY):
        if seen[start : start + IDENTITY] == move.identity:
            return known, Result.REPLAYED
    kept = MOST if abs(now - came) < RECENT else ALWAYS
    seen = (seen + move.identity)[-kept * IDENTITY :]
    result = None
    if move.age_s is not None:
        was = max(now - move.age_s, 0)
        result = Result.STALE if was + TOLERANCE < at else None
        at = max(at, was)
    return at.to_bytes(4, "big") + now.to_bytes(4, "big") + seen, result
