"""Where the directory outlives the process: SQLite, each record a row of JSON.

A write is on the disk when it returns: WAL with a full synchronisation. Directories are written seldom
(somebody joins, leaves, changes a device), and read once, at the start.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Final, TypeVar, final

import msgspec

from scp.voip.directory import Device, Directory, Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Record = TypeVar("Record", Identity, Device)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
  kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registered (msisdn TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class StoreError(Exception):
    """The store can't be used; says why."""


@final
class Store:
    """The directory's records.

    Args:
        url: ``sqlite:PATH`` or ``sqlite::memory:``.

    Raises:
        StoreError: it can't be opened.
    """

    def __init__(self, url: str) -> None:
        self.path = url.removeprefix("sqlite:")
        self._lock = threading.Lock()
        try:
            # Requests of several threads share the connection: each transaction is one thread's, by the lock.
            self._db = sqlite3.connect(self.path, timeout=5, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"store.url: {self.path}: {error}") from None
        self._encode = msgspec.json.Encoder().encode

    def load(self, directory: Directory) -> list[str]:
        """Fill a directory; return what is unreadable or does not fit, in words."""
        faults: list[str] = []
        for identity in self._read("identity", Identity, faults):
            try:
                directory.put_identity(identity)
            except ValueError as error:
                faults.append(f"identity {identity.msisdn}: {error}")
        for device in self._read("device", Device, faults):
            directory.put_device(device)
        return faults

    def _read(self, kind: str, of: type[Record], faults: list[str]) -> Iterator[Record]:
        decode = msgspec.json.Decoder(of).decode
        for name, body in self._db.execute(
            "SELECT id, body FROM records WHERE kind = ? ORDER BY id", (kind,)
        ):
            try:
                yield decode(body)
            except msgspec.DecodeError as error:
                faults.append(f"{kind} {name}: {error}")

    def put(self, records: Iterable[Identity | Device]) -> None:
        """Keep records, all or none; they are on the disk when it returns."""
        rows = [(*_key(one), self._encode(one)) for one in records]
        self._write(("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", rows))

    def remove(self, records: Iterable[Identity | Device]) -> None:
        """Forget records, all or none."""
        self._write(("DELETE FROM records WHERE kind = ? AND id = ?", [_key(one) for one in records]))

    def registered(self) -> list[str]:
        """Return the identities that the node was told are registered."""
        return [msisdn for (msisdn,) in self._db.execute("SELECT msisdn FROM registered")]

    def mark_registered(self, changes: Iterable[tuple[str, bool]]) -> None:
        """Keep what the node was told, all or none: (MSISDN, registered)."""
        given = list(changes)
        self._write(
            ("INSERT OR IGNORE INTO registered VALUES (?)", [(one,) for one, yes in given if yes]),
            ("DELETE FROM registered WHERE msisdn = ?", [(one,) for one, yes in given if not yes]),
        )

    def _write(self, *statements: tuple[str, Sequence[tuple[object, ...]]]) -> None:
        """Run statements, each with its rows, in one transaction; raises `StoreError`."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for statement, rows in statements:
                    self._db.executemany(statement, rows)
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise StoreError(f"{self.path}: {error}") from None

    def close(self) -> None:
        """Close it."""
        self._db.close()


def _key(record: Identity | Device) -> tuple[str, str]:
    return ("identity", record.msisdn) if isinstance(record, Identity) else ("device", record.id)
