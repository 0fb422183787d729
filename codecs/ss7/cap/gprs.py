"""CAP for GPRS sessions and PDP contexts (TS 29.078 §5.1, §8)."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Choice, Enumerated, Integer, Octets, Sealed, Size, Tag
from ss7.cap.common import IMEI, IMSI, AddressString, Extensions, Integer4, Octet, Present
from ss7.cap.events import MessageType, MiscCallInfo, MonitorMode
from ss7.cap.location import LocationInformationGPRS, RAIdentity
from ss7.cap.sms import GPRSMSClass
from ss7.cap.types import TimerID

PDPID: TypeAlias = Annotated[bytes, Octets(1, 1)]
GPRSCause: TypeAlias = Annotated[bytes, Octets(1, 1)]
AccessPointName: TypeAlias = Annotated[bytes, Octets(1, 100, "AccessPointName")]
ChargingID: TypeAlias = Annotated[bytes, Octets(4, 4)]
GSNAddress: TypeAlias = Annotated[bytes, Octets(5, 17, "GSNAddress")]
TimeAndTimezone: TypeAlias = Annotated[bytes, Octets(8, 8, "TimeAndTimezone")]
Volume: TypeAlias = Annotated[int, Integer(0, 2**32 - 1)]
"""In octets."""
Seconds: TypeAlias = Annotated[int, Integer(0, 86400)]
RollOvers: TypeAlias = Annotated[int, Integer(0, 255)]


class GPRSEventType(Enumerated):
    """Detection points of the state models for GPRS; the fifth is spelt so in the standard."""

    ATTACH = 1, "attach"
    ATTACH_CHANGE_OF_POSITION = 2, "attachChangeOfPosition"
    DETACHED = 3, "detached"
    PDP_CONTEXT_ESTABLISHMENT = 11, "pdp-ContextEstablishment"
    PDP_CONTEXT_ESTABLISHMENT_ACKNOWLEDGEMENT = 12, "pdp-ContextEstablishmentAcknowledgement"
    DISCONNECT = 13, "disonnect"
    PDP_CONTEXT_CHANGE_OF_POSITION = 14, "pdp-ContextChangeOfPosition"


class InitiatingEntity(Enumerated):
    """Which end detached or disconnected."""

    MOBILE_STATION = 0, "mobileStation"
    SGSN = 1, "sgsn"
    HLR = 2, "hlr"
    GGSN = 3, "ggsn"


class PDPInitiationType(Enumerated):
    """Which end began."""

    MS_INITIATED = 0, "mSInitiated"
    NETWORK_INITIATED = 1, "networkInitiated"


class EndUserAddress(Sealed, frozen=True, gc=False):
    """Address of the mobile (TS 29.060)."""

    pdp_type_organization: Annotated[Octet, Tag(0, "pDPTypeOrganization")]
    pdp_type_number: Annotated[Octet, Tag(1, "pDPTypeNumber")]
    pdp_address: Annotated[Annotated[bytes, Octets(1, 63, "PDPAddress")] | None, Tag(2, "pDPAddress")] = None


class GPRSQoS(Choice, frozen=True, gc=False):
    """Quality of service, before R99 or from it on."""

    short: ClassVar[Annotated[bytes, Octets(3, 3), Tag(0, "short-QoS-format")]]
    long: ClassVar[Annotated[bytes, Octets(1, 9), Tag(1, "long-QoS-format")]]


class GPRSQoSExtension(Struct, frozen=True, gc=False):
    """More of it."""

    supplement_to_long_qos_format: Annotated[
        Annotated[bytes, Octets(1, 3)], Tag(0, "supplement-to-long-QoS-format")
    ]
    additional_supplement: Annotated[
        Annotated[bytes, Octets(1, 2)] | None, Tag(1, "additionalSupplement")
    ] = None


class QualityOfService(Struct, frozen=True, gc=False):
    """What was asked for, subscribed, agreed."""

    requested_qos: Annotated[GPRSQoS | None, Tag(0, "requested-QoS")] = None
    subscribed_qos: Annotated[GPRSQoS | None, Tag(1, "subscribed-QoS")] = None
    negotiated_qos: Annotated[GPRSQoS | None, Tag(2, "negotiated-QoS")] = None
    requested_qos_extension: Annotated[GPRSQoSExtension | None, Tag(3, "requested-QoS-Extension")] = None
    subscribed_qos_extension: Annotated[GPRSQoSExtension | None, Tag(4, "subscribed-QoS-Extension")] = None
    negotiated_qos_extension: Annotated[GPRSQoSExtension | None, Tag(5, "negotiated-QoS-Extension")] = None


class InitialDPGPRSArg(Struct, frozen=True, gc=False):
    """InitialDPGPRS."""

    service_key: Annotated[Integer4, Tag(0, "serviceKey")]
    gprs_event_type: Annotated[GPRSEventType, Tag(1, "gPRSEventType")]
    msisdn: Annotated[AddressString, Tag(2, "mSISDN")]
    imsi: Annotated[IMSI, Tag(3, "iMSI")]
    time_and_time_zone: Annotated[TimeAndTimezone, Tag(4, "timeAndTimeZone")]
    gprs_ms_class: Annotated[GPRSMSClass | None, Tag(5, "gPRSMSClass")] = None
    end_user_address: Annotated[EndUserAddress | None, Tag(6, "endUserAddress")] = None
    quality_of_service: Annotated[QualityOfService | None, Tag(7, "qualityOfService")] = None
    access_point_name: Annotated[AccessPointName | None, Tag(8, "accessPointName")] = None
    routeing_area_identity: Annotated[RAIdentity | None, Tag(9, "routeingAreaIdentity")] = None
    charging_id: Annotated[ChargingID | None, Tag(10, "chargingID")] = None
    sgsn_capabilities: Annotated[Octet | None, Tag(11, "sGSNCapabilities")] = None
    location_information_gprs: Annotated[
        LocationInformationGPRS | None, Tag(12, "locationInformationGPRS")
    ] = None
    pdp_initiation_type: Annotated[PDPInitiationType | None, Tag(13, "pDPInitiationType")] = None
    extensions: Annotated[Extensions | None, Tag(14, "extensions")] = None
    ggsn_address: Annotated[GSNAddress | None, Tag(15, "gGSNAddress")] = None
    secondary_pdp_context: Annotated[Present, Tag(16, "secondaryPDP-context")] = False
    imei: Annotated[IMEI | None, Tag(17, "iMEI")] = None


class GPRSEvent(Sealed, frozen=True, gc=False):
    """One detection point to arm."""

    gprs_event_type: Annotated[GPRSEventType, Tag(0, "gPRSEventType")]
    monitor_mode: Annotated[MonitorMode, Tag(1, "monitorMode")]


class RequestReportGPRSEventArg(Struct, frozen=True, gc=False):
    """RequestReportGPRSEvent."""

    gprs_event: Annotated[tuple[GPRSEvent, ...], Size(1, 10), Tag(0, "gPRSEvent")]
    pdp_id: Annotated[PDPID | None, Tag(1, "pDPID")] = None


class AttachChangeOfPosition(Struct, frozen=True, gc=False):
    """The attached mobile is elsewhere."""

    location_information_gprs: Annotated[
        LocationInformationGPRS | None, Tag(0, "locationInformationGPRS")
    ] = None


class ContextChangeOfPosition(Struct, frozen=True, gc=False):
    """The mobile of a PDP context is elsewhere."""

    access_point_name: Annotated[AccessPointName | None, Tag(0, "accessPointName")] = None
    charging_id: Annotated[ChargingID | None, Tag(1, "chargingID")] = None
    location_information_gprs: Annotated[
        LocationInformationGPRS | None, Tag(2, "locationInformationGPRS")
    ] = None
    end_user_address: Annotated[EndUserAddress | None, Tag(3, "endUserAddress")] = None
    quality_of_service: Annotated[QualityOfService | None, Tag(4, "qualityOfService")] = None
    time_and_time_zone: Annotated[TimeAndTimezone | None, Tag(5, "timeAndTimeZone")] = None
    ggsn_address: Annotated[GSNAddress | None, Tag(6, "gGSNAddress")] = None


class Detach(Struct, frozen=True, gc=False):
    """The end of a session or a PDP context."""

    initiating_entity: Annotated[InitiatingEntity | None, Tag(0, "initiatingEntity")] = None
    routeing_area_update: Annotated[Present, Tag(1, "routeingAreaUpdate")] = False


class ContextEstablishment(Struct, frozen=True, gc=False):
    """A PDP context is asked for."""

    access_point_name: Annotated[AccessPointName | None, Tag(0, "accessPointName")] = None
    end_user_address: Annotated[EndUserAddress | None, Tag(1, "endUserAddress")] = None
    quality_of_service: Annotated[QualityOfService | None, Tag(2, "qualityOfService")] = None
    location_information_gprs: Annotated[
        LocationInformationGPRS | None, Tag(3, "locationInformationGPRS")
    ] = None
    time_and_time_zone: Annotated[TimeAndTimezone | None, Tag(4, "timeAndTimeZone")] = None
    pdp_initiation_type: Annotated[PDPInitiationType | None, Tag(5, "pDPInitiationType")] = None
    secondary_pdp_context: Annotated[Present, Tag(6, "secondaryPDP-context")] = False


class ContextAcknowledgement(Struct, frozen=True, gc=False):
    """A PDP context is there."""

    access_point_name: Annotated[AccessPointName | None, Tag(0, "accessPointName")] = None
    charging_id: Annotated[ChargingID | None, Tag(1, "chargingID")] = None
    end_user_address: Annotated[EndUserAddress | None, Tag(2, "endUserAddress")] = None
    quality_of_service: Annotated[QualityOfService | None, Tag(3, "qualityOfService")] = None
    location_information_gprs: Annotated[
        LocationInformationGPRS | None, Tag(4, "locationInformationGPRS")
    ] = None
    time_and_time_zone: Annotated[TimeAndTimezone | None, Tag(5, "timeAndTimeZone")] = None
    ggsn_address: Annotated[GSNAddress | None, Tag(6, "gGSNAddress")] = None


class GPRSEventSpecificInformation(Choice, frozen=True, gc=False):
    """What is special about an event."""

    attach_change: ClassVar[
        Annotated[AttachChangeOfPosition, Tag(0, "attachChangeOfPositionSpecificInformation")]
    ]
    context_change: ClassVar[
        Annotated[ContextChangeOfPosition, Tag(1, "pdp-ContextchangeOfPositionSpecificInformation")]
    ]
    detach: ClassVar[Annotated[Detach, Tag(2, "detachSpecificInformation")]]
    disconnect: ClassVar[Annotated[Detach, Tag(3, "disconnectSpecificInformation")]]
    establishment: ClassVar[
        Annotated[ContextEstablishment, Tag(4, "pDPContextEstablishmentSpecificInformation")]
    ]
    acknowledgement: ClassVar[
        Annotated[ContextAcknowledgement, Tag(5, "pDPContextEstablishmentAcknowledgementSpecificInformation")]
    ]


class EventReportGPRSArg(Struct, frozen=True, gc=False):
    """EventReportGPRS."""

    gprs_event_type: Annotated[GPRSEventType, Tag(0, "gPRSEventType")]
    misc_gprs_info: Annotated[MiscCallInfo, Tag(1, "miscGPRSInfo")] = MiscCallInfo(MessageType.REQUEST)
    gprs_event_specific_information: Annotated[
        GPRSEventSpecificInformation | None, Tag(2, "gPRSEventSpecificInformation")
    ] = None
    pdp_id: Annotated[PDPID | None, Tag(3, "pDPID")] = None


class ChargingCharacteristics(Choice, frozen=True, gc=False):
    """How much may be used until the next report: octets or seconds."""

    volume: ClassVar[Annotated[int, Integer(1, 2**32 - 1), Tag(0, "maxTransferredVolume")]]
    time: ClassVar[Annotated[int, Integer(1, 86400), Tag(1, "maxElapsedTime")]]


class ApplyChargingGPRSArg(Struct, frozen=True, gc=False):
    """ApplyChargingGPRS; the interval is in seconds."""

    charging_characteristics: Annotated[ChargingCharacteristics, Tag(0, "chargingCharacteristics")]
    tariff_switch_interval: Annotated[
        Annotated[int, Integer(1, 86400)] | None, Tag(1, "tariffSwitchInterval")
    ] = None
    pdp_id: Annotated[PDPID | None, Tag(2, "pDPID")] = None


class VolumeIfTariffSwitch(Sealed, frozen=True, gc=False):
    """Octets since the tariff switch, and between the last two."""

    since_last: Annotated[Volume, Tag(0, "volumeSinceLastTariffSwitch")]
    interval: Annotated[Volume | None, Tag(1, "volumeTariffSwitchInterval")] = None


class TransferredVolume(Choice, frozen=True, gc=False):
    """Octets transferred."""

    no_switch: ClassVar[Annotated[Volume, Tag(0, "volumeIfNoTariffSwitch")]]
    switch: ClassVar[Annotated[VolumeIfTariffSwitch, Tag(1, "volumeIfTariffSwitch")]]


class TimeGPRSIfTariffSwitch(Sealed, frozen=True, gc=False):
    """Seconds since the tariff switch, and between the last two."""

    since_last: Annotated[Seconds, Tag(0, "timeGPRSSinceLastTariffSwitch")]
    interval: Annotated[Seconds | None, Tag(1, "timeGPRSTariffSwitchInterval")] = None


class ElapsedTime(Choice, frozen=True, gc=False):
    """Seconds elapsed."""

    no_switch: ClassVar[Annotated[Seconds, Tag(0, "timeGPRSIfNoTariffSwitch")]]
    switch: ClassVar[Annotated[TimeGPRSIfTariffSwitch, Tag(1, "timeGPRSIfTariffSwitch")]]


class ChargingResult(Choice, frozen=True, gc=False):
    """What was used."""

    transferred_volume: ClassVar[Annotated[TransferredVolume, Tag(0, "transferredVolume")]]
    elapsed_time: ClassVar[Annotated[ElapsedTime, Tag(1, "elapsedTime")]]


class VolumeRollOvers(Sealed, frozen=True, gc=False):
    """Roll-overs of the two counters of octets."""

    since_last: Annotated[RollOvers | None, Tag(0, "rO-VolumeSinceLastTariffSwitch")] = None
    interval: Annotated[RollOvers | None, Tag(1, "rO-VolumeTariffSwitchInterval")] = None


class TransferredVolumeRollOver(Choice, frozen=True, gc=False):
    """How often a counter of octets began anew."""

    no_switch: ClassVar[Annotated[RollOvers, Tag(0, "rO-VolumeIfNoTariffSwitch")]]
    switch: ClassVar[Annotated[VolumeRollOvers, Tag(1, "rO-VolumeIfTariffSwitch")]]


class TimeRollOvers(Sealed, frozen=True, gc=False):
    """Roll-overs of the two counters of seconds."""

    since_last: Annotated[RollOvers | None, Tag(0, "rO-TimeGPRSSinceLastTariffSwitch")] = None
    interval: Annotated[RollOvers | None, Tag(1, "rO-TimeGPRSTariffSwitchInterval")] = None


class ElapsedTimeRollOver(Choice, frozen=True, gc=False):
    """How often a counter of seconds began anew."""

    no_switch: ClassVar[Annotated[RollOvers, Tag(0, "rO-TimeGPRSIfNoTariffSwitch")]]
    switch: ClassVar[Annotated[TimeRollOvers, Tag(1, "rO-TimeGPRSIfTariffSwitch")]]


class ChargingRollOver(Choice, frozen=True, gc=False):
    """How often a counter began anew."""

    transferred_volume: ClassVar[Annotated[TransferredVolumeRollOver, Tag(0, "transferredVolumeRollOver")]]
    elapsed_time: ClassVar[Annotated[ElapsedTimeRollOver, Tag(1, "elapsedTimeRollOver")]]


class ApplyChargingReportGPRSArg(Struct, frozen=True, gc=False):
    """ApplyChargingReportGPRS. ``active`` False makes it the final report."""

    charging_result: Annotated[ChargingResult, Tag(0, "chargingResult")]
    quality_of_service: Annotated[QualityOfService | None, Tag(1, "qualityOfService")] = None
    active: Annotated[bool, Tag(2, "active")] = True
    pdp_id: Annotated[PDPID | None, Tag(3, "pDPID")] = None
    charging_roll_over: Annotated[ChargingRollOver | None, Tag(4, "chargingRollOver")] = None


class CancelGPRSArg(Struct, frozen=True, gc=False):
    """CancelGPRS: all reports, or those of a PDP context."""

    pdp_id: Annotated[PDPID | None, Tag(0, "pDPID")] = None


class ConnectGPRSArg(Struct, frozen=True, gc=False):
    """ConnectGPRS."""

    access_point_name: Annotated[AccessPointName, Tag(0, "accessPointName")]
    pdp_id: Annotated[PDPID | None, Tag(1, "pdpID")] = None


class ContinueGPRSArg(Struct, frozen=True, gc=False):
    """ContinueGPRS."""

    pdp_id: Annotated[PDPID | None, Tag(0, "pDPID")] = None


class EntityReleasedGPRSArg(Struct, frozen=True, gc=False):
    """EntityReleasedGPRS."""

    gprs_cause: Annotated[GPRSCause, Tag(0, "gPRSCause")]
    pdp_id: Annotated[PDPID | None, Tag(1, "pDPID")] = None


class ReleaseGPRSArg(Struct, frozen=True, gc=False):
    """ReleaseGPRS."""

    gprs_cause: Annotated[GPRSCause, Tag(0, "gprsCause")]
    pdp_id: Annotated[PDPID | None, Tag(1, "pDPID")] = None


class ResetTimerGPRSArg(Struct, frozen=True, gc=False):
    """ResetTimerGPRS: ``timervalue`` in seconds."""

    asn1_order: ClassVar[tuple[str, ...]] = ("timer_id", "timervalue")

    timervalue: Annotated[Integer4, Tag(1, "timervalue")]
    timer_id: Annotated[TimerID, Tag(0, "timerID")] = TimerID.TSSF


class SendChargingInformationGPRSArg(Struct, frozen=True, gc=False):
    """SendChargingInformationGPRS: the characteristics are BER again (`ss7.cap.charging`)."""

    sci_gprs_billing_charging_characteristics: Annotated[
        Annotated[bytes, Octets(4, 225, "CAMEL-SCIGPRSBillingChargingCharacteristics")],
        Tag(0, "sCIGPRSBillingChargingCharacteristics"),
    ]
