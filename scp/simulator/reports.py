"""The arguments of a gsmSSF's reports: EventReportBCSM, ApplyChargingReport, CallInformationReport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ss7.cap.charging import (
    CamelCallResult,
    TimeDurationChargingResult,
    TimeIfTariffSwitch,
    TimeInformation,
    encode_contained,
)
from ss7.cap.events import (
    AnswerInfo,
    BusyInfo,
    DisconnectInfo,
    EventReportBCSMArg,
    EventSpecificInformationBCSM,
    EventTypeBCSM,
    FailureInfo,
    LocatedInfo,
    MessageType,
    MiscCallInfo,
    NoAnswerInfo,
    TBusyInfo,
    TNoAnswerInfo,
)
from ss7.cap.types import (
    AChChargingAddress,
    CallInformationReportArg,
    LegID,
    ReceivingSideID,
    RequestedInformation,
    RequestedInformationType,
    RequestedInformationValue,
)
from ss7.cause import Cause, Location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scp.simulator.charged import Reported

_TENTHS: Final = 10
"""CAP counts charged and connected time in 100 ms (TS 29.078 §5.1)."""


def event_report(
    event: EventTypeBCSM, leg: int, *, request: bool = False, cause: int = -1, forwarded: bool = False
) -> EventReportBCSMArg:
    """Return EventReportBCSM's argument.

    Args:
        event: what happened.
        leg: 1 the calling party's, 2 the called party's.
        request: whether the call is suspended until the gsmSCF answers (EDP-R, else EDP-N).
        cause: Q.850 cause; -1: none.
        forwarded: the called subscriber's own forwarding takes the call (callForwarded, §11.18.1.1), where an
            event can say so.
    """
    specific = None
    if event in _INFORMATION:
        name, build = _INFORMATION[event]
        information = build(_cause(cause) if cause >= 0 else None)
        if forwarded and isinstance(information, TBusyInfo | TNoAnswerInfo):
            information = replace(information, call_forwarded=True)
        specific = EventSpecificInformationBCSM(name, information)
    return EventReportBCSMArg(
        event_type_bcsm=event,
        event_specific_information_bcsm=specific,
        leg_id=_leg(leg),
        misc_call_info=MiscCallInfo(MessageType.REQUEST if request else MessageType.NOTIFICATION),
    )


def charging_report(reported: Reported, version: int, *, active: bool, released: bool = False) -> bytes:
    """Return ApplyChargingReport's argument, an octet string with BER in it.

    Args:
        reported: the times, counted in 100 ms, and the party that is charged.
        version: CAP version.
        active: whether the call goes on; False in the last report.
        released: whether the gsmSSF released the call at the end of the charged period.
    """
    tenths = round(reported.seconds * _TENTHS)
    time = TimeInformation("timeIfNoTariffSwitch", tenths)
    if reported.switched:
        interval = round(reported.interval * _TENTHS) or None
        time = TimeInformation("timeIfTariffSwitch", TimeIfTariffSwitch(tenths, interval))
    result = TimeDurationChargingResult(
        party_to_charge=_leg(reported.leg),
        time_information=time,
        leg_active=active,
        call_leg_released_at_tcp_expiry=released,
    )
    if version >= 4:
        address = AChChargingAddress("legID", LegID("receivingSideID", bytes((reported.leg,))))
        result = replace(result, ach_charging_address=address)
    return encode_contained(
        "CAMEL-CallResult", CamelCallResult("timeDurationChargingResult", result), version
    )


def information_report(
    wanted: Iterable[RequestedInformationType],
    leg: int,
    *,
    attempt: float,
    connected: float,
    stop_time: bytes,
    cause: int,
) -> CallInformationReportArg:
    """Return CallInformationReport's argument.

    Args:
        wanted: what CallInformationRequest asked for.
        leg: of the party that it asked about.
        attempt: seconds from routing to answer.
        connected: seconds from answer to the end.
        stop_time: when the call ended, DateAndTime (TS 29.078 §5.1).
        cause: Q.850 cause that it was released with.
    """
    kinds = RequestedInformationType
    values = {
        kinds.CALL_ATTEMPT_ELAPSED_TIME: ("callAttemptElapsedTimeValue", min(255, round(attempt))),
        kinds.CALL_STOP_TIME: ("callStopTimeValue", stop_time),
        kinds.CALL_CONNECTED_ELAPSED_TIME: ("callConnectedElapsedTimeValue", round(connected * _TENTHS)),
        kinds.RELEASE_CAUSE: ("releaseCauseValue", _cause(cause)),
    }
    asked = set(wanted)
    return CallInformationReportArg(
        requested_information_list=tuple(
            RequestedInformation(kind, RequestedInformationValue(*value))
            for kind, value in values.items()
            if kind in asked
        ),
        leg_id=_leg(leg),
    )


def _leg(leg: int) -> ReceivingSideID:
    return ReceivingSideID("receivingSideID", bytes((leg,)))


def _cause(value: int) -> bytes:
    """Return cause indicators (Q.850) as the local public network gives them."""
    return Cause(value, Location.LOCAL_PUBLIC_NETWORK).encode()


_INFORMATION: Final[dict[EventTypeBCSM, tuple[str, Callable[[bytes | None], Any]]]] = {
    EventTypeBCSM.ROUTE_SELECT_FAILURE: ("routeSelectFailureSpecificInfo", FailureInfo),
    EventTypeBCSM.O_CALLED_PARTY_BUSY: ("oCalledPartyBusySpecificInfo", BusyInfo),
    EventTypeBCSM.O_NO_ANSWER: ("oNoAnswerSpecificInfo", lambda _cause: NoAnswerInfo()),
    EventTypeBCSM.O_ANSWER: ("oAnswerSpecificInfo", lambda _cause: AnswerInfo()),
    EventTypeBCSM.O_DISCONNECT: ("oDisconnectSpecificInfo", DisconnectInfo),
    EventTypeBCSM.T_BUSY: ("tBusySpecificInfo", TBusyInfo),
    EventTypeBCSM.T_NO_ANSWER: ("tNoAnswerSpecificInfo", lambda _cause: TNoAnswerInfo()),
    EventTypeBCSM.T_ANSWER: ("tAnswerSpecificInfo", lambda _cause: AnswerInfo()),
    EventTypeBCSM.T_DISCONNECT: ("tDisconnectSpecificInfo", DisconnectInfo),
    EventTypeBCSM.O_TERM_SEIZED: ("oTermSeizedSpecificInfo", lambda _cause: LocatedInfo()),
    EventTypeBCSM.CALL_ACCEPTED: ("callAcceptedSpecificInfo", lambda _cause: LocatedInfo()),
}
