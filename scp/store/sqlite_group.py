"""Group commit: changes to one SQLite file, as many to a transaction as are waiting."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, final

from scp.ports import StoreError
from scp.store.gil_yield import GilYield

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from scp.store.sqlite_base import SqliteFile

    Change: TypeAlias = Callable[[sqlite3.Connection], Any]

T = TypeVar("T")

MOST_AT_ONCE: Final = 500
"""Changes in one transaction: bounds how long the first of them waits for the last."""


@final
class GroupWriter:
    """Runs changes in a thread of its own. Use it from one event loop.

    While one batch is being synced to the disk the next one gathers. A change is a function of the
    connection; it runs inside the batch's transaction, after those that were asked for before it, and its
    result is handed out once the transaction is on the disk.

    Args:
        file: opened and closed here.
        name: of the thread.
    """

    def __init__(self, file: SqliteFile, name: str) -> None:
        self.file = file
        self._name = name
        self._queue: list[tuple[Change, asyncio.Future[Any]]] = []
        self._committer: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def opened(self) -> bool:
        """Whether changes are taken."""
        return self._thread is not None

    async def open(self) -> None:
        """Open the file; raises `StoreError`."""
        if self._thread is not None:
            return
        self._thread = ThreadPoolExecutor(1, self._name)
        try:
            await self._in_thread(self.file.open)
        except StoreError:
            thread, self._thread = self._thread, None
            thread.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Commit what is queued and let go of the file."""
        while self._committer is not None:
            await asyncio.wait([self._committer])
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self.file.close)
        finally:
            thread.shutdown(wait=False)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``change`` returned, once it is durable; raises `StoreError` if it is not."""
        if self._thread is None:
            raise StoreError(f"{self.file.path}: not open", "closed")
        if self.file.read_only:
            raise StoreError(f"{self.file.path}: opened for reading only", "read-only")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append((change, done))
        if self._committer is None:
            self._committer = asyncio.create_task(self._commit_queue())
        return await done

    async def read(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``look`` returns; it sees what is committed."""
        return await self._in_thread(self._looked, look)

    def _looked(self, look: Callable[[sqlite3.Connection], T]) -> T:
        with self.file.reading() as connection:
            return look(connection)

    async def _commit_queue(self) -> None:
        batch: list[tuple[Change, asyncio.Future[Any]]] = []
        try:
            while self._queue:
                batch, self._queue = self._queue[:MOST_AT_ONCE], self._queue[MOST_AT_ONCE:]
                try:
                    results = await self._in_thread(self._commit, [change for change, _ in batch])
                except StoreError as error:
                    _fail(batch, error)
                else:
                    for (_, done), result in zip(batch, results, strict=True):
                        if not done.done():
                            done.set_result(result)
                batch = []
        finally:
            self._committer = None
            _fail(batch + self._queue, StoreError("stopped; whether this was written is not known", "closed"))
            self._queue = []

    def _commit(self, changes: Sequence[Change]) -> list[Any]:
        with self.file.transaction() as connection:
            return [change(connection) for change in changes]

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        if self._thread is None:
            raise StoreError(f"{self.file.path}: not open", "closed")
        loop = asyncio.get_running_loop()
        gil_yield = GilYield(loop)
        try:
            return await loop.run_in_executor(self._thread, function, *arguments)
        finally:
            gil_yield.stop()


def _fail(batch: Sequence[tuple[Change, asyncio.Future[Any]]], error: StoreError) -> None:
    """Tell everybody, each by an exception of its own: tracebacks grow."""
    for _, done in batch:
        if not done.done():
            done.set_exception(StoreError(str(error), error.kind))


class GroupStore:
    """A store whose data are in a file that a `GroupWriter` writes."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer

    async def open(self) -> None:
        """Open the file; raises `StoreError` as `scp.store.sqlite.SqliteStore.open` does."""
        await self._writer.open()

    async def close(self) -> None:
        """Commit what is queued and let go of the file."""
        await self._writer.close()

    def usable(self) -> str:
        """Return "" or why not."""
        return "" if self._writer.opened else f"{self._writer.file.path}: not open"
