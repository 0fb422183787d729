"""MAP errors (TS 29.002 §17.6 codes, §17.7.7 parameters; those of v1 and v2: GSM 09.02)."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, ClassVar, Final

from msgspec import Struct

from ss7.asn1.declare import Choice, Enumerated, Octets, Tag, Untagged
from ss7.cap.common import IMSI, Present
from ss7.cap.location import ExtensionContainer
from ss7.map.common import Octet, Time
from ss7.map.location import ExtensionOnly
from ss7.map.messages import Diagnostic


class ErrorCode(IntEnum):
    """Local error codes (§17.6)."""

    UNKNOWN_SUBSCRIBER = 1
    UNIDENTIFIED_SUBSCRIBER = 5
    ABSENT_SUBSCRIBER_SM = 6
    ILLEGAL_SUBSCRIBER = 9
    TELESERVICE_NOT_PROVISIONED = 11
    CALL_BARRED = 13
    FACILITY_NOT_SUPPORTED = 21
    ABSENT_SUBSCRIBER = 27
    SUBSCRIBER_BUSY_FOR_MT_SMS = 31
    SM_DELIVERY_FAILURE = 32
    MESSAGE_WAITING_LIST_FULL = 33
    SYSTEM_FAILURE = 34
    DATA_MISSING = 35
    UNEXPECTED_DATA_VALUE = 36
    ATI_NOT_ALLOWED = 49
    RESOURCE_LIMITATION = 51
    MM_EVENT_NOT_SUPPORTED = 59
    ATM_NOT_ALLOWED = 61
    INFORMATION_NOT_AVAILABLE = 62


ERROR_NAMES: Final[dict[int, str]] = {
    1: "unknownSubscriber",
    3: "unknownMSC",
    5: "unidentifiedSubscriber",
    6: "absentSubscriberSM",
    7: "unknownEquipment",
    8: "roamingNotAllowed",
    9: "illegalSubscriber",
    10: "bearerServiceNotProvisioned",
    11: "teleserviceNotProvisioned",
    12: "illegalEquipment",
    13: "callBarred",
    14: "forwardingViolation",
    15: "cug-Reject",
    16: "illegalSS-Operation",
    17: "ss-ErrorStatus",
    18: "ss-NotAvailable",
    19: "ss-SubscriptionViolation",
    20: "ss-Incompatibility",
    21: "facilityNotSupported",
    22: "ongoingGroupCall",
    25: "noHandoverNumberAvailable",
    26: "subsequentHandoverFailure",
    27: "absentSubscriber",
    28: "incompatibleTerminal",
    29: "shortTermDenial",
    30: "longTermDenial",
    31: "subscriberBusyForMT-SMS",
    32: "sm-DeliveryFailure",
    33: "messageWaitingListFull",
    34: "systemFailure",
    35: "dataMissing",
    36: "unexpectedDataValue",
    37: "pw-RegistrationFailure",
    38: "negativePW-Check",
    39: "noRoamingNumberAvailable",
    40: "tracingBufferFull",
    42: "targetCellOutsideGroupCallArea",
    43: "numberOfPW-AttemptsViolation",
    44: "numberChanged",
    45: "busySubscriber",
    46: "noSubscriberReply",
    47: "forwardingFailed",
    48: "or-NotAllowed",
    49: "ati-NotAllowed",
    50: "noGroupCallNumberAvailable",
    51: "resourceLimitation",
    52: "unauthorizedRequestingNetwork",
    53: "unauthorizedLCSClient",
    54: "positionMethodFailure",
    58: "unknownOrUnreachableLCSClient",
    59: "mm-EventNotSupported",
    60: "atsi-NotAllowed",
    61: "atm-NotAllowed",
    62: "informationNotAvailable",
    71: "unknownAlphabet",
    72: "ussd-Busy",
}


def error_name(code: int) -> str:
    """Return the ASN.1 name of an error, or ``error-<code>``."""
    return ERROR_NAMES.get(code) or f"error-{code}"


class NetworkResource(Enumerated):
    """Which node failed."""

    PLMN = 0, "plmn"
    HLR = 1, "hlr"
    VLR = 2, "vlr"
    PVLR = 3, "pvlr"
    CONTROLLING_MSC = 4, "controllingMSC"
    VMSC = 5, "vmsc"
    EIR = 6, "eir"
    RSS = 7, "rss"


class AdditionalNetworkResource(Enumerated):
    """Which of the later nodes failed."""

    SGSN = 0, "sgsn"
    GGSN = 1, "ggsn"
    GMLC = 2, "gmlc"
    GSM_SCF = 3, "gsmSCF"
    NPLR = 4, "nplr"
    AUC = 5, "auc"
    UE = 6, "ue"
    MME = 7, "mme"


class FailureCause(Enumerated):
    """Why it failed."""

    TOO_MANY_LOCATION_REQUESTS = 0, "limitReachedOnNumberOfConcurrentLocationRequests"


class ExtensibleSystemFailure(Struct, frozen=True, gc=False):
    """systemFailure with more to say."""

    network_resource: Annotated[NetworkResource | None, Untagged("networkResource")] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    additional_network_resource: Annotated[
        AdditionalNetworkResource | int | None, Tag(0, "additionalNetworkResource")
    ] = None
    failure_cause: Annotated[FailureCause | int | None, Tag(1, "failureCauseParam")] = None


class SystemFailure(Choice, frozen=True, gc=False):
    """systemFailure 34."""

    network_resource: ClassVar[Annotated[NetworkResource, Untagged("networkResource")]]
    extensible: ClassVar[Annotated[ExtensibleSystemFailure, Untagged("extensibleSystemFailureParam")]]


class UnexpectedDataValue(Struct, frozen=True, gc=False):
    """unexpectedDataValue 36."""

    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    unexpected_subscriber: Annotated[Present, Tag(0, "unexpectedSubscriber")] = False


class FacilityNotSupported(Struct, frozen=True, gc=False):
    """facilityNotSupported 21."""

    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    shape: Annotated[Present, Tag(0, "shapeOfLocationEstimateNotSupported")] = False
    lcs_capability: Annotated[Present, Tag(1, "neededLcsCapabilityNotSupportedInServingNode")] = False


class UnknownSubscriberDiagnostic(Enumerated):
    """What of the subscriber is unknown."""

    IMSI_UNKNOWN = 0, "imsiUnknown"
    GPRS_EPS_SUBSCRIPTION_UNKNOWN = 1, "gprs-eps-SubscriptionUnknown"
    NPDB_MISMATCH = 2, "npdbMismatch"


class UnknownSubscriber(Struct, frozen=True, gc=False):
    """unknownSubscriber 1."""

    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    diagnostic: Annotated[
        UnknownSubscriberDiagnostic | int | None, Untagged("unknownSubscriberDiagnostic")
    ] = None


class RoamingNotAllowedCause(Enumerated):
    """Why roaming is not allowed."""

    PLMN = 0, "plmnRoamingNotAllowed"
    OPERATOR_DETERMINED_BARRING = 3, "operatorDeterminedBarring"


class AdditionalRoamingNotAllowedCause(Enumerated):
    """Why roaming is not allowed, in later releases."""

    RAT_TYPES = 0, "supportedRAT-TypesNotAllowed"


class RoamingNotAllowed(Struct, frozen=True, gc=False):
    """roamingNotAllowed 8."""

    cause: Annotated[RoamingNotAllowedCause, Untagged("roamingNotAllowedCause")]
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    additional_cause: Annotated[
        AdditionalRoamingNotAllowedCause | int | None, Tag(0, "additionalRoamingNotAllowedCause")
    ] = None


class AbsentSubscriberReason(Enumerated):
    """Why a subscriber can't be reached."""

    IMSI_DETACH = 0, "imsiDetach"
    RESTRICTED_AREA = 1, "restrictedArea"
    NO_PAGE_RESPONSE = 2, "noPageResponse"
    PURGED_MS = 3, "purgedMS"
    MT_ROAMING_RETRY = 4, "mtRoamingRetry"
    BUSY_SUBSCRIBER = 5, "busySubscriber"


class AbsentSubscriber(Struct, frozen=True, gc=False):
    """absentSubscriber 27, MAP v3; in v1 and v2 a BOOLEAN: whether messages wait."""

    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    reason: Annotated[AbsentSubscriberReason | int | None, Tag(0, "absentSubscriberReason")] = None


class AbsentSubscriberSM(Struct, frozen=True, gc=False):
    """absentSubscriberSM 6."""

    diagnostic: Annotated[Diagnostic | None, Untagged("absentSubscriberDiagnosticSM")] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    additional_diagnostic: Annotated[Diagnostic | None, Tag(0, "additionalAbsentSubscriberDiagnosticSM")] = (
        None
    )
    imsi: Annotated[IMSI | None, Tag(1, "imsi")] = None
    requested_retransmission_time: Annotated[Time | None, Tag(2, "requestedRetransmissionTime")] = None
    user_identifier_alert: Annotated[IMSI | None, Tag(3, "userIdentifierAlert")] = None


class BusySubscriber(Struct, frozen=True, gc=False):
    """busySubscriber 45."""

    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    ccbs_possible: Annotated[Present, Tag(0, "ccbs-Possible")] = False
    ccbs_busy: Annotated[Present, Tag(1, "ccbs-Busy")] = False


class CallBarringCause(Enumerated):
    """Who bars."""

    BARRING_SERVICE_ACTIVE = 0, "barringServiceActive"
    OPERATOR_BARRING = 1, "operatorBarring"


class ExtensibleCallBarred(Struct, frozen=True, gc=False):
    """callBarred with more to say."""

    cause: Annotated[CallBarringCause | None, Untagged("callBarringCause")] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    unauthorised_message_originator: Annotated[Present, Tag(1, "unauthorisedMessageOriginator")] = False
    anonymous_call_rejection: Annotated[Present, Tag(2, "anonymousCallRejection")] = False


class CallBarred(Choice, frozen=True, gc=False):
    """callBarred 13."""

    cause: ClassVar[Annotated[CallBarringCause, Untagged("callBarringCause")]]
    extensible: ClassVar[Annotated[ExtensibleCallBarred, Untagged("extensibleCallBarredParam")]]


class CUGRejectCause(Enumerated):
    """Why a closed user group rejects."""

    INCOMING_CALLS_BARRED = 0, "incomingCallsBarredWithinCUG"
    NOT_MEMBER = 1, "subscriberNotMemberOfCUG"
    BASIC_SERVICE = 5, "requestedBasicServiceViolatesCUG-Constraints"
    SS_INTERACTION = 7, "calledPartySS-InteractionViolation"


class CUGReject(Struct, frozen=True, gc=False):
    """cug-Reject 15."""

    cause: Annotated[CUGRejectCause | None, Untagged("cug-RejectCause")] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None


class BasicServiceCode(Choice, frozen=True, gc=False):
    """Basic service in one octet (§17.7.9, §17.7.10)."""

    bearer_service: ClassVar[Annotated[Octet, Tag(2, "bearerService")]]
    teleservice: ClassVar[Annotated[Octet, Tag(3, "teleservice")]]


class SSIncompatibility(Struct, frozen=True, gc=False):
    """ss-Incompatibility 20."""

    ss_code: Annotated[Octet | None, Tag(1, "ss-Code")] = None
    basic_service: Annotated[BasicServiceCode | None, Untagged("basicService")] = None
    ss_status: Annotated[Octet | None, Tag(4, "ss-Status")] = None


class SubscriberBusyForMTSMS(Struct, frozen=True, gc=False):
    """subscriberBusyForMT-SMS 31."""

    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None
    gprs_connection_suspended: Annotated[Present, Untagged("gprsConnectionSuspended")] = False


class SMDeliveryFailureCause(Enumerated):
    """Why a short message was not taken."""

    MEMORY_CAPACITY_EXCEEDED = 0, "memoryCapacityExceeded"
    EQUIPMENT_PROTOCOL_ERROR = 1, "equipmentProtocolError"
    EQUIPMENT_NOT_SM_EQUIPPED = 2, "equipmentNotSM-Equipped"
    UNKNOWN_SERVICE_CENTRE = 3, "unknownServiceCentre"
    SC_CONGESTION = 4, "sc-Congestion"
    INVALID_SME_ADDRESS = 5, "invalidSME-Address"
    SUBSCRIBER_NOT_SC_SUBSCRIBER = 6, "subscriberNotSC-Subscriber"


class SMDeliveryFailure(Struct, frozen=True, gc=False):
    """sm-DeliveryFailure 32: the cause, and the terminal's RP-ERROR data (TS 23.040)."""

    cause: Annotated[SMDeliveryFailureCause, Untagged("sm-EnumeratedDeliveryFailureCause")]
    diagnostic_info: Annotated[
        Annotated[bytes, Octets(1, 200, "ShortMessage")] | None, Untagged("diagnosticInfo")
    ] = None
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer", since=3)] = None


class SMDeliveryFailureV2(Choice, frozen=True, gc=False):
    """sm-DeliveryFailure 32 before MAP v3."""

    with_diagnostic: ClassVar[Annotated[SMDeliveryFailure, Untagged("sm-DeliveryFailureCauseWithDiagnostic")]]
    cause: ClassVar[Annotated[SMDeliveryFailureCause, Untagged("sm-EnumeratedDeliveryFailureCause")]]


PARAMETERS: Final[dict[int, Any]] = {
    1: UnknownSubscriber,
    6: AbsentSubscriberSM,
    8: RoamingNotAllowed,
    13: CallBarred,
    15: CUGReject,
    17: Octet,
    20: SSIncompatibility,
    21: FacilityNotSupported,
    27: AbsentSubscriber,
    31: SubscriberBusyForMTSMS,
    32: SMDeliveryFailure,
    34: SystemFailure,
    36: UnexpectedDataValue,
    45: BusySubscriber,
    **dict.fromkeys(
        (5, 9, 10, 11, 12, 14, 16, 18, 19, 28, 33, 35, 39, 44, 46, 47, 48, 49, 51, 59, 61, 62), ExtensionOnly
    ),
}
"""The type of each error's parameter in MAP v3, by code; others have none, or none that is known here."""
PARAMETERS_V2: Final[dict[int, Any]] = {
    8: RoamingNotAllowedCause,
    13: CallBarringCause,
    15: CUGRejectCause,
    17: Octet,
    20: SSIncompatibility,
    27: bool,
    32: SMDeliveryFailureV2,
    34: NetworkResource,
}
"""The same for MAP v1 and v2."""
