"""Call detail records in an SQLite file of the node's own, also where balances are in Redis.

A batch of any size is one statement: SQLite takes the JSON apart itself, without Python's lock, so that the
thread that writes does not hold up the thread that answers calls.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, final

import msgspec

from scp.ports import StoredCdr
from scp.store.cdr_file import CdrFile
from scp.store.sqlite_group import GroupWriter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from scp.domain.cdr import Record

# The leg is call reference and MSC together: one without the other is not unique. Hex digits in one case.
_ADD: Final = """
INSERT INTO cdr (id, kind, kept_ms, call_id, leg, body)
SELECT value ->> 'id', value ->> 'kind', ?, value ->> 'call_id',
    lower(value ->> 'call_reference') || '@' || (value ->> 'msc_address'), value
FROM json_each(?) WHERE true
ON CONFLICT (id) DO NOTHING
"""
# From a record to those that share an id with it, from those on, and so forth.
_RELATED: Final = """
WITH RECURSIVE mine (seq, call_id, leg) AS (
    SELECT seq, call_id, leg FROM cdr WHERE id = ?
    UNION
    SELECT cdr.seq, cdr.call_id, cdr.leg FROM mine JOIN cdr ON cdr.call_id = mine.call_id
    UNION
    SELECT cdr.seq, cdr.call_id, cdr.leg FROM mine JOIN cdr ON cdr.leg = mine.leg
)
SELECT seq, body FROM cdr WHERE seq IN (SELECT seq FROM mine LIMIT ?) ORDER BY seq
"""
_FOREVER: Final = 1 << 62

_encode: Final = msgspec.json.Encoder().encode


@final
class SqliteCdrStore:
    """`scp.ports.CdrStore` on one SQLite file, or ``:memory:``. Use it from one event loop.

    Args:
        file: the file, or its path.
        clock: seconds since 1970-01-01 UTC.
    """

    def __init__(self, file: CdrFile | str, *, clock: Callable[[], float] = time.time) -> None:
        self._writer = GroupWriter(CdrFile(file) if isinstance(file, str) else file, "cdr")
        self._clock = clock

    async def open(self) -> None:
        """Open the file; raises `StoreError` as `scp.store.sqlite.SqliteStore.open` does."""
        await self._writer.open()

    async def close(self) -> None:
        """Commit what is queued and let go of the file."""
        await self._writer.close()

    async def add(self, records: Sequence[Record]) -> int:
        """See `scp.ports.CdrStore`."""
        return await self.add_made(lambda: _encode(records))

    async def add_made(self, make: Callable[[], bytes]) -> int:
        """See `scp.ports.CdrStore`."""
        now = int(self._clock() * 1000)
        return await self._writer.write(lambda c: c.execute(_ADD, (now, make().decode())).rowcount)

    async def get(self, record_id: str) -> StoredCdr | None:
        """See `scp.ports.CdrStore`."""
        found = await self._select("SELECT seq, body FROM cdr WHERE id = ?", record_id)
        return found[0] if found else None

    async def page(self, after: int, most: int, *, since_ms: int = 0, until_ms: int = 0) -> list[StoredCdr]:
        """See `scp.ports.CdrStore`."""
        return await self._select(
            "SELECT seq, body FROM cdr WHERE seq > ? AND kept_ms >= ? AND kept_ms < ? ORDER BY seq LIMIT ?",
            after,
            since_ms,
            until_ms or _FOREVER,
            most,
        )

    async def related(self, record_id: str, most: int) -> list[StoredCdr]:
        """See `scp.ports.CdrStore`."""
        return await self._select(_RELATED, record_id, most)

    async def forget(self, before_ms: int, most: int) -> int:
        """See `scp.ports.CdrStore`."""
        query = "DELETE FROM cdr WHERE seq IN (SELECT seq FROM cdr ORDER BY seq LIMIT ?) AND kept_ms < ?"
        return await self._writer.write(lambda c: c.execute(query, (most, before_ms)).rowcount)

    async def _select(self, query: str, *arguments: object) -> list[StoredCdr]:
        def look(connection: sqlite3.Connection) -> list[StoredCdr]:
            return [StoredCdr(*row) for row in connection.execute(query, arguments)]

        return await self._writer.read(look)
