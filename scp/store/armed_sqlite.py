"""Which M-CSIs are armed, in an SQLite file of the node's own: after a restart nothing is asked twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.domain.armed import Armed, ArmState
from scp.store.sqlite_base import MEMORY, SqliteFile
from scp.store.sqlite_group import GroupStore, GroupWriter
from scp.store.sqlite_schema import Schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_SCHEMA: Final = Schema(
    0x43414D41,  # "CAMA": A for armed
    (
        (
            """
            CREATE TABLE armed (
                msisdn TEXT NOT NULL PRIMARY KEY,
                wanted INTEGER NOT NULL CHECK (wanted IN (0, 1)),
                state TEXT NOT NULL CHECK (state IN ('waiting', 'armed', 'refused')),
                reason TEXT NOT NULL,
                tries INTEGER NOT NULL,
                due_ms INTEGER NOT NULL,
                at_ms INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID
            """,
        ),
    ),
    "a store of armed subscribers",
)
_SQLITE: Final = "sqlite:"


class ArmedFile(SqliteFile):
    """The file."""

    schema = _SCHEMA


_PUT: Final = "INSERT OR REPLACE INTO armed VALUES (?, ?, ?, ?, ?, ?, ?)"


@final
class SqliteArmed(GroupStore):
    """The file, or ``:memory:``. Use it from one event loop."""

    def __init__(self, path: str) -> None:
        super().__init__(GroupWriter(ArmedFile(path), "armed"))

    async def load(self) -> list[Armed]:
        """Return all that is known."""
        return await self._writer.read(_load)

    async def put(self, changed: Iterable[Armed], gone: Iterable[str] = ()) -> None:
        """Keep what has changed, and drop whose numbers are gone; durable when it returns."""
        rows = [(a.msisdn, int(a.on), str(a.state), a.reason, a.tries, a.due_ms, a.at_ms) for a in changed]
        numbers = [(number,) for number in gone]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_PUT, rows)
            connection.executemany("DELETE FROM armed WHERE msisdn = ?", numbers)

        await self._writer.write(write)


def _load(connection: sqlite3.Connection) -> list[Armed]:
    rows = connection.execute("SELECT msisdn, wanted, state, reason, tries, due_ms, at_ms FROM armed")
    return [Armed(row[0], bool(row[1]), ArmState(row[2]), *row[3:]) for row in rows]


def armed_path(url: str | None, store_url: str, node: str) -> str:
    """Return the file: as given (``sqlite:PATH``), beside the store's, or with Redis NODE.armed."""
    if url is not None:
        return url.removeprefix(_SQLITE)
    if store_url.startswith(_SQLITE):
        path = store_url.removeprefix(_SQLITE)
        return path if path == MEMORY else f"{path}.armed"
    return f"{node}.armed"
