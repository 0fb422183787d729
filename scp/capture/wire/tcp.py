"""One direction of a TCP connection: segments in, whole messages of M3UA or PDUs of SMPP out.

As with SCTP, a gap is waited for only as long as a retransmission may take; then the stream is taken up again
at the next segment that begins with a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.capture.wire.smpp import PduFramer, begins_pdu
from scp.capture.wire.values import Adaptation
from ss7.errors import DecodeError
from ss7.m3ua import MESSAGES
from ss7.m3ua_framer import Framer
from ss7.m3ua_parameters import M3uaError

if TYPE_CHECKING:
    from mypy_extensions import i64

HOLD_SECONDS: Final = 3.0
HOLD_SEGMENTS: Final = 256
FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
_MASK32: Final = 0xFFFF_FFFF
_HALF: Final = 1 << 31

GAP: Final = "segments-missing"
UNFOLLOWED: Final = "no-m3ua-message"
NO_PDU: Final = "no-smpp-pdu"


def begins_message(octets: bytes) -> bool:
    """Whether a segment begins with the common header of an M3UA message (RFC 4666 §3.1)."""
    if len(octets) < 8 or octets[0] != 1 or octets[1] != 0:
        return False
    length = octets[4] << 24 | octets[5] << 16 | octets[6] << 8 | octets[7]
    return 8 <= length <= 1 << 17 and (octets[2] << 8 | octets[3]) in MESSAGES


def carried_by(octets: bytes) -> int:
    """Return what a segment begins with: an `Adaptation` that goes over TCP, -1 for neither."""
    if begins_message(octets):
        return Adaptation.M3UA
    return Adaptation.SMPP if begins_pdu(octets) else -1


@final
class Direction:
    """One direction of one connection.

    Args:
        carries: `Adaptation.M3UA` or `Adaptation.SMPP`.

    Attributes:
        carries: likewise.
        ready: whole messages, in order; the owner drains it.
        notes: `GAP`, `UNFOLLOWED` or `NO_PDU` with how many segments it concerns; the owner drains it.
    """

    def __init__(self, carries: int = Adaptation.M3UA) -> None:
        self.carries: int = carries
        self.ready: list[bytes] = []
        self.notes: list[tuple[str, int]] = []
        self._framer: Framer | PduFramer | None = None
        self._following: int = -1
        self._held: dict[int, bytes] = {}
        self._since: float = 0.0

    def receive(self, sequence: int, flags: int, octets: bytes, time: float) -> None:
        """Take one segment."""
        if flags & SYN:
            self._begin(sequence + 1 & _MASK32)
            return
        if not octets:
            return
        if self._following < 0:
            self._resume(sequence, octets)
            return
        ahead: i64 = sequence - self._following & _MASK32
        if ahead == 0:
            self._take(octets)
        elif ahead >= _HALF:
            known: i64 = _MASK32 + 1 - ahead
            if known >= len(octets):
                return  # a retransmission, or a keep-alive
            self._take(octets[known:])
        else:
            if not self._held:
                self._since = time
            self._held[sequence] = octets
            if len(self._held) > HOLD_SEGMENTS or time - self._since > HOLD_SECONDS:
                self._step_over()
            return
        self._release()

    def flush(self) -> None:
        """Hand out what waits: the capture is at its end."""
        while self._held:
            self._step_over()

    def _begin(self, following: int) -> None:
        self._following = following
        self._framer = PduFramer() if self.carries == Adaptation.SMPP else Framer()
        self._held.clear()

    def _resume(self, sequence: int, octets: bytes) -> None:
        """Take the stream up at a segment that begins with a message."""
        if carried_by(octets) == self.carries:
            self._begin(sequence)
            self._take(octets)
        else:
            self._lost()

    def _lost(self) -> None:
        self.notes.append((NO_PDU if self.carries == Adaptation.SMPP else UNFOLLOWED, 1))

    def _take(self, octets: bytes) -> None:
        """Take the octets that are next; the stream is lost if they are no messages."""
        self._following = self._following + len(octets) & _MASK32
        framer = self._framer
        if framer is None:
            return
        try:
            self.ready.extend(framer.feed(octets))
        except (M3uaError, DecodeError):
            self._lost()
        if framer.error is not None:
            self._following = -1

    def _release(self) -> None:
        """Take the segments that are next, as far as they go without a gap."""
        held = self._held
        while held and self._following >= 0:
            octets = held.pop(self._following, None)
            if octets is None:
                return
            self._take(octets)

    def _step_over(self) -> None:
        """Give the gap up: go on at the first held segment that begins with a message."""
        held, self._held = self._held, {}
        following = self._following
        order = sorted([((sequence - following) & _MASK32, sequence) for sequence in held])
        self.notes.append((GAP, 1))
        self._following = -1
        for index, (_, sequence) in enumerate(order):
            if self._following < 0:
                self._resume(sequence, held[sequence])
            elif sequence == self._following:
                self._take(held[sequence])
            else:
                self._held = {later: held[later] for _, later in order[index:]}
                return
