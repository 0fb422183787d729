"""CAP errors (TS 29.078 §5.2 types, §5.4 codes)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from msgspec import Struct


class ErrorCode(IntEnum):
    """Local error codes (§5.4)."""

    CANCELED = 0
    CANCEL_FAILED = 1
    ETC_FAILED = 3
    IMPROPER_CALLER_RESPONSE = 4
    MISSING_CUSTOMER_RECORD = 6
    MISSING_PARAMETER = 7
    PARAMETER_OUT_OF_RANGE = 8
    REQUESTED_INFO_ERROR = 10
    SYSTEM_FAILURE = 11
    TASK_REFUSED = 12
    UNAVAILABLE_RESOURCE = 13
    UNEXPECTED_COMPONENT_SEQUENCE = 14
    UNEXPECTED_DATA_VALUE = 15
    UNEXPECTED_PARAMETER = 16
    UNKNOWN_LEG_ID = 17
    UNKNOWN_PDPID = 50
    UNKNOWN_CSID = 51


ERROR_NAMES: Final[dict[int, str]] = {
    0: "canceled",
    1: "cancelFailed",
    3: "eTCFailed",
    4: "improperCallerResponse",
    6: "missingCustomerRecord",
    7: "missingParameter",
    8: "parameterOutOfRange",
    10: "requestedInfoError",
    11: "systemFailure",
    12: "taskRefused",
    13: "unavailableResource",
    14: "unexpectedComponentSequence",
    15: "unexpectedDataValue",
    16: "unexpectedParameter",
    17: "unknownLegID",
    50: "unknownPDPID",
    51: "unknownCSID",
}


class CapError(Struct, frozen=True, gc=False):
    """A CAP error as a return error carries it.

    Attributes:
        code: local error code (`ErrorCode`; an unknown one stays an int).
        parameter: the decoded parameter, for the errors that have one (`ss7.cap.types`: cancelFailed,
            requestedInfoError, systemFailure, taskRefused), else None.
    """

    code: int
    parameter: Any = None

    @property
    def name(self) -> str:
        """The ASN.1 name, or ``error-<code>`` for one that TS 29.078 does not have."""
        return ERROR_NAMES.get(self.code) or f"error-{self.code}"


MISSING_CUSTOMER_RECORD: Final = CapError(ErrorCode.MISSING_CUSTOMER_RECORD)
UNEXPECTED_COMPONENT_SEQUENCE: Final = CapError(ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)
UNEXPECTED_DATA_VALUE: Final = CapError(ErrorCode.UNEXPECTED_DATA_VALUE)
UNEXPECTED_PARAMETER: Final = CapError(ErrorCode.UNEXPECTED_PARAMETER)
