"""The MAP operations that are spoken here (TS 29.002 §17.5 codes, §17.6 definitions; v1, v2: GSM 09.02)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from msgspec import Struct

from ss7.map import contexts, location, messages, routing, subscription

SHORT: Final = 5.0
"""Seconds; the range of the timer *s* is 3 to 10 s (§17.1.3)."""
MEDIUM: Final = 20.0
"""Seconds; the range of *m* is 15 to 30 s."""
LONG: Final = 120.0
"""Seconds; the range of *ml* is 1 to 10 minutes."""


class Opcode(IntEnum):
    """Local operation codes (§17.5)."""

    NOTE_SUBSCRIBER_DATA_MODIFIED = 5
    SEND_ROUTING_INFO = 22
    MT_FORWARD_SM = 44
    SEND_ROUTING_INFO_FOR_SM = 45
    MO_FORWARD_SM = 46
    REPORT_SM_DELIVERY_STATUS = 47
    ALERT_SERVICE_CENTRE_WITHOUT_RESULT = 49
    PROCESS_UNSTRUCTURED_SS_REQUEST = 59
    UNSTRUCTURED_SS_REQUEST = 60
    UNSTRUCTURED_SS_NOTIFY = 61
    INFORM_SERVICE_CENTRE = 63
    ALERT_SERVICE_CENTRE = 64
    ANY_TIME_MODIFICATION = 65
    PROVIDE_SUBSCRIBER_INFO = 70
    ANY_TIME_INTERROGATION = 71
    NOTE_MM_EVENT = 89


class Operation(Struct, frozen=True, gc=False):
    """What the standard says of one operation.

    Attributes:
        opcode: local operation code.
        name: ASN.1 name in MAP v3.
        operation_class: 1 (result or error), 2 (error only), 3 (result only), 4 (neither); Q.771 §2.3.1.3.
        seconds: default of the invoker's timer.
        context: number of its application context (`ss7.map.contexts`).
        since: first version that has it.
        until: last version that has it.
        errors: codes of the errors that it can have in MAP v3.
        argument: type of its argument in MAP v3.
        result: type of its result, None where it has none.
        argument_v2: type of its argument in v1 and v2, if another.
        result_v2: type of its result in v1 and v2, if another.
        result_optional: whether a result may come without its parameter.
        name_v2: its name in v1 and v2, if another.
        before: code of the operation that did the same in the versions before ``since``; -1: none.
    """

    opcode: int
    name: str
    operation_class: int
    seconds: float
    context: int
    since: int
    errors: tuple[int, ...]
    argument: Any
    result: Any = None
    argument_v2: Any = None
    result_v2: Any = None
    result_optional: bool = False
    name_v2: str = ""
    before: int = -1
    until: int = contexts.LATEST


_SHORT_MESSAGE = (21, 34, 35, 36)
_TERMINAL = (9, 12, 27, 34, 35, 36, 71, 72)

OPERATIONS: Final = (
    Operation(
        Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED,
        "noteSubscriberDataModified",
        1,
        MEDIUM,
        contexts.SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION,
        3,
        (1, 35, 36),
        subscription.NoteSubscriberDataModifiedArg,
        location.ExtensionOnly,
        result_optional=True,
    ),
    Operation(
        Opcode.SEND_ROUTING_INFO,
        "sendRoutingInfo",
        1,
        MEDIUM,
        contexts.LOCATION_INFO_RETRIEVAL,
        1,
        (1, 10, 11, 13, 14, 15, 21, 27, 34, 35, 36, 44, 45, 46, 48),
        routing.SendRoutingInfoArg,
        routing.SendRoutingInfoRes,
        result_v2=routing.SendRoutingInfoResV2,
    ),
    Operation(
        Opcode.MT_FORWARD_SM,
        "mt-ForwardSM",
        1,
        LONG,
        contexts.SHORT_MSG_MT_RELAY,
        3,
        (5, 6, 9, 12, 31, 32, *_SHORT_MESSAGE),
        messages.MTForwardSMArg,
        messages.ForwardSMRes,
        result_optional=True,
        before=Opcode.MO_FORWARD_SM,
    ),
    Operation(
        Opcode.SEND_ROUTING_INFO_FOR_SM,
        "sendRoutingInfoForSM",
        1,
        MEDIUM,
        contexts.SHORT_MSG_GATEWAY,
        1,
        (1, 6, 11, 13, *_SHORT_MESSAGE),
        messages.RoutingInfoForSMArg,
        messages.RoutingInfoForSMRes,
        result_v2=messages.RoutingInfoForSMResV2,
    ),
    Operation(
        Opcode.MO_FORWARD_SM,
        "mo-ForwardSM",
        1,
        LONG,
        contexts.SHORT_MSG_MO_RELAY,
        1,
        (21, 32, 34, 36),
        messages.MOForwardSMArg,
        messages.ForwardSMRes,
        argument_v2=messages.ForwardSMArg,
        result_optional=True,
        name_v2="forwardSM",
    ),
    Operation(
        Opcode.REPORT_SM_DELIVERY_STATUS,
        "reportSM-DeliveryStatus",
        1,
        SHORT,
        contexts.SHORT_MSG_GATEWAY,
        1,
        (1, 33, 35, 36),
        messages.ReportSMDeliveryStatusArg,
        messages.ReportSMDeliveryStatusRes,
        argument_v2=messages.ReportSMDeliveryStatusArgV2,
        result_v2=bytes,
        result_optional=True,
    ),
    Operation(
        Opcode.ALERT_SERVICE_CENTRE_WITHOUT_RESULT,
        "alertServiceCentreWithoutResult",
        4,
        SHORT,
        contexts.SHORT_MSG_ALERT,
        1,
        (),
        messages.AlertServiceCentreWithoutResultArg,
        until=1,
    ),
    Operation(
        Opcode.PROCESS_UNSTRUCTURED_SS_REQUEST,
        "processUnstructuredSS-Request",
        1,
        LONG,
        contexts.NETWORK_UNSTRUCTURED_SS,
        2,
        (13, 34, 35, 36, 71),
        messages.USSDArg,
        messages.USSDRes,
    ),
    Operation(
        Opcode.UNSTRUCTURED_SS_REQUEST,
        "unstructuredSS-Request",
        1,
        LONG,
        contexts.NETWORK_UNSTRUCTURED_SS,
        2,
        _TERMINAL,
        messages.USSDArg,
        messages.USSDRes,
        result_optional=True,
    ),
    Operation(
        Opcode.UNSTRUCTURED_SS_NOTIFY,
        "unstructuredSS-Notify",
        1,
        LONG,
        contexts.NETWORK_UNSTRUCTURED_SS,
        2,
        _TERMINAL,
        messages.USSDArg,
    ),
    Operation(
        Opcode.INFORM_SERVICE_CENTRE,
        "informServiceCentre",
        4,
        SHORT,
        contexts.SHORT_MSG_GATEWAY,
        2,
        (),
        messages.InformServiceCentreArg,
        argument_v2=messages.InformServiceCentreArgV2,
    ),
    Operation(
        Opcode.ALERT_SERVICE_CENTRE,
        "alertServiceCentre",
        1,
        SHORT,
        contexts.SHORT_MSG_ALERT,
        2,
        (34, 35, 36),
        messages.AlertServiceCentreArg,
    ),
    Operation(
        Opcode.ANY_TIME_MODIFICATION,
        "anyTimeModification",
        1,
        MEDIUM,
        contexts.ANY_TIME_INFO_HANDLING,
        3,
        (1, 10, 11, 13, 16, 17, 19, 20, 35, 36, 61, 62),
        subscription.AnyTimeModificationArg,
        subscription.AnyTimeModificationRes,
    ),
    Operation(
        Opcode.PROVIDE_SUBSCRIBER_INFO,
        "provideSubscriberInfo",
        1,
        MEDIUM,
        contexts.SUBSCRIBER_INFO_ENQUIRY,
        3,
        (35, 36),
        location.ProvideSubscriberInfoArg,
        location.SubscriberInfoRes,
    ),
    Operation(
        Opcode.ANY_TIME_INTERROGATION,
        "anyTimeInterrogation",
        1,
        MEDIUM,
        contexts.ANY_TIME_INFO_ENQUIRY,
        3,
        (1, 34, 35, 36, 49),
        location.AnyTimeInterrogationArg,
        location.SubscriberInfoRes,
    ),
    Operation(
        Opcode.NOTE_MM_EVENT,
        "noteMM-Event",
        1,
        MEDIUM,
        contexts.MM_EVENT_REPORTING,
        3,
        (1, 35, 36, 59),
        location.NoteMMEventArg,
        location.ExtensionOnly,
        result_optional=True,
    ),
)

BY_OPCODE: Final[dict[int, Operation]] = {int(each.opcode): each for each in OPERATIONS}
BY_NAME: Final[dict[str, Operation]] = {each.name: each for each in OPERATIONS}


def operation_name(opcode: int, version: int = contexts.LATEST) -> str:
    """Return the ASN.1 name of an operation, or ``map-<code>``."""
    operation = BY_OPCODE.get(opcode)
    if operation is None:
        return f"map-{opcode}"
    return operation.name_v2 if version < 3 and operation.name_v2 else operation.name


def opcode_in(opcode: int, version: int) -> int:
    """Return the code by which an operation goes in a version, -1 if that has nothing like it."""
    operation = BY_OPCODE[opcode]
    return int(opcode) if operation.since <= version <= operation.until else int(operation.before)


def no_such(opcode: int, version: int) -> str:
    """Return what is wrong with an operation code."""
    return f"{operation_name(opcode, version)} is no operation of MAP v{version}"
