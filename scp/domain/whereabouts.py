"""Where a subscriber is, as the HLR says when it is asked, and why there is no answer."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct


class Reach(StrEnum):
    """The subscriber's state (TS 23.078 §7.6.3.2)."""

    IDLE = "idle"
    BUSY = "busy"
    DETACHED = "detached"  # the network can't reach the phone: switched off, no coverage, not registered
    UNKNOWN = "unknown"  # the HLR does not say


class Whereabouts(Struct, frozen=True, gc=False):
    """What the HLR knows.

    Attributes:
        vlr: E.164 digits of the VLR number, "" if it did not say.
        areas: cell, service area or location area ids, as lower-case hex octets.
        reach: see `Reach`.
        age_s: seconds since the subscriber was there: what the HLR said, and how long ago it said so.
    """

    vlr: str = ""
    areas: tuple[str, ...] = ()
    reach: Reach = Reach.UNKNOWN
    age_s: float = 0.0


class LocateFailure(StrEnum):
    """Why nobody knows."""

    OFF = "off"  # this node asks no HLR
    TIMEOUT = "timeout"  # the HLR has not answered in time
    UNREACHABLE = "unreachable"  # no link leads there now
    UNDELIVERABLE = "undeliverable"  # SCCP returned the message
    SILENT = "silent"  # the HLR has not answered several times in a row, and is not asked for a while
    REFUSED = "refused"  # an error or a reject, or the application context is not supported
    LIMITED = "limited"  # more was asked than `[map]` allows
    UNKNOWN_SUBSCRIBER = "unknown-subscriber"
    UNREADABLE = "unreadable"  # the answer can't be decoded, or says nothing of the place


Located: TypeAlias = Whereabouts | LocateFailure
