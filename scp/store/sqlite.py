"""The embedded store: SQLite for what must last, memory for what must be fast.

- `SqliteStore.find` is a dict lookup and an unpack: the call path never waits.
- Writes queue up and are committed together (group commit): while one batch is being synced to the disk by
  the store's thread, the next one gathers. One batch at a time is on its way, so every decision (which
  version is there?) is made on the event loop against what is committed plus what stands earlier in the
  same batch, and needs no lock.
- Memory changes only after COMMIT, so `find` never shows what could still be lost; a coroutine resolves
  after that.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

import msgspec

from scp.domain.lookup import StoreFailure
from scp.domain.map_results import Result
from scp.domain.moves import Moved, remembered
from scp.domain.subscriber import Subscriber
from scp.ports import StoreError, VersionConflictError
from scp.store.record_format import Row, check, from_row, pack_row, to_row, unpack, version_of
from scp.store.sqlite_file import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from typing import TypeVar

    from scp.domain.lookup import Found, Pending
    from scp.domain.moves import Move
    from scp.ports import Telemetry, Waiter

    T = TypeVar("T")

SLICE: Final = 250
"""Records handled between two turns of the event loop: about 0.5 ms, so that a bulk load delays no call."""
PAGE: Final = 500
"""Records a scan reads at a time."""


class _Kind(StrEnum):
    PUT = "put"
    DELETE = "delete"
    PUT_MANY = "put_many"
    MOVE = "move"


@final
class _Write:
    """One write on its way: what is wanted, and after the commit what came of it."""

    __slots__ = ("done", "kind", "move", "outcome", "records", "version")

    def __init__(
        self, kind: _Kind, records: Sequence[Subscriber], version: int, move: Move | None = None
    ) -> None:
        self.kind = kind
        self.records = records
        self.version = version
        self.move = move
        self.done: asyncio.Future[Subscriber | Moved | None] = asyncio.get_running_loop().create_future()
        self.outcome: Subscriber | Moved | VersionConflictError | None = None

    def resolve(self) -> None:
        """Answer the caller; one that was cancelled meanwhile wants no answer."""
        if self.done.done():
            return
        if isinstance(self.outcome, VersionConflictError):
            self.done.set_exception(self.outcome)
        else:
            self.done.set_result(self.outcome)

    def fail(self, error: StoreError) -> None:
        """Tell the caller that nothing was written, each by an exception of its own: tracebacks grow."""
        if not self.done.done():
            self.done.set_exception(StoreError(str(error), error.kind))


@final
class SqliteStore:
    """`scp.ports.SubscriberStore` on one SQLite file; all records are in memory as well.

    Not thread-safe: use it from one event loop.

    Args:
        path: the file, or ``:memory:``.
        read_only: for tools that look at a running node's file: no lock is taken, writes are refused, and
            what the owner writes after `open` is seen by `scan` only.
        telemetry: told how long each operation took and which failed.
    """

    def __init__(
        self,
        path: str,
        *,
        read_only: bool = False,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._database = Database(path, read_only=read_only)
        self._telemetry = telemetry
        self._records: dict[str, bytes] = {}
        self._moved: dict[str, bytes] = {}
        self._unusable = "the store is not open"
        self._queue: list[_Write] = []
        self._committer: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    # --- the call path ---

    def find(self, msisdn: str, waiter: Waiter) -> Found | Pending:  # noqa: ARG002 - others answer later
        """Return the record at once; None if there is none; a failure only if the store was never opened."""
        packed = self._records.get(msisdn)
        if packed is not None:
            return unpack(msisdn, packed)
        return StoreFailure.UNAVAILABLE if self._unusable else None

    def usable(self) -> str:
        """Return "" or why lookups are not answered."""
        return self._unusable

    # --- opening and closing ---

    async def open(self) -> None:
        """Open the file, migrate it and load every record.

        Raises:
            StoreError: kind "locked", "read-only", "corrupt", "disk-full", "cannot-open", "io-error",
                "foreign" (another program's database) or "newer" (a newer camel-scp's).
        """
        if self._thread is not None:
            return
        self._thread = ThreadPoolExecutor(1, "store")
        started = time.monotonic()
        try:
            await self._in_thread(self._database.open)
            self._records = await self._in_thread(self._database.load)
            self._moved = await self._in_thread(self._database.load_moved)
        except StoreError as error:
            self._told("load", started, error.kind)
            await self.close()
            raise
        self._unusable = ""
        self._told("load", started)

    async def close(self) -> None:
        """Commit what is queued, then let go of the file. `find` goes on answering from memory."""
        thread = self._thread
        if thread is None:
            return
        self._unusable = "the store is closed"
        while self._committer is not None:
            await asyncio.wait([self._committer])
        self._thread = None
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self._database.close)
        finally:
            thread.shutdown(wait=False)

    # --- administration ---

    async def get(self, msisdn: str) -> Subscriber | None:
        """Read one record."""
        self._require_open()
        return self._committed(msisdn)

    async def count(self) -> int:
        """Return how many records there are."""
        self._require_open()
        return len(self._records)

    async def scan(self, after: str = "") -> AsyncIterator[Subscriber]:
        """Iterate over the records above ``after`` in ascending order of the MSISDN's digits as text.

        Records that are written meanwhile come if their turn is still ahead; no record comes twice.
        """
        while True:
            self._require_open()
            rows = await self._in_thread(self._database.page, after, PAGE)
            for row in rows:
                yield from_row(row)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    async def put(self, record: Subscriber) -> Subscriber:
        """Compare and set, see `scp.ports.SubscriberStore.put`.

        Raises:
            ValueError: the record is not one that a store may hold (`scp.store.record_format.check`).
        """
        check(record)
        written = await self._write(_Write(_Kind.PUT, (record,), record.version))
        assert isinstance(written, Subscriber)
        return written

    async def delete(self, msisdn: str, version: int) -> None:
        """Remove the record if its version is ``version``; 0 for one that is not there does nothing."""
        await self._write(_Write(_Kind.DELETE, (Subscriber(msisdn),), version))

    async def move(self, move: Move) -> Moved:
        """See `scp.ports.SubscriberStore.move`."""
        moved = await self._write(_Write(_Kind.MOVE, (), -1, move))
        assert isinstance(moved, Moved)
        return moved

    async def put_many(self, records: Sequence[Subscriber]) -> None:
        """Overwrite all, in one transaction; of two with the same MSISDN the later one stays."""
        for start in range(0, len(records), SLICE):
            for record in records[start : start + SLICE]:
                check(record)
            await asyncio.sleep(0)
        await self._write(_Write(_Kind.PUT_MANY, records, -1))

    # --- group commit ---

    async def _write(self, write: _Write) -> Subscriber | Moved | None:
        started = time.monotonic()
        error_kind = ""
        try:
            self._require_writable()
            self._queue.append(write)
            if self._committer is None:
                self._committer = asyncio.create_task(self._commit_queue())
            return await write.done
        except StoreError as error:
            error_kind = error.kind
            raise
        finally:
            self._told(write.kind, started, error_kind)

    async def _commit_queue(self) -> None:
        """Commit batch after batch until nothing is queued; exactly one of these runs while anything is."""
        batch: list[_Write] = []
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                try:
                    await self._commit(batch)
                except StoreError as error:
                    for write in batch:
                        write.fail(error)
        finally:
            self._committer = None
            stopped = StoreError("the store was stopped; whether this was written is not known", "closed")
            for write in batch + self._queue:
                write.fail(stopped)
            self._queue = []

    async def _commit(self, batch: Sequence[_Write]) -> None:
        changes: dict[str, Subscriber | None] = {}
        moved: dict[str, bytes] = {}
        for write in batch:
            if write.move is None:
                await self._decide(write, changes)
            else:
                write.outcome = self._decide_move(write.move, changes, moved)
        upserts: list[Row] = []
        deletions: list[str] = []
        for number, (msisdn, record) in enumerate(changes.items(), 1):
            if record is None:
                deletions.append(msisdn)
            else:
                upserts.append(to_row(record))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        if changes or moved:
            committing = asyncio.ensure_future(
                self._in_thread(self._database.commit, upserts, deletions, moved)
            )
            await asyncio.sleep(0)  # the thread begins
            packed = await _packed(upserts)
            await committing
            await self._show(packed, deletions)
            self._moved.update(moved)
        for write in batch:
            write.resolve()

    async def _show(self, packed: Sequence[tuple[str, bytes]], deletions: Sequence[str]) -> None:
        """Make what is committed what `find` finds."""
        for msisdn in deletions:
            self._records.pop(msisdn, None)
            self._moved.pop(msisdn, None)
        for start in range(0, len(packed), SLICE):
            if start:
                await asyncio.sleep(0)
            self._records.update(packed[start : start + SLICE])

    async def _decide(self, write: _Write, changes: dict[str, Subscriber | None]) -> None:
        """Work out what ``write`` changes, given what is committed and the batch's earlier ``changes``."""
        if write.kind is _Kind.PUT_MANY:
            for number, record in enumerate(write.records, 1):
                version = self._version(record.msisdn, changes)
                changes[record.msisdn] = _with_version(record, version + 1)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
            return
        record = write.records[0]
        old = self._seen(record.msisdn, changes)
        if write.version != (0 if old is None else old.version):
            write.outcome = VersionConflictError(record.msisdn, old)
        elif write.kind is _Kind.PUT:
            write.outcome = changes[record.msisdn] = _with_version(record, write.version + 1)
        elif old is not None:
            changes[record.msisdn] = None

    def _decide_move(
        self, move: Move, changes: dict[str, Subscriber | None], moved: dict[str, bytes]
    ) -> Moved:
        """Work out what a message changes, as `_decide`."""
        msisdn = move.msisdn
        record = self._seen(msisdn, changes)
        if record is None:
            return Moved(Result.UNKNOWN_SUBSCRIBER)
        before = moved.get(msisdn, self._moved.get(msisdn, b""))
        moved[msisdn], refused = remembered(before, move, int(time.time()))
        if refused is not None or move.age_s is None:
            return Moved(refused or Result.TAKEN, record.version)
        result, wanted = Result.TAKEN, record
        if move.roaming is not None:
            wanted = msgspec.structs.replace(record, roaming=move.roaming, vlr=move.vlr or None)
            result = Result.UNCHANGED if wanted == record else Result.WRITTEN
        changes[msisdn] = _with_version(wanted, record.version + 1)
        return Moved(result, record.version + 1)

    def _seen(self, msisdn: str, changes: dict[str, Subscriber | None]) -> Subscriber | None:
        return changes[msisdn] if msisdn in changes else self._committed(msisdn)

    def _version(self, msisdn: str, changes: dict[str, Subscriber | None]) -> int:
        """Return the version of what `_seen` returns, 0 for nothing, at a tenth of the price."""
        if msisdn in changes:
            record = changes[msisdn]
            return 0 if record is None else record.version
        packed = self._records.get(msisdn)
        return 0 if packed is None else version_of(packed)

    def _committed(self, msisdn: str) -> Subscriber | None:
        packed = self._records.get(msisdn)
        return None if packed is None else unpack(msisdn, packed)

    # --- helpers ---

    def _require_open(self) -> None:
        if self._unusable:
            raise StoreError(f"{self._database.path}: {self._unusable}", "closed")

    def _require_writable(self) -> None:
        self._require_open()
        if self._database.read_only:
            raise StoreError(f"{self._database.path}: opened for reading only", "read-only")

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        if self._thread is None:
            raise StoreError(f"{self._database.path}: {self._unusable}", "closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _told(self, operation: str, started: float, error: str = "") -> None:
        if self._telemetry is not None:
            self._telemetry.store(operation, time.monotonic() - started, error)


async def _packed(rows: Sequence[Row]) -> list[tuple[str, bytes]]:
    """Return rows as they are in memory, by MSISDN."""
    packed: list[tuple[str, bytes]] = []
    for start in range(0, len(rows), SLICE):
        if start:
            await asyncio.sleep(0)
        packed.extend((row[0], pack_row(row)) for row in rows[start : start + SLICE])
    return packed


def _with_version(record: Subscriber, version: int) -> Subscriber:
    return msgspec.structs.replace(record, version=version)
