"""Link layers: where the IP packet begins in a captured frame, and of which version it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

NULL: Final = 0
ETHERNET: Final = 1
RAW: Final = 101
LOOP: Final = 108
LINUX_SLL: Final = 113
MTP2_WITH_PHDR: Final = 139
MTP2: Final = 140
MTP3: Final = 141
SCCP: Final = 142
IPV4: Final = 228
IPV6: Final = 229
SCTP: Final = 248
LINUX_SLL2: Final = 276
_RAWS: Final = frozenset((12, 14, RAW, IPV4, IPV6))
"""Link types of tcpdump's registry; 12 and 14 are DLT_RAW as BSD systems write it."""

NOT_IP: Final = -1
"""Another protocol than IP: none of ours, and no fault."""
TOO_SHORT: Final = -2
"""The frame ends within its link layer's header."""
UNKNOWN_LINK: Final = -3
"""A link type that is not read here."""

_ETHERTYPE_IPV4: Final = 0x0800
_ETHERTYPE_IPV6: Final = 0x86DD
_VLANS: Final = frozenset((0x8100, 0x88A8, 0x9100))  # 802.1Q, 802.1ad, and its forerunner
_MPLS: Final = 0x8847

_MTP2_PHDR: Final = 4  # whether it was sent, whether Annex A of Q.703 is in use, link number
_MTP2_HEADER: Final = 3  # sequence numbers and indicators, length indicator (Q.703 §2.2)
_MTP2_EXTENDED: Final = 6  # the same with 12-bit sequence numbers (Q.703 Annex A)
_LONGEST_SAID: Final = 62  # above it a length indicator of six bits says 63


def mtp3_in(link: int, octets: bytes) -> bytes:
    """Return the MTP3 message in an MTP2 signal unit; none in a fill-in or link status signal unit.

    Args:
        link: `MTP2` or `MTP2_WITH_PHDR`.
        octets: the frame, with check bits behind it or without.
    """
    at, extended = 0, False
    if link == MTP2_WITH_PHDR:
        at, extended = _MTP2_PHDR, octets[1:2] == b"\x01"
    start = at + (_MTP2_EXTENDED if extended else _MTP2_HEADER)
    if len(octets) <= start:
        return b""
    if extended:
        said, most = octets[at + 4] | (octets[at + 5] & 1) << 8, 0x1FF
    else:
        said, most = octets[at + 2] & 0x3F, _LONGEST_SAID
    if said <= 2:
        return b""
    return octets[start : start + said] if said <= most else octets[start:]


def ip_offset(link: int, octets: bytes) -> i64:
    """Return where the IP packet begins; `NOT_IP`, `TOO_SHORT` or `UNKNOWN_LINK` if there is none."""
    size: i64 = len(octets)
    if link == ETHERNET:
        return _after_type(octets, 12, size)
    if link in _RAWS:
        return 0 if size else TOO_SHORT
    if link == LINUX_SLL:
        return _after_type(octets, 14, size)
    if link == LINUX_SLL2:
        if size < 20:
            return TOO_SHORT
        kind: i64 = octets[0] << 8 | octets[1]
        return 20 if kind in (_ETHERTYPE_IPV4, _ETHERTYPE_IPV6) else NOT_IP
    if link in (NULL, LOOP):
        return _after_family(octets, size)
    return UNKNOWN_LINK


def _after_type(octets: bytes, at: i64, size: i64) -> i64:
    """Return what follows the EtherType at ``at``, through any VLAN tags and MPLS labels."""
    while size >= at + 2:
        kind: i64 = octets[at] << 8 | octets[at + 1]
        if kind in (_ETHERTYPE_IPV4, _ETHERTYPE_IPV6):
            return at + 2
        if kind == _MPLS:
            return _after_labels(octets, at + 2, size)
        if kind not in _VLANS:
            return NOT_IP
        at += 4
    return TOO_SHORT


def _after_labels(octets: bytes, at: i64, size: i64) -> i64:
    """Return what follows the label that is the bottom of the stack (RFC 3032 §2.1)."""
    while size >= at + 4:
        at += 4
        if octets[at - 2] & 1:
            return at
    return TOO_SHORT


def _after_family(octets: bytes, size: i64) -> i64:
    """Return what follows BSD's address family, whose values and byte order differ from system to system."""
    if size < 5:
        return TOO_SHORT
    return 4 if octets[4] >> 4 in (4, 6) else NOT_IP
