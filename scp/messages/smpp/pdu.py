"""PDUs of SMPP 3.4: octets ↔ values. Clauses are those of the specification, v3.4 issue 1.2.

A PDU is a header, fields in a fixed order, and optional parameters (TLVs) in any order. What follows the
fields of a PDU that is not listed here is kept as octets.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias, cast

from ss7.errors import DecodeError, EncodeError

HEADER: Final = 16
LONGEST: Final = 70_000
"""Octets of a PDU at the most: message_payload may have 64 K (§5.3.2.32)."""
RESPONSE: Final = 0x8000_0000
_HEAD: Final = struct.Struct(">IIII")


class Command(IntEnum):
    """command_id (§5.1.2.1); a response has that of its request and `RESPONSE`."""

    GENERIC_NACK = 0x8000_0000
    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    QUERY_SM = 0x03
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    BIND_TRANSCEIVER = 0x09
    OUTBIND = 0x0B
    ENQUIRE_LINK = 0x15
    ALERT_NOTIFICATION = 0x102
    DATA_SM = 0x103


class Status(IntEnum):
    """command_status (§5.1.3), those that are used by name here."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RSYSERR = 0x08
    RINVDSTADR = 0x0B
    RBINDFAIL = 0x0D
    RINVPASWD = 0x0E
    RINVSYSID = 0x0F
    RMSGQFUL = 0x14
    RSUBMITFAIL = 0x45
    RTHROTTLED = 0x58
    RX_T_APPN = 0x64
    RX_P_APPN = 0x65
    RINVPARLEN = 0xC2


class Tag(IntEnum):
    """Tags of optional parameters (§5.3.2)."""

    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


BINDS: Final = frozenset({Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER})
WITHOUT_RESPONSE: Final = frozenset({Command.OUTBIND, Command.ALERT_NOTIFICATION})  # §4.1.7, §4.12
MOST_COUNTED: Final = 254  # octets of short_message (§5.2.21)
UDHI: Final = 0x40  # esm_class (§5.2.12): short_message begins with a user data header
RECEIPT: Final = 0x04  # esm_class: it is a delivery receipt


class Bind(NamedTuple):
    """bind_transmitter, bind_receiver, bind_transceiver (§4.1)."""

    system_id: str
    password: str
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


class Text(NamedTuple):
    """submit_sm and deliver_sm (§4.4.1, §4.6.1)."""

    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = ""
    destination_ton: int = 0
    destination_npi: int = 0
    destination: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority: int = 0
    schedule: str = ""
    validity: str = ""
    registered_delivery: int = 0
    replace: int = 0
    data_coding: int = 0
    default_message: int = 0
    short_message: bytes = b""


class Name(NamedTuple):
    """One string: system_id of a bind's response, message_id of a submit_sm's or deliver_sm's."""

    text: str = ""


class Octets(NamedTuple):
    """The body of a PDU that is not listed here."""

    octets: bytes = b""


Body: TypeAlias = Bind | Text | Name | Octets | None
Tlvs: TypeAlias = tuple[tuple[int, bytes], ...]


class Pdu(NamedTuple):
    """A PDU; ``body`` is None where it has none: enquire_link, unbind, generic_nack, and refusals."""

    command: int
    sequence: int
    status: int = 0
    body: Body = None
    tlvs: Tlvs = ()

    @property
    def is_response(self) -> bool:
        """Whether it answers."""
        return bool(self.command & RESPONSE)

    def tlv(self, tag: int) -> bytes | None:
        """Return the value of an optional parameter, None if it is not there."""
        return next((value for kind, value in self.tlvs if kind == tag), None)


# Fields in their order: a number of one octet, a C-Octet String of so many octets with its NUL, or octets
# behind their length (§3.1). One row a body.
_INTEGER: Final = 0
_COUNTED: Final = -1
_FIELDS: Final[dict[type[Bind | Text | Name], tuple[tuple[str, int], ...]]] = {
    Bind: (
        *(("system_id", 16), ("password", 9), ("system_type", 13), ("interface_version", _INTEGER)),
        *(("addr_ton", _INTEGER), ("addr_npi", _INTEGER), ("address_range", 41)),
    ),
    Text: (
        *(("service_type", 6), ("source_ton", _INTEGER), ("source_npi", _INTEGER), ("source", 21)),
        *(("destination_ton", _INTEGER), ("destination_npi", _INTEGER), ("destination", 21)),
        *(("esm_class", _INTEGER), ("protocol_id", _INTEGER), ("priority", _INTEGER)),
        *(("schedule", 17), ("validity", 17), ("registered_delivery", _INTEGER), ("replace", _INTEGER)),
        *(("data_coding", _INTEGER), ("default_message", _INTEGER), ("short_message", _COUNTED)),
    ),
    Name: (("text", 65),),
}
_BODIES: Final[dict[int, type[Bind | Text | Name] | None]] = {
    **dict.fromkeys(BINDS, Bind),
    **{command | RESPONSE: Name for command in (*BINDS, Command.SUBMIT_SM, Command.DELIVER_SM)},
    Command.SUBMIT_SM: Text,
    Command.DELIVER_SM: Text,
    Command.GENERIC_NACK: None,
    **dict.fromkeys((Command.UNBIND, Command.UNBIND | RESPONSE), None),
    **dict.fromkeys((Command.ENQUIRE_LINK, Command.ENQUIRE_LINK | RESPONSE), None),
}


def encode(pdu: Pdu) -> bytes:
    """Return the octets of a PDU.

    Raises:
        EncodeError: a string is too long for its field or has a NUL, short_message more than 254 octets.
    """
    body = b""
    if isinstance(pdu.body, Octets):
        body = pdu.body.octets
    elif pdu.body is not None:
        fields, values = _FIELDS[type(pdu.body)], cast("tuple[str | int | bytes, ...]", pdu.body)
        body = b"".join(
            [_written(name, kind, value) for (name, kind), value in zip(fields, values, strict=True)]
        )
    tlvs = b"".join([struct.pack(">HH", tag, len(value)) + value for tag, value in pdu.tlvs])
    return _HEAD.pack(HEADER + len(body) + len(tlvs), pdu.command, pdu.status, pdu.sequence) + body + tlvs


def _written(name: str, kind: int, value: str | int | bytes) -> bytes:
    if isinstance(value, int):
        return bytes((value,))
    if isinstance(value, bytes):
        if len(value) > MOST_COUNTED:
            raise EncodeError(f"{name} has {len(value)} octets, 254 are possible", "SMPP 3.4 §5.2.22")
        return bytes((len(value),)) + value
    octets = value.encode("latin-1", "replace")
    if len(octets) >= kind or 0 in octets:
        raise EncodeError(f"{name} may have {kind - 1} characters and no NUL", "SMPP 3.4 §3.1")
    return octets + b"\0"


def length_of(octets: bytes | bytearray, start: int = 0) -> int:
    """Return command_length of the PDU that begins at ``start``; 0 if fewer than four octets are there.

    Raises:
        DecodeError: no PDU is as short or as long.
    """
    if len(octets) - start < 4:
        return 0
    length = int.from_bytes(octets[start : start + 4], "big")
    if not HEADER <= length <= LONGEST:
        raise DecodeError(f"command_length {length}", start, "SMPP 3.4 §5.1.1")
    return length


def sequence_of(octets: bytes) -> tuple[int, int]:
    """Return command_id and sequence_number of a PDU whose header is there."""
    return int.from_bytes(octets[4:8], "big"), int.from_bytes(octets[12:16], "big")


def decode(octets: bytes) -> Pdu:
    """Return the PDU that these octets are, all of them.

    A refusal may come without the fields of its response (§4.1.2, §4.4.2): then its body is None.

    Raises:
        DecodeError: they are none; the offset and clause say where.
    """
    if len(octets) < HEADER or length_of(octets) != len(octets):
        raise DecodeError("command_length is not the PDU's length", 0, "SMPP 3.4 §5.1.1")
    _, command, status, sequence = _HEAD.unpack_from(octets)
    if command not in _BODIES:
        return Pdu(command, sequence, status, Octets(octets[HEADER:]))
    kind = _BODIES[command]
    if kind is None or (len(octets) == HEADER and command & RESPONSE):
        return Pdu(command, sequence, status, None, _tlvs(octets, HEADER))
    values: list[str | int | bytes] = []
    at = HEADER
    for name, field in _FIELDS[kind]:
        value, at = _read(octets, at, name, field)
        values.append(value)
    return Pdu(command, sequence, status, kind(*values), _tlvs(octets, at))  # type: ignore[arg-type]


def _read(octets: bytes, at: int, name: str, kind: int) -> tuple[str | int | bytes, int]:
    """Return a field and where the next one begins."""
    if kind > 0:
        end = octets.find(b"\0", at, at + kind)
        if end < 0:
            raise DecodeError(f"{name} does not end within {kind} octets", at, "SMPP 3.4 §3.1")
        return octets[at:end].decode("latin-1"), end + 1
    if at >= len(octets):
        raise DecodeError(f"{name} is missing", at, "SMPP 3.4 §4")
    if kind == _INTEGER:
        return octets[at], at + 1
    if octets[at] > MOST_COUNTED:
        raise DecodeError(f"{name} has {octets[at]} octets", at, "SMPP 3.4 §5.2.21")
    end = at + 1 + octets[at]
    if end > len(octets):
        raise DecodeError(f"{name} is longer than the PDU", at, "SMPP 3.4 §5.2.21")
    return octets[at + 1 : end], end


def _tlvs(octets: bytes, at: int) -> Tlvs:
    found: list[tuple[int, bytes]] = []
    while at < len(octets):
        if at + 4 > len(octets):
            raise DecodeError("an optional parameter without tag and length", at, "SMPP 3.4 §5.3.1")
        tag, length = struct.unpack_from(">HH", octets, at)
        if at + 4 + length > len(octets):
            raise DecodeError("an optional parameter is longer than the PDU", at, "SMPP 3.4 §5.3.1")
        found.append((tag, octets[at + 4 : at + 4 + length]))
        at += 4 + length
    return tuple(found)
