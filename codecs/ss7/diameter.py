"""Diameter's header and AVPs (RFC 6733 §3, §4), written and read.

A message is its header's values and a list of AVPs whose data are octets; what a command's AVPs mean, their
user knows. Grouped AVPs are read by `decode_avps` of their data.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from ss7.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION: Final = 1
HEADER: Final = 20
"""Octets of a message's header."""
MOST: Final = 0xFF_FFFF
"""Octets that a message or an AVP may have."""

REQUEST: Final = 0x80
PROXIABLE: Final = 0x40
ERROR: Final = 0x20
RETRANSMITTED: Final = 0x10
"""Bits of a message's flags (RFC 6733 §3); `RETRANSMITTED`: it may have come before."""

_VENDOR: Final = 0x80
_MANDATORY: Final = 0x40
"""Bits of an AVP's flags (RFC 6733 §4.1)."""

_1900: Final = 2_208_988_800
"""Seconds from 1900, where Time begins (RFC 6733 §4.3.1), to 1970."""
_ERA: Final = 1 << 32
_U32: Final = 0xFFFF_FFFF


class Avp(NamedTuple):
    """An AVP that was read.

    Attributes:
        code: its code.
        vendor: whose code it is; 0: IETF's.
        mandatory: its M bit.
        data: its octets.
        offset: of its first octet in what was read.
    """

    code: int
    vendor: int
    mandatory: bool
    data: bytes
    offset: int


class Message(NamedTuple):
    """A message that was read.

    Attributes:
        flags: `REQUEST`, `PROXIABLE`, `ERROR`, `RETRANSMITTED`.
        command: its code.
        application: its id.
        hop_by_hop: joins an answer to its request on a connection.
        end_to_end: tells a request that comes twice.
        avps: in their order.
    """

    flags: int
    command: int
    application: int
    hop_by_hop: int
    end_to_end: int
    avps: list[Avp]


def encode_avp(code: int, data: bytes, vendor: int = 0, *, mandatory: bool = True) -> bytes:
    """Return an AVP with its padding (RFC 6733 §4.1)."""
    length = len(data) + (12 if vendor else 8)
    if length > MOST:
        raise EncodeError(f"an AVP of {length} octets", "RFC 6733 §4.1")
    flags = (_VENDOR if vendor else 0) | (_MANDATORY if mandatory else 0)
    head = code.to_bytes(4, "big") + (flags << 24 | length).to_bytes(4, "big")
    if vendor:
        head += vendor.to_bytes(4, "big")
    return head + data + bytes(-length % 4)


def encode_message(
    flags: int, command: int, application: int, hop_by_hop: int, end_to_end: int, avps: bytes
) -> bytes:
    """Return a message (RFC 6733 §3); ``avps`` is what `encode_avp` made of each."""
    length = HEADER + len(avps)
    if length > MOST or length % 4:
        raise EncodeError(f"a message of {length} octets", "RFC 6733 §3")
    return (
        (VERSION << 24 | length).to_bytes(4, "big")
        + (flags << 24 | command).to_bytes(4, "big")
        + application.to_bytes(4, "big")
        + hop_by_hop.to_bytes(4, "big")
        + end_to_end.to_bytes(4, "big")
        + avps
    )


def message_length(head: bytes) -> int:
    """Return how many octets a message has, by its first four.

    Raises:
        DecodeError: this is no Diameter: what follows in its stream can't be read either.
    """
    if head[0] != VERSION:
        raise DecodeError(f"version {head[0]}, not {VERSION}", 0, "RFC 6733 §3")
    length = int.from_bytes(head[1:4], "big")
    if length < HEADER or length % 4:
        raise DecodeError(f"a message of {length} octets", 1, "RFC 6733 §3")
    return length


def decode_message(octets: bytes) -> Message:
    """Return a message.

    Raises:
        DecodeError: the octets are none.
    """
    if len(octets) < HEADER:
        raise DecodeError("the header ends early", len(octets), "RFC 6733 §3")
    length = message_length(octets)
    if length != len(octets):
        raise DecodeError(f"{len(octets)} octets, and its length says {length}", 1, "RFC 6733 §3")
    return Message(
        octets[4],
        int.from_bytes(octets[5:8], "big"),
        int.from_bytes(octets[8:12], "big"),
        int.from_bytes(octets[12:16], "big"),
        int.from_bytes(octets[16:20], "big"),
        decode_avps(octets, HEADER),
    )


def decode_avps(octets: bytes, start: int = 0) -> list[Avp]:
    """Return the AVPs from ``start`` to the end; of a grouped AVP pass its data."""
    found = []
    end = len(octets)
    at = start
    while at < end:
        if end - at < 8:
            raise DecodeError("an AVP's header ends early", at, "RFC 6733 §4.1")
        flags = octets[at + 4]
        length = int.from_bytes(octets[at + 5 : at + 8], "big")
        head = 12 if flags & _VENDOR else 8
        if length < head or at + length > end:
            raise DecodeError(f"an AVP of {length} octets", at + 5, "RFC 6733 §4.1")
        vendor = int.from_bytes(octets[at + 8 : at + 12], "big") if flags & _VENDOR else 0
        found.append(
            Avp(
                int.from_bytes(octets[at : at + 4], "big"),
                vendor,
                bool(flags & _MANDATORY),
                octets[at + head : at + length],
                at,
            )
        )
        at += length + -length % 4  # the last one's padding may be left out in a group
    return found


def find(avps: Sequence[Avp], code: int, vendor: int = 0) -> Avp | None:
    """Return the first AVP with this code, None if there is none."""
    for avp in avps:
        if avp.code == code and avp.vendor == vendor:
            return avp
    return None


def u32(value: int) -> bytes:
    """Return Unsigned32, and Enumerated of no negative value (RFC 6733 §4.2)."""
    if not 0 <= value <= _U32:
        raise EncodeError(f"{value} is no Unsigned32", "RFC 6733 §4.2")
    return value.to_bytes(4, "big")


def read_u32(avp: Avp) -> int:
    """Return the value of an Unsigned32."""
    if len(avp.data) != 4:
        raise DecodeError(f"an Unsigned32 of {len(avp.data)} octets", avp.offset, "RFC 6733 §4.2")
    return int.from_bytes(avp.data, "big")


def time_octets(seconds: int) -> bytes:
    """Return Time for seconds since 1970 (RFC 6733 §4.3.1): those since 1900, which begin anew in 2036."""
    return ((seconds + _1900) % _ERA).to_bytes(4, "big")


def read_time(avp: Avp) -> int:
    """Return seconds since 1970 of a Time; from 1968 to 2104, as SNTP has it (RFC 5905 §6)."""
    value = read_u32(avp)
    return value - _1900 + (0 if value >> 31 else _ERA)


def read_text(avp: Avp) -> str:
    """Return the text of a UTF8String or DiameterIdentity; octets that are none are shown as such."""
    return avp.data.decode(errors="backslashreplace")


def address_octets(address: str) -> bytes:
    """Return Address for an IP address (RFC 6733 §4.3.1)."""
    value = ip_address(address)
    return (1 if value.version == 4 else 2).to_bytes(2, "big") + value.packed
