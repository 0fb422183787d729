"""What carries the messages of the captures: SCTP's own chunks, TCP, UDP, IPv6, fragments, link layers, M2UA, M2PA."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from scp.capture.write import ethernet, internet_checksum
from ss7 import mtp3
from ss7.m3ua_parameters import parameter

if TYPE_CHECKING:
    from scp.capture.write import Association, TcpConnection
    from ss7.m3ua import Data

LINUX_SLL, LINUX_SLL2 = 113, 276
"""Link types of tcpdump's registry."""
STREAMS, WINDOW = 17, 106_496

# -- SCTP (RFC 9260 §3.3) ----------------------------------------------------------------------------------------------

INIT, INIT_ACK, SACK, HEARTBEAT, HEARTBEAT_ACK, SHUTDOWN, SHUTDOWN_ACK = 1, 2, 3, 4, 5, 7, 8
COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = 10, 11, 14
_STATE_COOKIE, _HEARTBEAT_INFO = 7, 1
COOKIE = b"a cookie that the other side gives back unread"


def chunk(kind: int, value: bytes = b"", flags: int = 0) -> bytes:
    """Any chunk but DATA."""
    return struct.pack(">BBH", kind, flags, 4 + len(value)) + value + bytes(-len(value) & 3)


def four_way(wire: Association) -> list[tuple[bool, bytes]]:
    """INIT of the far side, INIT ACK, COOKIE ECHO, COOKIE ACK (§5.1): whether from the near side, and the packet."""

    def opening(sent: bool, more: bytes = b"") -> bytes:
        first = wire.last_tsn(sent=sent) + 1
        return struct.pack(">IIHHI", wire.tag(sent=not sent), WINDOW, STREAMS, STREAMS, first) + more

    return [
        (False, wire.packet([chunk(INIT, opening(False))], sent=False, tag=0)),
        (True, wire.packet([chunk(INIT_ACK, opening(True, parameter(_STATE_COOKIE, COOKIE)))], sent=True)),
        (False, wire.packet([chunk(COOKIE_ECHO, COOKIE)], sent=False)),
        (True, wire.packet([chunk(COOKIE_ACK)], sent=True)),
    ]


def sack(wire: Association, *, sent: bool) -> bytes:
    """All that came from the other side is acknowledged (§3.3.4)."""
    return wire.packet(
        [chunk(SACK, struct.pack(">IIHH", wire.last_tsn(sent=not sent), WINDOW, 0, 0))], sent=sent
    )


def heartbeat(wire: Association) -> list[tuple[bool, bytes]]:
    info = parameter(_HEARTBEAT_INFO, b"path 1, 08:00")
    kinds = ((True, HEARTBEAT), (False, HEARTBEAT_ACK))
    return [(sent, wire.packet([chunk(kind, info)], sent=sent)) for sent, kind in kinds]


def shutdown(wire: Association) -> list[tuple[bool, bytes]]:
    """The far side ends the association (§9.2)."""
    last = struct.pack(">I", wire.last_tsn(sent=True))
    steps = ((False, SHUTDOWN, last), (True, SHUTDOWN_ACK, b""), (False, SHUTDOWN_COMPLETE, b""))
    return [(sent, wire.packet([chunk(kind, value)], sent=sent)) for sent, kind, value in steps]


def fragments(whole: bytes, wire: Association) -> list[bytes]:
    """A whole DATA chunk as two (§6.9)."""
    kind, _, length, tsn, stream, sequence, ppid = struct.unpack_from(">BBHIHHI", whole)
    data = whole[16:length]
    wire.skip_tsn(sent=True)
    cut = len(data) // 2 & ~3
    return [
        struct.pack(">BBHIHHI", kind, flags, 16 + len(part), tsn + index, stream, sequence, ppid)
        + part
        + bytes(-len(part) & 3)
        for index, (flags, part) in enumerate(((2, data[:cut]), (1, data[cut:])))
    ]


def interleaved(
    tsn: int, stream: int, number: int, part: int, octets: bytes, *, ppid: int, last: bool
) -> bytes:
    """An I-DATA chunk (RFC 8260 §2.1): the first fragment of a message has its PPID, the others their number."""
    flags = (0 if part else 2) | (1 if last else 0)
    value = struct.pack(">IHHII", tsn, stream, 0, number, part or ppid) + octets
    return chunk(64, value, flags)


# -- IP and below ------------------------------------------------------------------------------------------------------


def as_vlan(frame: bytes) -> bytes:
    """With an 802.1Q tag, VLAN 42."""
    return frame[:12] + b"\x81\x00\x00\x2a" + frame[12:]


def as_sll(frame: bytes, *, version: int, outgoing: bool) -> bytes:
    """As ``tcpdump -i any`` captures it on Linux."""
    kind = 4 if outgoing else 0  # LINUX_SLL_OUTGOING, LINUX_SLL_HOST
    address = frame[6:12] + bytes(2)
    if version == 1:
        return struct.pack(">HHH", kind, 1, 6) + address + frame[12:14] + frame[14:]
    return frame[12:14] + struct.pack(">HIHBB", 0, 2, 1, kind, 6) + address + frame[14:]


def as_ipv6(frame: bytes) -> bytes:
    prefix = bytes.fromhex("20010db8") + bytes(8)  # RFC 3849's addresses for documentation
    payload = frame[34:]
    head = (
        struct.pack(">IHBB", 6 << 28, len(payload), 132, 64) + prefix + frame[26:30] + prefix + frame[30:34]
    )
    return frame[:12] + b"\x86\xdd" + head + payload


def as_fragments(frame: bytes, size: int) -> list[bytes]:
    """An IPv4 packet in fragments of ``size`` octets, a multiple of 8 (RFC 791 §3.2)."""
    payload, made = frame[34:], []
    for at in range(0, len(payload), size):
        part = payload[at : at + size]
        more = 0x2000 if at + size < len(payload) else 0
        head = struct.pack(
            ">HHHH", 0x4500, 20 + len(part), int.from_bytes(frame[18:20], "big"), more | at >> 3
        )
        head += frame[22:24] + bytes(2) + frame[26:34]
        head = head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:]
        made.append(frame[:14] + head + part)
    return made


def as_udp(frame: bytes) -> bytes:
    """SCTP in UDP, both ports 9899 (RFC 6951)."""
    payload = frame[34:]
    length = 8 + len(payload)
    pseudo = frame[26:34] + struct.pack(">BBHHHHH", 0, 17, length, 9899, 9899, length, 0) + payload
    checksum = internet_checksum(pseudo)
    head = struct.pack(">HHHH", 9899, 9899, length, checksum)
    return ethernet(frame[26:30], frame[30:34], 17, head + payload, int.from_bytes(frame[18:20], "big"))


def opening(wire: TcpConnection) -> list[tuple[bool, bytes]]:
    """SYN, SYN and ACK, ACK (RFC 9293 §3.5): the far side connects."""
    flags = ((False, 0x02), (True, 0x12), (False, 0x10))
    return [(sent, wire.segment(b"", sent=sent, flags=each)) for sent, each in flags]


# -- other adaptations -------------------------------------------------------------------------------------------------

_INTERFACE, _PROTOCOL_DATA = 0x0001, 0x0300


def m2ua(kind: int, *parameters: bytes) -> bytes:
    """An M2UA message of class << 8 | type (RFC 3331 §3.1)."""
    body = b"".join(parameters)
    return struct.pack(">BBHI", 1, 0, kind, 8 + len(body)) + body


def m2ua_link(kind: int, *parameters: bytes) -> bytes:
    """One that is about signalling link 1 (§3.2)."""
    return m2ua(kind, parameter(_INTERFACE, b"\0\0\0\1"), *parameters)


def m2ua_data(data: Data) -> bytes:
    return m2ua_link(0x0601, parameter(_PROTOCOL_DATA, mtp3.encode(data)))


class M2paLink:
    """Both ends of a link over M2PA: sequence numbers go up with each user message (RFC 4165 §2.2)."""

    NONE = 0xFF_FFFF
    ALIGNMENT, PROVING_NORMAL, READY = 1, 2, 4

    def __init__(self) -> None:
        self._sent = [self.NONE, self.NONE]

    def _message(self, kind: int, body: bytes, *, sent: bool) -> bytes:
        way = 0 if sent else 1
        head = struct.pack(">BBHIII", 1, 0, kind, 16 + len(body), self._sent[1 - way], self._sent[way])
        return head + body

    def status(self, state: int, *, sent: bool) -> bytes:
        """Link Status (§2.3.2)."""
        return self._message(0x0B02, struct.pack(">I", state), sent=sent)

    def data(self, data: Data, *, sent: bool) -> bytes:
        """User Data (§2.3.1): the priority octet, then the message from its service information octet on."""
        way = 0 if sent else 1
        self._sent[way] = (self._sent[way] + 1) & self.NONE
        return self._message(0x0B01, b"\0" + mtp3.encode(data), sent=sent)

    def acknowledge(self, *, sent: bool) -> bytes:
        """User Data without data."""
        return self._message(0x0B01, b"", sent=sent)
