"""Control of a call that was connected to the VoIP side, until it is answered, rescued or over: a table.

The service arms the events of the call and connects it. If the VoIP side fails (busy, not reachable, no
answer, no route), the call is *rescued*: connected to the subscriber's own line. There is no third attempt. A
call that is only watched, or charged, has one attempt, whose failure is but notified.

::

    VOIP ──failed──▶ RESCUE ──failed──▶ Continue, over
      │                │
      └───answered─────┴──▶ TALKING ──cleared──▶ over
                       │
    PLAIN ──answered───┘

What it costs is another table, `scp.services.charge_control.TABLE`.

`TABLE` says what is sent for each event in each phase, with the clause of TS 29.078. What has no row is
ignored: a report that comes twice, a result of an ActivityTest.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from scp.services.api import Report, ReportKind
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    LEG1,
    LEG2,
    BCSMEvent,
    CallInformationRequestArg,
    DpSpecificCriteria,
    EventReportBCSMArg,
    EventTypeBCSM,
    LegID,
    MessageType,
    MonitorMode,
    RequestedInformationType,
    RequestReportBCSMEventArg,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ARMED_SINCE", "TABLE", "Action", "Event", "Phase", "Row", "armed", "event_of"]


class Phase(IntEnum):
    """Where a controlled call stands."""

    VOIP = 0  # connected to the VoIP side, not answered
    RESCUE = 1  # connected to the subscriber's line, not answered
    TALKING = 2  # answered
    OVER = 3  # control has ended
    PLAIN = 4  # goes on as it was dialled, or to the VoIP side without rescue; not answered


class Event(IntEnum):
    """What a report means for the call."""

    FAILED = 0  # EDP-R: busy, not reachable, no answer, no route; the switch waits
    FORWARDED = 1  # EDP-R: the subscriber's own forwarding takes the call
    ANSWERED = 2
    CLEARED = 3  # EDP-N: abandoned, disconnected, or a failure that was only notified
    ASKED = 4  # any other EDP-R, but an answer
    ARMING_REFUSED = 5  # error or reject of RequestReportBCSMEvent
    CONNECT_REFUSED = 6  # error or reject of Connect or Continue, or a reject that does not say of what
    QUIET = 7  # nothing was reported for a long time
    LOST = 8  # the dialogue is over, or the switch does not know the call any more
    INFORMATION_REFUSED = 9  # error or reject of CallInformationRequest
    ANSWERED_WAITS = 10  # an answer as EDP-R: the switch waits, though it was armed as EDP-N
    RESOURCE_KEPT = 11  # error or reject of DisconnectForwardConnection, which stands ahead of all else


class Action(IntEnum):
    """What is sent."""

    NOTHING = 0  # nothing; control goes on
    RESCUE = 1  # RequestReportBCSMEvent and Connect to the line, in TC-CONTINUE
    CONNECT = 2  # the Connect of this phase again; in TC-END where control is over
    GO_ON = 3  # Continue, in TC-END
    TEST = 4  # ActivityTest, in TC-CONTINUE
    END = 5  # TC-END without components
    CONTINUE = 6  # Continue, in TC-CONTINUE
    AGAIN = 7  # RequestReportBCSMEvent and the Connect of this phase, in TC-CONTINUE


class Row(NamedTuple):
    """What an event does in a phase."""

    action: Action
    next: Phase
    why: str


_TWICE: Final = "no third attempt: the switch clears the call with this failure (§11.11)"
_OWN: Final = "callForwarded: the subscriber's own forwarding goes on (§11.18.1.1)"
_ANSWER: Final = "the failures are disarmed at answer; the disconnects stay armed (§11.27.2.1)"
_CLEARED: Final = "nothing is armed any more (§11.18.2.1)"
_ASKED: Final = "an EDP-R has to be answered within Tssf (§10.2.1)"
_DISCARDED: Final = "the switch has discarded the Connect behind it (§14.1.1.2): once more, without events"
_UNHEARD: Final = (
    "what played is gone already (§11.13.2.1); what was behind it is discarded (§14.1.1.2): once more"
)
_UNASKED: Final = "the switch has discarded what was behind it (§14.1.1.2): once more; events are armed"
_WAITS: Final = (
    "miscCallInfo that is left out means a request (§5.1): the call goes on, and stays under control"
)
_REFUSED: Final = "the switch still waits for instructions (§11.9.2.2)"
_QUIET: Final = "does the switch still know the call (§11.1)"
_LOST: Final = "nobody is left to control the call"

TABLE: Final[Mapping[tuple[Phase, Event], Row]] = {
    (Phase.VOIP, Event.FAILED): Row(
        Action.RESCUE, Phase.RESCUE, "events are armed once (§11.27.2.1); a follow-on Connect arms them anew"
    ),
    (Phase.VOIP, Event.FORWARDED): Row(Action.GO_ON, Phase.OVER, _OWN),
    (Phase.VOIP, Event.ANSWERED): Row(Action.NOTHING, Phase.TALKING, _ANSWER),
    (Phase.VOIP, Event.CLEARED): Row(Action.END, Phase.OVER, _CLEARED),
    (Phase.VOIP, Event.ASKED): Row(Action.GO_ON, Phase.OVER, _ASKED),
    (Phase.VOIP, Event.ARMING_REFUSED): Row(Action.CONNECT, Phase.OVER, _DISCARDED),
    (Phase.VOIP, Event.CONNECT_REFUSED): Row(Action.GO_ON, Phase.OVER, _REFUSED),
    (Phase.VOIP, Event.QUIET): Row(Action.TEST, Phase.VOIP, _QUIET),
    (Phase.VOIP, Event.INFORMATION_REFUSED): Row(Action.CONNECT, Phase.VOIP, _UNASKED),
    (Phase.VOIP, Event.RESOURCE_KEPT): Row(Action.AGAIN, Phase.VOIP, _UNHEARD),
    (Phase.VOIP, Event.ANSWERED_WAITS): Row(Action.CONTINUE, Phase.TALKING, _WAITS),
    (Phase.VOIP, Event.LOST): Row(Action.END, Phase.OVER, _LOST),
    (Phase.RESCUE, Event.FAILED): Row(Action.GO_ON, Phase.OVER, _TWICE),
    (Phase.RESCUE, Event.FORWARDED): Row(Action.GO_ON, Phase.OVER, _OWN),
    (Phase.RESCUE, Event.ANSWERED): Row(Action.NOTHING, Phase.TALKING, _ANSWER),
    (Phase.RESCUE, Event.CLEARED): Row(Action.END, Phase.OVER, _CLEARED),
    (Phase.RESCUE, Event.ASKED): Row(Action.GO_ON, Phase.OVER, _ASKED),
    (Phase.RESCUE, Event.ARMING_REFUSED): Row(Action.CONNECT, Phase.OVER, _DISCARDED),
    (Phase.RESCUE, Event.CONNECT_REFUSED): Row(Action.GO_ON, Phase.OVER, _REFUSED),
    (Phase.RESCUE, Event.QUIET): Row(Action.TEST, Phase.RESCUE, _QUIET),
    (Phase.RESCUE, Event.INFORMATION_REFUSED): Row(Action.CONNECT, Phase.RESCUE, _UNASKED),
    (Phase.RESCUE, Event.RESOURCE_KEPT): Row(Action.AGAIN, Phase.RESCUE, _UNHEARD),
    (Phase.RESCUE, Event.ANSWERED_WAITS): Row(Action.CONTINUE, Phase.TALKING, _WAITS),
    (Phase.RESCUE, Event.LOST): Row(Action.END, Phase.OVER, _LOST),
    (Phase.PLAIN, Event.FAILED): Row(Action.GO_ON, Phase.OVER, _ASKED),
    (Phase.PLAIN, Event.FORWARDED): Row(Action.GO_ON, Phase.OVER, _OWN),
    (Phase.PLAIN, Event.ANSWERED): Row(Action.NOTHING, Phase.TALKING, _ANSWER),
    (Phase.PLAIN, Event.CLEARED): Row(Action.END, Phase.OVER, _CLEARED),
    (Phase.PLAIN, Event.ASKED): Row(Action.GO_ON, Phase.OVER, _ASKED),
    (Phase.PLAIN, Event.ARMING_REFUSED): Row(Action.CONNECT, Phase.OVER, _DISCARDED),
    (Phase.PLAIN, Event.CONNECT_REFUSED): Row(Action.GO_ON, Phase.OVER, _REFUSED),
    (Phase.PLAIN, Event.QUIET): Row(Action.TEST, Phase.PLAIN, _QUIET),
    (Phase.PLAIN, Event.INFORMATION_REFUSED): Row(Action.CONNECT, Phase.PLAIN, _UNASKED),
    (Phase.PLAIN, Event.RESOURCE_KEPT): Row(Action.AGAIN, Phase.PLAIN, _UNHEARD),
    (Phase.PLAIN, Event.ANSWERED_WAITS): Row(Action.CONTINUE, Phase.TALKING, _WAITS),
    (Phase.PLAIN, Event.LOST): Row(Action.END, Phase.OVER, _LOST),
    (Phase.TALKING, Event.FAILED): Row(Action.GO_ON, Phase.OVER, _ASKED),
    (Phase.TALKING, Event.FORWARDED): Row(Action.GO_ON, Phase.OVER, _ASKED),
    (Phase.TALKING, Event.CLEARED): Row(Action.END, Phase.OVER, _CLEARED),
    (Phase.TALKING, Event.ASKED): Row(Action.GO_ON, Phase.OVER, _ASKED),
    (Phase.TALKING, Event.QUIET): Row(Action.TEST, Phase.TALKING, _QUIET),
    (Phase.TALKING, Event.ANSWERED_WAITS): Row(Action.CONTINUE, Phase.TALKING, _WAITS),
    (Phase.TALKING, Event.LOST): Row(Action.END, Phase.OVER, _LOST),
}

ARMED_SINCE: Final = 2
"""The CAP version that has the events of failures; CAP v1 (TS 09.78 §6.1) has answer and disconnect only."""

_FAILURES: Final = frozenset(
    {
        EventTypeBCSM.ROUTE_SELECT_FAILURE,
        EventTypeBCSM.O_CALLED_PARTY_BUSY,
        EventTypeBCSM.O_NO_ANSWER,
        EventTypeBCSM.T_BUSY,
        EventTypeBCSM.T_NO_ANSWER,
    }
)
_ABANDONS: Final = frozenset({EventTypeBCSM.O_ABANDON, EventTypeBCSM.T_ABANDON})
_ANSWERS: Final = frozenset({EventTypeBCSM.O_ANSWER, EventTypeBCSM.T_ANSWER})
_ENDS: Final = _FAILURES | _ABANDONS | {EventTypeBCSM.O_DISCONNECT, EventTypeBCSM.T_DISCONNECT}
_REFUSALS: Final[dict[int, Event]] = {
    Opcode.REQUEST_REPORT_BCSM_EVENT: Event.ARMING_REFUSED,
    Opcode.CALL_INFORMATION_REQUEST: Event.INFORMATION_REFUSED,
    Opcode.DISCONNECT_FORWARD_CONNECTION: Event.RESOURCE_KEPT,
    Opcode.CONNECT: Event.CONNECT_REFUSED,
    Opcode.CONTINUE: Event.CONNECT_REFUSED,
    -1: Event.CONNECT_REFUSED,
    Opcode.ACTIVITY_TEST: Event.LOST,
}
"""By operation. Of others the call stays as it is; ApplyCharging is for the table of the money."""
_CALLING: Final = LegID("sendingSideID", LEG1)
_CALLED: Final = LegID("sendingSideID", LEG2)
# In Python 3.11 a member looked up through its class costs ten times what a global does.
_INVOKE: Final = ReportKind.INVOKE
_REQUEST: Final = MessageType.REQUEST
_ANSWERED_EVENT: Final = Event.ANSWERED
_CLEARED_EVENT: Final = Event.CLEARED
_ASK: Final = MonitorMode.INTERRUPTED
_TELL: Final = MonitorMode.NOTIFY_AND_CONTINUE


@lru_cache(maxsize=64)
def armed(*, terminating: bool, no_answer: int, asks: bool = True) -> RequestReportBCSMEventArg:
    """Return what is armed with a Connect: answer and clearing as EDP-N, failures as EDP-R or EDP-N (§11.27).

    Args:
        terminating: of the terminating BCSM; it has no route select failure: that is T_Busy (§11.18.1.1).
        no_answer: seconds that it may ring, 1 to 2047. They have to be fewer than the network's own no-answer
            timer (§11.27.1.1), or that one comes first.
        asks: failures are EDP-R: the switch waits for what to do next; otherwise it goes on by itself.
    """
    timer = DpSpecificCriteria("applicationTimer", no_answer) if asks else None
    failure = _ASK if asks else _TELL
    events: tuple[BCSMEvent, ...]
    if terminating:
        events = (
            BCSMEvent(EventTypeBCSM.T_BUSY, failure, _CALLED),
            BCSMEvent(EventTypeBCSM.T_NO_ANSWER, failure, _CALLED, timer),
            BCSMEvent(EventTypeBCSM.T_ANSWER, _TELL, _CALLED),
            BCSMEvent(EventTypeBCSM.T_DISCONNECT, _TELL, _CALLING),
            BCSMEvent(EventTypeBCSM.T_DISCONNECT, _TELL, _CALLED),
            BCSMEvent(EventTypeBCSM.T_ABANDON, _TELL, _CALLING),
        )
    else:
        events = (
            BCSMEvent(EventTypeBCSM.ROUTE_SELECT_FAILURE, failure, _CALLED),
            BCSMEvent(EventTypeBCSM.O_CALLED_PARTY_BUSY, failure, _CALLED),
            BCSMEvent(EventTypeBCSM.O_NO_ANSWER, failure, _CALLED, timer),
            BCSMEvent(EventTypeBCSM.O_ANSWER, _TELL, _CALLED),
            BCSMEvent(EventTypeBCSM.O_DISCONNECT, _TELL, _CALLING),
            BCSMEvent(EventTypeBCSM.O_DISCONNECT, _TELL, _CALLED),
            BCSMEvent(EventTypeBCSM.O_ABANDON, _TELL, _CALLING),
        )
    return RequestReportBCSMEventArg(events)


INFORMATION: Final = CallInformationRequestArg(
    (
        RequestedInformationType.CALL_ATTEMPT_ELAPSED_TIME,
        RequestedInformationType.CALL_STOP_TIME,
        RequestedInformationType.CALL_CONNECTED_ELAPSED_TIME,
        RequestedInformationType.RELEASE_CAUSE,
    )
)
"""What is asked of an attempt to reach the called party (leg 2); reported once (§11.6.2.1)."""


def event_of(report: Report) -> Event | None:
    """Return what a report means for the call, None if nothing."""
    kind = report.kind
    if kind is _INVOKE:
        argument = report.argument
        return _reported(argument) if type(argument) is EventReportBCSMArg else None
    if report.over:
        return Event.LOST
    if kind is ReportKind.TIMEOUT:  # of the wait, or of an ActivityTest without an answer (§11.1)
        return Event.LOST if report.opcode == Opcode.ACTIVITY_TEST else Event.QUIET
    if kind is ReportKind.ERROR or kind is ReportKind.REJECT:
        return _REFUSALS.get(report.opcode)
    return None


def abandoned(report: Report) -> bool:
    """Whether it tells that the caller hung up before answer."""
    argument = report.argument
    return isinstance(argument, EventReportBCSMArg) and argument.event_type_bcsm in _ABANDONS


def _reported(report: EventReportBCSMArg) -> Event | None:
    event = report.event_type_bcsm
    if report.misc_call_info.message_type is not _REQUEST:
        if event in _ANSWERS:
            return _ANSWERED_EVENT
        return _CLEARED_EVENT if event in _ENDS else None  # of any other the call goes on
    if event not in _FAILURES:
        return Event.ANSWERED_WAITS if event in _ANSWERS else Event.ASKED
    special = report.event_specific_information_bcsm
    forwarded = special is not None and getattr(special.value, "call_forwarded", False)
    return Event.FORWARDED if forwarded else Event.FAILED
