"""M3UA messages (RFC 4666 §3): octets to `Data` or `Message` and back.

DATA, nearly all of the traffic, has a value and a codec of its own. Every other message is a `Message`, read
and written from one table, `MESSAGES`: class and type, the RFC's name, and which parameters it has with what
presence.

How strictly parameters are taken (§3.2, §3.8.1):

- in any order; the last one's padding may be missing, and may or may not be counted in the message length;
- any message may have further parameters than the RFC lists for it (§3, forward compatibility), whether the
  RFC defines their tags or not: they are skipped, their lengths have to fit, and `decode_noting` names them;
- a listed one that is there twice without being a list: Unexpected Parameter;
- a mandatory one that is not there: Missing Parameter; a wrong length: Parameter Field Error.

An ERR is never answered, and who reads it wants to see what can be seen: it is let off the third rule.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, final

from ss7.errors import EncodeError
from ss7.m3ua_parameters import PARAMETERS, ErrorCode, M3uaError, Tag, parameter, split

VERSION: Final = 1
HEADER_LENGTH: Final = 8

# Class << 8 | type (§3.1.2, §3.1.3).
ERR: Final = 0x0000
NTFY: Final = 0x0001
DATA: Final = 0x0101
DUNA: Final = 0x0201
DAVA: Final = 0x0202
DAUD: Final = 0x0203
SCON: Final = 0x0204
DUPU: Final = 0x0205
DRST: Final = 0x0206
ASPUP: Final = 0x0301
ASPDN: Final = 0x0302
BEAT: Final = 0x0303
ASPUP_ACK: Final = 0x0304
ASPDN_ACK: Final = 0x0305
BEAT_ACK: Final = 0x0306
ASPAC: Final = 0x0401
ASPIA: Final = 0x0402
ASPAC_ACK: Final = 0x0403
ASPIA_ACK: Final = 0x0404
REG_REQ: Final = 0x0901
REG_RSP: Final = 0x0902
DEREG_REQ: Final = 0x0903
DEREG_RSP: Final = 0x0904


class Presence(Enum):
    """Of a parameter in a message; a conditional one depends on what the codec can't see (configuration)."""

    MANDATORY = "mandatory"
    OPTIONAL = "optional"
    CONDITIONAL = "conditional"


class Use(NamedTuple):
    """A parameter in a message; the value of a ``repeated`` one in `Message.params` is a tuple of values."""

    tag: Tag
    presence: Presence
    repeated: bool = False


class Format(NamedTuple):
    """A message: the RFC's abbreviation, its clause, its parameters in the order they are written."""

    name: str
    clause: str
    uses: tuple[Use, ...]


_M: Final = Presence.MANDATORY
_O: Final = Presence.OPTIONAL
_C: Final = Presence.CONDITIONAL
_INFO: Final = Use(Tag.INFO_STRING, _O)
_CONTEXT: Final = Use(Tag.ROUTING_CONTEXT, _O)
_NETWORK: Final = (
    Use(Tag.NETWORK_APPEARANCE, _O),
    Use(Tag.ROUTING_CONTEXT, _C),
    Use(Tag.AFFECTED_POINT_CODE, _M),
)
_BEAT: Final = (Use(Tag.HEARTBEAT_DATA, _O),)

MESSAGES: Final[dict[int, Format]] = {
    ERR: Format(
        "ERR",
        "3.8.1",
        (
            Use(Tag.ERROR_CODE, _M),
            Use(Tag.ROUTING_CONTEXT, _C),
            Use(Tag.NETWORK_APPEARANCE, _C),
            Use(Tag.AFFECTED_POINT_CODE, _C),
            Use(Tag.DIAGNOSTIC_INFORMATION, _C),
        ),
    ),
    NTFY: Format("NTFY", "3.8.2", (Use(Tag.STATUS, _M), Use(Tag.ASP_IDENTIFIER, _C), _CONTEXT, _INFO)),
    DATA: Format(
        "DATA",
        "3.3.1",
        (
            Use(Tag.NETWORK_APPEARANCE, _O),
            Use(Tag.ROUTING_CONTEXT, _C),
            Use(Tag.PROTOCOL_DATA, _M),
            Use(Tag.CORRELATION_ID, _O),
        ),
    ),
    DUNA: Format("DUNA", "3.4.1", (*_NETWORK, _INFO)),
    DAVA: Format("DAVA", "3.4.2", (*_NETWORK, _INFO)),
    DAUD: Format("DAUD", "3.4.3", (*_NETWORK, _INFO)),
    SCON: Format(
        "SCON",
        "3.4.4",
        (*_NETWORK, Use(Tag.CONCERNED_DESTINATION, _O), Use(Tag.CONGESTION_INDICATIONS, _O), _INFO),
    ),
    DUPU: Format("DUPU", "3.4.5", (*_NETWORK, Use(Tag.USER_CAUSE, _M), _INFO)),
    DRST: Format("DRST", "3.4.6", (*_NETWORK, _INFO)),
    ASPUP: Format("ASPUP", "3.5.1", (Use(Tag.ASP_IDENTIFIER, _O), _INFO)),
    ASPDN: Format("ASPDN", "3.5.3", (_INFO,)),
    BEAT: Format("BEAT", "3.5.5", _BEAT),
    ASPUP_ACK: Format("ASPUP ACK", "3.5.2", (Use(Tag.ASP_IDENTIFIER, _O), _INFO)),
    ASPDN_ACK: Format("ASPDN ACK", "3.5.4", (_INFO,)),
    BEAT_ACK: Format("BEAT ACK", "3.5.6", _BEAT),
    ASPAC: Format("ASPAC", "3.7.1", (Use(Tag.TRAFFIC_MODE_TYPE, _O), _CONTEXT, _INFO)),
    ASPIA: Format("ASPIA", "3.7.3", (_CONTEXT, _INFO)),
    ASPAC_ACK: Format("ASPAC ACK", "3.7.2", (Use(Tag.TRAFFIC_MODE_TYPE, _O), _CONTEXT, _INFO)),
    ASPIA_ACK: Format("ASPIA ACK", "3.7.4", (_CONTEXT, _INFO)),
    REG_REQ: Format("REG REQ", "3.6.1", (Use(Tag.ROUTING_KEY, _M, repeated=True),)),
    REG_RSP: Format("REG RSP", "3.6.2", (Use(Tag.REGISTRATION_RESULT, _M, repeated=True),)),
    DEREG_REQ: Format("DEREG REQ", "3.6.3", (Use(Tag.ROUTING_CONTEXT, _M),)),
    DEREG_RSP: Format("DEREG RSP", "3.6.4", (Use(Tag.DEREGISTRATION_RESULT, _M, repeated=True),)),
}
"""Every message of RFC 4666, by class << 8 | type."""

_CLASSES: Final = frozenset([kind >> 8 for kind in MESSAGES])
_USES: Final = {kind: {int(use.tag): use for use in fmt.uses} for kind, fmt in MESSAGES.items()}
_MANDATORY: Final = {
    kind: tuple([int(use.tag) for use in fmt.uses if use.presence is _M]) for kind, fmt in MESSAGES.items()
}


@final
@dataclass(init=False)
class Data:
    """A DATA message (§3.3.1): an MTP3 user message with its routing label.

    Attributes:
        opc: originating point code.
        dpc: destination point code.
        si: service indicator (3: SCCP).
        ni: network indicator (0 international … 3 reserved for national use).
        mp: message priority.
        sls: signalling link selection.
        payload: what the MTP3 user sent.
        routing_context: -1 if absent.
        network_appearance: -1 if absent.
        correlation_id: -1 if absent.
    """

    opc: int
    dpc: int
    si: int
    ni: int
    mp: int
    sls: int
    payload: bytes
    routing_context: int
    network_appearance: int
    correlation_id: int

    def __init__(
        self,
        opc: int,
        dpc: int,
        si: int,
        ni: int,
        mp: int,
        sls: int,
        payload: bytes,
        routing_context: int = -1,
        network_appearance: int = -1,
        correlation_id: int = -1,
    ) -> None:
        # Written out, as for all values of the call path: the one that `dataclass` makes is never compiled.
        self.opc = opc
        self.dpc = dpc
        self.si = si
        self.ni = ni
        self.mp = mp
        self.sls = sls
        self.payload = payload
        self.routing_context = routing_context
        self.network_appearance = network_appearance
        self.correlation_id = correlation_id


@final
@dataclass
class Message:
    """Any message but DATA: its kind (a key of `MESSAGES`) and its parameters' values by tag."""

    kind: int
    params: dict[int, Any]

    @property
    def name(self) -> str:
        """The RFC's abbreviation."""
        return MESSAGES[self.kind].name

    def integer(self, tag: int, default: int = -1) -> int:
        """Value of a 32-bit parameter, or ``default``."""
        value: int = self.params.get(tag, default)
        return value

    def integers(self, tag: int) -> tuple[int, ...]:
        """Value of a list of 32-bit integers; empty if absent."""
        value: tuple[int, ...] = self.params.get(tag, ())
        return value

    def text(self) -> str:
        """The INFO String; empty if absent."""
        value: str = self.params.get(Tag.INFO_STRING, "")
        return value

    def octets(self, tag: int) -> bytes:
        """Value of an opaque parameter; empty if absent."""
        value: bytes = self.params.get(tag, b"")
        return value


def name_of(octets: bytes) -> str:
    """The abbreviation of a message's kind, for labels: one of the names in `MESSAGES`, or "unknown"."""
    if len(octets) < HEADER_LENGTH:
        return "unknown"
    fmt = MESSAGES.get(octets[2] << 8 | octets[3])
    return "unknown" if fmt is None else fmt.name


def check_header(octets: bytes) -> int:
    """Check the common header (§3.1) of one whole message and return its kind.

    Raises:
        M3uaError: Invalid Version, Unsupported Message Class or Type, or, for the length, Protocol Error.
    """
    size = len(octets)
    if size < HEADER_LENGTH:
        raise M3uaError(ErrorCode.PROTOCOL_ERROR, "shorter than the common header", size, "RFC 4666 §3.1")
    if octets[0] != VERSION:
        raise M3uaError(ErrorCode.INVALID_VERSION, f"version {octets[0]}, not 1", 0, "RFC 4666 §3.1.1")
    kind = octets[2] << 8 | octets[3]
    if kind not in MESSAGES:
        if octets[2] not in _CLASSES:
            reason = f"no message class {octets[2]}"
            raise M3uaError(ErrorCode.UNSUPPORTED_MESSAGE_CLASS, reason, 2, "RFC 4666 §3.1.2")
        reason = f"no message type {octets[3]} in class {octets[2]}"
        raise M3uaError(ErrorCode.UNSUPPORTED_MESSAGE_TYPE, reason, 3, "RFC 4666 §3.1.3")
    length = int.from_bytes(octets[4:8], "big")
    # The last parameter's padding is or is not counted, and is or is not there (§3.1.4).
    if length < HEADER_LENGTH or (length + 3) & ~3 != (size + 3) & ~3:
        reason = f"message length {length} of {size} octets"
        raise M3uaError(ErrorCode.PROTOCOL_ERROR, reason, 4, "RFC 4666 §3.1.4")
    return kind


def decode(octets: bytes) -> Data | Message:
    """Decode one whole message.

    Raises:
        M3uaError: it is none; ``code`` is for the ERR to answer with (never for an ERR: §3.8.1).
    """
    return decode_noting(octets)[0]


def decode_noting(octets: bytes) -> tuple[Data | Message, tuple[int, ...]]:
    """Decode one whole message, and return the tags of the further parameters in it, which were skipped.

    Raises:
        M3uaError: as `decode`.
    """
    kind = check_header(octets)
    params, further = _decode_params(octets, kind)
    if kind == DATA:
        return _data(octets, params), further
    if kind == DUPU:
        affected = params[Tag.AFFECTED_POINT_CODE]
        if len(affected) != 1 or affected[0].mask:
            reason = "DUPU is for a single point code with mask 0"
            raise M3uaError(ErrorCode.INVALID_PARAMETER_VALUE, reason, HEADER_LENGTH, "RFC 4666 §3.4.5")
    return Message(kind, params), further


def _decode_params(octets: bytes, kind: int) -> tuple[dict[int, Any], tuple[int, ...]]:
    """Return the values of the parameters that the message lists, and the tags of the others."""
    uses = _USES[kind]
    params: dict[int, Any] = {}
    further: tuple[int, ...] = ()
    length = min(len(octets), int.from_bytes(octets[4:8], "big"))
    for tag, start, end in split(octets, HEADER_LENGTH, length):
        use = uses.get(tag)
        if use is None:
            further = (*further, tag)
        elif use.repeated:
            params[tag] = (*params.get(tag, ()), PARAMETERS[tag].decode(octets, start, end))
        elif tag not in params:
            params[tag] = PARAMETERS[tag].decode(octets, start, end)
        elif kind != ERR:
            reason = f"parameter {tag:#06x} twice"
            raise M3uaError(ErrorCode.UNEXPECTED_PARAMETER, reason, start - 4, "RFC 4666 §3.2")
    for tag in _MANDATORY[kind]:
        if tag not in params:
            reason = f"{PARAMETERS[tag].name} is missing"
            raise M3uaError(
                ErrorCode.MISSING_PARAMETER, reason, HEADER_LENGTH, "RFC 4666 §" + MESSAGES[kind].clause
            )
    return params, further


def encode(message: Data | Message) -> bytes:
    """Encode a message, parameters in the order of the table.

    Raises:
        EncodeError: no such kind, a parameter missing or not of this message, or a value out of range.
    """
    if isinstance(message, Data):
        return encode_data(message)
    fmt = MESSAGES.get(message.kind)
    if fmt is None or message.kind == DATA:
        raise EncodeError(f"{message.kind:#06x} is no kind of Message", "RFC 4666 §3.1.2")
    parts: list[bytes] = []
    known = 0
    for use in fmt.uses:
        if use.tag not in message.params:
            if use.presence is _M:
                raise EncodeError(f"{fmt.name} without {PARAMETERS[use.tag].name}", "RFC 4666 §" + fmt.clause)
            continue
        known += 1
        write = PARAMETERS[use.tag].encode
        value = message.params[use.tag]
        if not use.repeated:
            parts.append(parameter(use.tag, write(value)))
            continue
        if not value:
            raise EncodeError(f"{fmt.name} without {PARAMETERS[use.tag].name}", "RFC 4666 §" + fmt.clause)
        parts.extend([parameter(use.tag, write(item)) for item in value])
    if known != len(message.params):
        raise EncodeError(f"parameter that is not of {fmt.name}", "RFC 4666 §" + fmt.clause)
    body = b"".join(parts)
    return _HEADER.pack(VERSION, 0, message.kind, HEADER_LENGTH + len(body)) + body


_HEADER: Final = struct.Struct(">BBHI")
_DATA_START: Final = VERSION << 24 | DATA
# The two layouts of nearly all DATA: message length, [Routing Context,] Protocol Data up to the user data.
_WITH_CONTEXT: Final = struct.Struct(">IHHIHHIIBBBB")
_PLAIN: Final = struct.Struct(">IHHIIBBBB")
_LABEL: Final = struct.Struct(">IIBBBB")
_LABEL_LENGTH: Final = 12
_TAG_CONTEXT: Final = 0x0006
_TAG_PROTOCOL: Final = 0x0210
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")


def plain_data(octets: bytes) -> Data | None:
    """Decode a message, whose class and type the caller has seen to be DATA, if it has the usual layout.

    That is Protocol Data alone, or after one Routing Context: nearly all traffic. None: it has another
    layout or is malformed, which `decode_noting` finds out.
    """
    size = len(octets)
    if size >= 32 and octets[9] == _TAG_CONTEXT:
        with_context: tuple[int, int, int, int, int, int, int, int, int, int, int, int]
        with_context = _WITH_CONTEXT.unpack_from(octets, 4)
        total, tag, length, context, tag2, length2, opc, dpc, si, ni, mp, sls = with_context
        if (
            total == size
            and tag == _TAG_CONTEXT
            and length == 8
            and tag2 == _TAG_PROTOCOL
            and length2 >= 16
            and (length2 + 19) & ~3 == size
            and octets[0] == VERSION
        ):
            return Data(opc, dpc, si, ni, mp, sls, octets[32 : 16 + length2], context)
    elif size >= 24:
        plain: tuple[int, int, int, int, int, int, int, int, int]
        plain = _PLAIN.unpack_from(octets, 4)
        total, tag, length, opc, dpc, si, ni, mp, sls = plain
        if (
            total == size
            and tag == _TAG_PROTOCOL
            and length >= 16
            and (length + 11) & ~3 == size
            and octets[0] == VERSION
        ):
            return Data(opc, dpc, si, ni, mp, sls, octets[24 : 8 + length])
    return None


def decode_data(octets: bytes) -> Data:
    """Decode a whole message whose class and type the caller has seen to be DATA.

    Raises:
        M3uaError: as `decode`.
    """
    data = plain_data(octets)
    if data is not None:
        return data
    if check_header(octets) != DATA:
        raise M3uaError(ErrorCode.PROTOCOL_ERROR, "not DATA", 2, "RFC 4666 §3.3.1")
    return _data(octets, _decode_params(octets, DATA)[0])


def _data(octets: bytes, params: dict[int, Any]) -> Data:
    value: bytes = params[Tag.PROTOCOL_DATA]
    if len(value) < _LABEL_LENGTH:
        reason = "Protocol Data shorter than its routing label"
        raise M3uaError(ErrorCode.PARAMETER_FIELD_ERROR, reason, len(octets), "RFC 4666 §3.3.1")
    contexts: tuple[int, ...] = params.get(Tag.ROUTING_CONTEXT, (-1,))
    if len(contexts) != 1:
        reason = "DATA is of one routing context"
        raise M3uaError(ErrorCode.PARAMETER_FIELD_ERROR, reason, HEADER_LENGTH, "RFC 4666 §3.3.1")
    opc, dpc, si, ni, mp, sls = _LABEL.unpack_from(value)
    payload = value[_LABEL_LENGTH:]
    appearance: int = params.get(Tag.NETWORK_APPEARANCE, -1)
    correlation: int = params.get(Tag.CORRELATION_ID, -1)
    return Data(opc, dpc, si, ni, mp, sls, payload, contexts[0], appearance, correlation)


@final
class DataEncoder:
    """Encodes DATA of one link: what does not change from message to message is encoded once.

    Args:
        routing_context: sent in every message unless -1.
        network_appearance: the same.
    """

    def __init__(self, routing_context: int = -1, network_appearance: int = -1) -> None:
        prefix = b""
        for tag, value in (
            (Tag.NETWORK_APPEARANCE, network_appearance),
            (Tag.ROUTING_CONTEXT, routing_context),
        ):
            if value > 0xFFFFFFFF:
                raise EncodeError(f"{value} does not fit 32 bits", "RFC 4666 §3.3.1")
            if value >= 0:
                prefix += parameter(tag, value.to_bytes(4, "big"))
        self._prefix: bytes = prefix
        self._fixed: int = HEADER_LENGTH + len(prefix) + 4 + _LABEL_LENGTH
        self._pack: struct.Struct = struct.Struct(f">II{len(prefix)}sHHIIBBBB")

    def encode(self, opc: int, dpc: int, si: int, ni: int, mp: int, sls: int, payload: bytes) -> bytes:
        """One DATA message with the link's parameters and no Correlation Id.

        Raises:
            EncodeError: a number is out of its field's range, or the payload is longer than 65519 octets.
        """
        size = len(payload)
        pad = -size & 3
        total = self._fixed + size + pad
        try:
            head: bytes = self._pack.pack(
                _DATA_START, total, self._prefix, _TAG_PROTOCOL, 16 + size, opc, dpc, si, ni, mp, sls
            )
        except struct.error:
            raise EncodeError("routing label or payload out of range", "RFC 4666 §3.3.1") from None
        if pad:
            return head + payload + _PADDING[size & 3]
        return head + payload


def encode_data(data: Data) -> bytes:
    """Encode a DATA message; raises `EncodeError` as `DataEncoder.encode`."""
    encoder = DataEncoder(data.routing_context, data.network_appearance)
    octets = encoder.encode(data.opc, data.dpc, data.si, data.ni, data.mp, data.sls, data.payload)
    if data.correlation_id < 0:
        return octets
    if data.correlation_id > 0xFFFFFFFF:
        raise EncodeError(f"{data.correlation_id} does not fit 32 bits", "RFC 4666 §3.3.1")
    tail = parameter(Tag.CORRELATION_ID, data.correlation_id.to_bytes(4, "big"))
    return octets[:4] + (len(octets) + len(tail)).to_bytes(4, "big") + octets[8:] + tail
