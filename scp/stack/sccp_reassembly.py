"""Reassembly of segmented messages (Q.714 §4.1.1.3), bounded in number, octets and time."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.stack.sccp_settings import Discard
from ss7.sccp import ReturnCause, Segmentation, UnitData

if TYPE_CHECKING:
    from scp.stack.sccp_settings import SccpSettings

_Key: TypeAlias = tuple[int, bytes, int]


@final
@dataclass(init=False)
class Failure:
    """A message that can't be put together.

    Attributes:
        reason: why, in the vocabulary of events.
        cause: the return cause; -1: nothing is to be returned.
        message: what is returned if its sender asked for that: the first segment where there is one.
        opc: originating point code of the segment, the peer's.
        dpc: destination point code of the segment, one of ours.
        sls: signalling link selection of the segment.
    """

    reason: Discard
    cause: int
    message: UnitData
    opc: int
    dpc: int
    sls: int

    def __init__(self, reason: Discard, cause: int, message: UnitData, opc: int, dpc: int, sls: int) -> None:
        self.reason = reason
        self.cause = cause
        self.message = message
        self.opc = opc
        self.dpc = dpc
        self.sls = sls


@final
class _Partial:
    """A message of which segments are missing: its first segment, routing label, and all data so far."""

    def __init__(
        self, first: UnitData, remaining: int, opc: int, dpc: int, sls: int, deadline: float
    ) -> None:
        self.first = first
        self.parts: list[bytes] = [first.data]
        self.octets = len(first.data)
        self.remaining = remaining
        self.opc = opc
        self.dpc = dpc
        self.sls = sls
        self.deadline = deadline


@final
class Reassembly:
    """All messages under reassembly of one node.

    A process is known by originating point code, calling address and segmentation local reference.
    Segments are class 1, so they come in order or not at all: one that is out of order means that one was
    lost.

    Attributes:
        failures: messages given up since the owner last looked; it drains the list.
        octets: user data held now.
    """

    def __init__(self, settings: SccpSettings) -> None:
        self._time: Final = settings.t_reassembly
        self._max_count: Final = settings.max_reassemblies
        self._max_octets: Final = settings.max_reassembly_octets
        self._partial: dict[_Key, _Partial] = {}  # in the order of their deadlines: all have the same time
        self.failures: list[Failure] = []
        self.octets = 0

    def __len__(self) -> int:
        """How many messages are under reassembly."""
        return len(self._partial)

    def receive(
        self, segment: UnitData, part: Segmentation, opc: int, dpc: int, sls: int, now: float
    ) -> UnitData | None:
        """Take a segment; return the message that it completes, None if there is none.

        Args:
            segment: as it came.
            part: its segmentation parameter.
            opc: originating point code of its DATA.
            dpc: destination point code, ours.
            sls: signalling link selection.
            now: seconds.
        """
        key = (opc, segment.calling_raw, part.local_reference)
        partial = self._partial.get(key)
        if part.first:
            if partial is not None:
                # The sender began anew with a reference in use: what came before can't be completed any more.
                self._drop(key, partial)
                self._fail(Discard.SEGMENT_REPEATED, -1, partial)
            return self._begin(key, segment, part, opc, dpc, sls, now)
        if partial is None:
            self.failures.append(Failure(Discard.SEGMENT_UNEXPECTED, -1, segment, opc, dpc, sls))
            return None
        if part.remaining != partial.remaining - 1:
            self._drop(key, partial)
            self._fail(Discard.SEGMENT_LOST, ReturnCause.ERROR_IN_MESSAGE_TRANSPORT, partial)
            return None
        if self.octets + len(segment.data) > self._max_octets:
            self._drop(key, partial)
            self._fail(Discard.REASSEMBLY_LIMIT, ReturnCause.DESTINATION_CANNOT_REASSEMBLE, partial)
            return None
        if part.remaining:
            partial.parts.append(segment.data)
            partial.remaining = part.remaining
            partial.octets += len(segment.data)
            self.octets += len(segment.data)
            return None
        self._drop(key, partial)
        partial.parts.append(segment.data)
        return _whole(partial.first, part.in_sequence, b"".join(partial.parts))

    def _begin(
        self, key: _Key, segment: UnitData, part: Segmentation, opc: int, dpc: int, sls: int, now: float
    ) -> UnitData | None:
        if not part.remaining:
            return _whole(segment, part.in_sequence, segment.data)
        partial = _Partial(segment, part.remaining, opc, dpc, sls, now + self._time)
        if len(self._partial) >= self._max_count or self.octets + partial.octets > self._max_octets:
            self._fail(Discard.REASSEMBLY_LIMIT, ReturnCause.DESTINATION_CANNOT_REASSEMBLE, partial)
            return None
        self._partial[key] = partial
        self.octets += partial.octets
        return None

    def next_deadline(self) -> float:
        """Return when T(reass) of the oldest message runs out; ``inf`` if there is none."""
        for partial in self._partial.values():
            return partial.deadline
        return inf

    def tick(self, now: float) -> None:
        """Give up the messages whose T(reass) has run out."""
        due = []
        for key, partial in self._partial.items():
            if partial.deadline > now:
                break
            due.append((key, partial))
        for key, partial in due:
            self._drop(key, partial)
            self._fail(Discard.REASSEMBLY_TIMEOUT, ReturnCause.ERROR_IN_MESSAGE_TRANSPORT, partial)

    def _drop(self, key: _Key, partial: _Partial) -> None:
        del self._partial[key]
        self.octets -= partial.octets

    def _fail(self, reason: Discard, cause: int, partial: _Partial) -> None:
        self.failures.append(Failure(reason, cause, partial.first, partial.opc, partial.dpc, partial.sls))


def _whole(first: UnitData, in_sequence: bool, data: bytes) -> UnitData:
    """Return the message as if it had come in one piece, in the class that its sender's user asked for."""
    return UnitData(
        first.kind,
        1 if in_sequence else 0,
        first.return_on_error,
        first.called_raw,
        first.calling_raw,
        data,
        first.hop_counter,
        None,
        first.importance,
    )
