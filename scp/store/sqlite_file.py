"""The blocking half of the SQLite store; see `scp.store.sqlite_base` for what holds of the file.

The node answers from memory, so it must be the only writer. A write by anybody else is seen (``PRAGMA
data_version``), and further writes are refused instead of resting on versions that are no longer true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from scp.ports import StoreError
from scp.store.record import COLUMNS, Row, pack_row
from scp.store.sqlite_base import SqliteFile, translated

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_NAMES: Final = ", ".join(COLUMNS)
_VALUES: Final = ", ".join(f"value ->> {number}" for number in range(len(COLUMNS)))
# One statement for any number of rows: SQLite takes the JSON apart without Python's lock, so that the thread
# that answers calls, or reads the next lines of an import, goes on meanwhile.
_UPSERT: Final = f"INSERT OR REPLACE INTO subscriber ({_NAMES}) SELECT {_VALUES} FROM json_each(?)"  # noqa: S608
_SELECT: Final = f"SELECT {_NAMES} FROM subscriber"  # noqa: S608 - constants
_DELETE: Final = "DELETE FROM subscriber WHERE msisdn = ?"

_encode: Final = msgspec.json.Encoder().encode


class Database(SqliteFile):
    """The subscribers' file (or ``:memory:``). Every method blocks, and may raise `StoreError`."""

    def load(self) -> dict[str, bytes]:
        """Return every record, packed, by MSISDN."""
        with translated(self.path):
            return {row[0]: pack_row(row) for row in self._open.execute(_SELECT)}

    def page(self, after: str, limit: int) -> list[Row]:
        """Return up to ``limit`` rows with an MSISDN above ``after``, ascending."""
        with translated(self.path):
            query = f"{_SELECT} WHERE msisdn > ? ORDER BY msisdn LIMIT ?"
            return self._open.execute(query, (after, limit)).fetchall()

    def commit(self, upserts: Sequence[Row], deletions: Sequence[str]) -> None:
        """Write everything in one transaction: on the disk when this returns, nothing when it raises."""
        with self.transaction() as connection:
            self._refuse_foreign_writes(connection)
            if upserts:
                connection.execute(_UPSERT, (_encode(upserts).decode(),))
            if deletions:
                connection.executemany(_DELETE, [(msisdn,) for msisdn in deletions])

    def _refuse_foreign_writes(self, connection: sqlite3.Connection) -> None:
        # data_version changes with commits of other connections only
        # (sqlite.org/pragma.html#pragma_data_version).
        if connection.execute("PRAGMA data_version").fetchone()[0] != self._data_version:
            raise StoreError(
                f"{self.path}: another program wrote to the database meanwhile; restart the node to load it",
                "foreign-write",
            )
