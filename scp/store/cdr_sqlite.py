"""Call detail records in an SQLite file of the node's own, also where balances are in Redis.

Records that come one by one, the VoIP service's and those of charges, have a row each. Call attempts come by
the thousand and have one for many: `scp.store.cdr_bundles`. Either way a batch is few statements of SQLite,
which run without Python's lock, so that the thread that writes does not hold up the one that answers calls.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, final

import msgspec

from scp.ports import StoredCdr
from scp.store import cdr_bundles, cdr_related
from scp.store.cdr_file import CdrFile
from scp.store.sqlite_group import GroupWriter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from scp.domain.cdr import Bundle, Record

# The leg is call reference and MSC together: one without the other is not unique. Hex digits in one case.
_ADD: Final = """
INSERT INTO cdr (id, kind, kept_ms, call_id, leg, body)
SELECT value ->> 'id', value ->> 'kind', ?, value ->> 'call_id',
    lower(value ->> 'call_reference') || '@' || (value ->> 'msc_address'), value
FROM json_each(?) WHERE true
ON CONFLICT (id) DO NOTHING
"""
_PAGE: Final = "SELECT seq, body FROM cdr WHERE seq > ? AND kept_ms >= ? AND kept_ms < ? ORDER BY seq LIMIT ?"
_FORGET: Final = "DELETE FROM cdr WHERE seq IN (SELECT seq FROM cdr ORDER BY seq LIMIT ?) AND kept_ms < ?"
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
        now = int(self._clock() * 1000)
        body = _encode(records).decode()
        return await self._writer.write(lambda c: c.execute(_ADD, (now, body)).rowcount)

    async def add_bundles(self, bundles: Sequence[Bundle]) -> int:
        """See `scp.ports.CdrStore`."""
        now = int(self._clock() * 1000)
        return await self._writer.write(lambda c: cdr_bundles.add(c, bundles, now))

    async def get(self, record_id: str) -> StoredCdr | None:
        """See `scp.ports.CdrStore`."""
        return await self._writer.read(lambda c: cdr_related.get(c, record_id))

    async def page(self, after: int, most: int, *, since_ms: int = 0, until_ms: int = 0) -> list[StoredCdr]:
        """See `scp.ports.CdrStore`."""
        end = until_ms or _FOREVER

        def look(connection: sqlite3.Connection) -> list[StoredCdr]:
            rows = connection.execute(_PAGE, (after, since_ms, end, most))
            bundled = cdr_bundles.page(connection, after, most, since_ms, end)
            return sorted((*(StoredCdr(*row) for row in rows), *bundled))[:most]

        return await self._writer.read(look)

    async def related(self, record_id: str, most: int) -> list[StoredCdr]:
        """See `scp.ports.CdrStore`."""
        return await self._writer.read(lambda c: cdr_related.related(c, record_id, most))

    async def forget(self, before_ms: int, most: int) -> int:
        """See `scp.ports.CdrStore`."""

        def forget(connection: sqlite3.Connection) -> int:
            count = connection.execute(_FORGET, (most, before_ms)).rowcount
            return count or cdr_bundles.forget(connection, before_ms, most)

        return await self._writer.write(forget)
