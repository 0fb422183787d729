"""Arguments and error parameters of the CAP operations that most calls have (TS 29.078 §6.1.1, §5.2).

Attribute names are the ASN.1 identifiers in snake case; the declaration beside each is what the codecs walk.
OCTET STRINGs stay octets: `ss7.cap.contents` shows what the declarations say they contain. BCSM events are in
`ss7.cap.events`, announcements and resources in `interaction`, legs in `parties`, messages and GPRS in `sms`
and `gprs`. Without a type: continue and activityTest have no argument; releaseCall's is a bare Cause octet
string (`bytes`), or `AllCallSegmentsWithExtension`; furnishChargingInformation's and applyChargingReport's
are octet strings with BER in them (`ss7.cap.charging`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import (
    Bits,
    Choice,
    Enumerated,
    Integer,
    Octets,
    Opaque,
    Sealed,
    Size,
    Tag,
)
from ss7.cap.callgap import CallGapArg
from ss7.cap.common import (
    IMEI,
    IMSI,
    LEG1,
    LEG2,
    AddressString,
    BearerCapability,
    CalledPartyBCDNumber,
    CalledPartyNumber,
    CallingPartyNumber,
    CallingPartysCategory,
    CallSegmentID,
    Carrier,
    Cause,
    CriticalityType,
    Digits,
    ExtBasicServiceCode,
    ExtensionField,
    ExtensionID,
    Extensions,
    GenericNumber,
    Integer4,
    InvokeID,
    LegID,
    LocationNumber,
    NaCarrierInformation,
    NaInfo,
    NotReachableReason,
    Octet,
    OriginalCalledPartyID,
    Present,
    ReceivingSideID,
    RedirectingPartyID,
    RedirectionInformation,
    SendingSideID,
    ServiceInteractionIndicatorsTwo,
    SubscriberState,
)
from ss7.cap.events import (
    BCSMEvent,
    DpSpecificCriteria,
    EventReportBCSMArg,
    EventSpecificInformationBCSM,
    EventTypeBCSM,
    MessageType,
    MiscCallInfo,
    MonitorMode,
    RequestReportBCSMEventArg,
)
from ss7.cap.interaction import ConnectToResourceArg, IPSSPCapabilities, ResourceAddress
from ss7.cap.location import CellGlobalIdOrServiceAreaIdOrLAI, LocationInformation

__all__ = [
    "LEG1",
    "LEG2",
    "AChChargingAddress",
    "AllCallSegmentsWithExtension",
    "ApplyChargingArg",
    "BCSMEvent",
    "BearerCapability",
    "CGEncountered",
    "CallGapArg",
    "CallInformationReportArg",
    "CallInformationRequestArg",
    "CallSegmentToCancel",
    "CancelArg",
    "CancelFailedParameter",
    "CancelProblem",
    "CellGlobalIdOrServiceAreaIdOrLAI",
    "ConnectArg",
    "ConnectToResourceArg",
    "CriticalityType",
    "DpSpecificCriteria",
    "EventReportBCSMArg",
    "EventSpecificInformationBCSM",
    "EventTypeBCSM",
    "ExtBasicServiceCode",
    "ExtensionField",
    "ExtensionID",
    "InitialDPArg",
    "InitialDPArgExtension",
    "LegID",
    "LocationInformation",
    "MessageType",
    "MiscCallInfo",
    "MonitorMode",
    "NaCarrierInformation",
    "NaInfo",
    "NotReachableReason",
    "ReceivingSideID",
    "ReleaseCallArg",
    "RequestReportBCSMEventArg",
    "RequestedInfoProblem",
    "RequestedInformation",
    "RequestedInformationType",
    "RequestedInformationValue",
    "ResetTimerArg",
    "ResourceAddress",
    "SendingSideID",
    "ServiceInteractionIndicatorsTwo",
    "SubscriberState",
    "TaskRefusal",
    "TimerID",
    "UnavailableNetworkResource",
]

Classmark2: TypeAlias = Annotated[bytes, Octets(3, 3)]
Compatibility: TypeAlias = Annotated[bytes, Octets(2, 2, "UserTeleserviceInformation")]
LowLayerCompatibility: TypeAlias = Annotated[bytes, Octets(1, 16)]


class CGEncountered(Enumerated):
    """Call gapping that the InitialDP went through."""

    NO_CG_ENCOUNTERED = 0, "noCGencountered"
    MANUAL_CG_ENCOUNTERED = 1, "manualCGencountered"
    SCP_OVERLOAD = 2, "scpOverload"


class InitialDPArgExtension(Struct, frozen=True, gc=False):
    """What did not fit before InitialDP's extension marker; CAP v2 numbers it differently from v3 and v4."""

    gmsc_address: Annotated[
        AddressString | None, Tag(0, "gmscAddress", since=3), Tag(1, "gmscAddress", until=2)
    ] = None
    forwarding_destination_number: Annotated[
        CalledPartyNumber | None, Tag(1, "forwardingDestinationNumber", since=3)
    ] = None
    ms_classmark2: Annotated[Classmark2 | None, Tag(2, "ms-Classmark2", since=3)] = None
    imei: Annotated[IMEI | None, Tag(3, "iMEI", since=3)] = None
    supported_camel_phases: Annotated[
        Annotated[bytes, Bits(1, 16)] | None, Tag(4, "supportedCamelPhases", since=3)
    ] = None
    offered_camel4_functionalities: Annotated[
        Annotated[bytes, Bits(15, 64)] | None, Tag(5, "offeredCamel4Functionalities", since=3)
    ] = None
    bearer_capability2: Annotated[BearerCapability | None, Tag(6, "bearerCapability2", since=3)] = None
    ext_basic_service_code2: Annotated[
        ExtBasicServiceCode | None, Tag(7, "ext-basicServiceCode2", since=3)
    ] = None
    high_layer_compatibility2: Annotated[Compatibility | None, Tag(8, "highLayerCompatibility2", since=3)] = (
        None
    )
    low_layer_compatibility: Annotated[
        LowLayerCompatibility | None, Tag(9, "lowLayerCompatibility", since=3)
    ] = None
    low_layer_compatibility2: Annotated[
        LowLayerCompatibility | None, Tag(10, "lowLayerCompatibility2", since=3)
    ] = None
    enhanced_dialled_services_allowed: Annotated[
        Present, Tag(11, "enhancedDialledServicesAllowed", since=3)
    ] = False
    uu_data: Annotated[Annotated[bytes, Opaque()] | None, Tag(12, "uu-Data", since=3)] = None
    collect_information_allowed: Annotated[Present, Tag(13, "collectInformationAllowed", since=3)] = False
    release_call_arg_extension_allowed: Annotated[
        Present, Tag(14, "releaseCallArgExtensionAllowed", since=3)
    ] = False
    na_carrier_information: Annotated[
        NaCarrierInformation | None, Tag(0, "naCarrierInformation", until=2)
    ] = None


class InitialDPArg(Struct, frozen=True, gc=False):
    """InitialDP: a trigger detection point asks what to do with the call.

    Attributes:
        unreadable: parameters that are there and could not be read, by their ASN.1 identifiers
            (`ss7.cap.lenient`, `ss7.asn1.lenient.Fault`); nothing of the argument.
    """

    service_key: Annotated[Integer4, Tag(0, "serviceKey")]
    called_party_number: Annotated[CalledPartyNumber | None, Tag(2, "calledPartyNumber")] = None
    calling_party_number: Annotated[CallingPartyNumber | None, Tag(3, "callingPartyNumber")] = None
    calling_partys_category: Annotated[CallingPartysCategory | None, Tag(5, "callingPartysCategory")] = None
    cg_encountered: Annotated[CGEncountered | None, Tag(7, "cGEncountered")] = None
    ip_ssp_capabilities: Annotated[IPSSPCapabilities | None, Tag(8, "iPSSPCapabilities")] = None
    location_number: Annotated[LocationNumber | None, Tag(10, "locationNumber")] = None
    original_called_party_id: Annotated[OriginalCalledPartyID | None, Tag(12, "originalCalledPartyID")] = None
    extensions: Annotated[Extensions | None, Tag(15, "extensions")] = None
    high_layer_compatibility: Annotated[Compatibility | None, Tag(23, "highLayerCompatibility")] = None
    additional_calling_party_number: Annotated[Digits | None, Tag(25, "additionalCallingPartyNumber")] = None
    bearer_capability: Annotated[BearerCapability | None, Tag(27, "bearerCapability")] = None
    event_type_bcsm: Annotated[EventTypeBCSM | int | None, Tag(28, "eventTypeBCSM")] = None
    redirecting_party_id: Annotated[RedirectingPartyID | None, Tag(29, "redirectingPartyID")] = None
    redirection_information: Annotated[RedirectionInformation | None, Tag(30, "redirectionInformation")] = (
        None
    )
    cause: Annotated[Cause | None, Tag(17, "cause")] = None
    service_interaction_indicators_two: Annotated[
        ServiceInteractionIndicatorsTwo | None, Tag(32, "serviceInteractionIndicatorsTwo")
    ] = None
    carrier: Annotated[Carrier | None, Tag(37, "carrier")] = None
    cug_index: Annotated[Annotated[int, Integer(0, 32767)] | None, Tag(45, "cug-Index")] = None
    cug_interlock: Annotated[Annotated[bytes, Octets(4, 4)] | None, Tag(46, "cug-Interlock")] = None
    cug_outgoing_access: Annotated[Present, Tag(47, "cug-OutgoingAccess")] = False
    imsi: Annotated[IMSI | None, Tag(50, "iMSI")] = None
    subscriber_state: Annotated[SubscriberState | None, Tag(51, "subscriberState")] = None
    location_information: Annotated[LocationInformation | None, Tag(52, "locationInformation")] = None
    ext_basic_service_code: Annotated[ExtBasicServiceCode | None, Tag(53, "ext-basicServiceCode")] = None
    call_reference_number: Annotated[
        Annotated[bytes, Octets(1, 8)] | None, Tag(54, "callReferenceNumber")
    ] = None
    msc_address: Annotated[AddressString | None, Tag(55, "mscAddress")] = None
    called_party_bcd_number: Annotated[CalledPartyBCDNumber | None, Tag(56, "calledPartyBCDNumber")] = None
    time_and_timezone: Annotated[
        Annotated[bytes, Octets(8, 8, "TimeAndTimezone")] | None, Tag(57, "timeAndTimezone")
    ] = None
    call_forwarding_ss_pending: Annotated[Present, Tag(58, "callForwardingSS-Pending")] = False
    initial_dp_arg_extension: Annotated[InitialDPArgExtension | None, Tag(59, "initialDPArgExtension")] = None
    unreadable: tuple[str, ...] = ()


class ConnectArg(Struct, frozen=True, gc=False):
    """Connect: route the call to ``destination_routing_address``, which is one called party number."""

    destination_routing_address: Annotated[
        tuple[CalledPartyNumber, ...], Size(1, 1), Tag(0, "destinationRoutingAddress")
    ]
    alerting_pattern: Annotated[Annotated[bytes, Octets(3, 3)] | None, Tag(1, "alertingPattern")] = None
    original_called_party_id: Annotated[OriginalCalledPartyID | None, Tag(6, "originalCalledPartyID")] = None
    extensions: Annotated[Extensions | None, Tag(10, "extensions")] = None
    carrier: Annotated[Carrier | None, Tag(11, "carrier", since=3)] = None
    calling_partys_category: Annotated[CallingPartysCategory | None, Tag(28, "callingPartysCategory")] = None
    redirecting_party_id: Annotated[RedirectingPartyID | None, Tag(29, "redirectingPartyID")] = None
    redirection_information: Annotated[RedirectionInformation | None, Tag(30, "redirectionInformation")] = (
        None
    )
    generic_numbers: Annotated[
        Annotated[tuple[GenericNumber, ...], Size(1, 5, unordered=True)] | None, Tag(14, "genericNumbers")
    ] = None
    service_interaction_indicators_two: Annotated[
        ServiceInteractionIndicatorsTwo | None, Tag(15, "serviceInteractionIndicatorsTwo", since=3)
    ] = None
    charge_number: Annotated[LocationNumber | None, Tag(19, "chargeNumber", since=3)] = None
    leg_to_be_connected: Annotated[LegID | None, Tag(21, "legToBeConnected", since=4)] = None
    cug_interlock: Annotated[Annotated[bytes, Octets(4, 4)] | None, Tag(31, "cug-Interlock", since=3)] = None
    cug_outgoing_access: Annotated[Present, Tag(32, "cug-OutgoingAccess", since=3)] = False
    suppression_of_announcement: Annotated[Present, Tag(55, "suppressionOfAnnouncement")] = False
    o_csi_applicable: Annotated[Present, Tag(56, "oCSIApplicable")] = False
    na_oli_info: Annotated[Octet | None, Tag(57, "naOliInfo", since=3)] = None
    bor_interrogation_requested: Annotated[Present, Tag(58, "bor-InterrogationRequested", since=4)] = False
    suppress_n_csi: Annotated[Present, Tag(59, "suppress-N-CSI", since=4)] = False
    na_info: Annotated[NaInfo | None, Tag(57, "na-Info", until=2)] = None


class AllCallSegmentsWithExtension(Sealed, frozen=True, gc=False):
    """ReleaseCall's second form, where the gsmSSF allowed it (releaseCallArgExtensionAllowed)."""

    all_call_segments: Annotated[Cause, Tag(0, "allCallSegments")]
    extensions: Annotated[Extensions | None, Tag(1, "extensions")] = None


ReleaseCallArg: TypeAlias = bytes | AllCallSegmentsWithExtension
"""ReleaseCall: a bare Cause octet string; the other form since CAP v4 of Rel-11."""


class AChChargingAddress(Choice, frozen=True, gc=False):
    """Who is charged: a leg or the connection to a resource."""

    leg_id: ClassVar[Annotated[LegID, Tag(2, "legID")]]
    srf_connection: ClassVar[Annotated[CallSegmentID, Tag(50, "srfConnection")]]


class ApplyChargingArg(Struct, frozen=True, gc=False):
    """ApplyCharging: the characteristics are BER again (`ss7.cap.charging`)."""

    ach_billing_charging_characteristics: Annotated[
        bytes,
        Octets(5, 177, "CAMEL-AChBillingChargingCharacteristics"),
        Tag(0, "aChBillingChargingCharacteristics"),
    ]
    party_to_charge: Annotated[SendingSideID, Tag(2, "partyToCharge")] = SendingSideID("sendingSideID", LEG1)
    extensions: Annotated[Extensions | None, Tag(3, "extensions")] = None
    ach_charging_address: Annotated[AChChargingAddress, Tag(50, "aChChargingAddress", since=4)] = (
        AChChargingAddress("legID", LegID("sendingSideID", LEG1))
    )


class RequestedInformationType(Enumerated):
    """What a call information report can tell."""

    CALL_ATTEMPT_ELAPSED_TIME = 0, "callAttemptElapsedTime"
    CALL_STOP_TIME = 1, "callStopTime"
    CALL_CONNECTED_ELAPSED_TIME = 2, "callConnectedElapsedTime"
    RELEASE_CAUSE = 30, "releaseCause"


class RequestedInformationValue(Choice, frozen=True, gc=False):
    """What it told: attempt time in seconds, connected time in 100 ms."""

    attempt: ClassVar[Annotated[int, Integer(0, 255), Tag(0, "callAttemptElapsedTimeValue")]]
    stop: ClassVar[Annotated[bytes, Octets(7, 7, "DateAndTime"), Tag(1, "callStopTimeValue")]]
    connected: ClassVar[Annotated[Integer4, Tag(2, "callConnectedElapsedTimeValue")]]
    release_cause: ClassVar[Annotated[Cause, Tag(30, "releaseCauseValue")]]


class RequestedInformation(Struct, frozen=True, gc=False):
    """One piece of call information."""

    requested_information_type: Annotated[RequestedInformationType, Tag(0, "requestedInformationType")]
    requested_information_value: Annotated[RequestedInformationValue, Tag(1, "requestedInformationValue")]


class CallInformationReportArg(Struct, frozen=True, gc=False):
    """CallInformationReport."""

    requested_information_list: Annotated[
        tuple[RequestedInformation, ...], Size(1, 4), Tag(0, "requestedInformationList")
    ]
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None
    leg_id: Annotated[ReceivingSideID, Tag(3, "legID")] = ReceivingSideID("receivingSideID", LEG2)


class CallInformationRequestArg(Struct, frozen=True, gc=False):
    """CallInformationRequest."""

    requested_information_type_list: Annotated[
        tuple[RequestedInformationType, ...], Size(1, 4), Tag(0, "requestedInformationTypeList")
    ]
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None
    leg_id: Annotated[SendingSideID, Tag(3, "legID")] = SendingSideID("sendingSideID", LEG2)


class CallSegmentToCancel(Struct, frozen=True, gc=False):
    """Which invocation in which call segment."""

    invoke_id: Annotated[InvokeID | None, Tag(0, "invokeID")] = None
    call_segment_id: Annotated[CallSegmentID | None, Tag(1, "callSegmentID")] = None


class CancelArg(Choice, frozen=True, gc=False):
    """Cancel: one invocation, all requests, or one invocation in a call segment (CAP v4)."""

    invoke_id: ClassVar[Annotated[InvokeID, Tag(0, "invokeID")]]
    all_requests: ClassVar[Annotated[Present, Tag(1, "allRequests")]]
    call_segment_to_cancel: ClassVar[Annotated[CallSegmentToCancel, Tag(2, "callSegmentToCancel", since=4)]]


class TimerID(Enumerated):
    """The timer to reset: there is one."""

    TSSF = 0, "tssf"


class ResetTimerArg(Struct, frozen=True, gc=False):
    """ResetTimer: ``timervalue`` in seconds."""

    asn1_order: ClassVar[tuple[str, ...]] = ("timer_id", "timervalue", "extensions", "call_segment_id")

    timervalue: Annotated[Integer4, Tag(1, "timervalue")]
    timer_id: Annotated[TimerID, Tag(0, "timerID")] = TimerID.TSSF
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None
    call_segment_id: Annotated[CallSegmentID | None, Tag(3, "callSegmentID", since=4)] = None


class CancelProblem(Enumerated):
    """Why a cancel failed."""

    UNKNOWN_OPERATION = 0, "unknownOperation"
    TOO_LATE = 1, "tooLate"
    OPERATION_NOT_CANCELLABLE = 2, "operationNotCancellable"


class CancelFailedParameter(Struct, frozen=True, gc=False):
    """Parameter of the error cancelFailed."""

    problem: Annotated[CancelProblem, Tag(0, "problem")]
    operation: Annotated[InvokeID, Tag(1, "operation")]


class RequestedInfoProblem(Enumerated):
    """Parameter of the error requestedInfoError."""

    UNKNOWN_REQUESTED_INFO = 1, "unknownRequestedInfo"
    REQUESTED_INFO_NOT_AVAILABLE = 2, "requestedInfoNotAvailable"


class UnavailableNetworkResource(Enumerated):
    """Parameter of the error systemFailure."""

    UNAVAILABLE_RESOURCES = 0, "unavailableResources"
    COMPONENT_FAILURE = 1, "componentFailure"
    BASIC_CALL_PROCESSING_EXCEPTION = 2, "basicCallProcessingException"
    RESOURCE_STATUS_FAILURE = 3, "resourceStatusFailure"
    END_USER_FAILURE = 4, "endUserFailure"


class TaskRefusal(Enumerated):
    """Parameter of the error taskRefused."""

    GENERIC = 0, "generic"
    UNOBTAINABLE = 1, "unobtainable"
    CONGESTION = 2, "congestion"
