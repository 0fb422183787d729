"""Where a call to a subscriber goes: sendRoutingInfo (TS 29.002 §10.1, §17.7.3; v1 and v2: GSM 09.02)."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Bits, Choice, Enumerated, Integer, Octets, Opaque, Size, Tag, Untagged
from ss7.cap.common import IMSI, AddressString, ExtBasicServiceCode, Present
from ss7.cap.location import ExtensionContainer
from ss7.map.common import (
    ExternalSignalInfo,
    ExtExternalSignalInfo,
    IsdnSubaddress,
    NumberPortabilityStatus,
    Octet,
    OfferedCamel4CSIs,
    Priority,
    SupportedCamelPhases,
)
from ss7.map.location import SubscriberInfo

Phase: TypeAlias = Annotated[int, Integer(1, 127)]
SSList: TypeAlias = Annotated[tuple[Octet, ...], Size(1, 30)]
"""Codes of supplementary services (§17.7.5)."""


class CUGCheckInfo(Struct, frozen=True, gc=False):
    """Closed user group of the caller."""

    interlock: Annotated[Annotated[bytes, Octets(4, 4)], Untagged("cug-Interlock")]
    outgoing_access: Annotated[Present, Untagged("cug-OutgoingAccess")] = False
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer", since=3)] = None


class InterrogationType(Enumerated):
    """For a call, or for its forwarding."""

    BASIC_CALL = 0, "basicCall"
    FORWARDING = 1, "forwarding"


class ForwardingReason(Enumerated):
    """Why a call is forwarded."""

    NOT_REACHABLE = 0, "notReachable"
    BUSY = 1, "busy"
    NO_REPLY = 2, "noReply"


class CamelInfo(Struct, frozen=True, gc=False):
    """What the GMSC can do of CAMEL."""

    supported_camel_phases: Annotated[SupportedCamelPhases, Untagged("supportedCamelPhases")]
    suppress_t_csi: Annotated[Present, Untagged("suppress-T-CSI")] = False
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    offered_camel4_csis: Annotated[OfferedCamel4CSIs | None, Tag(0, "offeredCamel4CSIs")] = None


class ISTSupportIndicator(Enumerated):
    """Immediate service termination."""

    BASIC = 0, "basicISTSupported"
    COMMAND = 1, "istCommandSupported"


class SendRoutingInfoArg(Struct, frozen=True, gc=False):
    """Argument of sendRoutingInfo; in v1 and v2 only of the number and three more."""

    asn1_order: ClassVar[tuple[str, ...]] = (
        "msisdn",
        "cug_check_info",
        "number_of_forwarding",
        "interrogation_type",
        "or_interrogation",
        "or_capability",
        "gmsc_or_gsm_scf_address",
        "call_reference_number",
        "forwarding_reason",
        "basic_service_group",
        "network_signal_info",
        "camel_info",
        "suppression_of_announcement",
        "extension_container",
        "alerting_pattern",
        "ccbs_call",
        "supported_ccbs_phase",
        "additional_signal_info",
        "ist_support_indicator",
        "pre_paging_supported",
        "call_diversion_treatment_indicator",
        "long_ftn_supported",
        "suppress_vt_csi",
        "suppress_incoming_call_barring",
        "gsm_scf_initiated_call",
        "basic_service_group2",
        "network_signal_info2",
        "suppress_mtss",
        "mt_roaming_retry_supported",
        "call_priority",
    )

    msisdn: Annotated[AddressString, Tag(0, "msisdn")]
    interrogation_type: Annotated[InterrogationType, Tag(3, "interrogationType", since=3)]
    gmsc_or_gsm_scf_address: Annotated[AddressString, Tag(6, "gmsc-OrGsmSCF-Address", since=3)]
    cug_check_info: Annotated[CUGCheckInfo | None, Tag(1, "cug-CheckInfo")] = None
    number_of_forwarding: Annotated[Annotated[int, Integer(1, 5)] | None, Tag(2, "numberOfForwarding")] = None
    or_interrogation: Annotated[Present, Tag(4, "or-Interrogation", since=3)] = False
    or_capability: Annotated[Phase | None, Tag(5, "or-Capability", since=3)] = None
    call_reference_number: Annotated[
        Annotated[bytes, Octets(1, 8)] | None, Tag(7, "callReferenceNumber", since=3)
    ] = None
    forwarding_reason: Annotated[ForwardingReason | None, Tag(8, "forwardingReason", since=3)] = None
    basic_service_group: Annotated[ExtBasicServiceCode | None, Tag(9, "basicServiceGroup", since=3)] = None
    network_signal_info: Annotated[ExternalSignalInfo | None, Tag(10, "networkSignalInfo")] = None
    camel_info: Annotated[CamelInfo | None, Tag(11, "camelInfo", since=3)] = None
    suppression_of_announcement: Annotated[Present, Tag(12, "suppressionOfAnnouncement", since=3)] = False
    extension_container: Annotated[ExtensionContainer | None, Tag(13, "extensionContainer", since=3)] = None
    alerting_pattern: Annotated[Octet | None, Tag(14, "alertingPattern", since=3)] = None
    ccbs_call: Annotated[Present, Tag(15, "ccbs-Call", since=3)] = False
    supported_ccbs_phase: Annotated[Phase | None, Tag(16, "supportedCCBS-Phase", since=3)] = None
    additional_signal_info: Annotated[
        ExtExternalSignalInfo | None, Tag(17, "additionalSignalInfo", since=3)
    ] = None
    ist_support_indicator: Annotated[
        ISTSupportIndicator | int | None, Tag(18, "istSupportIndicator", since=3)
    ] = None
    pre_paging_supported: Annotated[Present, Tag(19, "pre-pagingSupported", since=3)] = False
    call_diversion_treatment_indicator: Annotated[
        Octet | None, Tag(20, "callDiversionTreatmentIndicator", since=3)
    ] = None
    long_ftn_supported: Annotated[Present, Tag(21, "longFTN-Supported", since=3)] = False
    suppress_vt_csi: Annotated[Present, Tag(22, "suppress-VT-CSI", since=3)] = False
    suppress_incoming_call_barring: Annotated[Present, Tag(23, "suppressIncomingCallBarring", since=3)] = (
        False
    )
    gsm_scf_initiated_call: Annotated[Present, Tag(24, "gsmSCF-InitiatedCall", since=3)] = False
    basic_service_group2: Annotated[ExtBasicServiceCode | None, Tag(25, "basicServiceGroup2", since=3)] = None
    network_signal_info2: Annotated[ExternalSignalInfo | None, Tag(26, "networkSignalInfo2", since=3)] = None
    suppress_mtss: Annotated[Annotated[bytes, Bits(2, 16)] | None, Tag(27, "suppressMTSS", since=3)] = None
    mt_roaming_retry_supported: Annotated[Present, Tag(28, "mtRoamingRetrySupported", since=3)] = False
    call_priority: Annotated[Priority | None, Tag(29, "callPriority", since=3)] = None


class ForwardingData(Struct, frozen=True, gc=False):
    """Where a call is forwarded to."""

    asn1_order: ClassVar[tuple[str, ...]] = (
        "forwarded_to_number",
        "forwarded_to_subaddress",
        "forwarding_options",
        "extension_container",
        "long_forwarded_to_number",
    )

    forwarded_to_number: Annotated[AddressString | None, Tag(5, "forwardedToNumber")] = None
    forwarded_to_subaddress: Annotated[IsdnSubaddress | None, Tag(4, "forwardedToSubaddress")] = None
    forwarding_options: Annotated[Octet | None, Tag(6, "forwardingOptions")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(7, "extensionContainer", since=3)] = None
    long_forwarded_to_number: Annotated[
        Annotated[bytes, Octets(1, 15, "AddressString")] | None, Tag(8, "longForwardedToNumber", since=3)
    ] = None


class RoutingInfo(Choice, frozen=True, gc=False):
    """A roaming number, or a forwarding."""

    roaming_number: ClassVar[Annotated[AddressString, Untagged("roamingNumber")]]
    forwarding_data: ClassVar[Annotated[ForwardingData, Untagged("forwardingData")]]


class CamelRoutingInfo(Struct, frozen=True, gc=False):
    """The CAMEL subscription of the called subscriber, by which the GMSC asks a gsmSCF."""

    asn1_order: ClassVar[tuple[str, ...]] = (
        "forwarding_data",
        "gmsc_camel_subscription_info",
        "extension_container",
    )

    gmsc_camel_subscription_info: Annotated[Annotated[bytes, Opaque()], Tag(0, "gmscCamelSubscriptionInfo")]
    forwarding_data: Annotated[ForwardingData | None, Untagged("forwardingData")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(1, "extensionContainer")] = None


class ExtendedRoutingInfo(Choice, frozen=True, gc=False):
    """Routing information, or what makes the GMSC ask a gsmSCF first."""

    routing_info: ClassVar[Annotated[RoutingInfo, Untagged("routingInfo")]]
    camel_routing_info: ClassVar[Annotated[CamelRoutingInfo, Tag(8, "camelRoutingInfo")]]


class NAEAPreferredCI(Struct, frozen=True, gc=False):
    """Preferred carrier of North America."""

    preferred_cic: Annotated[Annotated[bytes, Octets(3, 3)], Tag(0, "naea-PreferredCIC")]
    extension_container: Annotated[ExtensionContainer | None, Tag(1, "extensionContainer")] = None


class CCBSIndicators(Struct, frozen=True, gc=False):
    """Call completion to a busy subscriber."""

    possible: Annotated[Present, Tag(0, "ccbs-Possible")] = False
    keep_call_indicator: Annotated[Present, Tag(1, "keepCCBS-CallIndicator")] = False
    extension_container: Annotated[ExtensionContainer | None, Tag(2, "extensionContainer")] = None


class UnavailabilityCause(Enumerated):
    """Why the second service is not available."""

    BEARER_SERVICE_NOT_PROVISIONED = 1, "bearerServiceNotProvisioned"
    TELESERVICE_NOT_PROVISIONED = 2, "teleserviceNotProvisioned"
    ABSENT_SUBSCRIBER = 3, "absentSubscriber"
    BUSY_SUBSCRIBER = 4, "busySubscriber"
    CALL_BARRED = 5, "callBarred"
    CUG_REJECT = 6, "cug-Reject"


class SendRoutingInfoRes(Struct, frozen=True, gc=False):
    """Result of sendRoutingInfo, MAP v3."""

    imsi: Annotated[IMSI | None, Tag(9, "imsi")] = None
    extended_routing_info: Annotated[ExtendedRoutingInfo | None, Untagged("extendedRoutingInfo")] = None
    cug_check_info: Annotated[CUGCheckInfo | None, Tag(3, "cug-CheckInfo")] = None
    cug_subscription_flag: Annotated[Present, Tag(6, "cugSubscriptionFlag")] = False
    subscriber_info: Annotated[SubscriberInfo | None, Tag(7, "subscriberInfo")] = None
    ss_list: Annotated[SSList | None, Tag(1, "ss-List")] = None
    basic_service: Annotated[ExtBasicServiceCode | None, Tag(5, "basicService")] = None
    forwarding_interrogation_required: Annotated[Present, Tag(4, "forwardingInterrogationRequired")] = False
    vmsc_address: Annotated[AddressString | None, Tag(2, "vmsc-Address")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(0, "extensionContainer")] = None
    naea_preferred_ci: Annotated[NAEAPreferredCI | None, Tag(10, "naea-PreferredCI")] = None
    ccbs_indicators: Annotated[CCBSIndicators | None, Tag(11, "ccbs-Indicators")] = None
    msisdn: Annotated[AddressString | None, Tag(12, "msisdn")] = None
    number_portability_status: Annotated[
        NumberPortabilityStatus | int | None, Tag(13, "numberPortabilityStatus")
    ] = None
    ist_alert_timer: Annotated[Annotated[int, Integer(15, 255)] | None, Tag(14, "istAlertTimer")] = None
    supported_camel_phases_in_vmsc: Annotated[
        SupportedCamelPhases | None, Tag(15, "supportedCamelPhasesInVMSC")
    ] = None
    offered_camel4_csis_in_vmsc: Annotated[OfferedCamel4CSIs | None, Tag(16, "offeredCamel4CSIsInVMSC")] = (
        None
    )
    routing_info2: Annotated[RoutingInfo | None, Tag(17, "routingInfo2")] = None
    ss_list2: Annotated[SSList | None, Tag(18, "ss-List2")] = None
    basic_service2: Annotated[ExtBasicServiceCode | None, Tag(19, "basicService2")] = None
    allowed_services: Annotated[Annotated[bytes, Bits(2, 8)] | None, Tag(20, "allowedServices")] = None
    unavailability_cause: Annotated[UnavailabilityCause | int | None, Tag(21, "unavailabilityCause")] = None
    release_resources_supported: Annotated[Present, Tag(22, "releaseResourcesSupported")] = False
    gsm_bearer_capability: Annotated[ExternalSignalInfo | None, Tag(23, "gsm-BearerCapability")] = None


class SendRoutingInfoResV2(Struct, frozen=True, gc=False):
    """Result of sendRoutingInfo, MAP v1 and v2 (GSM 09.02)."""

    imsi: Annotated[IMSI, Untagged("imsi")]
    routing_info: Annotated[RoutingInfo, Untagged("routingInfo")]
    cug_check_info: Annotated[CUGCheckInfo | None, Untagged("cug-CheckInfo")] = None
