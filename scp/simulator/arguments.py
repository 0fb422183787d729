"""Between CAP's arguments and the vocabulary of a call: what operations ask for, what reports say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.simulator.bcsm import CALLED, CALLING, Event, MonitorMode
from scp.simulator.vocabulary import (
    Arm,
    AskInformation,
    CancelAll,
    Charge,
    ChargingReport,
    Edp,
    EventReport,
    InformationReport,
    Noted,
    NotPlayed,
    Proceed,
    Release,
    Reset,
    TestActivity,
    Wish,
)
from ss7.cap.charging import (
    CamelCallResult,
    TimeDurationChargingResult,
    TimeInformation,
    decode_contained,
    encode_contained,
)
from ss7.cap.events import (
    AnswerInfo,
    BusyInfo,
    DisconnectInfo,
    EventReportBCSMArg,
    EventSpecificInformationBCSM,
    FailureInfo,
    LocatedInfo,
    MessageType,
    MiscCallInfo,
    NoAnswerInfo,
    TBusyInfo,
    TNoAnswerInfo,
)
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    AChChargingAddress,
    AllCallSegmentsWithExtension,
    CallInformationReportArg,
    LegID,
    ReceivingSideID,
    RequestedInformation,
    RequestedInformationType,
    RequestedInformationValue,
)
from ss7.cause import Cause, Location

if TYPE_CHECKING:
    from collections.abc import Callable

_TENTH: Final = 0.1  # CAP counts charged time in 100 ms (TS 29.078 §5.1)


# What the gsmSCF says


def wish_of(opcode: int, argument: Any, version: int) -> Wish:
    """Return what an operation asks of the gsmSSF.

    Args:
        opcode: CAP operation code.
        argument: its decoded argument.
        version: CAP version.

    Raises:
        DecodeError: octets inside the argument that don't decode (mistyped parameter).
    """
    reader = _READERS.get(opcode)
    return reader(argument, version) if reader is not None else NotPlayed()


def _arm(argument: Any, version: int) -> Wish:  # noqa: ARG001 - one signature for all readers
    events = [
        Edp(event.event_type_bcsm, event.monitor_mode, _leg(event.leg_id, 0))
        for event in argument.bcsm_events
    ]
    return Arm(tuple(events))


def _connect(argument: Any, version: int) -> Wish:  # noqa: ARG001
    return Proceed(argument.destination_routing_address[0])


def _release(argument: Any, version: int) -> Wish:  # noqa: ARG001
    octets = argument.all_call_segments if isinstance(argument, AllCallSegmentsWithExtension) else argument
    return Release(Cause.decode(octets).value)


def _charge(argument: Any, version: int) -> Wish:
    name = "CAMEL-AChBillingChargingCharacteristics"
    time = decode_contained(name, argument.ach_billing_charging_characteristics, version).value
    release = time.release_if_duration_exceeded or time.release_v2 is not None
    return Charge(time.max_call_period_duration * _TENTH, release, _leg(argument.party_to_charge, CALLING))


def _reset(argument: Any, version: int) -> Wish:  # noqa: ARG001
    return Reset(float(argument.timervalue))


def _ask_information(argument: Any, version: int) -> Wish:  # noqa: ARG001
    return AskInformation(
        _leg(argument.leg_id, CALLED), tuple(int(kind) for kind in argument.requested_information_type_list)
    )


def _cancel(argument: Any, version: int) -> Wish:  # noqa: ARG001
    return CancelAll() if argument.name == "allRequests" else NotPlayed()


def _leg(choice: Any, default: int) -> int:
    """Return the leg number of a LegID or one of its halves."""
    return int(choice.value[0]) if choice is not None else default


_READERS: Final[dict[int, Callable[[Any, int], Wish]]] = {
    Opcode.REQUEST_REPORT_BCSM_EVENT: _arm,
    Opcode.CONNECT: _connect,
    Opcode.CONTINUE: lambda _argument, _version: Proceed(),
    Opcode.RELEASE_CALL: _release,
    Opcode.APPLY_CHARGING: _charge,
    Opcode.RESET_TIMER: _reset,
    Opcode.CALL_INFORMATION_REQUEST: _ask_information,
    Opcode.ACTIVITY_TEST: lambda _argument, _version: TestActivity(),
    Opcode.CANCEL: _cancel,
    Opcode.FURNISH_CHARGING_INFORMATION: lambda _argument, _version: Noted(),
    Opcode.CALL_GAP: lambda _argument, _version: Noted(),
}


# What the gsmSSF says


def event_report(report: EventReport) -> EventReportBCSMArg:
    """Return EventReportBCSM's argument."""
    information = _INFORMATION.get(report.event)
    specific = None
    if information is not None:
        name, build = information
        specific = EventSpecificInformationBCSM(name, build(cause_octets(report.cause)))
    kind = MessageType.REQUEST if report.interrupted else MessageType.NOTIFICATION
    return EventReportBCSMArg(
        event_type_bcsm=report.event,
        event_specific_information_bcsm=specific,
        leg_id=ReceivingSideID("receivingSideID", bytes((report.leg,))),
        misc_call_info=MiscCallInfo(kind),
    )


def cause_octets(cause: int) -> bytes | None:
    """Return Q.850 cause indicators as the local public network gives them; None for none (-1)."""
    return Cause(cause, Location.LOCAL_PUBLIC_NETWORK).encode() if cause >= 0 else None


_INFORMATION: Final[dict[Event, tuple[str, Callable[[bytes | None], Any]]]] = {
    Event.ROUTE_SELECT_FAILURE: ("routeSelectFailureSpecificInfo", FailureInfo),
    Event.O_CALLED_PARTY_BUSY: ("oCalledPartyBusySpecificInfo", BusyInfo),
    Event.O_NO_ANSWER: ("oNoAnswerSpecificInfo", lambda _cause: NoAnswerInfo()),
    Event.O_ANSWER: ("oAnswerSpecificInfo", lambda _cause: AnswerInfo()),
    Event.O_DISCONNECT: ("oDisconnectSpecificInfo", DisconnectInfo),
    Event.T_BUSY: ("tBusySpecificInfo", TBusyInfo),
    Event.T_NO_ANSWER: ("tNoAnswerSpecificInfo", lambda _cause: TNoAnswerInfo()),
    Event.T_ANSWER: ("tAnswerSpecificInfo", lambda _cause: AnswerInfo()),
    Event.T_DISCONNECT: ("tDisconnectSpecificInfo", DisconnectInfo),
    Event.O_TERM_SEIZED: ("oTermSeizedSpecificInfo", lambda _cause: LocatedInfo()),
    Event.CALL_ACCEPTED: ("callAcceptedSpecificInfo", lambda _cause: LocatedInfo()),
}


def charging_report(report: ChargingReport, version: int) -> bytes:
    """Return ApplyChargingReport's argument, an octet string."""
    leg = bytes((report.leg,))
    result = TimeDurationChargingResult(
        party_to_charge=ReceivingSideID("receivingSideID", leg),
        time_information=TimeInformation("timeIfNoTariffSwitch", round(report.elapsed / _TENTH)),
        leg_active=report.active,
        call_leg_released_at_tcp_expiry=report.released,
        ach_charging_address=AChChargingAddress("legID", LegID("receivingSideID", leg)),
    )
    return encode_contained(
        "CAMEL-CallResult", CamelCallResult("timeDurationChargingResult", result), version
    )


def information_report(report: InformationReport, stop_time: bytes) -> CallInformationReportArg:
    """Return CallInformationReport's argument; ``stop_time`` is DateAndTime, 7 octets (TS 29.078 §5.1)."""
    values = {
        RequestedInformationType.CALL_ATTEMPT_ELAPSED_TIME: (
            "callAttemptElapsedTimeValue",
            min(255, round(report.attempt)),
        ),
        RequestedInformationType.CALL_STOP_TIME: ("callStopTimeValue", stop_time),
        RequestedInformationType.CALL_CONNECTED_ELAPSED_TIME: (
            "callConnectedElapsedTimeValue",
            round(report.connected / _TENTH),
        ),
        RequestedInformationType.RELEASE_CAUSE: ("releaseCauseValue", cause_octets(report.cause)),
    }
    return CallInformationReportArg(
        requested_information_list=tuple(
            RequestedInformation(kind, RequestedInformationValue(*values[kind]))
            for kind in values
            if kind in report.wanted
        ),
        leg_id=ReceivingSideID("receivingSideID", bytes((report.leg,))),
    )


__all__ = [
    "MonitorMode",
    "cause_octets",
    "charging_report",
    "event_report",
    "information_report",
    "wish_of",
]
