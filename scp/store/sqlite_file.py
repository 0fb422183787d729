"""The blocking half of the SQLite store; see `scp.store.sqlite_base` for what holds of the file.

The node answers from memory, so it must be the only writer. A write by anybody else is seen (``PRAGMA
data_version``), and further writes are refused instead of resting on versions that are no longer true.
"""

from __future__ import annotations

from heapq import merge
from itertools import chain, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from scp.ports import StoreError
from scp.store.record_format import COLUMNS, Row, pack_row
from scp.store.sqlite_base import SqliteFile, translated

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

_NAMES: Final = ", ".join(COLUMNS)
_ROW: Final = f"({', '.join('?' * len(COLUMNS))})"
TOGETHER: Final = 100
"""Rows a statement. SQLite writes them without Python's lock, so that the thread that answers calls goes on;
binding their values needs it, for some 0.1 ms."""
SORTED: Final = 1000
"""Rows sorted at once, which needs Python's lock: 0.07 ms, where 16,000 would take 3."""


def _upsert(rows: int) -> str:
    values = ", ".join([_ROW] * rows)
    return f"INSERT OR REPLACE INTO subscriber ({_NAMES}) VALUES {values}"  # noqa: S608 - constants


_UPSERT: Final = _upsert(1)
_UPSERT_TOGETHER: Final = _upsert(TOGETHER)
_MSISDN: Final = itemgetter(0)
_SELECT: Final = f"SELECT {_NAMES} FROM subscriber"  # noqa: S608 - constants
_DELETE: Final = "DELETE FROM subscriber WHERE msisdn = ?"
_MOVED: Final = "INSERT OR REPLACE INTO moved (msisdn, known) VALUES (?, ?)"
_UNMOVED: Final = "DELETE FROM moved WHERE msisdn = ?"


class Database(SqliteFile):
    """The subscribers' file (or ``:memory:``). Every method blocks, and may raise `StoreError`."""

    def load(self) -> dict[str, bytes]:
        """Return every record, packed, by MSISDN."""
        with translated(self.path):
            return {row[0]: pack_row(row) for row in self._open.execute(_SELECT)}

    def load_moved(self) -> dict[str, bytes]:
        """Return what is known of messages (`scp.domain.moves`), by MSISDN; nothing if nobody may write."""
        if self.read_only:
            return {}
        with translated(self.path):
            return dict(self._open.execute("SELECT msisdn, known FROM moved"))

    def page(self, after: str, limit: int) -> list[Row]:
        """Return up to ``limit`` rows with an MSISDN above ``after``, ascending."""
        with translated(self.path):
            query = f"{_SELECT} WHERE msisdn > ? ORDER BY msisdn LIMIT ?"
            return self._open.execute(query, (after, limit)).fetchall()

    def commit(self, upserts: Sequence[Row], deletions: Sequence[str], moved: Mapping[str, bytes]) -> None:
        """Write everything in one transaction: on the disk when this returns, nothing when it raises."""
        with self.transaction() as connection:
            self._refuse_foreign_writes(connection)
            _write(connection, upserts)
            if deletions:
                connection.executemany(_DELETE, [(msisdn,) for msisdn in deletions])
                connection.executemany(_UNMOVED, [(msisdn,) for msisdn in deletions])
            if moved:
                connection.executemany(_MOVED, moved.items())

    def _refuse_foreign_writes(self, connection: sqlite3.Connection) -> None:
        # data_version changes with commits of other connections only
        # (sqlite.org/pragma.html#pragma_data_version).
        if connection.execute("PRAGMA data_version").fetchone()[0] != self._data_version:
            raise StoreError(
                f"{self.path}: another program wrote to the database meanwhile; restart the node to load it",
                "foreign-write",
            )


def _write(connection: sqlite3.Connection, upserts: Sequence[Row]) -> None:
    """Write rows in the order of the table, which is by MSISDN: each page is then written once."""
    rows = _in_order(upserts)
    whole = len(rows) - len(rows) % TOGETHER
    for start in range(0, whole, TOGETHER):
        values = list(chain.from_iterable(rows[start : start + TOGETHER]))
        connection.execute(_UPSERT_TOGETHER, values)
    connection.executemany(_UPSERT, rows[whole:])


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """Return rows by MSISDN."""
    runs = [sorted(rows[start : start + SORTED], key=_MSISDN) for start in range(0, len(rows), SORTED)]
    if all(_MSISDN(one[-1]) <= _MSISDN(following[0]) for one, following in pairwise(runs)):
        return list(chain.from_iterable(runs))
    return list(merge(*runs, key=_MSISDN))
