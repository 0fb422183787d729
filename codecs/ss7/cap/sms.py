"""CAP for short messages (TS 29.078 §5.1, §7)."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Choice, Enumerated, Octets, Sealed, Size, Tag
from ss7.cap.common import IMEI, IMSI, AddressString, CalledPartyBCDNumber, Extensions, Integer4, Octet
from ss7.cap.events import MessageType, MiscCallInfo, MonitorMode
from ss7.cap.location import LocationInformation, LocationInformationGPRS
from ss7.cap.types import TimerID

SMSAddressString: TypeAlias = Annotated[bytes, Octets(1, 11, "AddressString")]
CallReferenceNumber: TypeAlias = Annotated[bytes, Octets(1, 8)]


class EventTypeSMS(Enumerated):
    """Detection points of the state models for short messages."""

    COLLECTED_INFO = 1, "sms-CollectedInfo"
    O_FAILURE = 2, "o-smsFailure"
    O_SUBMISSION = 3, "o-smsSubmission"
    DELIVERY_REQUESTED = 11, "sms-DeliveryRequested"
    T_FAILURE = 12, "t-smsFailure"
    T_DELIVERY = 13, "t-smsDelivery"


class GPRSMSClass(Sealed, frozen=True, gc=False):
    """What a mobile station can do (TS 24.008)."""

    ms_network_capability: Annotated[Annotated[bytes, Octets(1, 8)], Tag(0, "mSNetworkCapability")]
    ms_radio_access_capability: Annotated[
        Annotated[bytes, Octets(1, 50)] | None, Tag(1, "mSRadioAccessCapability")
    ] = None


class InitialDPSMSArg(Struct, frozen=True, gc=False):
    """InitialDPSMS."""

    service_key: Annotated[Integer4, Tag(0, "serviceKey")]
    destination_subscriber_number: Annotated[
        CalledPartyBCDNumber | None, Tag(1, "destinationSubscriberNumber")
    ] = None
    calling_party_number: Annotated[SMSAddressString | None, Tag(2, "callingPartyNumber")] = None
    event_type_sms: Annotated[EventTypeSMS | None, Tag(3, "eventTypeSMS")] = None
    imsi: Annotated[IMSI | None, Tag(4, "iMSI")] = None
    location_information_msc: Annotated[LocationInformation | None, Tag(5, "locationInformationMSC")] = None
    location_information_gprs: Annotated[
        LocationInformationGPRS | None, Tag(6, "locationInformationGPRS")
    ] = None
    smsc_address: Annotated[AddressString | None, Tag(7, "sMSCAddress")] = None
    time_and_timezone: Annotated[
        Annotated[bytes, Octets(8, 8, "TimeAndTimezone")] | None, Tag(8, "timeAndTimezone")
    ] = None
    tp_short_message_specific_info: Annotated[Octet | None, Tag(9, "tPShortMessageSpecificInfo")] = None
    tp_protocol_identifier: Annotated[Octet | None, Tag(10, "tPProtocolIdentifier")] = None
    tp_data_coding_scheme: Annotated[Octet | None, Tag(11, "tPDataCodingScheme")] = None
    tp_validity_period: Annotated[Annotated[bytes, Octets(1, 7)] | None, Tag(12, "tPValidityPeriod")] = None
    extensions: Annotated[Extensions | None, Tag(13, "extensions")] = None
    sms_reference_number: Annotated[CallReferenceNumber | None, Tag(14, "smsReferenceNumber")] = None
    msc_address: Annotated[AddressString | None, Tag(15, "mscAddress")] = None
    sgsn_number: Annotated[AddressString | None, Tag(16, "sgsn-Number")] = None
    ms_classmark2: Annotated[Annotated[bytes, Octets(3, 3)] | None, Tag(17, "ms-Classmark2")] = None
    gprs_ms_class: Annotated[GPRSMSClass | None, Tag(18, "gPRSMSClass")] = None
    imei: Annotated[IMEI | None, Tag(19, "iMEI")] = None
    called_party_number: Annotated[AddressString | None, Tag(20, "calledPartyNumber")] = None


class ConnectSMSArg(Struct, frozen=True, gc=False):
    """ConnectSMS: the message goes on, with other addresses."""

    calling_partys_number: Annotated[SMSAddressString | None, Tag(0, "callingPartysNumber")] = None
    destination_subscriber_number: Annotated[
        CalledPartyBCDNumber | None, Tag(1, "destinationSubscriberNumber")
    ] = None
    smsc_address: Annotated[AddressString | None, Tag(2, "sMSCAddress")] = None
    extensions: Annotated[Extensions | None, Tag(10, "extensions")] = None


class SMSEvent(Sealed, frozen=True, gc=False):
    """One detection point to arm."""

    event_type_sms: Annotated[EventTypeSMS, Tag(0, "eventTypeSMS")]
    monitor_mode: Annotated[MonitorMode, Tag(1, "monitorMode")]


class RequestReportSMSEventArg(Struct, frozen=True, gc=False):
    """RequestReportSMSEvent."""

    sms_events: Annotated[tuple[SMSEvent, ...], Size(1, 10), Tag(0, "sMSEvents")]
    extensions: Annotated[Extensions | None, Tag(10, "extensions")] = None


class MOSMSCause(Enumerated):
    """Why a message from a mobile failed."""

    SYSTEM_FAILURE = 0, "systemFailure"
    UNEXPECTED_DATA_VALUE = 1, "unexpectedDataValue"
    FACILITY_NOT_SUPPORTED = 2, "facilityNotSupported"
    DELIVERY_FAILURE = 3, "sM-DeliveryFailure"
    RELEASE_FROM_RADIO_INTERFACE = 4, "releaseFromRadioInterface"


class OriginatingFailure(Struct, frozen=True, gc=False):
    """A message from a mobile failed."""

    failure_cause: Annotated[MOSMSCause | None, Tag(0, "failureCause")] = None


class TerminatingFailure(Struct, frozen=True, gc=False):
    """A message to a mobile failed (TP-FCS of TS 23.040)."""

    failure_cause: Annotated[Octet | None, Tag(0, "failureCause")] = None


class NothingSpecial(Struct, frozen=True, gc=False):
    """An event of which nothing more is said."""


class EventSpecificInformationSMS(Choice, frozen=True, gc=False):
    """What is special about an event."""

    o_failure: ClassVar[Annotated[OriginatingFailure, Tag(0, "o-smsFailureSpecificInfo")]]
    o_submission: ClassVar[Annotated[NothingSpecial, Tag(1, "o-smsSubmissionSpecificInfo")]]
    t_failure: ClassVar[Annotated[TerminatingFailure, Tag(2, "t-smsFailureSpecificInfo")]]
    t_delivery: ClassVar[Annotated[NothingSpecial, Tag(3, "t-smsDeliverySpecificInfo")]]


class EventReportSMSArg(Struct, frozen=True, gc=False):
    """EventReportSMS."""

    event_type_sms: Annotated[EventTypeSMS, Tag(0, "eventTypeSMS")]
    event_specific_information_sms: Annotated[
        EventSpecificInformationSMS | None, Tag(1, "eventSpecificInformationSMS")
    ] = None
    misc_call_info: Annotated[MiscCallInfo, Tag(2, "miscCallInfo")] = MiscCallInfo(MessageType.REQUEST)
    extensions: Annotated[Extensions | None, Tag(10, "extensions")] = None


class ResetTimerSMSArg(Struct, frozen=True, gc=False):
    """ResetTimerSMS: ``timervalue`` in seconds."""

    asn1_order: ClassVar[tuple[str, ...]] = ("timer_id", "timervalue", "extensions")

    timervalue: Annotated[Integer4, Tag(1, "timervalue")]
    timer_id: Annotated[TimerID, Tag(0, "timerID")] = TimerID.TSSF
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None
