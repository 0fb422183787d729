"""Where a subscriber is, and in which state: anyTimeInterrogation, provideSubscriberInfo, noteMM-Event.

TS 29.002 §17.7.1. `LocationInformation` and `SubscriberState` are CAP's too.
"""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, Final, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Bits, Choice, Enumerated, Octets, Opaque, Sealed, Tag, Untagged
from ss7.cap.common import IMEI, IMSI, AddressString, NotReachableReason, Present, SubscriberState
from ss7.cap.location import (
    Age,
    CellGlobalIdOrServiceAreaIdOrLAI,
    ExtensionContainer,
    GeodeticInformation,
    GeographicalInformation,
    LocationInformation,
    LocationInformationEPS,
    LSAIdentity,
    RAIdentity,
    UserCSGInformation,
)
from ss7.map.common import (
    LMSI,
    NumberPortabilityStatus,
    Priority,
    ServiceKey,
    SubscriberIdentity,
    SupportedCamelPhases,
    Time,
)

PdpContexts: TypeAlias = Annotated[bytes, Opaque()]
"""PDP-ContextInfoList, which nothing here reads."""


class DomainType(Enumerated):
    """Which part of the core network is meant."""

    CS = 0, "cs-Domain"
    PS = 1, "ps-Domain"


class RequestedInfo(Struct, frozen=True, gc=False):
    """What is asked for about a subscriber."""

    location_information: Annotated[Present, Tag(0, "locationInformation")] = False
    subscriber_state: Annotated[Present, Tag(1, "subscriberState")] = False
    extension_container: Annotated[ExtensionContainer | None, Tag(2, "extensionContainer")] = None
    current_location: Annotated[Present, Tag(3, "currentLocation")] = False
    requested_domain: Annotated[DomainType | int | None, Tag(4, "requestedDomain")] = None
    imei: Annotated[Present, Tag(6, "imei")] = False
    ms_classmark: Annotated[Present, Tag(5, "ms-classmark")] = False
    mnp_requested_info: Annotated[Present, Tag(7, "mnpRequestedInfo")] = False
    location_information_eps_supported: Annotated[Present, Tag(11, "locationInformationEPS-Supported")] = (
        False
    )
    t_ads_data: Annotated[Present, Tag(8, "t-adsData")] = False
    requested_nodes: Annotated[Annotated[bytes, Bits(1, 8)] | None, Tag(9, "requestedNodes")] = None
    serving_node_indication: Annotated[Present, Tag(10, "servingNodeIndication")] = False
    local_time_zone_request: Annotated[Present, Tag(12, "localTimeZoneRequest")] = False


class AnyTimeInterrogationArg(Struct, frozen=True, gc=False):
    """Argument of anyTimeInterrogation (§8.11.1): the gsmSCF asks the HLR."""

    asn1_order: ClassVar[tuple[str, ...]] = (
        "subscriber_identity",
        "requested_info",
        "gsm_scf_address",
        "extension_container",
    )

    subscriber_identity: Annotated[SubscriberIdentity, Tag(0, "subscriberIdentity")]
    requested_info: Annotated[RequestedInfo, Tag(1, "requestedInfo")]
    gsm_scf_address: Annotated[AddressString, Tag(3, "gsmSCF-Address")]
    extension_container: Annotated[ExtensionContainer | None, Tag(2, "extensionContainer")] = None


class ProvideSubscriberInfoArg(Struct, frozen=True, gc=False):
    """Argument of provideSubscriberInfo (§8.11.2): the HLR asks the VLR."""

    asn1_order: ClassVar[tuple[str, ...]] = (
        "imsi",
        "lmsi",
        "requested_info",
        "extension_container",
        "call_priority",
    )

    imsi: Annotated[IMSI, Tag(0, "imsi")]
    requested_info: Annotated[RequestedInfo, Tag(2, "requestedInfo")]
    lmsi: Annotated[LMSI | None, Tag(1, "lmsi")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(3, "extensionContainer")] = None
    call_priority: Annotated[Priority | None, Tag(4, "callPriority")] = None


class LocationInformationGPRS(Struct, frozen=True, gc=False):
    """Location of a GPRS subscriber."""

    cell_global_id_or_service_area_id_or_lai: Annotated[
        CellGlobalIdOrServiceAreaIdOrLAI | None, Tag(0, "cellGlobalIdOrServiceAreaIdOrLAI")
    ] = None
    routeing_area_identity: Annotated[RAIdentity | None, Tag(1, "routeingAreaIdentity")] = None
    geographical_information: Annotated[GeographicalInformation | None, Tag(2, "geographicalInformation")] = (
        None
    )
    sgsn_number: Annotated[AddressString | None, Tag(3, "sgsn-Number")] = None
    selected_lsa_identity: Annotated[LSAIdentity | None, Tag(4, "selectedLSAIdentity")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(5, "extensionContainer")] = None
    sai_present: Annotated[Present, Tag(6, "sai-Present")] = False
    geodetic_information: Annotated[GeodeticInformation | None, Tag(7, "geodeticInformation")] = None
    current_location_retrieved: Annotated[Present, Tag(8, "currentLocationRetrieved")] = False
    age_of_location_information: Annotated[Age | None, Tag(9, "ageOfLocationInformation")] = None
    user_csg_information: Annotated[UserCSGInformation | None, Tag(10, "userCSGInformation")] = None


class PSSubscriberState(Choice, frozen=True, gc=False):
    """State of a subscriber in the packet domain."""

    not_provided: ClassVar[Annotated[Present, Tag(0, "notProvidedFromSGSNorMME")]]
    detached: ClassVar[Annotated[Present, Tag(1, "ps-Detached")]]
    attached_not_reachable: ClassVar[Annotated[Present, Tag(2, "ps-AttachedNotReachableForPaging")]]
    attached_reachable: ClassVar[Annotated[Present, Tag(3, "ps-AttachedReachableForPaging")]]
    active_not_reachable: ClassVar[Annotated[PdpContexts, Tag(4, "ps-PDP-ActiveNotReachableForPaging")]]
    active_reachable: ClassVar[Annotated[PdpContexts, Tag(5, "ps-PDP-ActiveReachableForPaging")]]
    not_reachable: ClassVar[Annotated[NotReachableReason, Untagged("netDetNotReachable")]]


class GPRSMSClass(Sealed, frozen=True, gc=False):
    """What a terminal can do in the packet domain."""

    network_capability: Annotated[Annotated[bytes, Octets(1, 8)], Tag(0, "mSNetworkCapability")]
    radio_access_capability: Annotated[
        Annotated[bytes, Octets(1, 50)] | None, Tag(1, "mSRadioAccessCapability")
    ] = None


class MNPInfoRes(Struct, frozen=True, gc=False):
    """Number portability."""

    routeing_number: Annotated[Annotated[bytes, Octets(1, 5, "IMSI")] | None, Tag(0, "routeingNumber")] = None
    imsi: Annotated[IMSI | None, Tag(1, "imsi")] = None
    msisdn: Annotated[AddressString | None, Tag(2, "msisdn")] = None
    number_portability_status: Annotated[
        NumberPortabilityStatus | int | None, Tag(3, "numberPortabilityStatus")
    ] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(4, "extensionContainer")] = None


class ImsVoiceOverPS(Enumerated):
    """Whether the serving node does voice over IMS."""

    NOT_SUPPORTED = 0, "imsVoiceOverPS-SessionsNotSupported"
    SUPPORTED = 1, "imsVoiceOverPS-SessionsSupported"
    UNKNOWN = 2, "unknown"


class UsedRATType(Enumerated):
    """Radio access technology."""

    UTRAN = 0, "utran"
    GERAN = 1, "geran"
    GAN = 2, "gan"
    HSPA_EVOLUTION = 3, "i-hspa-evolution"
    E_UTRAN = 4, "e-utran"
    NB_IOT = 5, "nb-iot"


class DaylightSavingTime(Enumerated):
    """Daylight saving."""

    NONE = 0, "noAdjustment"
    ONE_HOUR = 1, "plusOneHourAdjustment"
    TWO_HOURS = 2, "plusTwoHoursAdjustment"


class SubscriberInfo(Struct, frozen=True, gc=False):
    """What the HLR or VLR knows of a subscriber's place and state."""

    location_information: Annotated[LocationInformation | None, Tag(0, "locationInformation")] = None
    subscriber_state: Annotated[SubscriberState | None, Tag(1, "subscriberState")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(2, "extensionContainer")] = None
    location_information_gprs: Annotated[
        LocationInformationGPRS | None, Tag(3, "locationInformationGPRS")
    ] = None
    ps_subscriber_state: Annotated[PSSubscriberState | None, Tag(4, "ps-SubscriberState")] = None
    imei: Annotated[IMEI | None, Tag(5, "imei")] = None
    ms_classmark2: Annotated[Annotated[bytes, Octets(3, 3)] | None, Tag(6, "ms-Classmark2")] = None
    gprs_ms_class: Annotated[GPRSMSClass | None, Tag(7, "gprs-MS-Class")] = None
    mnp_info_res: Annotated[MNPInfoRes | None, Tag(8, "mnpInfoRes")] = None
    ims_voice_over_ps: Annotated[ImsVoiceOverPS | None, Tag(9, "imsVoiceOverPS-SessionsIndication")] = None
    last_ue_activity_time: Annotated[Time | None, Tag(10, "lastUE-ActivityTime")] = None
    last_rat_type: Annotated[UsedRATType | int | None, Tag(11, "lastRAT-Type")] = None
    eps_subscriber_state: Annotated[PSSubscriberState | None, Tag(12, "eps-SubscriberState")] = None
    location_information_eps: Annotated[LocationInformationEPS | None, Tag(13, "locationInformationEPS")] = (
        None
    )
    time_zone: Annotated[Annotated[bytes, Octets(2, 3)] | None, Tag(14, "timeZone")] = None
    daylight_saving_time: Annotated[DaylightSavingTime | None, Tag(15, "daylightSavingTime")] = None
    location_information_5gs: Annotated[
        Annotated[bytes, Opaque()] | None, Tag(16, "locationInformation5GS")
    ] = None


class SubscriberInfoRes(Struct, frozen=True, gc=False):
    """Result of anyTimeInterrogation and of provideSubscriberInfo."""

    subscriber_info: Annotated[SubscriberInfo, Untagged("subscriberInfo")]
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None


LOCATION_UPDATE_SAME_VLR: Final = b"\x00"
LOCATION_UPDATE_OTHER_VLR: Final = b"\x01"
IMSI_ATTACH: Final = b"\x02"
MS_INITIATED_IMSI_DETACH: Final = b"\x03"
NETWORK_INITIATED_IMSI_DETACH: Final = b"\x04"
"""MM-Code (§17.7.1): the event of a noteMM-Event."""

MM_NAMES: Final = {
    LOCATION_UPDATE_SAME_VLR: "location-update-in-same-vlr",
    LOCATION_UPDATE_OTHER_VLR: "location-update-to-other-vlr",
    IMSI_ATTACH: "imsi-attach",
    MS_INITIATED_IMSI_DETACH: "ms-initiated-imsi-detach",
    NETWORK_INITIATED_IMSI_DETACH: "network-initiated-imsi-detach",
}


class NoteMMEventArg(Struct, frozen=True, gc=False):
    """Argument of noteMM-Event (§8.1.8): the VLR tells the gsmSCF of a subscriber's M-CSI."""

    service_key: Annotated[ServiceKey, Untagged("serviceKey")]
    event_met: Annotated[Annotated[bytes, Octets(1, 1, "MM-Code")], Tag(0, "eventMet")]
    imsi: Annotated[IMSI, Tag(1, "imsi")]
    msisdn: Annotated[AddressString, Tag(2, "msisdn")]
    location_information: Annotated[LocationInformation | None, Tag(3, "locationInformation")] = None
    supported_camel_phases: Annotated[SupportedCamelPhases | None, Tag(5, "supportedCAMELPhases")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(6, "extensionContainer")] = None
    location_information_gprs: Annotated[
        LocationInformationGPRS | None, Tag(7, "locationInformationGPRS")
    ] = None
    offered_camel4_functionalities: Annotated[
        Annotated[bytes, Bits(15, 64)] | None, Tag(8, "offeredCamel4Functionalities")
    ] = None


class ExtensionOnly(Struct, frozen=True, gc=False):
    """A result or error parameter that holds extensions at most."""

    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
