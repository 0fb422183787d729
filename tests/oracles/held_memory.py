"""Held calls in memory: what the stores are compared with."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, final

from scp.held_call_ports import HeldEntry, Kept
from scp.store import held_rows as rows
from scp.store.held_rows import HeldRow, entry_of, unframed

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.held_call_ports import KeptWaiter


@final
class MemoryHeldCalls:
    """`scp.held_call_ports.HeldCalls` in memory."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._rows: dict[bytes, HeldRow] = {}
        self._clock = clock

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    def usable(self) -> str:
        """See `scp.held_call_ports.HeldCalls`."""
        return ""

    def put(self, entry: HeldEntry, due_ms: int, waiter: KeptWaiter) -> None:
        """See `scp.held_call_ports.HeldCalls`."""
        row = rows.put(self._rows.get(entry.tid), entry, due_ms)
        if row is not None:
            self._rows[entry.tid] = row
        outcome = Kept.FENCED if row is None else Kept.WRITTEN
        asyncio.get_running_loop().call_soon(waiter.kept, outcome)

    def delete(self, tid: bytes, fence: int, owner: int, waiter: KeptWaiter) -> None:
        """See `scp.held_call_ports.HeldCalls`."""
        row = self._rows.pop(tid, None)
        after = None if row is None else rows.deleted(row, fence, owner, int(self._clock() * 1000))
        self._set(tid, after)
        outcome = Kept.FENCED if after is row else Kept.WRITTEN
        asyncio.get_running_loop().call_soon(waiter.kept, outcome)

    async def get(self, tid: bytes) -> HeldEntry | None:
        """See `scp.held_call_ports.HeldCalls`."""
        row = self._rows.get(tid)
        return entry_of(tid, row) if row is not None and row.record else None

    async def claim(self, tid: bytes, fence: int, owner: int) -> HeldEntry | None:
        """See `scp.held_call_ports.HeldCalls`."""
        before = self._rows.get(tid)
        row = rows.claimed(before, fence, owner)
        if row is None or before is None:
            return None
        self._rows[tid] = row
        return entry_of(tid, row, unframed(before.left))

    async def release(self, tid: bytes, fence: int, owner: int, message: bytes = b"") -> bool:
        """See `scp.held_call_ports.HeldCalls`."""
        return self._set(tid, rows.released(self._rows.get(tid), fence, owner, message))

    async def leave(self, tid: bytes, message: bytes) -> bool:
        """See `scp.held_call_ports.HeldCalls`."""
        return self._set(tid, rows.left_for_next(self._rows.get(tid), message))

    async def due(self, now_ms: int, most: int) -> list[HeldEntry]:
        """See `scp.held_call_ports.HeldCalls`."""
        ripe = sorted((row.due_ms, tid) for tid, row in self._rows.items() if row.due_ms <= now_ms)
        found = []
        for _, tid in ripe[:most]:
            row = self._rows[tid]
            if row.record:
                found.append(entry_of(tid, row))
            else:
                del self._rows[tid]
        return found

    async def ids(self, instance: int) -> list[bytes]:
        """See `scp.held_call_ports.HeldCalls`."""
        return [tid for tid, row in self._rows.items() if tid[0] == instance and row.record]

    async def count(self) -> int:
        """See `scp.held_call_ports.HeldCalls`."""
        return sum(1 for row in self._rows.values() if row.record)

    def _set(self, tid: bytes, row: HeldRow | None) -> bool:
        if row is not None:
            self._rows[tid] = row
        return row is not None
