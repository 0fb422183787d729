"""The facts of a call that the decision needs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from scp.domain.numbers import Nature, Numbering, Plan, dialled

if TYPE_CHECKING:
    from scp.domain.reason import Reason


class Trigger(StrEnum):
    """Which basic call state model asked, and for which leg."""

    ORIGINATING = "originating"  # O-CSI of the calling subscriber
    TERMINATING = "terminating"  # T-CSI or VT-CSI of the called subscriber
    FORWARDED = "forwarded"  # O-CSI of a subscriber who forwards the call


class Diversion(Struct, frozen=True, gc=False):
    """How a call was diverted before it was asked about: ISUP's redirection data, which InitialDP repeats.

    Attributes:
        counter: redirections so far (Q.763 §3.45: 1 to 5); 0 if nothing says that there was one.
        redirecting: digits and nature of the number that diverted the call last, ``("", …)`` if not known.
        original: the same of the number that was called first.
    """

    counter: int = 0
    redirecting: tuple[str, Nature] = ("", Nature.UNKNOWN)
    original: tuple[str, Nature] = ("", Nature.UNKNOWN)

    @property
    def by(self) -> tuple[tuple[str, Nature], ...]:
        """The numbers that have diverted the call, as far as they are known.

        The original called number alone is no sign of a diversion: a service of the caller's, which wrote the
        number in another form, leaves it there too.
        """
        if self.counter > 0 or self.redirecting[0]:
            return self.redirecting, self.original
        return ()


def typed_diversion(redirecting: str, redirections: int) -> Diversion | None:
    """Return the diversion that a person describes, None for none.

    Args:
        redirecting: the number that diverted the call last, as dialled or with ``+``; "" if not known.
        redirections: how often it was diverted.
    """
    return Diversion(redirections, dialled(redirecting)) if redirecting or redirections else None


class CallFacts(Struct, frozen=True, gc=False):
    """The facts of a call that the decision needs; `call_facts` finds them.

    Attributes:
        digits: the called number as received, "" if there is none or it can't be read.
        nature: its nature.
        e164: its E.164 digits, "" with a `fault`.
        fault: why it has no E.164 digits to steer by.
        trigger: the basic call state model that asked. Location information is the called subscriber's only
            in a terminating call; in the others it is the calling or forwarding subscriber's, and of no use.
        vlr: E.164 digits of the VLR number in the location information, "" if absent.
        areas: cell, service area or location area ids in it, as lower-case hex octets.
        diversion: how the call was diverted before, None if it was not.
        unreadable_location: whether the called subscriber's location information is there and can't be read.
        located: whether ``vlr`` and ``areas`` are the called subscriber's though the trigger says otherwise:
            the HLR was asked.
        not_located: why the HLR's answer does not tell the place, if it was asked.
    """

    digits: str = ""
    nature: Nature = Nature.UNKNOWN
    e164: str = ""
    fault: Reason | None = None
    trigger: Trigger = Trigger.ORIGINATING
    vlr: str = ""
    areas: tuple[str, ...] = ()
    diversion: Diversion | None = None
    unreadable_location: bool = False
    located: bool = False
    not_located: Reason | None = None


def call_facts(
    numbering: Numbering,
    trigger: Trigger,
    digits: str,
    nature: Nature,
    *,
    plan: Plan = Plan.E164,
    vlr: str = "",
    areas: tuple[str, ...] = (),
    diversion: Diversion | None = None,
) -> CallFacts:
    """Return the facts of a call to this number, its E.164 form worked out."""
    e164, fault = numbering.normalise(digits, nature, plan)
    return CallFacts(digits, nature, e164, fault, trigger, vlr, areas, diversion)
