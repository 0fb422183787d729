"""Times and cause of a call that a service watches, from its event reports, for the call detail record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.domain.cdr import Progress
from ss7.cap.events import EventTypeBCSM
from ss7.cap.types import RequestedInformationType
from ss7.cause import Cause
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from scp.domain.cdr import Charge
    from ss7.cap.events import EventReportBCSMArg
    from ss7.cap.types import CallInformationReportArg

_ANSWERS: Final = frozenset({EventTypeBCSM.O_ANSWER, EventTypeBCSM.T_ANSWER})
_ENDS: Final = frozenset(
    {
        EventTypeBCSM.O_DISCONNECT,
        EventTypeBCSM.T_DISCONNECT,
        EventTypeBCSM.O_ABANDON,
        EventTypeBCSM.T_ABANDON,
    }
)
_FAILURES: Final[dict[int, str]] = {
    event: event.identifier
    for event in (
        EventTypeBCSM.ROUTE_SELECT_FAILURE,
        EventTypeBCSM.O_CALLED_PARTY_BUSY,
        EventTypeBCSM.O_NO_ANSWER,
        EventTypeBCSM.T_BUSY,
        EventTypeBCSM.T_NO_ANSWER,
    )
}
MOST_FAILED: Final = 8
"""Failed attempts that are kept; a switch can report as many as it likes."""


@final
class CallProgress:
    """What became of a call. Reports carry no time, so it is when they came (seconds since 1970-01-01 UTC).

    A service may connect a call anew after it failed or was cleared (follow-on): what counts is the first
    answer, and the last clearing with no answer behind it.

    Attributes:
        answered: oAnswer or tAnswer, or what a charging report tells of it; None if there was none.
        disconnected: oDisconnect, tDisconnect, oAbandon or tAbandon, None likewise.
        cause: Q.850 cause value of a disconnect, busy or route select failure, None if not said.
        charge: what it cost, None if it was not charged.
        failed: attempts to reach a party that failed, the first first: the event's ASN.1 identifier, and
            behind a colon its cause, if there is one.
    """

    __slots__ = ("answered", "cause", "charge", "disconnected", "failed")

    def __init__(self) -> None:
        self.answered: float | None = None
        self.disconnected: float | None = None
        self.cause: int | None = None
        self.failed: tuple[str, ...] = ()
        self.charge: Charge | None = None

    @classmethod
    def of(cls, progress: Progress) -> CallProgress:
        """Return what `values` are the values of."""
        answered, disconnected, cause, failed, charge = progress
        made = cls()
        made.answered = None if answered is None else (answered + 0.5) / 1000
        made.disconnected = None if disconnected is None else (disconnected + 0.5) / 1000
        made.cause = cause
        made.failed = failed
        made.charge = charge
        return made

    def values(self) -> Progress:
        """Return all of it, times in milliseconds since 1970."""
        answered = None if self.answered is None else int(self.answered * 1000)
        disconnected = None if self.disconnected is None else int(self.disconnected * 1000)
        return Progress(answered, disconnected, self.cause, self.failed, self.charge)

    def reported(self, event: EventReportBCSMArg, now: float) -> None:
        """Take an EventReportBCSM (TS 29.078 §11.18)."""
        if event.event_type_bcsm in _ANSWERS:
            if self.answered is None:
                self.answered = now
            self.disconnected = self.cause = None
            return
        if event.event_type_bcsm in _ENDS:
            self.disconnected = now
        cause = cause_in(event)
        if cause is not None:
            self.cause = cause
        failure = _FAILURES.get(event.event_type_bcsm)
        if failure is not None and len(self.failed) < MOST_FAILED:
            self.failed += (failure if cause is None else f"{failure}:{cause}",)

    def talking(self, answered_ms: int) -> None:
        """Note since when the call is talked in, milliseconds since 1970, unless an event has said so."""
        if self.answered is None:
            self.answered = (answered_ms + 0.5) / 1000

    def informed(self, report: CallInformationReportArg, now: float) -> None:
        """Take a CallInformationReport (TS 29.078 §11.7): it says the cause, where no event does."""
        cause, tenths = information_in(report)
        if self.cause is None:
            self.cause = cause
        if self.disconnected is None and self.answered is not None:
            self.disconnected = now if tenths is None else self.answered + tenths / 10

    def cleared(self, cause: int | None, now: float) -> None:
        """Note that the call was cleared without an event: the switch or the service released it."""
        self.disconnected = now
        if cause is not None:
            self.cause = cause


def information_in(report: CallInformationReportArg) -> tuple[int | None, int | None]:
    """Return the release cause and the time since answer, in 100 ms, of a report that says them."""
    cause = tenths = None
    for each in report.requested_information_list:
        if each.requested_information_type is RequestedInformationType.RELEASE_CAUSE:
            cause = cause_value(each.requested_information_value.value)
        elif each.requested_information_type is RequestedInformationType.CALL_CONNECTED_ELAPSED_TIME:
            tenths = each.requested_information_value.value
    return cause, tenths


def cause_in(event: EventReportBCSMArg) -> int | None:
    """Return the cause value of an event that has one: release, failure or busy cause."""
    special = event.event_specific_information_bcsm
    value = None if special is None else special.value
    for name in ("release_cause", "failure_cause", "busy_cause"):
        octets = getattr(value, name, None)
        if octets is not None:
            return cause_value(octets)
    return None


def cause_value(octets: bytes) -> int | None:
    """Return the Q.850 cause value in CAP's Cause, None if it can't be read."""
    try:
        return Cause.decode(octets).value
    except DecodeError:
        return None
