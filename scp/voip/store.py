"""Where the directory outlives the process: SQLite, each record a row of JSON.

A write is on the disk when it returns: WAL with a full synchronisation. Directories are written seldom
(somebody joins, leaves, changes a device), and read once, at the start.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, final

import msgspec

from scp.voip.admission import Enrolment
from scp.voip.directory import Device, Directory, Identity
from scp.voip.records import Cursor, Inbound, Quarantine, Sent, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AnyRecord: TypeAlias = Identity | Device | Token | Enrolment | Quarantine | Inbound | Cursor | Sent
Record = TypeVar("Record", Identity, Device, Token, Enrolment, Quarantine, Inbound, Cursor, Sent)

_KINDS: Final[dict[type, tuple[str, str]]] = {
    Identity: ("identity", "msisdn"),
    Device: ("device", "id"),
    Token: ("token", "sha256"),
    Enrolment: ("enrolment", "id"),
    Quarantine: ("quarantine", "number"),
    Inbound: ("inbound", "id"),
    Cursor: ("cursor", "name"),
    Sent: ("sent", "id"),
}
"""Of each kind of record its name in the store, and the attribute that it is found by."""

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
        try:
            # Threads of the process write, one at a time; its own reads at the start.
            self._db = sqlite3.connect(self.path, timeout=5, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"store.url: {self.path}: {error}") from None
        self._encode = msgspec.json.Encoder().encode
        self._writing = threading.Lock()

    def load(self, directory: Directory) -> list[str]:
        """Fill a directory; return what is unreadable or does not fit, in words."""
        faults: list[str] = []
        for identity in self.read(Identity, faults):
            try:
                directory.put_identity(identity)
            except ValueError as error:
                faults.append(f"identity {identity.msisdn}: {error}")
        for device in self.read(Device, faults):
            directory.put_device(device)
        return faults

    def read(self, of: type[Record], faults: list[str]) -> Iterator[Record]:
        """Yield all records of a kind; what is unreadable is added to `faults` in words."""
        decode = msgspec.json.Decoder(of).decode
        kind = _KINDS[of][0]
        for name, body in self._db.execute(
            "SELECT id, body FROM records WHERE kind = ? ORDER BY id", (kind,)
        ):
            try:
                yield decode(body)
            except msgspec.DecodeError as error:
                faults.append(f"{kind} {name}: {error}")

    def put(self, records: Iterable[AnyRecord]) -> None:
        """Keep records, all or none; they are on the disk when it returns."""
        self.change(put=records)

    def remove(self, records: Iterable[AnyRecord]) -> None:
        """Forget records, all or none."""
        self.change(remove=records)

    def change(
        self,
        put: Iterable[AnyRecord] = (),
        remove: Iterable[AnyRecord] = (),
        expect: Iterable[AnyRecord] = (),
    ) -> bool:
        """Keep and forget records, all or none, if those of `expect` are there just as they are given.

        Returns:
            False if one of them is not: nothing was changed.
        """
        rows = [(*_key(one), self._encode(one)) for one in put]
        with self._transaction() as database:
            for one in expect:
                found = database.execute("SELECT body FROM records WHERE kind = ? AND id = ?", _key(one))
                if found.fetchone() != (self._encode(one),):
                    return False
            database.executemany(
                "DELETE FROM records WHERE kind = ? AND id = ?", [_key(one) for one in remove]
            )
            database.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", rows)
        return True

    def registered(self) -> list[str]:
        """Return the identities that the node was told are registered."""
        return [msisdn for (msisdn,) in self._db.execute("SELECT msisdn FROM registered")]

    def mark_registered(self, changes: Iterable[tuple[str, bool]]) -> None:
        """Keep what the node was told, all or none: (MSISDN, registered)."""
        given = list(changes)
        with self._transaction() as database:
            database.executemany(
                "INSERT OR IGNORE INTO registered VALUES (?)", [(one,) for one, yes in given if yes]
            )
            database.executemany(
                "DELETE FROM registered WHERE msisdn = ?", [(one,) for one, yes in given if not yes]
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One write at a time, from whatever thread; on the disk at its end, or nothing is written."""
        with self._writing:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: {error}") from None
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close it."""
        self._db.close()


def _key(record: AnyRecord) -> tuple[str, str]:
    kind, attribute = _KINDS[type(record)]
    return kind, getattr(record, attribute)
