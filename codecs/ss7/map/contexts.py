"""MAP application contexts (TS 29.002 §17.3.3): one identifier for each, and a version of it, 1 to 4.

All have the identifier ``map-ac`` *n* ``version`` below {itu-t identified-organization etsi mobileDomain
gsm-Network}: 0.4.0.0.1.0.*n*.*version*.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from ss7.tcap_dialogue import oid_octets

LATEST: Final = 4
"""The highest version of any context; those of the operations in `ss7.map.operations` end at 3."""


class ApplicationContext(Struct, frozen=True, gc=False):
    """One version of an application context.

    Attributes:
        name: of the ASN.1, as ``anyTimeInfoEnquiryContext-v3``.
        number: the *n* that all its versions share.
        version: 1 to 4.
        octets: contents of the OBJECT IDENTIFIER (X.690 §8.19), without tag and length.
        text: the identifier in dotted form.
    """

    name: str
    number: int
    version: int
    octets: bytes
    text: str


def _versions(name: str, number: int, *versions: int) -> list[ApplicationContext]:
    made = []
    for version in versions:
        text = f"0.4.0.0.1.0.{number}.{version}"
        made.append(ApplicationContext(f"{name}-v{version}", number, version, oid_octets(text), text))
    return made


LOCATION_INFO_RETRIEVAL: Final = 5
NETWORK_UNSTRUCTURED_SS: Final = 19
SHORT_MSG_GATEWAY: Final = 20
SHORT_MSG_MO_RELAY: Final = 21
SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION: Final = 22
SHORT_MSG_ALERT: Final = 23
SHORT_MSG_MT_RELAY: Final = 25
SUBSCRIBER_INFO_ENQUIRY: Final = 28
ANY_TIME_INFO_ENQUIRY: Final = 29
MM_EVENT_REPORTING: Final = 42
ANY_TIME_INFO_HANDLING: Final = 43

CONTEXTS: Final = (
    *_versions("networkLocUpContext", 1, 1, 2, 3),
    *_versions("locationCancellationContext", 2, 1, 2, 3),
    *_versions("roamingNumberEnquiryContext", 3, 1, 2, 3),
    *_versions("istAlertingContext", 4, 3),
    *_versions("locationInfoRetrievalContext", LOCATION_INFO_RETRIEVAL, 1, 2, 3),
    *_versions("callControlTransferContext", 6, 3, 4),
    *_versions("reportingContext", 7, 3),
    *_versions("callCompletionContext", 8, 3),
    *_versions("serviceTerminationContext", 9, 3),
    *_versions("resetContext", 10, 1, 2, 3),
    *_versions("handoverControlContext", 11, 1, 2, 3),
    *_versions("equipmentMngtContext", 13, 1, 2, 3),
    *_versions("infoRetrievalContext", 14, 1, 2, 3),
    *_versions("interVlrInfoRetrievalContext", 15, 2, 3),
    *_versions("subscriberDataMngtContext", 16, 1, 2, 3),
    *_versions("tracingContext", 17, 1, 2, 3),
    *_versions("networkFunctionalSsContext", 18, 1, 2),
    *_versions("networkUnstructuredSsContext", NETWORK_UNSTRUCTURED_SS, 2),
    *_versions("shortMsgGatewayContext", SHORT_MSG_GATEWAY, 1, 2, 3),
    *_versions("shortMsgMO-RelayContext", SHORT_MSG_MO_RELAY, 1, 2, 3),
    *_versions("subscriberDataModificationNotificationContext", SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION, 3),
    *_versions("shortMsgAlertContext", SHORT_MSG_ALERT, 1, 2),
    *_versions("mwdMngtContext", 24, 1, 2, 3),
    *_versions("shortMsgMT-RelayContext", SHORT_MSG_MT_RELAY, 2, 3),
    *_versions("imsiRetrievalContext", 26, 2),
    *_versions("msPurgingContext", 27, 2, 3),
    *_versions("subscriberInfoEnquiryContext", SUBSCRIBER_INFO_ENQUIRY, 3),
    *_versions("anyTimeInfoEnquiryContext", ANY_TIME_INFO_ENQUIRY, 3),
    *_versions("groupCallControlContext", 31, 3),
    *_versions("gprsLocationUpdateContext", 32, 3),
    *_versions("gprsLocationInfoRetrievalContext", 33, 3, 4),
    *_versions("failureReportContext", 34, 3),
    *_versions("gprsNotifyContext", 35, 3),
    *_versions("ss-InvocationNotificationContext", 36, 3),
    *_versions("locationSvcGatewayContext", 37, 3),
    *_versions("locationSvcEnquiryContext", 38, 3),
    *_versions("authenticationFailureReportContext", 39, 3),
    *_versions("shortMsgMT-Relay-VGCS-Context", 41, 3),
    *_versions("mm-EventReportingContext", MM_EVENT_REPORTING, 3),
    *_versions("anyTimeInfoHandlingContext", ANY_TIME_INFO_HANDLING, 3),
    *_versions("resourceManagementContext", 44, 3),
    *_versions("groupCallInfoRetrievalContext", 45, 3),
    *_versions("vcsgLocationUpdateContext", 46, 3),
    *_versions("vcsgLocationCancellationContext", 47, 3),
)

BY_OCTETS: Final[dict[bytes, ApplicationContext]] = {each.octets: each for each in CONTEXTS}
BY_TEXT: Final[dict[str, ApplicationContext]] = {each.text: each for each in CONTEXTS}
BY_NUMBER: Final[dict[tuple[int, int], ApplicationContext]] = {
    (each.number, each.version): each for each in CONTEXTS
}
"""By number and version."""


def earlier(context: ApplicationContext) -> ApplicationContext | None:
    """Return the next lower version of a context, None if there is none: what to try after a refusal."""
    for version in range(context.version - 1, 0, -1):
        found = BY_NUMBER.get((context.number, version))
        if found is not None:
            return found
    if context.number == SHORT_MSG_MT_RELAY:  # before version 2 one context relayed both ways (§17.3.2.25)
        return BY_NUMBER[SHORT_MSG_MO_RELAY, 1]
    return None
