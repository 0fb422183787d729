"""Rows of call attempts, kept in memory until they are on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, final

import msgspec

from scp.domain.cdr import ATTEMPT_ROW, Bundle
from scp.services.cdr_row import attempt_rows, ending, legs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.cdr import Row
    from scp.domain.decision import Decision
    from scp.domain.numbers import Numbering
    from scp.services.call_progress import CallProgress
    from scp.services.cdr_row import Answered

TOGETHER: Final = 1_000
"""The most records of a bundle: reading one record decodes its bundle."""
AT_ONCE: Final = 50
"""The most bundles that are written at once, after a time without a disk."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list).decode
_ACTION: Final = ATTEMPT_ROW.index("action")
_NUMBER: Final = ATTEMPT_ROW.index("number")


class HeldRecord(NamedTuple):
    """The record of a held call as JSON: its `Row`, and the leg that it belongs to (a string, or null)."""

    row: bytes
    leg: bytes


def held(row: Row) -> bytes:
    """Return what is kept of the record of a call while it is held: leg and row in one piece of JSON text."""
    return _encode(legs_of([row])[0]) + _encode(row)


def ended(kept: bytes, progress: CallProgress | None) -> HeldRecord:
    """Return the record of a held call that is over.

    Args:
        kept: by `held`.
        progress: of the call; None: nothing was reported.
    """
    start = kept.index(b"[")  # no leg has one: hex digits, "@" and digits
    row = kept[start:]
    if progress is not None:
        row = row[:-1] + b"," + _encode(ending(progress))[1:]
    return HeldRecord(row, kept[:start])


def redecided(kept: bytes, decision: Decision) -> bytes:
    """Return what `held` returned, with another decision."""
    start = kept.index(b"[")
    row = _decode(kept[start:])
    row[_ACTION : _ACTION + 2] = decision.action, decision.reason
    if len(row) > _NUMBER:
        row[_NUMBER] = decision.number
    return kept[:start] + _encode(row)


class _Part(NamedTuple):
    """Records made together: since when they wait, how many, the items of the arrays of a `Bundle`."""

    since: float
    records: int
    rows: bytes
    legs: bytes


@final
class Bundles:
    """Makes rows of calls, some 200 octets each, and keeps them in order until they are written.

    Args:
        node: the node's name.
        started: when the node began to make them, seconds since 1970-01-01 UTC: it is part of their ids.

    Attributes:
        since: when the first of them began to wait; None if there is none.
    """

    def __init__(self, node: str, started: float) -> None:
        self.since: float | None = None
        self._node = node
        self._boot = f"{node}-{int(started * 1000):x}-"
        self._number = 0  # of the first that is in no bundle yet
        self._parts: list[_Part] = []
        self._next: list[Bundle] = []

    def make(self, calls: Sequence[Answered], numbering: Numbering, since: float) -> None:
        """Make the records of calls that wait since then; they are numbered in this order."""
        for start in range(0, len(calls), TOGETHER):
            self.add(attempt_rows(calls[start : start + TOGETHER], numbering), since)

    def add(self, rows: Sequence[Row], since: float) -> None:
        """Take the rows of records, `TOGETHER` at most, that wait since then."""
        if self.since is None:
            self.since = since
        self._parts.append(_Part(since, len(rows), _encode(rows)[1:-1], _encode(legs_of(rows))[1:-1]))

    def add_encoded(self, records: Sequence[HeldRecord], since: float) -> None:
        """Take records that were encoded while their calls were held, as `add` takes rows."""
        if self.since is None:
            self.since = since
        rows, legs = (b",".join(items) for items in zip(*records, strict=True))
        self._parts.append(_Part(since, len(records), rows, legs))

    def next(self) -> list[Bundle]:
        """Return what is to be written next: the same ones until they are `written`."""
        if not self._next and self._parts:
            used = 0
            while used < len(self._parts) and len(self._next) < AT_ONCE:
                size = self._size(used)
                self._next.append(self._bundle(self._parts[used : used + size]))
                used += size
            del self._parts[:used]
        return self._next

    def written(self) -> int:
        """Let go of what `next` returned; return how many records that was."""
        count = sum(bundle.records for bundle in self._next)
        self._next = []
        self.since = self._parts[0].since if self._parts else None
        return count

    def _size(self, start: int) -> int:
        """Return how many parts fit into one bundle from ``start`` on."""
        count = size = 0
        for part in self._parts[start : start + TOGETHER]:
            count += part.records
            if count > TOGETHER:
                break
            size += 1
        return size

    def _bundle(self, parts: Sequence[_Part]) -> Bundle:
        count = sum(part.records for part in parts)
        rows = b"[%b]" % b",".join([part.rows for part in parts])
        legs = b"[%b]" % b",".join([part.legs for part in parts])
        bundle = Bundle(self._node, self._boot, self._number, count, rows.decode(), legs.decode())
        self._number += count
        return bundle
