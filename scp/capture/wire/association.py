"""One direction of an SCTP association: chunks in, whole messages out, each once and in their stream's order.

A capture is not an endpoint: it may begin in the middle, miss packets for good, and show retransmissions of
what it has already seen. So a gap in a stream is waited for only as long as a retransmission may take, and
then reported and stepped over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from ss7.sctp import FIRST, LAST, UNORDERED, DataChunk

if TYPE_CHECKING:
    from mypy_extensions import i64

HOLD_SECONDS: Final = 3.0
"""How long a message waits for those before it in its stream: RTO.Initial and more (RFC 9260 §16)."""
HOLD_MESSAGES: Final = 256
"""Messages of one stream that wait at most."""
_REMEMBERED: Final = 1024  # TSNs
_MAX_FRAGMENTS: Final = 512
_MASK32: Final = 0xFFFF_FFFF

DUPLICATE: Final = "retransmission"
RESTARTED: Final = "association-restarted"
MISSING: Final = "messages-missing"
FRAGMENTS_LOST: Final = "fragments-lost"


@final
class Whole:
    """A whole message of an association: what `Signal` has, as far as SCTP knows it."""

    __slots__ = ("data", "frame", "ppid", "stream", "time")

    def __init__(self, frame: int, time: float, stream: int, ppid: int, data: bytes) -> None:
        self.frame = frame
        self.time = time
        self.stream = stream
        self.ppid = ppid
        self.data = data


@final
class _Stream:
    """What is expected next in a stream, and what came too early, by sequence number of 16 or 32 bits."""

    def __init__(self, following: int, mask: int) -> None:
        self.following = following
        self.mask = mask
        self.held: dict[int, Whole] = {}
        self.since: float = 0.0


@final
class Direction:
    """One direction of one association.

    Attributes:
        ready: whole messages, in order; the owner drains it.
        notes: `DUPLICATE` … with how many it concerns; the owner drains it.
    """

    def __init__(self) -> None:
        self.ready: list[Whole] = []
        self.notes: list[tuple[str, int]] = []
        self._highest: int = -1
        self._seen: dict[int, int] = {}
        self._streams: dict[int, _Stream] = {}
        self._fragments: dict[tuple[int, int], DataChunk] = {}
        self._holding: int = 0

    def receive(self, chunk: DataChunk, frame: int, time: float) -> None:
        """Take one chunk."""
        if self._holding:
            self._step_over(time)
        if not self._is_new(chunk):
            return
        if chunk.whole:
            self._ordered(chunk, Whole(frame, time, chunk.stream, chunk.ppid, chunk.data), time)
        else:
            self._fragment(chunk, frame, time)

    def flush(self) -> None:
        """Hand out all that waits: the capture is at its end."""
        self._step_over(float("inf"))
        if self._fragments:
            self.notes.append((FRAGMENTS_LOST, len(self._fragments)))
            self._fragments.clear()

    def _is_new(self, chunk: DataChunk) -> bool:
        """Note a TSN; False if this chunk was there before.

        The same TSN with other octets is another association between the same ports with the same tag: a
        restart, or captures of several that were merged.
        """
        tsn = chunk.tsn
        mark = hash(chunk.data)
        seen = self._seen
        if tsn != self._highest + 1 & _MASK32:
            known = seen.get(tsn)
            if known is not None:
                if known == mark:
                    self.notes.append((DUPLICATE, 1))
                    return False
                self._restart()
                seen = self._seen
        if self._highest < 0 or 0 < (tsn - self._highest & _MASK32) < 1 << 31:
            self._highest = tsn
        seen[tsn] = mark
        if len(seen) > 2 * _REMEMBERED:
            self._forget()
        return True

    def _forget(self) -> None:
        """Keep the latest TSNs."""
        kept = list(self._seen.items())[-_REMEMBERED:]
        self._seen = dict(kept)

    def _restart(self) -> None:
        self.notes.append((RESTARTED, 1))
        self._step_over(float("inf"))
        self._seen = {}
        self._streams = {}
        self._fragments = {}
        self._highest = -1

    def _ordered(self, chunk: DataChunk, message: Whole, time: float) -> None:
        """Hand a message out if it is its turn, with those that waited for it; else keep it."""
        if chunk.flags & UNORDERED:
            self.ready.append(message)
            return
        stream = self._streams.get(chunk.stream)
        sequence = chunk.sequence
        if stream is None:
            stream = self._streams[chunk.stream] = _Stream(sequence, _MASK32 if chunk.interleaved else 0xFFFF)
        mask: i64 = stream.mask
        ahead: i64 = sequence - stream.following & mask
        if ahead == 0:
            self.ready.append(message)
            stream.following = sequence + 1 & mask
            if stream.held:
                self._release(stream)
        elif ahead > mask >> 1:
            self.ready.append(message)  # before what was stepped over, or before the capture's first
        else:
            if not stream.held:
                stream.since = time
                self._holding += 1
            stream.held[sequence] = message
            if len(stream.held) > HOLD_MESSAGES:
                self._jump(stream)

    def _release(self, stream: _Stream) -> None:
        """Hand out what is next in a stream, as far as it goes without a gap."""
        mask = stream.mask
        held = stream.held
        while held:
            message = held.pop(stream.following, None)
            if message is None:
                return
            self.ready.append(message)
            stream.following = stream.following + 1 & mask
        self._holding -= 1

    def _jump(self, stream: _Stream) -> None:
        """Step over the gap before what waits in a stream."""
        mask = stream.mask
        following = stream.following
        nearest: int = min([(sequence - following) & mask for sequence in stream.held])
        self.notes.append((MISSING, nearest))
        stream.following = following + nearest & mask
        self._release(stream)

    def _step_over(self, time: float) -> None:
        """Step over the gaps that have been waited for long enough."""
        for stream in self._streams.values():
            while stream.held and time - stream.since > HOLD_SECONDS:
                self._jump(stream)

    def _fragment(self, chunk: DataChunk, frame: int, time: float) -> None:
        """Keep a fragment; put the message together if it is the last that was missing (RFC 9260 §6.9)."""
        fragments = self._fragments
        if len(fragments) >= _MAX_FRAGMENTS:
            self.notes.append((FRAGMENTS_LOST, len(fragments)))
            fragments.clear()
        if chunk.interleaved:
            group = chunk.stream << 33 | (chunk.flags & UNORDERED) << 30 | chunk.sequence
            key = chunk.fragment
        else:
            group = -1
            key = chunk.tsn
        fragments[group, key] = chunk
        mask: i64 = _MASK32
        first: i64 = key
        while not fragments[group, first].flags & FIRST:
            first = first - 1 & mask
            if (group, first) not in fragments:
                return
        last: i64 = key
        while not fragments[group, last].flags & LAST:
            last = last + 1 & mask
            if (group, last) not in fragments:
                return
        parts: list[bytes] = []
        begin = fragments[group, first]
        at: i64 = first
        while True:
            parts.append(fragments.pop((group, at)).data)
            if at == last:
                break
            at = at + 1 & mask
        self._ordered(begin, Whole(frame, time, begin.stream, begin.ppid, b"".join(parts)), time)
