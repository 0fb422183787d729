"""CSIs and services of a subscriber: anyTimeModification, noteSubscriberDataModified (TS 29.002 §17.7.1).

Of services that nothing here acts on, the elements stay octets (`Opaque`).
"""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Bits, Choice, Enumerated, Integer, Octets, Opaque, Size, Tag, Untagged
from ss7.cap.common import IMSI, AddressString, ExtBasicServiceCode, Present
from ss7.cap.location import ExtensionContainer
from ss7.map.common import (
    IsdnSubaddress,
    LongAddressString,
    ModificationInstruction,
    Octet,
    SubscriberIdentity,
)

Unread: TypeAlias = Annotated[bytes, Opaque()]
SSStatus: TypeAlias = Annotated[bytes, Octets(1, 5)]
NoReplyConditionTime: TypeAlias = Annotated[int, Integer(1, 100)]


class RequestedCamelSubscriptionInfo(Enumerated):
    """Which CAMEL subscription information is meant."""

    O_CSI = 0, "o-CSI"
    T_CSI = 1, "t-CSI"
    VT_CSI = 2, "vt-CSI"
    TIF_CSI = 3, "tif-CSI"
    GPRS_CSI = 4, "gprs-CSI"
    MO_SMS_CSI = 5, "mo-sms-CSI"
    SS_CSI = 6, "ss-CSI"
    M_CSI = 7, "m-CSI"
    D_CSI = 8, "d-csi"


class AdditionalRequestedCamelSubscriptionInfo(Enumerated):
    """Which of the later ones."""

    MT_SMS_CSI = 0, "mt-sms-CSI"
    MG_CSI = 1, "mg-csi"
    O_IM_CSI = 2, "o-IM-CSI"
    D_IM_CSI = 3, "d-IM-CSI"
    VT_IM_CSI = 4, "vt-IM-CSI"


class ModificationRequestForCFInfo(Struct, frozen=True, gc=False):
    """Change of a call forwarding."""

    ss_code: Annotated[Octet, Tag(0, "ss-Code")]
    basic_service: Annotated[ExtBasicServiceCode | None, Tag(1, "basicService")] = None
    ss_status: Annotated[SSStatus | None, Tag(2, "ss-Status")] = None
    forwarded_to_number: Annotated[LongAddressString | None, Tag(3, "forwardedToNumber")] = None
    forwarded_to_subaddress: Annotated[IsdnSubaddress | None, Tag(4, "forwardedToSubaddress")] = None
    no_reply_condition_time: Annotated[NoReplyConditionTime | None, Tag(5, "noReplyConditionTime")] = None
    modify_notification_to_cse: Annotated[
        ModificationInstruction | None, Tag(6, "modifyNotificationToCSE")
    ] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(7, "extensionContainer")] = None


class ModificationRequestForCSI(Struct, frozen=True, gc=False):
    """Change of CAMEL subscription information: switch it, or its notifications, on or off."""

    requested_camel_subscription_info: Annotated[
        RequestedCamelSubscriptionInfo, Tag(0, "requestedCamel-SubscriptionInfo")
    ]
    modify_notification_to_cse: Annotated[
        ModificationInstruction | None, Tag(1, "modifyNotificationToCSE")
    ] = None
    modify_csi_state: Annotated[ModificationInstruction | None, Tag(2, "modifyCSI-State")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(3, "extensionContainer")] = None
    additional_requested_camel_subscription_info: Annotated[
        AdditionalRequestedCamelSubscriptionInfo | int | None,
        Tag(4, "additionalRequestedCAMEL-SubscriptionInfo"),
    ] = None


class AnyTimeModificationArg(Struct, frozen=True, gc=False):
    """Argument of anyTimeModification (§8.11.5): the gsmSCF has the HLR change something."""

    subscriber_identity: Annotated[SubscriberIdentity, Tag(0, "subscriberIdentity")]
    gsm_scf_address: Annotated[AddressString, Tag(1, "gsmSCF-Address")]
    cf_info: Annotated[ModificationRequestForCFInfo | None, Tag(2, "modificationRequestFor-CF-Info")] = None
    cb_info: Annotated[Unread | None, Tag(3, "modificationRequestFor-CB-Info")] = None
    csi: Annotated[ModificationRequestForCSI | None, Tag(4, "modificationRequestFor-CSI")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(5, "extensionContainer")] = None
    long_ftn_supported: Annotated[Present, Tag(6, "longFTN-Supported")] = False
    odb_data: Annotated[Unread | None, Tag(7, "modificationRequestFor-ODB-data")] = None
    ip_sm_gw_data: Annotated[Unread | None, Tag(8, "modificationRequestFor-IP-SM-GW-Data")] = None
    ue_reachability: Annotated[
        Annotated[bytes, Bits(1, 8)] | None, Tag(9, "activationRequestForUE-reachability")
    ] = None
    csg: Annotated[Unread | None, Tag(10, "modificationRequestFor-CSG")] = None
    cw_data: Annotated[Unread | None, Tag(11, "modificationRequestFor-CW-Data")] = None
    clip_data: Annotated[Unread | None, Tag(12, "modificationRequestFor-CLIP-Data")] = None
    clir_data: Annotated[Unread | None, Tag(13, "modificationRequestFor-CLIR-Data")] = None
    hold_data: Annotated[Unread | None, Tag(14, "modificationRequestFor-HOLD-Data")] = None
    ect_data: Annotated[Unread | None, Tag(15, "modificationRequestFor-ECT-Data")] = None


class ExtForwFeature(Struct, frozen=True, gc=False):
    """A call forwarding of one basic service."""

    asn1_order: ClassVar[tuple[str, ...]] = (
        "basic_service",
        "ss_status",
        "forwarded_to_number",
        "forwarded_to_subaddress",
        "forwarding_options",
        "no_reply_condition_time",
        "extension_container",
        "long_forwarded_to_number",
    )

    ss_status: Annotated[SSStatus, Tag(4, "ss-Status")]
    basic_service: Annotated[ExtBasicServiceCode | None, Untagged("basicService")] = None
    forwarded_to_number: Annotated[AddressString | None, Tag(5, "forwardedToNumber")] = None
    forwarded_to_subaddress: Annotated[IsdnSubaddress | None, Tag(8, "forwardedToSubaddress")] = None
    forwarding_options: Annotated[SSStatus | None, Tag(6, "forwardingOptions")] = None
    no_reply_condition_time: Annotated[NoReplyConditionTime | None, Tag(7, "noReplyConditionTime")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(9, "extensionContainer")] = None
    long_forwarded_to_number: Annotated[
        Annotated[bytes, Octets(1, 15, "AddressString")] | None, Tag(10, "longForwardedToNumber")
    ] = None


class ExtForwardingInfoForCSE(Struct, frozen=True, gc=False):
    """A call forwarding as the gsmSCF is told of it."""

    ss_code: Annotated[Octet, Tag(0, "ss-Code")]
    forwarding_feature_list: Annotated[
        Annotated[tuple[ExtForwFeature, ...], Size(1, 32)], Tag(1, "forwardingFeatureList")
    ]
    notification_to_cse: Annotated[Present, Tag(2, "notificationToCSE")] = False
    extension_container: Annotated[ExtensionContainer | None, Tag(3, "extensionContainer")] = None


class ExtSSInfoForCSE(Choice, frozen=True, gc=False):
    """A call forwarding or barring."""

    forwarding: ClassVar[Annotated[ExtForwardingInfoForCSE, Tag(0, "forwardingInfoFor-CSE")]]
    barring: ClassVar[Annotated[Unread, Tag(1, "callBarringInfoFor-CSE")]]


class AnyTimeModificationRes(Struct, frozen=True, gc=False):
    """Result of anyTimeModification: what holds now."""

    ss_info: Annotated[ExtSSInfoForCSE | None, Tag(0, "ss-InfoFor-CSE")] = None
    camel_subscription_info: Annotated[Unread | None, Tag(1, "camel-SubscriptionInfo")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(2, "extensionContainer")] = None
    odb_info: Annotated[Unread | None, Tag(3, "odb-Info")] = None
    cw_data: Annotated[Unread | None, Tag(4, "cw-Data")] = None
    ch_data: Annotated[Unread | None, Tag(5, "ch-Data")] = None
    clip_data: Annotated[Unread | None, Tag(6, "clip-Data")] = None
    clir_data: Annotated[Unread | None, Tag(7, "clir-Data")] = None
    ect_data: Annotated[Unread | None, Tag(8, "ect-data")] = None
    service_centre_address: Annotated[LongAddressString | None, Tag(9, "serviceCentreAddress")] = None


class NoteSubscriberDataModifiedArg(Struct, frozen=True, gc=False):
    """Argument of noteSubscriberDataModified (§8.8.3): the HLR tells the gsmSCF of a change."""

    imsi: Annotated[IMSI, Untagged("imsi")]
    msisdn: Annotated[AddressString, Untagged("msisdn")]
    forwarding_info: Annotated[ExtForwardingInfoForCSE | None, Tag(0, "forwardingInfoFor-CSE")] = None
    call_barring_info: Annotated[Unread | None, Tag(1, "callBarringInfoFor-CSE")] = None
    odb_info: Annotated[Unread | None, Tag(2, "odb-Info")] = None
    camel_subscription_info: Annotated[Unread | None, Tag(3, "camel-SubscriptionInfo")] = None
    all_information_sent: Annotated[Present, Tag(4, "allInformationSent")] = False
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    ue_reachable: Annotated[Annotated[bytes, Bits(2, 8)] | None, Tag(5, "ue-reachable")] = None
    csg_subscription_data_list: Annotated[Unread | None, Tag(6, "csg-SubscriptionDataList")] = None
    cw_data: Annotated[Unread | None, Tag(7, "cw-Data")] = None
    ch_data: Annotated[Unread | None, Tag(8, "ch-Data")] = None
    clip_data: Annotated[Unread | None, Tag(9, "clip-Data")] = None
    clir_data: Annotated[Unread | None, Tag(10, "clir-Data")] = None
    ect_data: Annotated[Unread | None, Tag(11, "ect-data")] = None
