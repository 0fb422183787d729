"""BCSM events: arming them (RequestReportBCSMEvent) and their reports (TS 29.078 §5.1, §6.1.1)."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Choice, Enumerated, Integer, Octets, Opaque, Sealed, Size, Tag
from ss7.cap.common import (
    CalledPartyNumber,
    Cause,
    CellGlobalId,
    DigitsCollected,
    ExtBasicServiceCode,
    Extensions,
    LegID,
    LocationAreaId,
    Octet,
    Present,
    ReceivingSideID,
)
from ss7.cap.location import LocationInformation

CollectedDigit: TypeAlias = Annotated[bytes, Octets(1, 2)]
NumberOfDigits: TypeAlias = Annotated[int, Integer(1, 30)]


class EventTypeBCSM(Enumerated):
    """Detection points. Extensible: a value that is not here stays an int, and is no detection point."""

    COLLECTED_INFO = 2, "collectedInfo"
    ANALYZED_INFORMATION = 3, "analyzedInformation"
    ROUTE_SELECT_FAILURE = 4, "routeSelectFailure"
    O_CALLED_PARTY_BUSY = 5, "oCalledPartyBusy"
    O_NO_ANSWER = 6, "oNoAnswer"
    O_ANSWER = 7, "oAnswer"
    O_MID_CALL = 8, "oMidCall"
    O_DISCONNECT = 9, "oDisconnect"
    O_ABANDON = 10, "oAbandon"
    TERM_ATTEMPT_AUTHORIZED = 12, "termAttemptAuthorized"
    T_BUSY = 13, "tBusy"
    T_NO_ANSWER = 14, "tNoAnswer"
    T_ANSWER = 15, "tAnswer"
    T_MID_CALL = 16, "tMidCall"
    T_DISCONNECT = 17, "tDisconnect"
    T_ABANDON = 18, "tAbandon"
    O_TERM_SEIZED = 19, "oTermSeized"
    CALL_ACCEPTED = 27, "callAccepted"
    O_CHANGE_OF_POSITION = 50, "oChangeOfPosition"
    T_CHANGE_OF_POSITION = 51, "tChangeOfPosition"
    O_SERVICE_CHANGE = 52, "oServiceChange"
    T_SERVICE_CHANGE = 53, "tServiceChange"


class MonitorMode(Enumerated):
    """How a detection point is armed: EDP-R (interrupted), EDP-N (notify and continue), or disarmed."""

    INTERRUPTED = 0, "interrupted"
    NOTIFY_AND_CONTINUE = 1, "notifyAndContinue"
    TRANSPARENT = 2, "transparent"


class MidCallControlInfo(Struct, frozen=True, gc=False):
    """Which digits make a mid-call event; the time-out is in seconds."""

    minimum_number_of_digits: Annotated[NumberOfDigits, Tag(0, "minimumNumberOfDigits")] = 1
    maximum_number_of_digits: Annotated[NumberOfDigits, Tag(1, "maximumNumberOfDigits")] = 30
    end_of_reply_digit: Annotated[CollectedDigit | None, Tag(2, "endOfReplyDigit")] = None
    cancel_digit: Annotated[CollectedDigit | None, Tag(3, "cancelDigit")] = None
    start_digit: Annotated[CollectedDigit | None, Tag(4, "startDigit")] = None
    inter_digit_timeout: Annotated[Annotated[int, Integer(1, 127)], Tag(6, "interDigitTimeout")] = 10


class DpSpecificCriteria(Choice, frozen=True, gc=False):
    """What a detection point waits for: the application timer (no answer) is in seconds."""

    application_timer: ClassVar[Annotated[int, Integer(0, 2047), Tag(1, "applicationTimer")]]
    mid_call: ClassVar[Annotated[MidCallControlInfo, Tag(2, "midCallControlInfo")]]
    other: ClassVar[Annotated[bytes, Opaque(), Tag(3, "dpSpecificCriteriaAlt")]]


class BCSMEvent(Struct, frozen=True, gc=False):
    """One detection point to arm."""

    event_type_bcsm: Annotated[EventTypeBCSM | int, Tag(0, "eventTypeBCSM")]
    monitor_mode: Annotated[MonitorMode, Tag(1, "monitorMode")]
    leg_id: Annotated[LegID | None, Tag(2, "legID")] = None
    dp_specific_criteria: Annotated[DpSpecificCriteria | None, Tag(30, "dpSpecificCriteria")] = None
    automatic_rearm: Annotated[Present, Tag(50, "automaticRearm", since=4)] = False


class RequestReportBCSMEventArg(Struct, frozen=True, gc=False):
    """RequestReportBCSMEvent."""

    bcsm_events: Annotated[tuple[BCSMEvent, ...], Size(1, 30), Tag(0, "bcsmEvents")]
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None


class FailureInfo(Struct, frozen=True, gc=False):
    """Route select failure."""

    failure_cause: Annotated[Cause | None, Tag(0, "failureCause")] = None


class BusyInfo(Struct, frozen=True, gc=False):
    """Busy, on the originating side."""

    busy_cause: Annotated[Cause | None, Tag(0, "busyCause")] = None


class NoAnswerInfo(Struct, frozen=True, gc=False):
    """No answer, on the originating side: nothing is said about it."""


class AnswerInfo(Struct, frozen=True, gc=False):
    """Answer, on either side."""

    destination_address: Annotated[CalledPartyNumber | None, Tag(50, "destinationAddress")] = None
    or_call: Annotated[Present, Tag(51, "or-Call")] = False
    forwarded_call: Annotated[Present, Tag(52, "forwardedCall")] = False
    charge_indicator: Annotated[Octet | None, Tag(53, "chargeIndicator")] = None
    ext_basic_service_code: Annotated[ExtBasicServiceCode | None, Tag(54, "ext-basicServiceCode")] = None
    ext_basic_service_code2: Annotated[ExtBasicServiceCode | None, Tag(55, "ext-basicServiceCode2")] = None


class MidCallEvents(Choice, frozen=True, gc=False):
    """Digits that the party dialled during the call."""

    completed: ClassVar[Annotated[DigitsCollected, Tag(3, "dTMFDigitsCompleted")]]
    timed_out: ClassVar[Annotated[DigitsCollected, Tag(4, "dTMFDigitsTimeOut")]]


class MidCallInfo(Struct, frozen=True, gc=False):
    """Mid call, on either side."""

    mid_call_events: Annotated[MidCallEvents | None, Tag(1, "midCallEvents")] = None


class DisconnectInfo(Struct, frozen=True, gc=False):
    """Disconnect, on either side."""

    release_cause: Annotated[Cause | None, Tag(0, "releaseCause")] = None


class TBusyInfo(Struct, frozen=True, gc=False):
    """Busy, on the terminating side."""

    busy_cause: Annotated[Cause | None, Tag(0, "busyCause")] = None
    call_forwarded: Annotated[Present, Tag(50, "callForwarded")] = False
    route_not_permitted: Annotated[Present, Tag(51, "routeNotPermitted")] = False
    forwarding_destination_number: Annotated[
        CalledPartyNumber | None, Tag(52, "forwardingDestinationNumber")
    ] = None


class TNoAnswerInfo(Struct, frozen=True, gc=False):
    """No answer, on the terminating side."""

    call_forwarded: Annotated[Present, Tag(50, "callForwarded")] = False
    forwarding_destination_number: Annotated[
        CalledPartyNumber | None, Tag(52, "forwardingDestinationNumber")
    ] = None


class LocatedInfo(Struct, frozen=True, gc=False):
    """Terminal seized, or call accepted: where."""

    location_information: Annotated[LocationInformation | None, Tag(50, "locationInformation")] = None


class AbandonInfo(Struct, frozen=True, gc=False):
    """Abandon, on the originating side."""

    route_not_permitted: Annotated[Present, Tag(50, "routeNotPermitted")] = False


class MetDPCriterion(Choice, frozen=True, gc=False):
    """Which criterion a change of position met."""

    entering_cell: ClassVar[Annotated[CellGlobalId, Tag(0, "enteringCellGlobalId")]]
    leaving_cell: ClassVar[Annotated[CellGlobalId, Tag(1, "leavingCellGlobalId")]]
    entering_service_area: ClassVar[Annotated[CellGlobalId, Tag(2, "enteringServiceAreaId")]]
    leaving_service_area: ClassVar[Annotated[CellGlobalId, Tag(3, "leavingServiceAreaId")]]
    entering_location_area: ClassVar[Annotated[LocationAreaId, Tag(4, "enteringLocationAreaId")]]
    leaving_location_area: ClassVar[Annotated[LocationAreaId, Tag(5, "leavingLocationAreaId")]]
    to_umts: ClassVar[Annotated[Present, Tag(6, "inter-SystemHandOverToUMTS")]]
    to_gsm: ClassVar[Annotated[Present, Tag(7, "inter-SystemHandOverToGSM")]]
    plmn: ClassVar[Annotated[Present, Tag(8, "inter-PLMNHandOver")]]
    msc: ClassVar[Annotated[Present, Tag(9, "inter-MSCHandOver")]]
    other: ClassVar[Annotated[bytes, Opaque(), Tag(10, "metDPCriterionAlt")]]


class ChangeOfPositionInfo(Struct, frozen=True, gc=False):
    """Change of position, on either side."""

    location_information: Annotated[LocationInformation | None, Tag(50, "locationInformation")] = None
    met_dp_criteria_list: Annotated[
        Annotated[tuple[MetDPCriterion, ...], Size(1, 10)] | None, Tag(51, "metDPCriteriaList")
    ] = None


class EventSpecificInformationBCSM(Choice, frozen=True, gc=False):
    """What is special about an event."""

    route_select_failure: ClassVar[Annotated[FailureInfo, Tag(2, "routeSelectFailureSpecificInfo")]]
    o_called_party_busy: ClassVar[Annotated[BusyInfo, Tag(3, "oCalledPartyBusySpecificInfo")]]
    o_no_answer: ClassVar[Annotated[NoAnswerInfo, Tag(4, "oNoAnswerSpecificInfo")]]
    o_answer: ClassVar[Annotated[AnswerInfo, Tag(5, "oAnswerSpecificInfo")]]
    o_mid_call: ClassVar[Annotated[MidCallInfo, Tag(6, "oMidCallSpecificInfo")]]
    o_disconnect: ClassVar[Annotated[DisconnectInfo, Tag(7, "oDisconnectSpecificInfo")]]
    t_busy: ClassVar[Annotated[TBusyInfo, Tag(8, "tBusySpecificInfo")]]
    t_no_answer: ClassVar[Annotated[TNoAnswerInfo, Tag(9, "tNoAnswerSpecificInfo")]]
    t_answer: ClassVar[Annotated[AnswerInfo, Tag(10, "tAnswerSpecificInfo")]]
    t_mid_call: ClassVar[Annotated[MidCallInfo, Tag(11, "tMidCallSpecificInfo")]]
    t_disconnect: ClassVar[Annotated[DisconnectInfo, Tag(12, "tDisconnectSpecificInfo")]]
    o_term_seized: ClassVar[Annotated[LocatedInfo, Tag(13, "oTermSeizedSpecificInfo")]]
    call_accepted: ClassVar[Annotated[LocatedInfo, Tag(20, "callAcceptedSpecificInfo")]]
    o_abandon: ClassVar[Annotated[AbandonInfo, Tag(21, "oAbandonSpecificInfo")]]
    o_change_of_position: ClassVar[Annotated[ChangeOfPositionInfo, Tag(50, "oChangeOfPositionSpecificInfo")]]
    t_change_of_position: ClassVar[Annotated[ChangeOfPositionInfo, Tag(51, "tChangeOfPositionSpecificInfo")]]
    other: ClassVar[Annotated[bytes, Opaque(), Tag(52, "dpSpecificInfoAlt")]]


class MessageType(Enumerated):
    """Whether an event report asks (EDP-R) or tells (EDP-N)."""

    REQUEST = 0, "request"
    NOTIFICATION = 1, "notification"


class DpAssignment(Enumerated):
    """Line, group or office (not used by CAP)."""

    INDIVIDUAL_LINE = 0, "individualLine"
    GROUP_BASED = 1, "groupBased"
    OFFICE_BASED = 2, "officeBased"


class MiscCallInfo(Sealed, frozen=True, gc=False):
    """Request or notification (EN 301 140-1)."""

    message_type: Annotated[MessageType, Tag(0, "messageType")]
    dp_assignment: Annotated[DpAssignment | None, Tag(1, "dpAssignment")] = None


class EventReportBCSMArg(Struct, frozen=True, gc=False):
    """EventReportBCSM."""

    event_type_bcsm: Annotated[EventTypeBCSM | int, Tag(0, "eventTypeBCSM")]
    event_specific_information_bcsm: Annotated[
        EventSpecificInformationBCSM | None, Tag(2, "eventSpecificInformationBCSM")
    ] = None
    leg_id: Annotated[ReceivingSideID | None, Tag(3, "legID")] = None
    misc_call_info: Annotated[MiscCallInfo, Tag(4, "miscCallInfo")] = MiscCallInfo(MessageType.REQUEST)
    extensions: Annotated[Extensions | None, Tag(5, "extensions")] = None
