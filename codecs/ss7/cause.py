"""Cause indicators (Q.763 §3.12, coded as Q.850 §2.1): the whole argument of CAP's releaseCall."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, final

from ss7.digits import names_of, shown
from ss7.errors import DecodeError, EncodeError


class CauseValue(IntEnum):
    """Cause values of the ITU-T coding standard (Q.850 table 1)."""

    UNALLOCATED_NUMBER = 1
    NO_ROUTE_TO_TRANSIT_NETWORK = 2
    NO_ROUTE_TO_DESTINATION = 3
    SPECIAL_INFORMATION_TONE = 4
    MISDIALLED_TRUNK_PREFIX = 5
    CHANNEL_UNACCEPTABLE = 6
    CALL_AWARDED = 7
    PREEMPTION = 8
    PREEMPTION_CIRCUIT_RESERVED = 9
    PORTED_NUMBER = 14
    NORMAL_CALL_CLEARING = 16
    USER_BUSY = 17
    NO_USER_RESPONDING = 18
    NO_ANSWER = 19
    SUBSCRIBER_ABSENT = 20
    CALL_REJECTED = 21
    NUMBER_CHANGED = 22
    REDIRECTION_TO_NEW_DESTINATION = 23
    EXCHANGE_ROUTING_ERROR = 25
    NON_SELECTED_USER_CLEARING = 26
    DESTINATION_OUT_OF_ORDER = 27
    INVALID_NUMBER_FORMAT = 28
    FACILITY_REJECTED = 29
    STATUS_ENQUIRY_RESPONSE = 30
    NORMAL_UNSPECIFIED = 31
    NO_CIRCUIT_AVAILABLE = 34
    NETWORK_OUT_OF_ORDER = 38
    FRAME_CONNECTION_OUT_OF_SERVICE = 39
    FRAME_CONNECTION_OPERATIONAL = 40
    TEMPORARY_FAILURE = 41
    SWITCHING_EQUIPMENT_CONGESTION = 42
    ACCESS_INFORMATION_DISCARDED = 43
    REQUESTED_CIRCUIT_NOT_AVAILABLE = 44
    PRECEDENCE_CALL_BLOCKED = 46
    RESOURCE_UNAVAILABLE = 47
    QUALITY_OF_SERVICE_NOT_AVAILABLE = 49
    FACILITY_NOT_SUBSCRIBED = 50
    OUTGOING_CALLS_BARRED_IN_CUG = 53
    INCOMING_CALLS_BARRED_IN_CUG = 55
    BEARER_CAPABILITY_NOT_AUTHORIZED = 57
    BEARER_CAPABILITY_NOT_AVAILABLE = 58
    INCONSISTENT_ACCESS_INFORMATION = 62
    SERVICE_NOT_AVAILABLE = 63
    BEARER_CAPABILITY_NOT_IMPLEMENTED = 65
    CHANNEL_TYPE_NOT_IMPLEMENTED = 66
    FACILITY_NOT_IMPLEMENTED = 69
    ONLY_RESTRICTED_DIGITAL_BEARER = 70
    SERVICE_NOT_IMPLEMENTED = 79
    INVALID_CALL_REFERENCE = 81
    CHANNEL_DOES_NOT_EXIST = 82
    NO_SUCH_SUSPENDED_CALL = 83
    CALL_IDENTITY_IN_USE = 84
    NO_CALL_SUSPENDED = 85
    SUSPENDED_CALL_CLEARED = 86
    NOT_MEMBER_OF_CUG = 87
    INCOMPATIBLE_DESTINATION = 88
    NON_EXISTENT_CUG = 90
    INVALID_TRANSIT_NETWORK_SELECTION = 91
    INVALID_MESSAGE = 95
    MANDATORY_ELEMENT_MISSING = 96
    MESSAGE_TYPE_NOT_IMPLEMENTED = 97
    MESSAGE_NOT_COMPATIBLE_OR_NOT_IMPLEMENTED = 98
    PARAMETER_NOT_IMPLEMENTED = 99
    INVALID_ELEMENT_CONTENTS = 100
    MESSAGE_NOT_COMPATIBLE_WITH_STATE = 101
    RECOVERY_ON_TIMER_EXPIRY = 102
    PARAMETER_PASSED_ON = 103
    UNRECOGNIZED_PARAMETER_DISCARDED = 110
    PROTOCOL_ERROR = 111
    INTERWORKING = 127


class Location(IntEnum):
    """Who generated the cause (Q.850 §2.2.3)."""

    USER = 0
    LOCAL_PRIVATE_NETWORK = 1
    LOCAL_PUBLIC_NETWORK = 2
    TRANSIT_NETWORK = 3
    REMOTE_PUBLIC_NETWORK = 4
    REMOTE_PRIVATE_NETWORK = 5
    INTERNATIONAL_NETWORK = 7
    BEYOND_INTERWORKING_POINT = 10


class CodingStandard(IntEnum):
    """Whose cause values they are (Q.850 §2.2.2)."""

    ITU_T = 0
    ISO_IEC = 1
    NATIONAL = 2
    LOCATION_SPECIFIC = 3


_VALUE_NAMES: Final = names_of(CauseValue)
_LOCATION_NAMES: Final = names_of(Location)
_CODING_NAMES: Final = names_of(CodingStandard)
_LAST: Final = 0x80  # extension bit: the octet group ends here
_CLAUSE: Final = "Q.850 §2.1"


@final
@dataclass(frozen=True)
class Cause:
    """Why a call is, or is to be, released.

    Attributes:
        value: `CauseValue`, 0 to 127.
        location: `Location`, 0 to 15.
        coding_standard: `CodingStandard`; ``value`` has its name only in `CodingStandard.ITU_T`.
        diagnostic: octets whose meaning depends on ``value``.
        recommendation: octet 1a without its extension bit (0 to 127); -1 if it is not there, as in ISUP.
    """

    value: int
    location: int = 0
    coding_standard: int = 0
    diagnostic: bytes = b""
    recommendation: int = -1

    @staticmethod
    def decode(octets: bytes) -> Cause:
        """Return the cause; raises `DecodeError` if there is no cause value."""
        if len(octets) < 2:
            raise DecodeError("cause indicators without a cause value", len(octets), _CLAUSE)
        first = octets[0]
        recommendation = -1
        at = 1
        if first < _LAST:
            recommendation = octets[1] & 0x7F
            at = 2
            if len(octets) == 2:
                raise DecodeError("cause indicators end with the recommendation", 2, _CLAUSE)
        return Cause(octets[at] & 0x7F, first & 0x0F, first >> 5 & 0x03, octets[at + 1 :], recommendation)

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a value out of its range."""
        if not (0 <= self.value <= 127 and 0 <= self.location <= 15 and 0 <= self.coding_standard <= 3):
            raise EncodeError("cause value, location or coding standard out of range", _CLAUSE)
        first = self.coding_standard << 5 | self.location
        last = bytes((self.value | _LAST,)) + self.diagnostic
        if self.recommendation < 0:
            return bytes((first | _LAST,)) + last
        if self.recommendation > 127:
            raise EncodeError("recommendation out of range", _CLAUSE)
        return bytes((first, self.recommendation | _LAST)) + last

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        named = self.coding_standard == CodingStandard.ITU_T
        shows: dict[str, object] = {"value": self.value}
        if named and self.value in _VALUE_NAMES:
            shows["name"] = _VALUE_NAMES[self.value]
        shows["location"] = shown(self.location, _LOCATION_NAMES)
        shows["coding_standard"] = shown(self.coding_standard, _CODING_NAMES)
        if self.recommendation >= 0:
            shows["recommendation"] = self.recommendation
        if self.diagnostic:
            shows["diagnostic"] = self.diagnostic.hex()
        return shows
