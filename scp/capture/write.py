"""Writes captures: SIGTRAN messages in SCTP, SMPP in TCP, IPv4 and Ethernet as pcap or pcapng, for Wireshark.

What a node says over TCP or loopback is written as SCTP all the same: that is what every reader of captures
knows M3UA in (RFC 4666 §1.4.7), and what the messages say is the same.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Final, final

from ss7.crc32c import crc32c
from ss7.sctp import PPID_M3UA

if TYPE_CHECKING:
    from collections.abc import Iterator

ETHERNET: Final = 1
SNAP_LENGTH: Final = 262_144
MAX_CHUNK: Final = 1_400
"""Octets of user data in one DATA chunk; a longer message is fragmented (RFC 9260 §6.9)."""

_PCAP_HEAD: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP_LENGTH, ETHERNET)
_RECORD: Final = struct.Struct("<IIII")
_BLOCK: Final = struct.Struct("<II")
_ENHANCED: Final = struct.Struct("<IIIII")
_SCTP: Final = struct.Struct(">HHII")
_DATA: Final = struct.Struct(">BBHIHHI")
_TCP: Final = struct.Struct(">HHIIBBHHH")
_IPV4: Final = struct.Struct(">BBHHHBBH4s4s")
_MASK32: Final = 0xFFFF_FFFF
_COMMENT: Final = 1
_IF_NAME: Final = 2
_IF_RESOLUTION: Final = 9
_NANOSECONDS: Final = b"\x09"


@final
class PcapWriter:
    """Writes the classic format, microseconds."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.write(_PCAP_HEAD)

    def write(self, time: float, packet: bytes, comment: str = "") -> int:  # noqa: ARG002 - as `PcapNgWriter`
        """Write a packet; the format has no comments. Returns the octets it took."""
        micros = round(time * 1e6)
        seconds, fraction = divmod(micros, 1_000_000)
        size = len(packet)
        self._stream.write(_RECORD.pack(seconds & _MASK32, fraction, size, size) + packet)
        return _RECORD.size + size


@final
class PcapNgWriter:
    """Writes the block format: one section, one interface, nanoseconds.

    Args:
        stream: where to.
        application: what wrote it, as Wireshark shows it.
        comment: on the whole file.
        link: link type of the interface.
    """

    def __init__(
        self, stream: BinaryIO, application: str = "camel-scp", comment: str = "", *, link: int = ETHERNET
    ) -> None:
        self._stream = stream
        section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        options = _option(4, application.encode()) + (_option(_COMMENT, comment.encode()) if comment else b"")
        stream.write(_block(0x0A0D0D0A, section + options + _option(0, b"")))
        interface = struct.pack("<HHI", link, 0, SNAP_LENGTH)
        options = _option(_IF_NAME, b"sigtran") + _option(_IF_RESOLUTION, _NANOSECONDS) + _option(0, b"")
        stream.write(_block(1, interface + options))

    def write(self, time: float, packet: bytes, comment: str = "") -> int:
        """Write a packet with a comment. Returns the octets it took."""
        nanos = round(time * 1e9)
        head = _ENHANCED.pack(0, nanos >> 32 & _MASK32, nanos & _MASK32, len(packet), len(packet))
        options = _option(_COMMENT, comment.encode()) + _option(0, b"") if comment else b""
        block = _block(6, head + packet + bytes(-len(packet) & 3) + options)
        self._stream.write(block)
        return len(block)


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return _BLOCK.pack(kind, length) + body + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) & 3)


@final
class Association:
    """The packets of one association between two hosts, ``here`` and ``there`` (IPv4 addresses and ports).

    Every message gets the TSN and the stream sequence number that are due; INIT and SACK are whoever's who
    wants them: no reader needs them. `pcaps/make.py` makes those, with what is left to it here.
    """

    def __init__(
        self,
        here: bytes,
        there: bytes,
        here_port: int = 2905,
        there_port: int = 2905,
        *,
        tag: int = 1,
        ppid: int = PPID_M3UA,
    ) -> None:
        self._ends = ((here, here_port, tag), (there, there_port, tag + 1))
        self._ppid = ppid
        self._tsn = [1, 1]
        self._sequence: dict[tuple[int, int], int] = {}
        self._ident = 0

    def packets(self, message: bytes, *, sent: bool, stream: int = 1) -> list[bytes]:
        """Return the frames that carry a message from ``here`` (``sent``) or from ``there``."""
        return [self.packet([chunk], sent=sent) for chunk in self.chunks(message, sent=sent, stream=stream)]

    def chunks(self, message: bytes, *, sent: bool, stream: int = 1) -> Iterator[bytes]:
        """Yield the DATA chunks of a message (RFC 9260 §3.3.1)."""
        way = 0 if sent else 1
        sequence = self._sequence.get((way, stream), 0)
        self._sequence[way, stream] = (sequence + 1) & 0xFFFF
        last = max(0, (len(message) - 1) // MAX_CHUNK)
        for index in range(last + 1):
            part = message[index * MAX_CHUNK : (index + 1) * MAX_CHUNK]
            flags = (2 if index == 0 else 0) | (1 if index == last else 0)
            length = 16 + len(part)
            head = _DATA.pack(0, flags, length, self._tsn[way], stream, sequence, self._ppid)
            self._tsn[way] = (self._tsn[way] + 1) & _MASK32
            yield head + part + bytes(-length & 3)

    def skip_tsn(self, *, sent: bool) -> None:
        """Leave one TSN to a caller that makes a chunk of its own."""
        way = 0 if sent else 1
        self._tsn[way] = (self._tsn[way] + 1) & _MASK32

    def tag(self, *, sent: bool) -> int:
        """Return the verification tag of what is ``sent``, or comes: the receiver's (RFC 9260 §8.5)."""
        return self._ends[1 if sent else 0][2]

    def last_tsn(self, *, sent: bool) -> int:
        """Return the TSN of the latest chunk; that before the first one while there is none."""
        return (self._tsn[0 if sent else 1] - 1) & _MASK32

    def packet(self, chunks: list[bytes], *, sent: bool, tag: int = -1) -> bytes:
        """Return one frame with these chunks; ``tag`` is its verification tag if not the receiver's own."""
        (source, source_port, _), (target, target_port, own) = self._ends if sent else self._ends[::-1]
        body = b"".join(chunks)
        head = _SCTP.pack(source_port, target_port, own if tag < 0 else tag, 0)
        checksum = crc32c(head + body).to_bytes(4, "little")
        self._ident = (self._ident + 1) & 0xFFFF
        return ethernet(source, target, 132, head[:8] + checksum + body, self._ident)


@final
class TcpConnection:
    """The packets of a TCP connection: the far side, ``there``, has connected to ``here`` (IPv4 addresses).

    Args:
        port: of ``here``: M3UA's (RFC 4666 §1.4.8), or SMPP's.
    """

    def __init__(self, here: bytes, there: bytes, far_port: int = 40_001, *, port: int = 2905) -> None:
        self._ends = ((here, port), (there, far_port))
        self._next = [1000, 9000]
        self._ident = 0

    def packets(self, octets: bytes, *, sent: bool, stream: int = 0) -> list[bytes]:
        """Return the frames that carry octets from ``here`` (``sent``) or from ``there``."""
        del stream
        parts = range(0, max(1, len(octets)), MAX_CHUNK)
        return [self.segment(octets[at : at + MAX_CHUNK], sent=sent) for at in parts]

    def segment(self, octets: bytes, *, sent: bool, flags: int = 0x18, back: int = 0) -> bytes:
        """Return the next segment; ``back``: one that begins so many octets earlier, a retransmission."""
        way = 0 if sent else 1
        (source, source_port), (target, target_port) = self._ends if sent else self._ends[::-1]
        sequence = self._next[way] - back
        self._next[way] = max(self._next[way], sequence + len(octets) + (1 if flags & 0x03 else 0))
        acknowledged = self._next[1 - way] if flags & 0x10 else 0
        head = _TCP.pack(
            source_port, target_port, sequence & _MASK32, acknowledged & _MASK32, 0x50, flags, 65_535, 0, 0
        )
        pseudo = source + target + struct.pack(">HH", 6, len(head) + len(octets))
        checksum = internet_checksum(pseudo + head + octets)
        self._ident = (self._ident + 1) & 0xFFFF
        payload = head[:16] + checksum.to_bytes(2, "big") + head[18:] + octets
        return ethernet(source, target, 6, payload, self._ident)


def ethernet(source: bytes, target: bytes, protocol: int, payload: bytes, ident: int = 0) -> bytes:
    """Return an IPv4 packet in an Ethernet frame; the MAC addresses are made of the IP addresses."""
    head = _IPV4.pack(0x45, 0, 20 + len(payload), ident & 0xFFFF, 0x4000, 64, protocol, 0, source, target)
    head = head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:]
    return b"\x02\x00" + target + b"\x02\x00" + source + b"\x08\x00" + head + payload


def internet_checksum(octets: bytes) -> int:
    """Return the checksum of RFC 1071 over octets in which its own field is zero."""
    if len(octets) & 1:
        octets += b"\0"
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
