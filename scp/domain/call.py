"""What the decision needs to know of a call."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from scp.domain.numbers import Nature, Numbering, Plan

if TYPE_CHECKING:
    from scp.domain.reason import Reason


class Trigger(StrEnum):
    """Which basic call state model asked, and for which leg."""

    ORIGINATING = "originating"  # O-CSI of the calling subscriber
    TERMINATING = "terminating"  # T-CSI or VT-CSI of the called subscriber
    FORWARDED = "forwarded"  # O-CSI of a subscriber who forwards the call


class CallFacts(Struct, frozen=True, gc=False):
    """What the decision needs to know of a call; `call_facts` fills it in.

    Attributes:
        digits: the called number as received, "" if there is none or it can't be read.
        nature: its nature.
        e164: its E.164 digits, "" with a `fault`.
        fault: why it has no E.164 digits to steer by.
        trigger: who asked. Location information is the called subscriber's only in a terminating call; in the
            others it is the calling or forwarding subscriber's, and says nothing here.
        vlr: E.164 digits of the VLR number in the location information, "" if absent.
        areas: cell, service area or location area ids in it, as lower-case hex octets.
    """

    digits: str = ""
    nature: Nature = Nature.UNKNOWN
    e164: str = ""
    fault: Reason | None = None
    trigger: Trigger = Trigger.ORIGINATING
    vlr: str = ""
    areas: tuple[str, ...] = ()


def call_facts(
    numbering: Numbering,
    trigger: Trigger,
    digits: str,
    nature: Nature,
    *,
    plan: Plan = Plan.E164,
    vlr: str = "",
    areas: tuple[str, ...] = (),
) -> CallFacts:
    """Return the facts of a call to this number, its E.164 form worked out."""
    e164, fault = numbering.normalise(digits, nature, plan)
    return CallFacts(digits, nature, e164, fault, trigger, vlr, areas)
