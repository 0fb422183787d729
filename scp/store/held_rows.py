"""What each operation does to one held call's row: for the stores in memory and in SQLite.

Redis has the same in Lua (`scp.store.held_scripts`); one contract suite holds them together.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from scp.held_call_ports import NOBODY, HeldEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

FENCE_KEPT_MS: Final = 3_600_000
"""How long the fencing number of a deleted entry stays, if it was ever claimed."""
MOST_LEFT: Final = 1 << 14
"""Octets of messages that are kept for one entry; what would go beyond is not kept."""

_LENGTH: Final = Struct(">H")


class HeldRow(NamedTuple):
    """An entry as it is stored. ``record`` b"": it is deleted, its fencing number stays until ``due_ms``."""

    fence: int
    owner: int
    due_ms: int
    record: bytes
    left: bytes = b""


def entry_of(tid: bytes, row: HeldRow, left: Sequence[bytes] = ()) -> HeldEntry:
    """Return a row as an entry."""
    return HeldEntry(tid, row.fence, row.owner, row.record, tuple(left))


def framed(message: bytes) -> bytes:
    """Return a message with its length before it."""
    return _LENGTH.pack(len(message)) + message


def unframed(octets: bytes) -> list[bytes]:
    """Return the messages of `framed` ones, one behind the other."""
    found = []
    at = 0
    while at < len(octets):
        (length,) = _LENGTH.unpack_from(octets, at)
        at += _LENGTH.size
        found.append(octets[at : at + length])
        at += length
    return found


def put(row: HeldRow | None, entry: HeldEntry, due_ms: int) -> HeldRow | None:
    """Return the row that is written; None: refused."""
    if row is not None and (row.fence, row.owner) != (entry.fence, entry.owner):
        return None
    return HeldRow(entry.fence, entry.owner, due_ms, entry.record, b"" if row is None else row.left)


def deleted(row: HeldRow, fence: int, owner: int, now_ms: int) -> HeldRow | None:
    """Return what stays of a row that is deleted: itself if that is refused, None if nothing."""
    if (row.fence, row.owner) != (fence, owner):
        return row
    return HeldRow(fence, owner, now_ms + FENCE_KEPT_MS, b"") if fence > 1 else None


def claimed(row: HeldRow | None, fence: int, owner: int) -> HeldRow | None:
    """Return the row of its next owner; None: refused. What was left is handed out by the caller."""
    if row is None or not row.record or row.fence != fence:
        return None
    return HeldRow(fence + 1, owner, row.due_ms, row.record)


def released(row: HeldRow | None, fence: int, owner: int, message: bytes) -> HeldRow | None:
    """Return the row that is nobody's; None: refused."""
    if row is None or not row.record or (row.fence, row.owner) != (fence, owner):
        return None
    return _with(row, message)


def left_for_next(row: HeldRow | None, message: bytes) -> HeldRow | None:
    """Return the row of a call whose owner is dead, with one more message; None: there is no call."""
    if row is None or not row.record:
        return None
    return _with(row, message)


def _with(row: HeldRow, message: bytes) -> HeldRow:
    due_ms, left = row.due_ms, row.left
    if message:
        due_ms = 0
        if len(left) + len(message) < MOST_LEFT:
            left += framed(message)
    return HeldRow(row.fence + 1, NOBODY, due_ms, row.record, left)
