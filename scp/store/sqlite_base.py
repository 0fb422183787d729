"""An SQLite file that one process owns: one connection, used by one thread at a time.

Durability: WAL with ``synchronous=FULL``. NORMAL already survives a `kill -9` of the process (what was
written is the kernel's), but may lose the last commits when the machine loses power, because it does not
sync the log at COMMIT (sqlite.org/pragma.html#pragma_synchronous). The API's answer says "done", so the
log is synced before it; group commit makes that one sync for many writes.

Ownership: the owner holds a ``flock`` on ``PATH.lock`` (let go by the kernel however the process ends) and
not SQLite's own exclusive mode, so that backups, exports and an engineer's ``sqlite3`` can read meanwhile.

A file that this process can only read (a backup that root put back, say) is refused when it is opened: else
calls would go on and every change be lost, until somebody makes one.
"""

from __future__ import annotations

import errno
import fcntl
import locale
import os
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scp.ports import StoreError
from scp.store.sqlite_schema import SUBSCRIBERS, Schema, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY: Final = ":memory:"
_MAGIC: Final = b"SQLite format 3\0"
"""How a database begins (sqlite.org/fileformat2.html §1.3); an empty file is one as well."""
BUSY_SECONDS: Final = 2.0
"""How long a commit waits for a foreign lock (a checkpointing reader, someone's ``sqlite3``)."""

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
def translated(path: str) -> Iterator[None]:
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


def _letters_of_ascii() -> None:
    """Have letters compared as in ASCII, text stays UTF-8.

    Python's sqlite3 takes a statement for an INSERT by the locale's letters (``tolower``). Where "i" is not
    the small letter of "I", in Turkish and Azeri, no inserted row is counted.
    """
    with suppress(locale.Error):  # a C library that has no such locale
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")


def _require_writable(connection: sqlite3.Connection) -> None:
    """Raise `sqlite3.OperationalError` where nothing can be written.

    BEGIN IMMEDIATE does not: of a database that can only be read it makes a transaction that reads. What is
    written here is what stands there, and it is taken back, so that a full disk keeps no node from starting.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"PRAGMA user_version = {version}")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class SqliteFile:
    """One SQLite file (or `MEMORY`). Every method blocks, and raises `StoreError` for whatever goes wrong.

    Args:
        path: the file, or ``:memory:``.
        read_only: look, but take no lock and write nothing; another process may own the file.

    Attributes:
        schema: what the file is to contain; see `scp.store.sqlite_schema`.
    """

    schema: Schema = SUBSCRIBERS

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._lock_fd = -1
        self._data_version = 0

    def open(self) -> None:
        """Take the lock, open, and migrate to the newest schema."""
        try:
            with translated(self.path):
                if self.path != MEMORY and not self.read_only:
                    self._recognise()
                    self._lock()
                self._connection = self._connect()
        except StoreError:
            self.close()
            raise

    def _recognise(self) -> None:
        """Refuse what is no database before a lock is left beside it.

        With a log beside it SQLite decides, since the first page may stand there.
        """
        file, log = Path(self.path), Path(f"{self.path}-wal")
        if not file.exists() or (log.exists() and log.stat().st_size):
            return
        with file.open("rb") as stream:
            head = stream.read(len(_MAGIC))
        if head not in (b"", _MAGIC):
            kind, meaning = _MEANING[sqlite3.SQLITE_NOTADB]
            raise StoreError(f"{self.path}: {meaning}", kind)

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
            file = Path(self.path).absolute()
            if not file.exists():  # most often a relative path, and the node runs in another folder
                raise FileNotFoundError(errno.ENOENT, f"no such file in {file.parent}")
            name, uri = f"{file.as_uri()}?mode=ro", True
        _letters_of_ascii()
        connection = sqlite3.connect(
            name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
        )
        try:
            if not self.read_only:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                migrate(connection, self.schema.migrations, self.schema)
                _require_writable(connection)
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

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Look, outside any transaction."""
        with translated(self.path):
            yield self._open

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do what is inside as one transaction: all of it on the disk afterwards, none of it if it raises."""
        with translated(self.path):
            connection = self._open
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the file (the last connection's close checkpoints the log) and of the lock."""
        connection, self._connection = self._connection, None
        fd, self._lock_fd = self._lock_fd, -1
        try:
            if connection is not None:
                with translated(self.path):
                    connection.close()
        finally:
            if fd >= 0:
                os.close(fd)
