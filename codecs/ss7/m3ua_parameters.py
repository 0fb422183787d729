"""Parameters of M3UA (RFC 4666 §3.2): one table of tags, names and value codecs.

Values are plain: `int`, `str`, `bytes`, tuples of `int`, and the small value classes below where the RFC puts
several fields into one parameter. A codec takes the whole message and the bounds of the value, so that errors
have offsets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple, TypeAlias, final

from ss7.errors import DecodeError, EncodeError


class ErrorCode(IntEnum):
    """Error codes of the ERR message (§3.8.1)."""

    INVALID_VERSION = 0x01
    UNSUPPORTED_MESSAGE_CLASS = 0x03
    UNSUPPORTED_MESSAGE_TYPE = 0x04
    UNSUPPORTED_TRAFFIC_MODE_TYPE = 0x05
    UNEXPECTED_MESSAGE = 0x06
    PROTOCOL_ERROR = 0x07
    INVALID_STREAM_IDENTIFIER = 0x09
    REFUSED_MANAGEMENT_BLOCKING = 0x0D
    ASP_IDENTIFIER_REQUIRED = 0x0E
    INVALID_ASP_IDENTIFIER = 0x0F
    INVALID_PARAMETER_VALUE = 0x11
    PARAMETER_FIELD_ERROR = 0x12
    UNEXPECTED_PARAMETER = 0x13
    DESTINATION_STATUS_UNKNOWN = 0x14
    INVALID_NETWORK_APPEARANCE = 0x15
    MISSING_PARAMETER = 0x16
    INVALID_ROUTING_CONTEXT = 0x19
    NO_CONFIGURED_AS_FOR_ASP = 0x1A


class M3uaError(DecodeError):
    """Octets that RFC 4666 does not allow; ``code`` is what the ERR message says of them (§3.8.1)."""

    def __init__(self, code: ErrorCode, reason: str, offset: int = 0, clause: str = "RFC 4666 §3.2") -> None:
        super().__init__(reason, offset, clause)
        self.code = code


class Tag(IntEnum):
    """Parameter tags (§3.2); tags that are not here are reserved for extensions."""

    INFO_STRING = 0x0004
    ROUTING_CONTEXT = 0x0006
    DIAGNOSTIC_INFORMATION = 0x0007
    HEARTBEAT_DATA = 0x0009
    TRAFFIC_MODE_TYPE = 0x000B
    ERROR_CODE = 0x000C
    STATUS = 0x000D
    ASP_IDENTIFIER = 0x0011
    AFFECTED_POINT_CODE = 0x0012
    CORRELATION_ID = 0x0013
    NETWORK_APPEARANCE = 0x0200
    USER_CAUSE = 0x0204
    CONGESTION_INDICATIONS = 0x0205
    CONCERNED_DESTINATION = 0x0206
    ROUTING_KEY = 0x0207
    REGISTRATION_RESULT = 0x0208
    DEREGISTRATION_RESULT = 0x0209
    LOCAL_RK_IDENTIFIER = 0x020A
    DESTINATION_POINT_CODE = 0x020B
    SERVICE_INDICATORS = 0x020C
    OPC_LIST = 0x020E
    PROTOCOL_DATA = 0x0210
    REGISTRATION_STATUS = 0x0212
    DEREGISTRATION_STATUS = 0x0213


class AffectedPointCode(NamedTuple):
    """A point code, or a range of them: the ``mask`` lowest bits (0…255) are wildcards (§3.4.1).

    A mask of as many bits as a point code has, or more, is the whole network: it is isolated, or back.
    """

    point_code: int
    mask: int = 0


class Status(NamedTuple):
    """Status of NTFY (§3.8.2): ``type`` 1 is an AS state change, 2 is other."""

    type: int
    information: int


class UserCause(NamedTuple):
    """Why (§3.4.5: 0 unknown, 1 unequipped, 2 inaccessible) which MTP3-user (3 is SCCP) is unavailable."""

    cause: int
    user: int


class KeyDestination(NamedTuple):
    """One group of a routing key (§3.6.1): a DPC with the SIs and OPCs it is limited to (empty: any)."""

    point_code: int
    service_indicators: tuple[int, ...] = ()
    opcs: tuple[int, ...] = ()


class RoutingKey(NamedTuple):
    """A routing key (§3.6.1); -1 is an absent parameter.

    ``unsupported`` are the nested parameters not known here, each its tag and its value.
    """

    local_id: int
    destinations: tuple[KeyDestination, ...]
    routing_context: int = -1
    traffic_mode: int = -1
    network_appearance: int = -1
    unsupported: tuple[tuple[int, bytes], ...] = ()


class RegistrationResult(NamedTuple):
    """Result for one routing key (§3.6.2): ``status`` 0 is success, ``routing_context`` 0 unless it is."""

    local_id: int
    status: int
    routing_context: int


class DeregistrationResult(NamedTuple):
    """Result for one routing context (§3.6.4): ``status`` 0 is success."""

    routing_context: int
    status: int


Decoder: TypeAlias = Callable[[bytes, int, int], Any]
Encoder: TypeAlias = Callable[[Any], bytes]

_TAG_LENGTH: Final = struct.Struct(">HH")
_U32: Final = struct.Struct(">I")
_U16_U16: Final = struct.Struct(">HH")
_MAX_INFO: Final = 255  # §3.4.1
_MAX_MASK: Final = 0xFF


def split(octets: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """Cut ``octets[start:end]`` into parameters: (tag, start of the value, end of the value).

    The padding of the last one may be missing: §3.1.4 wants a receiver that takes it either way.

    Raises:
        M3uaError: a length that can't be (Parameter Field Error).
    """
    found: list[tuple[int, int, int]] = []
    pos = start
    while pos < end:
        if end - pos < 4:
            raise M3uaError(ErrorCode.PARAMETER_FIELD_ERROR, "truncated parameter header", pos)
        tag, length = _TAG_LENGTH.unpack_from(octets, pos)
        if length < 4:
            raise M3uaError(ErrorCode.PARAMETER_FIELD_ERROR, "parameter length below 4", pos + 2)
        if length > end - pos:
            raise M3uaError(ErrorCode.PARAMETER_FIELD_ERROR, "parameter longer than the message", pos + 2)
        found.append((tag, pos + 4, pos + length))
        pos += length + (-length & 3)
    return found


def parameter(tag: int, value: bytes) -> bytes:
    """One parameter with its padding; raises `EncodeError` if the value is too long for the 16-bit length."""
    length = 4 + len(value)
    if length > 0xFFFF:
        raise EncodeError("parameter longer than 65535 octets", "RFC 4666 §3.2")
    return _TAG_LENGTH.pack(tag, length) + value + bytes(-length & 3)


def _sized(start: int, end: int, size: int) -> None:
    if end - start != size:
        raise M3uaError(ErrorCode.PARAMETER_FIELD_ERROR, f"parameter value is not {size} octets", start)


def _words(start: int, end: int) -> None:
    if start == end or (end - start) & 3:
        raise M3uaError(ErrorCode.PARAMETER_FIELD_ERROR, "list is empty or not of 4-octet elements", start)


def _decode_u32(octets: bytes, start: int, end: int) -> int:
    _sized(start, end, 4)
    return int.from_bytes(octets[start:end], "big")


def _encode_u32(value: int) -> bytes:
    if not 0 <= value <= 0xFFFFFFFF:
        raise EncodeError(f"{value} does not fit 32 bits", "RFC 4666 §3.2")
    return _U32.pack(value)


def _decode_u32s(octets: bytes, start: int, end: int) -> tuple[int, ...]:
    _words(start, end)
    return struct.unpack_from(f">{(end - start) >> 2}I", octets, start)


def _encode_u32s(values: tuple[int, ...]) -> bytes:
    if not values:
        raise EncodeError("empty list", "RFC 4666 §3.2")
    return b"".join([_encode_u32(value) for value in values])


def _decode_text(octets: bytes, start: int, end: int) -> str:
    # Nothing but people reads it (§3.4.1): a text badly coded or too long is no reason to refuse its message.
    text = octets[start : min(end, start + _MAX_INFO)].decode("utf-8", "replace")
    return text.encode()[:_MAX_INFO].decode("utf-8", "ignore")


def _encode_text(text: str) -> bytes:
    value = text.encode("utf-8", "replace")
    if len(value) > _MAX_INFO:
        raise EncodeError("INFO String longer than 255 octets", "RFC 4666 §3.4.1")
    return value


def _decode_octets(octets: bytes, start: int, end: int) -> bytes:
    return octets[start:end]


def _encode_octets(value: bytes) -> bytes:
    return bytes(value)


def _decode_pair(octets: bytes, start: int, end: int) -> tuple[int, int]:
    _sized(start, end, 4)
    first, second = _U16_U16.unpack_from(octets, start)
    return first, second


def _encode_pair(pair: tuple[int, int]) -> bytes:
    first, second = pair
    if not (0 <= first <= 0xFFFF and 0 <= second <= 0xFFFF):
        raise EncodeError(f"{first}/{second} do not fit 16 bits each", "RFC 4666 §3.2")
    return _U16_U16.pack(first, second)


def _decode_status(octets: bytes, start: int, end: int) -> Status:
    kind, information = _decode_pair(octets, start, end)
    return Status(kind, information)


def _decode_user_cause(octets: bytes, start: int, end: int) -> UserCause:
    cause, user = _decode_pair(octets, start, end)
    return UserCause(cause, user)


def _decode_level(octets: bytes, start: int, end: int) -> int:
    return _decode_u32(octets, start, end) & 0xFF  # three reserved octets, then the level (§3.4.4)


def _encode_level(level: int) -> bytes:
    if not 0 <= level <= 0xFF:
        raise EncodeError(f"{level} is no congestion level", "RFC 4666 §3.4.4")
    return _U32.pack(level)


def _decode_point_code(octets: bytes, start: int, end: int) -> int:
    return _decode_u32(octets, start, end) & 0xFFFFFF  # a reserved octet or a zero mask, then the code


def _encode_point_code(point_code: int) -> bytes:
    if not 0 <= point_code <= 0xFFFFFF:
        raise EncodeError(f"{point_code} is no point code", "RFC 4666 §3.4.1")
    return _U32.pack(point_code)


def _decode_point_codes(octets: bytes, start: int, end: int) -> tuple[int, ...]:
    return tuple([word & 0xFFFFFF for word in _decode_u32s(octets, start, end)])


def _encode_point_codes(values: tuple[int, ...]) -> bytes:
    if not values:
        raise EncodeError("empty list", "RFC 4666 §3.6.1")
    return b"".join([_encode_point_code(value) for value in values])


def _decode_affected(octets: bytes, start: int, end: int) -> tuple[AffectedPointCode, ...]:
    return tuple([AffectedPointCode(w & 0xFFFFFF, w >> 24) for w in _decode_u32s(octets, start, end)])


def _encode_affected(values: tuple[AffectedPointCode, ...]) -> bytes:
    if not values:
        raise EncodeError("empty list", "RFC 4666 §3.4.1")
    for point_code, mask in values:
        if not (0 <= point_code <= 0xFFFFFF and 0 <= mask <= _MAX_MASK):
            raise EncodeError(f"{point_code} with mask {mask} is no affected point code", "RFC 4666 §3.4.1")
    return b"".join([_U32.pack(mask << 24 | point_code) for point_code, mask in values])


def _decode_indicators(octets: bytes, start: int, end: int) -> tuple[int, ...]:
    return tuple(octets[start:end])


def _encode_indicators(values: tuple[int, ...]) -> bytes:
    if not all(0 <= value <= 0xFF for value in values):
        raise EncodeError("service indicator does not fit an octet", "RFC 4666 §3.6.1")
    return bytes(values)


_KEY_TAGS: Final = frozenset(
    (
        Tag.LOCAL_RK_IDENTIFIER,
        Tag.ROUTING_CONTEXT,
        Tag.TRAFFIC_MODE_TYPE,
        Tag.NETWORK_APPEARANCE,
        Tag.DESTINATION_POINT_CODE,
        Tag.SERVICE_INDICATORS,
        Tag.OPC_LIST,
    )
)
_GROUP_TAGS: Final = frozenset((Tag.DESTINATION_POINT_CODE, Tag.SERVICE_INDICATORS, Tag.OPC_LIST))


def _nested(octets: bytes, start: int, end: int, wanted: tuple[Tag, ...]) -> list[int]:
    """Values of a parameter whose nested ones are all 32-bit and mandatory, in the order of ``wanted``."""
    values: dict[int, int] = {}
    for tag, value, value_end in split(octets, start, end):
        if tag not in wanted:
            continue  # a further parameter, as a message may have them (§3)
        if tag in values:
            raise M3uaError(ErrorCode.UNEXPECTED_PARAMETER, f"nested parameter {tag:#06x} twice", value - 4)
        values[tag] = _decode_u32(octets, value, value_end)
    for needed in wanted:
        if needed not in values:
            reason = f"nested parameter {needed.name} is missing"
            raise M3uaError(ErrorCode.MISSING_PARAMETER, reason, start, "RFC 4666 §3.6")
    return [values[tag] for tag in wanted]


def _decode_key(octets: bytes, start: int, end: int) -> RoutingKey:
    single: dict[int, int] = {}
    groups: list[KeyDestination] = []
    unsupported: list[tuple[int, bytes]] = []
    opened = KeyDestination(-1)
    for tag, value, value_end in split(octets, start, end):
        if tag not in _KEY_TAGS:
            unsupported.append((tag, octets[value:value_end]))
        elif tag not in _GROUP_TAGS:
            if tag in single:
                raise M3uaError(
                    ErrorCode.UNEXPECTED_PARAMETER, f"nested parameter {tag:#06x} twice", value - 4
                )
            single[tag] = _decode_u32(octets, value, value_end)
        elif tag == Tag.DESTINATION_POINT_CODE:
            # A DPC opens a group; SIs and OPCs ahead of the first DPC can only be of that first group.
            if opened.point_code >= 0:
                groups.append(opened)
                opened = KeyDestination(-1)
            opened = opened._replace(point_code=_decode_point_code(octets, value, value_end))
        elif tag == Tag.SERVICE_INDICATORS:
            opened = opened._replace(service_indicators=_decode_indicators(octets, value, value_end))
        else:
            opened = opened._replace(opcs=_decode_point_codes(octets, value, value_end))
    if opened.point_code < 0 or Tag.LOCAL_RK_IDENTIFIER not in single:
        reason = "routing key without Local-RK-Identifier or Destination Point Code"
        raise M3uaError(ErrorCode.MISSING_PARAMETER, reason, start, "RFC 4666 §3.6.1")
    return RoutingKey(
        single[Tag.LOCAL_RK_IDENTIFIER],
        (*groups, opened),
        single.get(Tag.ROUTING_CONTEXT, -1),
        single.get(Tag.TRAFFIC_MODE_TYPE, -1),
        single.get(Tag.NETWORK_APPEARANCE, -1),
        tuple(unsupported),
    )


def _encode_key(key: RoutingKey) -> bytes:
    if not key.destinations:
        raise EncodeError("routing key without a destination", "RFC 4666 §3.6.1")
    parts = [parameter(Tag.LOCAL_RK_IDENTIFIER, _encode_u32(key.local_id))]
    for tag, value in (
        (Tag.ROUTING_CONTEXT, key.routing_context),
        (Tag.TRAFFIC_MODE_TYPE, key.traffic_mode),
        (Tag.NETWORK_APPEARANCE, key.network_appearance),
    ):
        if value >= 0:
            parts.append(parameter(tag, _encode_u32(value)))
    for point_code, indicators, opcs in key.destinations:
        parts.append(parameter(Tag.DESTINATION_POINT_CODE, _encode_point_code(point_code)))
        if indicators:
            parts.append(parameter(Tag.SERVICE_INDICATORS, _encode_indicators(indicators)))
        if opcs:
            parts.append(parameter(Tag.OPC_LIST, _encode_point_codes(opcs)))
    parts.extend([parameter(tag, value) for tag, value in key.unsupported])
    return b"".join(parts)


_REGISTRATION: Final = (Tag.LOCAL_RK_IDENTIFIER, Tag.REGISTRATION_STATUS, Tag.ROUTING_CONTEXT)
_DEREGISTRATION: Final = (Tag.ROUTING_CONTEXT, Tag.DEREGISTRATION_STATUS)


def _decode_registration(octets: bytes, start: int, end: int) -> RegistrationResult:
    local_id, status, routing_context = _nested(octets, start, end, _REGISTRATION)
    return RegistrationResult(local_id, status, routing_context)


def _encode_registration(result: RegistrationResult) -> bytes:
    return b"".join([parameter(t, _encode_u32(v)) for t, v in zip(_REGISTRATION, result, strict=True)])


def _decode_deregistration(octets: bytes, start: int, end: int) -> DeregistrationResult:
    routing_context, status = _nested(octets, start, end, _DEREGISTRATION)
    return DeregistrationResult(routing_context, status)


def _encode_deregistration(result: DeregistrationResult) -> bytes:
    return b"".join([parameter(t, _encode_u32(v)) for t, v in zip(_DEREGISTRATION, result, strict=True)])


@final
@dataclass(frozen=True)
class Parameter:
    """A row of `PARAMETERS`: the RFC's name, and how a value is read and written."""

    name: str
    clause: str
    decode: Decoder
    encode: Encoder


PARAMETERS: Final[dict[int, Parameter]] = {
    Tag.INFO_STRING: Parameter("INFO String", "3.4.1", _decode_text, _encode_text),
    Tag.ROUTING_CONTEXT: Parameter("Routing Context", "3.3.1", _decode_u32s, _encode_u32s),
    Tag.DIAGNOSTIC_INFORMATION: Parameter("Diagnostic Information", "3.8.1", _decode_octets, _encode_octets),
    Tag.HEARTBEAT_DATA: Parameter("Heartbeat Data", "3.5.5", _decode_octets, _encode_octets),
    Tag.TRAFFIC_MODE_TYPE: Parameter("Traffic Mode Type", "3.7.1", _decode_u32, _encode_u32),
    Tag.ERROR_CODE: Parameter("Error Code", "3.8.1", _decode_u32, _encode_u32),
    Tag.STATUS: Parameter("Status", "3.8.2", _decode_status, _encode_pair),
    Tag.ASP_IDENTIFIER: Parameter("ASP Identifier", "3.5.1", _decode_u32, _encode_u32),
    Tag.AFFECTED_POINT_CODE: Parameter("Affected Point Code", "3.4.1", _decode_affected, _encode_affected),
    Tag.CORRELATION_ID: Parameter("Correlation Id", "3.3.1", _decode_u32, _encode_u32),
    Tag.NETWORK_APPEARANCE: Parameter("Network Appearance", "3.3.1", _decode_u32, _encode_u32),
    Tag.USER_CAUSE: Parameter("User/Cause", "3.4.5", _decode_user_cause, _encode_pair),
    Tag.CONGESTION_INDICATIONS: Parameter("Congestion Indications", "3.4.4", _decode_level, _encode_level),
    Tag.CONCERNED_DESTINATION: Parameter(
        "Concerned Destination", "3.4.4", _decode_point_code, _encode_point_code
    ),
    Tag.ROUTING_KEY: Parameter("Routing Key", "3.6.1", _decode_key, _encode_key),
    Tag.REGISTRATION_RESULT: Parameter(
        "Registration Result", "3.6.2", _decode_registration, _encode_registration
    ),
    Tag.DEREGISTRATION_RESULT: Parameter(
        "Deregistration Result", "3.6.4", _decode_deregistration, _encode_deregistration
    ),
    Tag.PROTOCOL_DATA: Parameter("Protocol Data", "3.3.1", _decode_octets, _encode_octets),
}
"""Every parameter of a message; what stands only inside another parameter is in that one's codec."""
