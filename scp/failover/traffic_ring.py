"""A ring of the last traffic, in memory that outlives the process that writes it.

A ring of entries, each a batch of messages of one link: one copy of octets a batch, no system call. One
process writes; another reads when the writer is dead. The positions at the beginning are moved after the
octets that they speak of are in place, each by one store of the machine (`struct` would store octet by
octet), so whenever the writer is killed, what they enclose is whole.
"""

from __future__ import annotations

import mmap
from enum import IntEnum
from struct import Struct
from sys import byteorder
from typing import TYPE_CHECKING, Final, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE: Final = 8 << 20
"""Octets. 50,000 calls a second write some 17 million: this is half a second, longer than a call may wait."""

_POSITIONS: Final = Struct("=QQ")  # of the oldest entry and of the end; they only grow
_OLDEST: Final = 0
_END: Final = 1
_ENTRY: Final = Struct("=IHHd")  # length, link, kind, seconds
_LENGTH: Final = Struct("=I")
_KIND_AT: Final = 6 if byteorder == "little" else 7  # in an entry: the octet that tells kinds apart
_WRAP: Final = 0xFFFFFFFF
"""The length of what fills the ring's end, where the next entry does not fit."""
_ALIGN: Final = 7


class Kind(IntEnum):
    """What an entry says."""

    BEGUN = 0
    """The link's association is a new one."""
    READ = 1
    """Messages that came, one behind the other."""
    REST = 2
    """The beginning of a message that is not whole yet: what came after the messages before."""
    SENT = 3
    """Messages that the kernel took."""
    UNSENT = 4
    """Messages that the kernel has not taken, or not all of them."""
    SENDING = 5
    """Messages that are being given to the kernel: whether it has them is not known."""


class Entry(NamedTuple):
    """An entry: the link's number, the time it was written (monotonic seconds), its octets."""

    link: int
    kind: Kind
    at: float
    octets: bytes


@final
class TrafficRing:
    """A ring of entries in memory that a forked process shares.

    Attributes:
        left_out: batches that were too large to be kept.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.left_out = 0
        self._size = size
        self._memory = mmap.mmap(-1, _POSITIONS.size + size)
        self._ring = memoryview(self._memory)[_POSITIONS.size :]
        self._positions = memoryview(self._memory)[: _POSITIONS.size].cast("Q")
        self._oldest = 0
        self._end = 0

    def write(self, link: int, kind: Kind, octets: bytes, now: float) -> int:
        """Append an entry; the oldest make room. Return where it is, for `mark`; -1: it is left out."""
        length = len(octets)
        room = (_ENTRY.size + length + _ALIGN) & ~_ALIGN
        size = self._size
        if room > size >> 1:
            self.left_out += 1
            return -1
        at = self._end % size
        if size - at < room:
            self._make_room(size - at)
            _LENGTH.pack_into(self._ring, at, _WRAP)
            self._end += size - at
            at = 0
        self._make_room(room)
        _ENTRY.pack_into(self._ring, at, length, link, kind, now)
        start = at + _ENTRY.size
        self._ring[start : start + length] = octets
        self._end += room
        self._positions[_END] = self._end
        return at

    def mark(self, at: int, kind: Kind) -> None:
        """Change what the entry that was just written says; ``at`` as `write` returned it."""
        if at >= 0:
            self._ring[at + _KIND_AT] = kind

    def _make_room(self, room: int) -> None:
        """Give up the oldest entries until ``room`` octets behind the end are free."""
        limit = self._end + room - self._size
        if self._oldest >= limit:
            return
        while self._oldest < limit:
            self._oldest = self._after(self._oldest)
        self._positions[_OLDEST] = self._oldest  # never beyond the end that is stored: room is at most half

    def _after(self, position: int) -> int:
        at = position % self._size
        length: int = _LENGTH.unpack_from(self._ring, at)[0]
        if length == _WRAP:
            return position + self._size - at
        return position + ((_ENTRY.size + length + _ALIGN) & ~_ALIGN)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries, the oldest first; to be read after the writer's end."""
        position, end = self._positions
        while position < end:
            at = position % self._size
            (length,) = _LENGTH.unpack_from(self._ring, at)
            if length != _WRAP:
                _, link, kind, seconds = _ENTRY.unpack_from(self._ring, at)
                start = at + _ENTRY.size
                yield Entry(link, Kind(kind), seconds, bytes(self._ring[start : start + length]))
            position = self._after(position)
