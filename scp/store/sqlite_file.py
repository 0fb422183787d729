"""The blocking half of the SQLite store: one connection, used by one thread at a time.

Durability: WAL with ``synchronous=FULL``. NORMAL already survives a `kill -9` of the process (what was
written is the kernel's), but may lose the last commits when the machine loses power, because it does not
sync the log at COMMIT (sqlite.org/pragma.html#pragma_synchronous). The API's answer says "done", so the
log is synced before it; group commit makes that one sync for many writes.

Ownership: the node answers from memory, so it must be the only writer. It holds a ``flock`` on
``PATH.lock`` (let go by the kernel however the process ends) and not SQLite's own exclusive mode, so that
backups, exports and an engineer's ``sqlite3`` can read while the node runs. A write by anybody else is
seen (``PRAGMA data_version``), and further writes are refused instead of resting on versions that are no
longer true.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scp.ports import StoreError
from scp.store.record import COLUMNS, Row, pack_row
from scp.store.sqlite_schema import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEMORY: Final = ":memory:"
BUSY_SECONDS: Final = 2.0
"""How long a commit waits for a foreign lock (a checkpointing reader, someone's ``sqlite3``)."""

_NAMES: Final = ", ".join(COLUMNS)
_MARKS: Final = ", ".join("?" * len(COLUMNS))
_UPSERT: Final = f"INSERT OR REPLACE INTO subscriber ({_NAMES}) VALUES ({_MARKS})"  # noqa: S608 - constants
_SELECT: Final = f"SELECT {_NAMES} FROM subscriber"  # noqa: S608 - constants
_DELETE: Final = "DELETE FROM subscriber WHERE msisdn = ?"

# Primary result codes (sqlite.org/rescode.html) → (kind, what it means to who runs the node).
_MEANING: Final = {
    sqlite3.SQLITE_BUSY: ("locked", "another process holds the database locked"),
    sqlite3.SQLITE_LOCKED: ("locked", "the database is locked"),
    sqlite3.SQLITE_FULL: ("disk-full", "the disk is full"),
    sqlite3.SQLITE_READONLY: ("read-only", "the database can't be written"),
    sqlite3.SQLITE_PERM: ("read-only", "no permission for the database"),
    sqlite3.SQLITE_CORRUPT: ("corrupt", "the database is damaged: restore a backup"),
    sqlite3.SQLITE_NOTADB: ("corrupt", "the file is not an SQLite database, or its header is damaged"),
    sqlite3.SQLITE_CONSTRAINT: ("invalid", "the database refused a value"),
    sqlite3.SQLITE_CANTOPEN: ("cannot-open", "the database can't be opened"),
    sqlite3.SQLITE_IOERR: ("io-error", "reading or writing the disk failed"),
}
_OS_KINDS: Final = {
    errno.EROFS: "read-only",
    errno.EACCES: "read-only",
    errno.EPERM: "read-only",
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
}


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn SQLite's and the system's errors into `StoreError`, once, here."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        kind, meaning = _MEANING.get(code & 0xFF, ("unavailable", "SQLite failed"))
        raise StoreError(f"{path}: {meaning} ({error})", kind) from error
    except OSError as error:
        kind = _OS_KINDS.get(error.errno or 0, "cannot-open")
        raise StoreError(f"{path}: {error.strerror or error}", kind) from error


class Database:
    """One SQLite file (or `MEMORY`). Every method blocks, and raises `StoreError` for whatever goes wrong.

    Args:
        path: the file, or ``:memory:``.
        read_only: look, but take no lock and write nothing; another process may own the file.
    """

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._lock_fd = -1
        self._data_version = 0

    def open(self) -> None:
        """Take the lock, open, and migrate to the newest schema."""
        try:
            with _translated(self.path):
                if self.path != MEMORY and not self.read_only:
                    self._lock()
                self._connection = self._connect()
        except StoreError:
            self.close()
            raise

    def _lock(self) -> None:
        self._lock_fd = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock_fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise StoreError(
                f"{self.path}: in use by another process (pid {owner}); stop it, or go through its API",
                "locked",
            ) from None
        os.ftruncate(self._lock_fd, 0)
        os.pwrite(self._lock_fd, f"{os.getpid()}\n".encode(), 0)

    def _connect(self) -> sqlite3.Connection:
        name, uri = self.path, False
        if self.read_only:
            name, uri = f"{Path(self.path).absolute().as_uri()}?mode=ro", True
        connection = sqlite3.connect(
            name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
        )
        try:
            if not self.read_only:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                migrate(connection)
            self._data_version = connection.execute("PRAGMA data_version").fetchone()[0]
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self.path}: the store is not open", "closed")
        return self._connection

    def load(self) -> dict[str, bytes]:
        """Return every record, packed, by MSISDN."""
        with _translated(self.path):
            return {row[0]: pack_row(row) for row in self._open.execute(_SELECT)}

    def page(self, after: str, limit: int) -> list[Row]:
        """Return up to ``limit`` rows with an MSISDN above ``after``, ascending."""
        with _translated(self.path):
            query = f"{_SELECT} WHERE msisdn > ? ORDER BY msisdn LIMIT ?"
            return self._open.execute(query, (after, limit)).fetchall()

    def commit(self, upserts: Sequence[Row], deletions: Sequence[str]) -> None:
        """Write everything in one transaction: on the disk when this returns, nothing when it raises."""
        with _translated(self.path):
            connection = self._open
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._refuse_foreign_writes(connection)
                if upserts:
                    connection.executemany(_UPSERT, upserts)
                if deletions:
                    connection.executemany(_DELETE, [(msisdn,) for msisdn in deletions])
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _refuse_foreign_writes(self, connection: sqlite3.Connection) -> None:
        # data_version changes with commits of other connections only
        # (sqlite.org/pragma.html#pragma_data_version).
        if connection.execute("PRAGMA data_version").fetchone()[0] != self._data_version:
            raise StoreError(
                f"{self.path}: another program wrote to the database meanwhile; restart the node to load it",
                "foreign-write",
            )

    def close(self) -> None:
        """Let go of the file (the last connection's close checkpoints the log) and of the lock."""
        connection, self._connection = self._connection, None
        fd, self._lock_fd = self._lock_fd, -1
        try:
            if connection is not None:
                with _translated(self.path):
                    connection.close()
        finally:
            if fd >= 0:
                os.close(fd)
