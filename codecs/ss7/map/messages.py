"""Short messages and USSD (TS 29.002 §17.7.6, §17.7.4; v1 and v2: GSM 09.02).

What a short message says (``sm-RP-UI``) is a TPDU of TS 23.040; it and USSD strings stay octets.
"""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Bits, Choice, Enumerated, Integer, Octets, Tag, Untagged
from ss7.cap.common import IMSI, AddressString, Present
from ss7.cap.location import ExtensionContainer
from ss7.map.common import (
    LMSI,
    CorrelationID,
    LongAddressString,
    NetworkNodeDiameterAddress,
    Octet,
    Time,
)

ShortMessage: TypeAlias = Annotated[bytes, Octets(1, 200, "ShortMessage")]
USSDString: TypeAlias = Annotated[bytes, Octets(1, 160, "USSDString")]
Diagnostic: TypeAlias = Annotated[int, Integer(0, 255)]
"""AbsentSubscriberDiagnosticSM (TS 23.040 §3.3.2)."""
DeliveryTimer: TypeAlias = Annotated[int, Integer(30, 600)]
"""Seconds."""


class SMDeliveryNotIntended(Enumerated):
    """What is wanted in place of a delivery."""

    ONLY_IMSI = 0, "onlyIMSI-requested"
    ONLY_MCC_MNC = 1, "onlyMCC-MNC-requested"


class RoutingInfoForSMArg(Struct, frozen=True, gc=False):
    """Argument of sendRoutingInfoForSM (§12.1)."""

    msisdn: Annotated[AddressString, Tag(0, "msisdn")]
    sm_rp_pri: Annotated[bool, Tag(1, "sm-RP-PRI")]
    service_centre_address: Annotated[LongAddressString, Tag(2, "serviceCentreAddress")]
    teleservice: Annotated[Octet | None, Tag(5, "teleservice", until=2)] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(6, "extensionContainer", since=3)] = None
    gprs_support_indicator: Annotated[Present, Tag(7, "gprsSupportIndicator", since=3)] = False
    sm_rp_mti: Annotated[Annotated[int, Integer(0, 10)] | None, Tag(8, "sm-RP-MTI", since=3)] = None
    sm_rp_smea: Annotated[Annotated[bytes, Octets(1, 12, "SMEA")] | None, Tag(9, "sm-RP-SMEA", since=3)] = (
        None
    )
    sm_delivery_not_intended: Annotated[
        SMDeliveryNotIntended | int | None, Tag(10, "sm-deliveryNotIntended", since=3)
    ] = None
    ip_sm_gw_guidance_indicator: Annotated[Present, Tag(11, "ip-sm-gwGuidanceIndicator", since=3)] = False
    imsi: Annotated[IMSI | None, Tag(12, "imsi", since=3)] = None
    t4_trigger_indicator: Annotated[Present, Tag(14, "t4-Trigger-Indicator", since=3)] = False
    single_attempt_delivery: Annotated[Present, Tag(13, "singleAttemptDelivery", since=3)] = False
    correlation_id: Annotated[CorrelationID | None, Tag(15, "correlationID", since=3)] = None
    smsf_support_indicator: Annotated[Present, Tag(16, "smsf-supportIndicator", since=3)] = False


class AdditionalNumber(Choice, frozen=True, gc=False):
    """A further node that serves the subscriber."""

    msc_number: ClassVar[Annotated[AddressString, Tag(0, "msc-Number")]]
    sgsn_number: ClassVar[Annotated[AddressString, Tag(1, "sgsn-Number")]]


class LocationInfoWithLMSI(Struct, frozen=True, gc=False):
    """The node that serves the subscriber."""

    network_node_number: Annotated[AddressString, Tag(1, "networkNode-Number")]
    lmsi: Annotated[LMSI | None, Untagged("lmsi")] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    gprs_node_indicator: Annotated[Present, Tag(5, "gprsNodeIndicator")] = False
    additional_number: Annotated[AdditionalNumber | None, Tag(6, "additional-Number")] = None
    network_node_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(7, "networkNodeDiameterAddress")
    ] = None
    additional_network_node_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(8, "additionalNetworkNodeDiameterAddress")
    ] = None
    third_number: Annotated[AdditionalNumber | None, Tag(9, "thirdNumber")] = None
    third_network_node_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(10, "thirdNetworkNodeDiameterAddress")
    ] = None
    ims_node_indicator: Annotated[Present, Tag(11, "imsNodeIndicator")] = False
    smsf_3gpp_number: Annotated[AddressString | None, Tag(12, "smsf-3gpp-Number")] = None
    smsf_3gpp_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(13, "smsf-3gpp-DiameterAddress")
    ] = None
    smsf_non_3gpp_number: Annotated[AddressString | None, Tag(14, "smsf-non-3gpp-Number")] = None
    smsf_non_3gpp_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(15, "smsf-non-3gpp-DiameterAddress")
    ] = None
    smsf_3gpp_address_indicator: Annotated[Present, Tag(16, "smsf-3gpp-address-indicator")] = False
    smsf_non_3gpp_address_indicator: Annotated[Present, Tag(17, "smsf-non-3gpp-address-indicator")] = False


class IPSMGWGuidance(Struct, frozen=True, gc=False):
    """How long a delivery over IMS may take."""

    minimum: Annotated[DeliveryTimer, Untagged("minimumDeliveryTimeValue")]
    recommended: Annotated[DeliveryTimer, Untagged("recommendedDeliveryTimeValue")]
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None


class RoutingInfoForSMRes(Struct, frozen=True, gc=False):
    """Result of sendRoutingInfoForSM, MAP v3."""

    imsi: Annotated[IMSI, Untagged("imsi")]
    location_info_with_lmsi: Annotated[LocationInfoWithLMSI, Tag(0, "locationInfoWithLMSI")]
    extension_container: Annotated[ExtensionContainer | None, Tag(4, "extensionContainer")] = None
    ip_sm_gw_guidance: Annotated[IPSMGWGuidance | None, Tag(5, "ip-sm-gwGuidance")] = None


class LocationInfo(Choice, frozen=True, gc=False):
    """The node that serves the subscriber, before MAP v3."""

    roaming_number: ClassVar[Annotated[AddressString, Tag(0, "roamingNumber")]]
    msc_number: ClassVar[Annotated[AddressString, Tag(1, "msc-Number")]]


class LocationInfoWithLMSIV2(Struct, frozen=True, gc=False):
    """The same with the VLR's own identity of the subscriber."""

    location_info: Annotated[LocationInfo, Untagged("locationInfo")]
    lmsi: Annotated[LMSI | None, Untagged("lmsi")] = None


class RoutingInfoForSMResV2(Struct, frozen=True, gc=False):
    """Result of sendRoutingInfoForSM, MAP v1 and v2."""

    imsi: Annotated[IMSI, Untagged("imsi")]
    location_info_with_lmsi: Annotated[LocationInfoWithLMSIV2, Tag(0, "locationInfoWithLMSI")]
    mwd_set: Annotated[bool | None, Tag(2, "mwd-Set")] = None


class SMRPDA(Choice, frozen=True, gc=False):
    """To whom a short message goes."""

    imsi: ClassVar[Annotated[IMSI, Tag(0, "imsi")]]
    lmsi: ClassVar[Annotated[LMSI, Tag(1, "lmsi")]]
    roaming_number: ClassVar[Annotated[AddressString, Tag(3, "roamingNumber", until=2)]]
    service_centre: ClassVar[Annotated[LongAddressString, Tag(4, "serviceCentreAddressDA")]]
    none: ClassVar[Annotated[Present, Tag(5, "noSM-RP-DA")]]


class SMRPOA(Choice, frozen=True, gc=False):
    """From whom a short message comes."""

    msisdn: ClassVar[Annotated[AddressString, Tag(2, "msisdn")]]
    service_centre: ClassVar[Annotated[LongAddressString, Tag(4, "serviceCentreAddressOA")]]
    none: ClassVar[Annotated[Present, Tag(5, "noSM-RP-OA")]]


class ForwardSMArg(Struct, frozen=True, gc=False):
    """Argument of forwardSM, MAP v1 and v2: towards the subscriber and from him."""

    sm_rp_da: Annotated[SMRPDA, Untagged("sm-RP-DA")]
    sm_rp_oa: Annotated[SMRPOA, Untagged("sm-RP-OA")]
    sm_rp_ui: Annotated[ShortMessage, Untagged("sm-RP-UI")]
    more_messages_to_send: Annotated[Present, Untagged("moreMessagesToSend")] = False


class MTForwardSMArg(Struct, frozen=True, gc=False):
    """Argument of mt-ForwardSM (§12.9)."""

    sm_rp_da: Annotated[SMRPDA, Untagged("sm-RP-DA")]
    sm_rp_oa: Annotated[SMRPOA, Untagged("sm-RP-OA")]
    sm_rp_ui: Annotated[ShortMessage, Untagged("sm-RP-UI")]
    more_messages_to_send: Annotated[Present, Untagged("moreMessagesToSend")] = False
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    sm_delivery_timer: Annotated[DeliveryTimer | None, Untagged("smDeliveryTimer")] = None
    sm_delivery_start_time: Annotated[Time | None, Untagged("smDeliveryStartTime")] = None
    sms_over_ip_only_indicator: Annotated[Present, Tag(0, "smsOverIP-OnlyIndicator")] = False
    correlation_id: Annotated[CorrelationID | None, Tag(1, "correlationID")] = None
    maximum_retransmission_time: Annotated[Time | None, Tag(2, "maximumRetransmissionTime")] = None
    sms_gmsc_address: Annotated[AddressString | None, Tag(3, "smsGmscAddress")] = None
    sms_gmsc_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(4, "smsGmscDiameterAddress")
    ] = None


class SMDeliveryOutcome(Enumerated):
    """What came of a delivery."""

    MEMORY_CAPACITY_EXCEEDED = 0, "memoryCapacityExceeded"
    ABSENT_SUBSCRIBER = 1, "absentSubscriber"
    SUCCESSFUL_TRANSFER = 2, "successfulTransfer"


class MOForwardSMArg(Struct, frozen=True, gc=False):
    """Argument of mo-ForwardSM (§12.2)."""

    sm_rp_da: Annotated[SMRPDA, Untagged("sm-RP-DA")]
    sm_rp_oa: Annotated[SMRPOA, Untagged("sm-RP-OA")]
    sm_rp_ui: Annotated[ShortMessage, Untagged("sm-RP-UI")]
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    imsi: Annotated[IMSI | None, Untagged("imsi")] = None
    correlation_id: Annotated[CorrelationID | None, Tag(0, "correlationID")] = None
    sm_delivery_outcome: Annotated[SMDeliveryOutcome | None, Tag(1, "sm-DeliveryOutcome")] = None


class ForwardSMRes(Struct, frozen=True, gc=False):
    """Result of mt-ForwardSM and of mo-ForwardSM."""

    sm_rp_ui: Annotated[ShortMessage | None, Untagged("sm-RP-UI")] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None


class SmsGmscAlertEvent(Enumerated):
    """Why the service centre is alerted."""

    AVAILABLE = 0, "msAvailableForMtSms"
    UNDER_NEW_SERVING_NODE = 1, "msUnderNewServingNode"


class AlertServiceCentreArg(Struct, frozen=True, gc=False):
    """Argument of alertServiceCentre (§12.5): the HLR says that a subscriber can be reached again."""

    msisdn: Annotated[AddressString, Untagged("msisdn")]
    service_centre_address: Annotated[LongAddressString, Untagged("serviceCentreAddress")]
    imsi: Annotated[IMSI | None, Untagged("imsi")] = None
    correlation_id: Annotated[CorrelationID | None, Untagged("correlationID")] = None
    maximum_ue_availability_time: Annotated[Time | None, Tag(0, "maximumUeAvailabilityTime")] = None
    sms_gmsc_alert_event: Annotated[SmsGmscAlertEvent | None, Tag(1, "smsGmscAlertEvent")] = None
    sms_gmsc_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(2, "smsGmscDiameterAddress")
    ] = None
    new_sgsn_number: Annotated[AddressString | None, Tag(3, "newSGSNNumber")] = None
    new_sgsn_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(4, "newSGSNDiameterAddress")
    ] = None
    new_mme_number: Annotated[AddressString | None, Tag(5, "newMMENumber")] = None
    new_mme_diameter_address: Annotated[
        NetworkNodeDiameterAddress | None, Tag(6, "newMMEDiameterAddress")
    ] = None
    new_msc_number: Annotated[AddressString | None, Tag(7, "newMSCNumber")] = None


class AlertServiceCentreWithoutResultArg(Struct, frozen=True, gc=False):
    """Argument of alertServiceCentreWithoutResult, MAP v1."""

    msisdn: Annotated[AddressString, Untagged("msisdn")]
    service_centre_address: Annotated[LongAddressString, Untagged("serviceCentreAddress")]


class ReportSMDeliveryStatusArg(Struct, frozen=True, gc=False):
    """Argument of reportSM-DeliveryStatus (§12.3), MAP v3."""

    msisdn: Annotated[AddressString, Untagged("msisdn")]
    service_centre_address: Annotated[LongAddressString, Untagged("serviceCentreAddress")]
    sm_delivery_outcome: Annotated[SMDeliveryOutcome, Untagged("sm-DeliveryOutcome")]
    diagnostic: Annotated[Diagnostic | None, Tag(0, "absentSubscriberDiagnosticSM")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(1, "extensionContainer")] = None
    gprs_support_indicator: Annotated[Present, Tag(2, "gprsSupportIndicator")] = False
    delivery_outcome_indicator: Annotated[Present, Tag(3, "deliveryOutcomeIndicator")] = False
    additional_sm_delivery_outcome: Annotated[
        SMDeliveryOutcome | None, Tag(4, "additionalSM-DeliveryOutcome")
    ] = None
    additional_diagnostic: Annotated[Diagnostic | None, Tag(5, "additionalAbsentSubscriberDiagnosticSM")] = (
        None
    )
    ip_sm_gw_indicator: Annotated[Present, Tag(6, "ip-sm-gw-Indicator")] = False
    ip_sm_gw_sm_delivery_outcome: Annotated[
        SMDeliveryOutcome | None, Tag(7, "ip-sm-gw-sm-deliveryOutcome")
    ] = None
    ip_sm_gw_diagnostic: Annotated[Diagnostic | None, Tag(8, "ip-sm-gw-absentSubscriberDiagnosticSM")] = None
    imsi: Annotated[IMSI | None, Tag(9, "imsi")] = None
    single_attempt_delivery: Annotated[Present, Tag(10, "singleAttemptDelivery")] = False
    correlation_id: Annotated[CorrelationID | None, Tag(11, "correlationID")] = None
    smsf_3gpp_delivery_outcome_indicator: Annotated[
        Present, Tag(12, "smsf-3gpp-deliveryOutcomeIndicator")
    ] = False
    smsf_3gpp_delivery_outcome: Annotated[SMDeliveryOutcome | None, Tag(13, "smsf-3gpp-deliveryOutcome")] = (
        None
    )
    smsf_3gpp_diagnostic: Annotated[Diagnostic | None, Tag(14, "smsf-3gpp-absentSubscriberDiagSM")] = None
    smsf_non_3gpp_delivery_outcome_indicator: Annotated[
        Present, Tag(15, "smsf-non-3gpp-deliveryOutcomeIndicator")
    ] = False
    smsf_non_3gpp_delivery_outcome: Annotated[
        SMDeliveryOutcome | None, Tag(16, "smsf-non-3gpp-deliveryOutcome")
    ] = None
    smsf_non_3gpp_diagnostic: Annotated[
        Diagnostic | None, Tag(17, "smsf-non-3gpp-absentSubscriberDiagSM")
    ] = None


class ReportSMDeliveryStatusArgV2(Struct, frozen=True, gc=False):
    """Argument of reportSM-DeliveryStatus, MAP v1 and v2."""

    msisdn: Annotated[AddressString, Untagged("msisdn")]
    service_centre_address: Annotated[LongAddressString, Untagged("serviceCentreAddress")]
    sm_delivery_outcome: Annotated[SMDeliveryOutcome | None, Untagged("sm-DeliveryOutcome")] = None


class ReportSMDeliveryStatusRes(Struct, frozen=True, gc=False):
    """Result of reportSM-DeliveryStatus, MAP v3."""

    stored_msisdn: Annotated[AddressString | None, Untagged("storedMSISDN")] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None


class InformServiceCentreArgV2(Struct, frozen=True, gc=False):
    """Argument of informServiceCentre, MAP v2."""

    stored_msisdn: Annotated[AddressString | None, Untagged("storedMSISDN")] = None
    mw_status: Annotated[Annotated[bytes, Bits(6, 6)] | None, Untagged("mw-Status")] = None


class InformServiceCentreArg(Struct, frozen=True, gc=False):
    """Argument of informServiceCentre (§12.6), which comes with the result of sendRoutingInfoForSM."""

    stored_msisdn: Annotated[AddressString | None, Untagged("storedMSISDN")] = None
    mw_status: Annotated[Annotated[bytes, Bits(6, 16)] | None, Untagged("mw-Status")] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    diagnostic: Annotated[Diagnostic | None, Untagged("absentSubscriberDiagnosticSM")] = None
    additional_diagnostic: Annotated[Diagnostic | None, Tag(0, "additionalAbsentSubscriberDiagnosticSM")] = (
        None
    )
    smsf_3gpp_diagnostic: Annotated[Diagnostic | None, Tag(1, "smsf3gppAbsentSubscriberDiagnosticSM")] = None
    smsf_non_3gpp_diagnostic: Annotated[
        Diagnostic | None, Tag(2, "smsfNon3gppAbsentSubscriberDiagnosticSM")
    ] = None


class USSDArg(Struct, frozen=True, gc=False):
    """Argument of the three USSD operations (§11.9 to §11.11)."""

    data_coding_scheme: Annotated[Octet, Untagged("ussd-DataCodingScheme")]
    ussd_string: Annotated[USSDString, Untagged("ussd-String")]
    alerting_pattern: Annotated[Octet | None, Untagged("alertingPattern")] = None
    msisdn: Annotated[AddressString | None, Tag(0, "msisdn")] = None


class USSDRes(Struct, frozen=True, gc=False):
    """Result of processUnstructuredSS-Request and of unstructuredSS-Request."""

    data_coding_scheme: Annotated[Octet, Untagged("ussd-DataCodingScheme")]
    ussd_string: Annotated[USSDString, Untagged("ussd-String")]
