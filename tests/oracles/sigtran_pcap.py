"""Writes captures of SIGTRAN traffic without a line of the project's own codecs: pcap, IPv4, SCTP, M3UA, SCCP.

Everything is carried as M3UA over SCTP over IPv4 in Ethernet, because that is where tshark looks for it (SCTP payload
protocol 3, RFC 4666 §1.4.7); it has no dissector for M3UA over TCP. Messages without M3UA or SCCP get plain ones around
them. Nothing is negotiated (no INIT): DATA chunks with the right TSN, stream numbers and CRC32c are all that is needed.
"""

from __future__ import annotations

import itertools
import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

LINKTYPE_ETHERNET: Final = 1
ETHERTYPE_IPV4: Final = b"\x08\x00"
IPPROTO_SCTP: Final = 132
M3UA_PORT: Final = 2905
M3UA_PPID: Final = 3
CAP_SSN: Final = 146
DATA_CHUNK_MAX: Final = (
    32_768  # a longer message goes in several chunks (RFC 9260 §6.9), each in a packet of its own
)


class Layer(Enum):
    """What a frame's octets begin with."""

    M3UA = "m3ua"
    SCCP = "sccp"
    TCAP = "tcap"


@dataclass(frozen=True)
class Frame:
    """One message on the wire.

    Attributes:
        octets: the message, from `layer` upwards.
        layer: where it begins.
        sent: whether the node sent it (else the peer did).
        at: seconds, any epoch.
        stream: SCTP stream.
        association: frames of different associations get different IP addresses and sequence numbers. (tshark
            relates TCAP transactions by SS7 point code all the same.)
        origin: the test or file that it came from; shown when the frame is found at fault.
    """

    octets: bytes
    layer: Layer = Layer.M3UA
    sent: bool = True
    at: float = 0.0
    stream: int = 1
    association: int = 0
    origin: str = ""


def m3ua_data(payload: bytes, opc: int, dpc: int, *, service_indicator: int = 3, sls: int = 0) -> bytes:
    """Return DATA (RFC 4666 §3.3.1) with the one parameter it must have, Protocol Data (0x0210)."""
    value = struct.pack("!IIBBBB", opc, dpc, service_indicator, 2, 0, sls) + payload
    parameter = struct.pack("!HH", 0x0210, 4 + len(value)) + value + bytes(-len(value) % 4)
    return struct.pack("!BBBBI", 1, 0, 1, 1, 8 + len(parameter)) + parameter


def udt(payload: bytes, ssn: int = CAP_SSN) -> bytes:
    """Return UDT (Q.713 §4.10), class 1, both addresses SSN alone with routing on SSN; LUDT where it is too long."""
    address = bytes((0x42, ssn))
    called = bytes((len(address),)) + address
    if len(payload) <= 255:
        pointers = bytes((3, 2 + len(called), 1 + 2 * len(called)))
        return b"\x09\x01" + pointers + called + called + bytes((len(payload),)) + payload
    # LUDT (Q.713 §4.20): two-octet pointers, least significant octet first, each counted from its own second octet
    first = 8 - 1
    pointers = struct.pack("<HHHH", first, first - 2 + len(called), first - 4 + 2 * len(called), 0)
    return b"\x13\x01\x0f" + pointers + called + called + struct.pack("<H", len(payload)) + payload


def crc32c_table() -> tuple[int, ...]:
    """Return the table of CRC32c (RFC 9260 appendix A: polynomial 0x1EDC6F41, reflected 0x82F63B78)."""
    table = []
    for octet in range(256):
        crc = octet
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


CRC32C: Final = crc32c_table()


def crc32c(octets: bytes) -> int:
    """Return the checksum of ``octets`` as SCTP sends it, least significant octet first."""
    crc = 0xFFFFFFFF
    for octet in octets:
        crc = CRC32C[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def sctp_packet(chunks: bytes, verification_tag: int) -> bytes:
    """Return an SCTP packet between the M3UA ports (RFC 9260 §3.1)."""
    head = struct.pack("!HHI", M3UA_PORT, M3UA_PORT, verification_tag)
    return head + struct.pack("<I", crc32c(head + bytes(4) + chunks)) + chunks


def data_chunk(
    tsn: int, stream: int, ssn: int, payload: bytes, *, first: bool = True, last: bool = True
) -> bytes:
    """Return a DATA chunk (RFC 9260 §3.3.1) of an M3UA message or a fragment of one."""
    flags = (2 if first else 0) | (1 if last else 0)
    length = 16 + len(payload)
    head = struct.pack("!BBHIHHI", 0, flags, length, tsn & 0xFFFFFFFF, stream, ssn & 0xFFFF, M3UA_PPID)
    return head + payload + bytes(-length % 4)


def ipv4(source: bytes, destination: bytes, payload: bytes, ident: int) -> bytes:
    """Return an IPv4 packet in an Ethernet frame."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident & 0xFFFF, 0x4000, 64, IPPROTO_SCTP, 0)
    head += source + destination
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", total ^ 0xFFFF) + head[12:]
    ethernet = b"\x02\x00" + destination + b"\x02\x00" + source + ETHERTYPE_IPV4
    return ethernet + head + payload


class Wire:
    """Turns frames into packets, with the sequence numbers that each association and direction is at."""

    def __init__(self) -> None:
        self._tsn: dict[tuple[int, bool], itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self._ssn: dict[tuple[int, bool, int], itertools.count[int]] = defaultdict(itertools.count)
        self._ident = itertools.count(1)

    def packets(self, frame: Frame) -> list[bytes]:
        """Return the Ethernet frames that carry ``frame``: one, or more where it is too long for one chunk."""
        message = self._as_m3ua(frame)
        here, there = (bytes((10, *divmod(frame.association & 0xFFFF, 256), side)) for side in (1, 2))
        source, destination = (here, there) if frame.sent else (there, here)
        direction = (frame.association, frame.sent)
        ssn = next(self._ssn[(*direction, frame.stream)])
        parts = [message[i : i + DATA_CHUNK_MAX] for i in range(0, max(len(message), 1), DATA_CHUNK_MAX)]
        packets = []
        for index, part in enumerate(parts):
            chunk = data_chunk(
                next(self._tsn[direction]),
                frame.stream,
                ssn,
                part,
                first=index == 0,
                last=index == len(parts) - 1,
            )
            tag = 0x10000 + 2 * frame.association + frame.sent
            packets.append(ipv4(source, destination, sctp_packet(chunk, tag), next(self._ident)))
        return packets

    @staticmethod
    def _as_m3ua(frame: Frame) -> bytes:
        if frame.layer is Layer.M3UA:
            return frame.octets
        opc, dpc = (1, 2) if frame.sent else (2, 1)
        return m3ua_data(frame.octets if frame.layer is Layer.SCCP else udt(frame.octets), opc, dpc)


def pcap(frames: Iterable[Frame]) -> tuple[bytes, list[int]]:
    """Return a capture file of ``frames`` and, for each packet in it, the index of the frame that it ends or carries."""
    wire = Wire()
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, LINKTYPE_ETHERNET)]
    owners: list[int] = []
    for index, frame in enumerate(frames):
        seconds, fraction = divmod(frame.at, 1.0)
        for packet in wire.packets(frame):
            head = struct.pack(
                "<IIII", int(seconds) & 0xFFFFFFFF, int(fraction * 1e6), len(packet), len(packet)
            )
            out.append(head + packet)
            owners.append(index)
    return b"".join(out), owners
