"""Two services that hold their dialogue open, as controlled and charged calls do. Not of the product: for tests.

``held-open`` watches a call: it arms the events of the originating call, lets the call go on, and is there until the
call is over. ``charged`` lets the call go on for a paid period, again and again while the budget lasts, then releases
it. Both can be bound to a service key as entry points: ``held_open:held_open`` and ``held_open:charged``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from scp.domain.decision import Action, Decision, Reason
from scp.services.api import NextReport, ReportKind
from scp.services.settings import read_settings
from ss7.cap.charging import decode_contained, time_duration_charging
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    LEG1,
    LEG2,
    ApplyChargingArg,
    BCSMEvent,
    EventReportBCSMArg,
    EventTypeBCSM,
    LegID,
    MessageType,
    MonitorMode,
    RequestReportBCSMEventArg,
)
from ss7.cause import Cause, CauseValue

if TYPE_CHECKING:
    from scp.services.api import Call, NodeSettings

NOTIFY, ASK = MonitorMode.NOTIFY_AND_CONTINUE, MonitorMode.INTERRUPTED
CALLER, CALLED = LegID("sendingSideID", LEG1), LegID("sendingSideID", LEG2)

# What is armed at DP 2, on which leg, and whether the call stops there (EDP-N or EDP-R).
ARMED: Final = (
    BCSMEvent(EventTypeBCSM.ROUTE_SELECT_FAILURE, NOTIFY, CALLED),
    BCSMEvent(EventTypeBCSM.O_CALLED_PARTY_BUSY, ASK, CALLED),
    BCSMEvent(EventTypeBCSM.O_NO_ANSWER, ASK, CALLED),
    BCSMEvent(EventTypeBCSM.O_ANSWER, NOTIFY, CALLED),
    BCSMEvent(EventTypeBCSM.O_DISCONNECT, NOTIFY, CALLER),
    BCSMEvent(EventTypeBCSM.O_DISCONNECT, ASK, CALLED),
    BCSMEvent(EventTypeBCSM.O_ABANDON, NOTIFY, CALLER),
)
CALL_IS_OVER: Final = frozenset(
    {
        EventTypeBCSM.ROUTE_SELECT_FAILURE,
        EventTypeBCSM.O_CALLED_PARTY_BUSY,
        EventTypeBCSM.O_NO_ANSWER,
        EventTypeBCSM.O_DISCONNECT,
        EventTypeBCSM.O_ABANDON,
    }
)
WATCHED: Final = Decision(Action.CONTINUE, Reason.SERVICE_LOGIC)
NORMAL_CLEARING: Final = Cause(CauseValue.NORMAL_CALL_CLEARING).encode()


class HeldOpenSettings(Struct, frozen=True, forbid_unknown_fields=True):
    patience: float = 3600.0


class HeldOpen:
    """Lets the call go on and sees it to its end; ``patience`` is how many seconds nothing may happen."""

    name = "held-open"

    def __init__(self, patience: float) -> None:
        self.patience = patience

    async def run(self, call: Call) -> None:
        call.decided(WATCHED)
        call.invoke(Opcode.REQUEST_REPORT_BCSM_EVENT, RequestReportBCSMEventArg(ARMED))
        call.invoke(Opcode.CONTINUE)
        while True:
            report = await NextReport(self.patience)
            if report.over or report.kind is ReportKind.ERROR or report.kind is ReportKind.REJECT:
                return
            if report.kind is ReportKind.TOLD:  # no report is due that TC-END would lose
                call.invoke(Opcode.RELEASE_CALL, report.argument.cause)
                return
            if report.kind is ReportKind.TIMEOUT:
                # An unanswered activity test means that the switch has lost the call: then the next wait ends it.
                call.invoke(Opcode.ACTIVITY_TEST)
                if (await NextReport(self.patience)).kind is not ReportKind.RESULT:
                    return
                continue
            event = report.argument
            if not isinstance(event, EventReportBCSMArg):
                continue
            if event.misc_call_info.message_type is MessageType.REQUEST:
                call.invoke(Opcode.CONTINUE)
            if event.event_type_bcsm in CALL_IS_OVER:
                return


class ChargedSettings(Struct, frozen=True, forbid_unknown_fields=True):
    periods: int = 2
    seconds: int = 60


class Charged:
    """Pays for ``periods`` periods of ``seconds`` each, one after the other, then has the call released."""

    name = "charged"

    def __init__(self, periods: int, seconds: int) -> None:
        self.periods = periods
        self.seconds = seconds
        self.used: list[Any] = []

    async def run(self, call: Call) -> None:
        version = call.context.version
        period = ApplyChargingArg(time_duration_charging(self.seconds * 10, version))
        call.decided(WATCHED)
        call.invoke(Opcode.APPLY_CHARGING, period)
        call.invoke(Opcode.CONTINUE)
        left = self.periods - 1
        while True:
            report = await NextReport(self.seconds * 2.0)
            if report.kind is ReportKind.TOLD:
                call.invoke(Opcode.RELEASE_CALL, report.argument.cause)
                left = 0
                report = await NextReport(self.seconds * 2.0)
            if report.kind is not ReportKind.INVOKE or report.opcode != Opcode.APPLY_CHARGING_REPORT:
                return
            result = decode_contained("CAMEL-CallResult", report.argument, version).value
            self.used.append(result.time_information.value)
            if not result.leg_active:
                return
            if left == 0:
                call.invoke(Opcode.RELEASE_CALL, NORMAL_CLEARING)
                return
            left -= 1
            call.invoke(Opcode.APPLY_CHARGING, period)


def held_open(settings: dict[str, Any], node: NodeSettings) -> HeldOpen:
    return HeldOpen(read_settings(settings, HeldOpenSettings).patience)


def charged(settings: dict[str, Any], node: NodeSettings) -> Charged:
    own = read_settings(settings, ChargedSettings)
    return Charged(own.periods, own.seconds)
