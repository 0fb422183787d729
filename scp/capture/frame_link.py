"""Which link layer the octets of a whole frame have: Ethernet, cooked, IP, SCTP, MTP2."""

from __future__ import annotations

from typing import Final

from scp.capture.wire import link
from scp.capture.write import internet_checksum
from ss7 import mtp3, sccp
from ss7.crc32c import crc32c
from ss7.errors import DecodeError
from ss7.sctp import HEADER_LENGTH

LINKS: Final = {
    "ethernet": link.ETHERNET,
    "sll": link.LINUX_SLL,
    "sll2": link.LINUX_SLL2,
    "null": link.NULL,
    "ip": link.RAW,
    "sctp": link.SCTP,
    "mtp2": link.MTP2,
    "mtp2-phdr": link.MTP2_WITH_PHDR,
}
"""Link types by the names that ``--layer`` takes."""

_OVER_IP: Final = (link.RAW, link.ETHERNET, link.LINUX_SLL, link.LINUX_SLL2, link.NULL)
_PROTOCOLS: Final = frozenset((6, 17, 132))
_EXTENSIONS: Final = frozenset((0, 43, 44, 60, 135))  # headers of IPv6 before the protocol's (RFC 8200 §4.1)
_SCCP_USER: Final = 3
_MTP2_AROUND: Final = 4 + 6 + 2  # pseudo header, header, check bits


def link_of(octets: bytes) -> int:
    """Return the link type of a frame, which its lengths and checksums leave no doubt of; -1: it is none."""
    for kind in _OVER_IP:
        at = link.ip_offset(kind, octets)
        if at >= 0 and _is_ip(octets[at:]):
            return kind
    return link.SCTP if _is_sctp(octets) else -1


def mtp2_link_of(octets: bytes) -> int:
    """Return the link type of a signal unit of MTP2 that brings an SCCP message; -1: it is none."""
    return next((kind for kind in (link.MTP2, link.MTP2_WITH_PHDR) if _is_mtp2(kind, octets)), -1)


def _is_ip(packet: bytes) -> bool:
    """Whether octets are an IP packet with TCP, UDP or SCTP in it; behind it the link may pad."""
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        header = 4 * (packet[0] & 0x0F)
        if not 20 <= header <= len(packet) or packet[9] not in _PROTOCOLS:
            return False
        size = int.from_bytes(packet[2:4], "big")
        return header <= size <= len(packet) and (
            size == len(packet) or not internet_checksum(packet[:header])
        )
    if version == 6 and len(packet) >= 40:
        size = 40 + int.from_bytes(packet[4:6], "big")
        return packet[6] in _PROTOCOLS | _EXTENSIONS and size <= len(packet) <= size + 18
    return False


def _is_sctp(packet: bytes) -> bool:
    """Whether octets are an SCTP packet: its checksum is right (RFC 9260 §6.8)."""
    if len(packet) < HEADER_LENGTH + 4 or len(packet) % 4:
        return False
    return int.from_bytes(packet[8:12], "little") == crc32c(packet[:8] + bytes(4) + packet[12:])


def _is_mtp2(kind: int, octets: bytes) -> bool:
    message = link.mtp3_in(kind, octets)
    if len(octets) - len(message) > _MTP2_AROUND:
        return False
    try:
        data = mtp3.decode(message)
        sccp.decode(data.payload)
    except DecodeError:
        return False
    return data.si == _SCCP_USER
