"""Capture files, pcap and pcapng (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng): octets in, packets out.

The parser is fed whatever a read brought, so that it reads files, pipes and captures that still grow alike,
and holds at most one unfinished record. A record that can't be is reported, and the parser looks for the next
one that can: a damaged octet costs the packets it touches, not the rest of the file.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, final

from scp.capture.wire.values import Fault, Frame

if TYPE_CHECKING:
    from mypy_extensions import i64

MAX_RECORD: Final = 262_144
"""Octets of the longest packet; the limit of libpcap and Wireshark."""
MAX_BLOCK: Final = 1 << 24
"""Octets of the longest pcapng block; only name and secret blocks come near."""

_MAGICS: Final[dict[bytes, tuple[str, float]]] = {
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
}
_NG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
_HEADER: Final = 24
_RECORD: Final = 16
_LINK_MASK: Final = 0x0FFF_FFFF  # the upper bits say how long a frame check sequence is
_A_DAY: Final = 86_400

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_SIMPLE: Final = 3
_ENHANCED: Final = 6
_OBSOLETE: Final = 2
_KNOWN_BLOCKS: Final = frozenset((1, 2, 3, 4, 5, 6, 9, 10, 0xBAD, 0x4000_0BAD, _SECTION))
_TIME_RESOLUTION: Final = 9
_TIME_OFFSET: Final = 14
_LEAST_BLOCK: Final = 12


class Parser:
    """What the two formats have in common.

    Attributes:
        faults: what was wrong with the file; the owner drains it.
        packets: how many were read.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.packets: int = 0
        self._rest = b""
        self._lost: bool = False
        self._time: float = 0.0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take what was read; return the packets that it completes."""
        octets = self._rest + chunk if self._rest else chunk
        frames: list[Frame] = []
        at = self._records(octets, frames)
        self._rest = octets[at:]
        return frames

    def finish(self) -> list[Frame]:
        """The file is at its end: report the record that it cuts short; return packets that stand within.

        There are some where it was not the file that was short, but a length that was wrong.
        """
        frames: list[Frame] = []
        while self._rest:
            self._fault("the file ends within a record", len(self._rest))
            before = self.packets
            self._lost = True
            octets = self._rest[1:]
            at = self._records(octets, frames)
            self._rest = octets[at:] if self.packets > before else b""
        return frames

    def _records(self, octets: bytes, frames: list[Frame]) -> i64:
        """Append the whole records and return where the first unfinished one begins."""
        raise NotImplementedError

    def _fault(self, reason: str, offset: int = 0) -> None:
        self.faults.append(Fault(self.packets + 1, self._time, "capture", reason, offset))


@final
class PcapParser(Parser):
    """The classic format; fed from the file's first octet on."""

    def __init__(self, magic: bytes) -> None:
        super().__init__()
        order, self._unit = _MAGICS[magic]
        self._record = struct.Struct(order + "IIII")
        self._head = struct.Struct(order + "4xHHIIII")
        self._link: int = -1

    def _records(self, octets: bytes, frames: list[Frame]) -> i64:
        at: i64 = 0
        size: i64 = len(octets)
        if self._link < 0:
            if size < _HEADER:
                return 0
            self._link = int(self._head.unpack_from(octets)[5]) & _LINK_MASK
            at = _HEADER
        unpack = self._record.unpack_from
        unit = self._unit
        while size - at >= _RECORD:
            record: tuple[int, int, int, int] = unpack(octets, at)
            seconds, fraction, captured, length = record
            odd = captured > length or fraction * unit >= 1.0
            if self._lost or captured > MAX_RECORD or (odd and not self._followed(octets, at)):
                found = self._search(octets, at)
                if found < 0:
                    return max(at, size - _RECORD + 1)
                at = found
                continue
            end: i64 = at + _RECORD + captured
            if end > size:
                return at
            self.packets += 1
            self._time = seconds + fraction * unit
            frames.append(
                Frame(
                    self.packets,
                    self._time,
                    self._link,
                    octets[at + _RECORD : end],
                    max(0, length - captured),
                )
            )
            at = end
        return at

    def _search(self, octets: bytes, start: i64) -> i64:
        """Find the next record that can be one: near in time to the last, lengths that fit; else -1."""
        at: i64 = start
        if not self._lost:
            self._fault("a record that can't be: looking for the next one", start)
            self._lost = True
            at += 1
        last: i64 = len(octets) - _RECORD
        while at <= last:
            if self._possible(octets, at) and self._followed(octets, at):
                self._lost = False
                return at
            at += 1
        return -1

    def _possible(self, octets: bytes, at: i64) -> bool:
        """Whether a record can begin here: near in time to the last one, with lengths that fit."""
        record: tuple[int, int, int, int] = self._record.unpack_from(octets, at)
        seconds, fraction, captured, length = record
        return (
            0 < captured <= length <= MAX_RECORD
            and (not self.packets or abs(seconds - self._time) < _A_DAY)
            and fraction * self._unit < 1.0
        )

    def _followed(self, octets: bytes, at: i64) -> bool:
        """Whether a record's length leads to another one, or to the end of what is there."""
        captured: int = self._record.unpack_from(octets, at)[2]
        end: i64 = at + _RECORD + captured
        if end + _RECORD > len(octets):
            return end == len(octets)
        record: tuple[int, int, int, int] = self._record.unpack_from(octets, end)
        return 0 < record[2] <= record[3] <= MAX_RECORD


@final
class PcapNgParser(Parser):
    """The block format; fed from the file's first octet on."""

    def __init__(self) -> None:
        super().__init__()
        self._order = "<"
        self._interfaces: list[
            tuple[int, int, int, float]
        ] = []  # link type, snap length, ticks a second, offset

    def _records(self, octets: bytes, frames: list[Frame]) -> i64:
        at: i64 = 0
        size: i64 = len(octets)
        while size - at >= _LEAST_BLOCK:
            length = self._block_length(octets, at)
            if length < 0:
                found = self._search(octets, at)
                if found < 0:
                    return max(at, size - _LEAST_BLOCK + 1)
                at = found
                continue
            if length > size - at:
                return at
            kind: int = struct.unpack_from(self._order + "I", octets, at)[0]
            self._block(kind, octets, at + 8, at + length - 4, frames)
            at += length
        return at

    def _block_length(self, octets: bytes, at: i64) -> i64:
        """Return the length of the block at ``at``, -1 if there is none; a section sets the byte order."""
        if octets[at : at + 4] == _NG_MAGIC:
            mark = octets[at + 8 : at + 12]
            if mark not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
                return -1
            self._order = ">" if mark[0] == 0x1A else "<"
            self._interfaces = []
        head: tuple[int, int] = struct.unpack_from(self._order + "II", octets, at)
        kind, length = head
        if length < _LEAST_BLOCK or length & 3 or length > MAX_BLOCK:
            return -1
        if self._lost and (kind not in _KNOWN_BLOCKS or not self._closed(octets, at, length)):
            return -1
        if len(octets) - at >= length and not self._closed(octets, at, length):
            return -1
        self._lost = False
        return length

    def _closed(self, octets: bytes, at: i64, length: i64) -> bool:
        """Whether the block's length stands at its end too."""
        if len(octets) - at < length:
            return False
        tail: int = struct.unpack_from(self._order + "I", octets, at + length - 4)[0]
        return tail == length

    def _search(self, octets: bytes, start: i64) -> i64:
        """Find the next block that is whole; else -1."""
        at: i64 = start
        if not self._lost:
            self._fault("a block that can't be: looking for the next one", start)
            self._lost = True
            at += 1
        last: i64 = len(octets) - _LEAST_BLOCK
        while at <= last:
            kind: int = struct.unpack_from(self._order + "I", octets, at)[0]
            if kind in _KNOWN_BLOCKS and self._block_length(octets, at) > 0:
                return at
            at += 1
        return -1

    def _block(self, kind: int, octets: bytes, at: i64, end: i64, frames: list[Frame]) -> None:
        if kind == _INTERFACE and end - at >= 8:
            self._interface(octets, at, end)
        elif kind == _ENHANCED and end - at >= 20:
            enhanced: tuple[int, int, int, int, int] = struct.unpack_from(self._order + "5I", octets, at)
            self._packet(
                enhanced[0], enhanced[1], enhanced[2], enhanced[3], enhanced[4], octets, at + 20, end, frames
            )
        elif kind == _OBSOLETE and end - at >= 20:
            old: tuple[int, int, int, int, int, int]
            old = struct.unpack_from(self._order + "HHIIII", octets, at)
            self._packet(old[0], old[2], old[3], old[4], old[5], octets, at + 20, end, frames)
        elif kind == _SIMPLE and end - at >= 4 and self._interfaces:
            length: int = struct.unpack_from(self._order + "I", octets, at)[0]
            limit = self._interfaces[0][1]
            captured = min(length, limit) if limit else length
            self._packet(0, -1, 0, captured, length, octets, at + 4, end, frames)
        elif kind in (_INTERFACE, _ENHANCED, _OBSOLETE, _SIMPLE):
            self._fault("a block that is shorter than its kind, or without interface")

    def _interface(self, octets: bytes, at: i64, end: i64) -> None:
        head: tuple[int, int, int] = struct.unpack_from(self._order + "HHI", octets, at)
        ticks: int = 1_000_000
        offset = 0.0
        at += 8
        while end - at >= 4:
            option: tuple[int, int] = struct.unpack_from(self._order + "HH", octets, at)
            code, length = option
            if code == _TIME_RESOLUTION and length == 1 and at + 4 < end:
                exponent: i64 = octets[at + 4] & 0x7F
                ticks = 1 << int(exponent) if octets[at + 4] & 0x80 else int("1" + "0" * exponent)
            elif code == _TIME_OFFSET and length == 8 and end - at >= 12:
                shift: int = struct.unpack_from(self._order + "q", octets, at + 4)[0]
                offset = float(shift)
            at += 4 + length + (-length & 3)
        self._interfaces.append((head[0], head[2], ticks, offset))

    def _packet(
        self,
        interface: int,
        high: int,
        low: int,
        captured: int,
        length: int,
        octets: bytes,
        at: i64,
        end: i64,
        frames: list[Frame],
    ) -> None:
        """Append one packet; ``high`` -1: it has no time of its own, and is given the one before's."""
        if captured > end - at or interface >= len(self._interfaces):
            self._fault("a packet longer than its block, or of an interface that is not described")
            return
        link, _, ticks, offset = self._interfaces[interface]
        self.packets += 1
        if high >= 0:
            self._time = (high << 32 | low) / ticks + offset
        frames.append(
            Frame(self.packets, self._time, link, octets[at : at + captured], max(0, length - captured))
        )


def parser_for(magic: bytes) -> Parser | None:
    """Return the parser for a file that begins with these four octets, None if it is no capture."""
    if magic in _MAGICS:
        return PcapParser(magic)
    return PcapNgParser() if magic == _NG_MAGIC else None
