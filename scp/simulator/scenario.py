"""A simulated call: its numbers, locations and subscriber, and how the parties behave."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import force_setattr

from scp.domain.call import Trigger
from ss7.isup import NatureOfAddress

__all__ = ["Attempt", "DefaultHandling", "Ending", "Finish", "Scenario", "Trigger"]


class Ending(StrEnum):
    """How one attempt to reach the called party goes."""

    ANSWER = "answer"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    UNREACHABLE = "unreachable"  # Route_Select_Failure, or T_Busy with cause 20 in a terminating call
    ABANDON = "abandon"  # the caller hangs up while it rings


class Finish(StrEnum):
    """How an answered call ends after its talk time."""

    HANG_UP = "hang-up"  # a party disconnects
    LOST = "lost"  # the switch forgets the call: it reports nothing, and answers no ActivityTest
    ABORT = "abort"  # the switch aborts the dialogue (TC-U-ABORT)


class DefaultHandling(StrEnum):
    """Default call handling of the CSI: what a call gets when the gsmSCF fails (TS 23.078 §4.3)."""

    CONTINUE = "continue"
    RELEASE = "release"


class Attempt(Struct, frozen=True, kw_only=True):
    """One attempt to reach the called party, from the routing of the call on.

    Attributes:
        ending: how it goes.
        ring: seconds until that happens.
        talk: seconds from answer to the call's end.
        hangs_up: the leg that hangs up: 1 the calling party, 2 the called party.
        finish: how the call ends then.
    """

    ending: Ending = Ending.ANSWER
    ring: float = 0.2
    talk: float = 1.0
    hangs_up: int = 2
    finish: Finish = Finish.HANG_UP


class Scenario(Struct, frozen=True, kw_only=True):
    """One call as the MSC sees it.

    Attributes:
        version: CAP version of the dialogue, 1 to 4.
        dialogue_portion: False begins without an application context, as CAP v1 switches do.
        trigger: the CSI that triggered: originating, terminating, or of a subscriber who forwards.
        a_number: E.164 digits of the calling party; "" sends none.
        b_number: the called number, as dialled (originating) or as routed (terminating, forwarded).
        b_nature: nature of address of ``b_number``; a dialled number has the corresponding type of number.
        b_plan: numbering plan of ``b_number``.
        redirecting_number: in a forwarded call the E.164 digits of the subscriber who forwards.
        imsi: of the served subscriber; "" sends none.
        vlr: E.164 digits of the VLR number in the location information; "" sends none.
        cell: "MCC-MNC-LAC-CI" of the served subscriber's cell; "" sends none.
        msc: E.164 digits of our own MSC address.
        service_key: from the subscriber's CSI.
        call_reference: call reference number, 1 to 8 octets; b"" has one made for each call.
        attempts: how the called party behaves at the first routing of the call, the first follow-on call, …;
            the last one repeats.
        abandon_after: the caller hangs up so many seconds after InitialDP if the call is not routed by then:
            no instruction came, or an announcement plays; -1: never.
        silent: after the first answer the MSC sends nothing more, as if it had lost the call.
        tssf: seconds that the gsmSSF waits for instructions.
        event_first: where an event ends a charged call, EventReportBCSM goes before ApplyChargingReport.
        separate: each report goes in a TC message of its own.
        prearranged_end: the gsmSSF ends dialogues without a message (TS 29.078 §14.1.2.1.1); its last reports
            go in TC-CONTINUE.
        call_forwarded: the called subscriber's own forwarding takes a terminating call that fails.
        by_period: each ApplyChargingReport counts its own period from nothing, not the time since answer.
        silent_abandon: a call that is abandoned has no ApplyChargingReport.
        keeps_abandon: an armed abandon event stays armed at answer.
        missing_reports: which ApplyChargingReports never come, counted from 1.
        repeats_reports: each ApplyChargingReport comes twice.
        tests_unanswered: the switch gives no result of an ActivityTest.
        default_handling: what the call gets when Tssf expires or the dialogue is aborted.
        srf: whether the switch has a gsmSRF of its own.
        external_srf: number of a gsmSRF that the switch can connect a caller to, E.164 digits; "": there is
            none.
        announcement: seconds that a message takes that does not say for how long.
        digits: what the party keys in when it is asked.
    """

    version: int = 2
    dialogue_portion: bool = True
    trigger: Trigger = Trigger.TERMINATING
    a_number: str = "46700000009"
    b_number: str = "46700000001"
    b_nature: int = NatureOfAddress.INTERNATIONAL
    b_plan: int = 1
    redirecting_number: str = "46700000002"
    imsi: str = "240011234567890"
    vlr: str = "46709000001"
    cell: str = "240-01-4660-22136"
    msc: str = "46709000002"
    service_key: int = 100
    call_reference: bytes = b""
    attempts: tuple[Attempt, ...] = (Attempt(),)
    abandon_after: float = -1.0
    silent: bool = False
    tssf: float = 5.0
    event_first: bool = False
    separate: bool = False
    prearranged_end: bool = False
    call_forwarded: bool = False
    by_period: bool = False
    silent_abandon: bool = False
    keeps_abandon: bool = False
    missing_reports: tuple[int, ...] = ()
    repeats_reports: bool = False
    tests_unanswered: bool = False
    default_handling: DefaultHandling = DefaultHandling.CONTINUE
    srf: bool = True
    external_srf: str = ""
    announcement: float = 1.0
    digits: str = ""

    def __post_init__(self) -> None:
        """Take the trigger by its name as well: it is compared by identity."""
        if type(self.trigger) is not Trigger:
            force_setattr(self, "trigger", Trigger(self.trigger))

    def attempt(self, number: int) -> Attempt:
        """Return the behaviour at the routing with this number, counted from 0."""
        return self.attempts[min(number, len(self.attempts) - 1)]
