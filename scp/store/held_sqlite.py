"""Held calls in an SQLite file of their own, from which the next process of the node takes them.

Writes of one turn of the event loop are one change, and what gathers during a commit is the next: one sync to
the disk for all of them (`scp.store.sqlite_group`).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.held_call_ports import HeldEntry, Kept
from scp.ports import StoreError
from scp.store import held_rows as rows
from scp.store.held_rows import HeldRow, entry_of, unframed
from scp.store.sqlite_base import SqliteFile
from scp.store.sqlite_group import GroupWriter
from scp.store.sqlite_schema import Schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from scp.held_call_ports import KeptWaiter

    Write: TypeAlias = Callable[[sqlite3.Connection], Kept]

_SCHEMA: Final = Schema(
    0x43414D48,  # "CAMH": H for held
    (
        (
            """
            CREATE TABLE held (
                tid BLOB NOT NULL PRIMARY KEY,
                fence INTEGER NOT NULL,
                owner INTEGER NOT NULL,
                due_ms INTEGER NOT NULL,
                record BLOB NOT NULL,
                waiting BLOB NOT NULL
            ) STRICT, WITHOUT ROWID
            """,
            "CREATE INDEX held_due ON held (due_ms)",
        ),
    ),
    "a file of held calls",
)
LOCK_TRIES: Final = 150
LOCK_PAUSE: Final = 0.1
"""A guardian that has messages to leave has the file for a moment while the next process starts."""


class HeldFile(SqliteFile):
    """The file."""

    schema = _SCHEMA


@final
class SqliteHeldCalls:
    """`scp.held_call_ports.HeldCalls` on one SQLite file, or ``:memory:``. Use it from one event loop."""

    def __init__(self, path: str) -> None:
        self._writer = GroupWriter(HeldFile(path), "held")
        self._writes: list[tuple[Write, KeptWaiter]] = []
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the file; raises `StoreError` as `scp.store.sqlite.SqliteStore.open` does."""
        for left in reversed(range(LOCK_TRIES)):
            try:
                await self._writer.open()
            except StoreError as error:
                if error.kind != "locked" or not left:
                    raise
            else:
                return
            await asyncio.sleep(LOCK_PAUSE)

    async def close(self) -> None:
        """Commit what is queued and let go of the file."""
        while self._task is not None:
            await asyncio.wait([self._task])
        await self._writer.close()

    def usable(self) -> str:
        """Return "" or why not."""
        return "" if self._writer.opened else f"{self._writer.file.path}: not open"

    # --- the call path ---

    def put(self, entry: HeldEntry, due_ms: int, waiter: KeptWaiter) -> None:
        """See `scp.held_call_ports.HeldCalls`."""

        def write(connection: sqlite3.Connection) -> Kept:
            row = rows.put(_row(connection, entry.tid), entry, due_ms)
            _set(connection, entry.tid, row)
            return Kept.FENCED if row is None else Kept.WRITTEN

        self._write(write, waiter)

    def delete(self, tid: bytes, fence: int, owner: int, waiter: KeptWaiter) -> None:
        """See `scp.held_call_ports.HeldCalls`."""

        def write(connection: sqlite3.Connection) -> Kept:
            before = _row(connection, tid)
            after = None if before is None else rows.deleted(before, fence, owner, self._now())
            if after is before:
                return Kept.FENCED
            if after is None:
                connection.execute("DELETE FROM held WHERE tid = ?", (tid,))
            else:
                _set(connection, tid, after)
            return Kept.WRITTEN

        self._write(write, waiter)

    def _write(self, write: Write, waiter: KeptWaiter) -> None:
        self._writes.append((write, waiter))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._writes:
                batch, self._writes = self._writes, []
                try:
                    outcomes = await self._writer.write(_each([write for write, _ in batch]))
                except StoreError:
                    outcomes = [Kept.FAILED] * len(batch)
                for (_, waiter), outcome in zip(batch, outcomes, strict=True):
                    waiter.kept(outcome)
        finally:
            self._task = None

    # --- taking calls over ---

    async def get(self, tid: bytes) -> HeldEntry | None:
        """See `scp.held_call_ports.HeldCalls`."""
        row = await self._writer.read(lambda connection: _row(connection, tid))
        return entry_of(tid, row) if row is not None and row.record else None

    async def claim(self, tid: bytes, fence: int, owner: int) -> HeldEntry | None:
        """See `scp.held_call_ports.HeldCalls`."""

        def change(connection: sqlite3.Connection) -> HeldEntry | None:
            before = _row(connection, tid)
            row = rows.claimed(before, fence, owner)
            if row is None or before is None:
                return None
            _set(connection, tid, row)
            return entry_of(tid, row, unframed(before.left))

        return await self._writer.write(change)

    async def release(self, tid: bytes, fence: int, owner: int, message: bytes = b"") -> bool:
        """See `scp.held_call_ports.HeldCalls`."""
        return await self._writer.write(
            lambda connection: _set(
                connection, tid, rows.released(_row(connection, tid), fence, owner, message)
            )
        )

    async def leave(self, tid: bytes, message: bytes) -> bool:
        """See `scp.held_call_ports.HeldCalls`."""
        return await self._writer.write(
            lambda connection: _set(connection, tid, rows.left_for_next(_row(connection, tid), message))
        )

    async def due(self, now_ms: int, most: int) -> list[HeldEntry]:
        """See `scp.held_call_ports.HeldCalls`."""
        found = await self._writer.read(lambda connection: _due(connection, now_ms, most))
        if any(not row.record for _, row in found):
            await self._writer.write(
                lambda connection: (
                    connection.execute(
                        "DELETE FROM held WHERE due_ms <= ? AND record = x''", (now_ms,)
                    ).rowcount
                )
            )
        return [entry_of(tid, row) for tid, row in found if row.record]

    async def ids(self, instance: int) -> list[bytes]:
        """See `scp.held_call_ports.HeldCalls`."""
        first = bytes([instance, 0, 0, 0])
        last = bytes([instance, 255, 255, 255])
        found = await self._writer.read(
            lambda connection: connection.execute(
                "SELECT tid FROM held WHERE tid BETWEEN ? AND ? AND record <> x''", (first, last)
            ).fetchall()
        )
        return [tid for (tid,) in found]

    async def count(self) -> int:
        """See `scp.held_call_ports.HeldCalls`."""
        (count,) = await self._writer.read(
            lambda connection: connection.execute("SELECT count(*) FROM held WHERE record <> x''").fetchone()
        )
        return int(count)

    def _now(self) -> int:
        return int(time.time() * 1000)


def _each(writes: Sequence[Write]) -> Callable[[sqlite3.Connection], list[Kept]]:
    return lambda connection: [write(connection) for write in writes]


def _row(connection: sqlite3.Connection, tid: bytes) -> HeldRow | None:
    found = connection.execute(
        "SELECT fence, owner, due_ms, record, waiting FROM held WHERE tid = ?", (tid,)
    ).fetchone()
    return None if found is None else HeldRow(*found)


def _set(connection: sqlite3.Connection, tid: bytes, row: HeldRow | None) -> bool:
    if row is not None:
        connection.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?)", (tid, *row))
    return row is not None


def _due(connection: sqlite3.Connection, now_ms: int, most: int) -> list[tuple[bytes, HeldRow]]:
    found = connection.execute(
        "SELECT tid, fence, owner, due_ms, record, waiting FROM held WHERE due_ms <= ? "
        "ORDER BY due_ms, tid LIMIT ?",
        (now_ms, most),
    )
    return [(tid, HeldRow(*rest)) for tid, *rest in found]
