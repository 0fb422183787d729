"""Which M-CSIs are armed, in an SQLite file of a single node (`scp.map_ports.ArmedStore`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from scp.domain.armed import Armed, ArmState
from scp.store.sqlite_base import SqliteFile
from scp.store.sqlite_group import GroupStore, GroupWriter
from scp.store.sqlite_schema import Schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from scp.domain.armed import ArmedChange

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
        (  # when it is looked after: when it is due, or later while a claim holds
            "ALTER TABLE armed ADD COLUMN next_ms INTEGER NOT NULL DEFAULT 0",
            "UPDATE armed SET next_ms = due_ms",
            "CREATE INDEX armed_next ON armed (next_ms) WHERE next_ms > 0",
            "CREATE INDEX armed_state ON armed (state)",
        ),
    ),
    "a store of armed subscribers",
)


class ArmedFile(SqliteFile):
    """The file."""

    schema = _SCHEMA


_FIELDS: Final = "msisdn, wanted, state, reason, tries, due_ms, at_ms"
_PUT: Final = f"INSERT OR REPLACE INTO armed ({_FIELDS}, next_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_GET: Final = f"SELECT {_FIELDS} FROM armed WHERE msisdn = ?"  # noqa: S608 - no value in it
_DUE: Final = (
    f"SELECT {_FIELDS} FROM armed WHERE next_ms > 0 AND next_ms <= ? "  # noqa: S608 - no value in it
    "ORDER BY next_ms LIMIT ?"
)


@final
class SqliteArmed(GroupStore):
    """`scp.map_ports.ArmedStore` on one file, or ``:memory:``. Use it from one event loop."""

    def __init__(self, path: str) -> None:
        super().__init__(GroupWriter(ArmedFile(path), "armed"))

    async def open(self) -> None:
        """Open the file; raises `StoreError`. Claims of the process before, which is gone, end."""
        await super().open()
        await self._writer.write(_unclaim)

    async def wanted(self) -> dict[str, bool]:
        """See `scp.map_ports.ArmedStore`."""
        return await self._writer.read(_wanted)

    async def get(self, msisdns: Sequence[str]) -> list[Armed | None]:
        """See `scp.map_ports.ArmedStore`."""
        return await self._writer.read(lambda connection: [_get(connection, each) for each in msisdns])

    async def change(self, changes: Sequence[ArmedChange]) -> list[bool]:
        """See `scp.map_ports.ArmedStore`."""

        def write(connection: sqlite3.Connection) -> list[bool]:
            return [_changed(connection, change) for change in changes]

        return await self._writer.write(write)

    async def claim(
        self,
        now_ms: int,
        until_ms: int,
        most: int,
        rate: float = 0.0,  # noqa: ARG002 - one node has the file
    ) -> tuple[list[Armed], int]:
        """See `scp.map_ports.ArmedStore`."""

        def write(connection: sqlite3.Connection) -> tuple[list[Armed], int]:
            found = [_armed(row) for row in connection.execute(_DUE, (now_ms, most))]
            rows = [(until_ms, each.msisdn) for each in found]
            connection.executemany("UPDATE armed SET next_ms = ? WHERE msisdn = ?", rows)
            return found, _first(connection)

        first = await self._writer.read(_first)
        if not 0 < first <= now_ms:
            return [], first  # nothing to write
        return await self._writer.write(write)

    async def counts(self) -> dict[ArmState, int]:
        """See `scp.map_ports.ArmedStore`."""
        return await self._writer.read(_counts)


def _armed(row: Any) -> Armed:
    return Armed(row[0], bool(row[1]), ArmState(row[2]), *row[3:])


def _get(connection: sqlite3.Connection, msisdn: str) -> Armed | None:
    row = connection.execute(_GET, (msisdn,)).fetchone()
    return None if row is None else _armed(row)


def _changed(connection: sqlite3.Connection, change: ArmedChange) -> bool:
    msisdn, there, new = change
    if _get(connection, msisdn) != there:
        return False
    if new is None:
        connection.execute("DELETE FROM armed WHERE msisdn = ?", (msisdn,))
    else:
        row = (msisdn, int(new.on), str(new.state), new.reason, new.tries, new.due_ms, new.at_ms, new.due_ms)
        connection.execute(_PUT, row)
    return True


def _unclaim(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE armed SET next_ms = due_ms WHERE next_ms > due_ms")


def _first(connection: sqlite3.Connection) -> int:
    [[first]] = connection.execute("SELECT coalesce(min(next_ms), 0) FROM armed WHERE next_ms > 0")
    return int(first)


def _wanted(connection: sqlite3.Connection) -> dict[str, bool]:
    return {row[0]: bool(row[1]) for row in connection.execute("SELECT msisdn, wanted FROM armed")}


def _counts(connection: sqlite3.Connection) -> dict[ArmState, int]:
    found = dict(connection.execute("SELECT state, count(*) FROM armed GROUP BY state").fetchall())
    return {state: found.get(state.value, 0) for state in ArmState}
