"""Administration of the records in Redis: reading, counting, scanning, compare-and-set, bulk load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias, final

import msgspec

from scp.ports import StoreError, VersionConflictError
from scp.store.record_format import RecordError, check, pack, unpack
from scp.store.redis_errors import checked
from scp.store.redis_scripts import DELETE, PUT, PUT_MANY
from scp.store.redis_servers import with_script
from scp.store.redis_wire import IGNORED
from scp.store.redis_wire import pack as command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from scp.domain.subscriber import Subscriber
    from scp.store.redis_scripts import Keys, Script
    from scp.store.redis_servers import Servers
    from scp.store.redis_wire import Reply

Packed: TypeAlias = "tuple[int, str, bytes]"
"""Bucket, MSISDN, record."""

SLICE: Final = 250
"""Records handled between two turns of the event loop, and changed by one script."""
SCAN_BUCKETS: Final = 256
"""Buckets that are read at a time."""
COUNT_BUCKETS: Final = 4096

_MULTI: Final = command(("MULTI",))
_EXEC: Final = command(("EXEC",))


@final
class Records:
    """The records of one store, by way of the links for administration.

    Args:
        servers: where they are.
        keys: under which.
        changed: told the buckets in which records of ours were, or may have been, written.
    """

    def __init__(self, servers: Servers, keys: Keys, changed: Callable[[Sequence[int]], None]) -> None:
        self._servers = servers
        self._keys = keys
        self._changed = changed

    # --- reading ---

    async def get(self, msisdn: str) -> Subscriber | None:
        """Read one record from the master."""
        bucket = self._keys.bucket(msisdn)
        link = self._servers.opened.writes[bucket]
        return _unpacked(
            msisdn, await self._servers.request(link, ("HGET", self._keys.names[bucket], msisdn))
        )

    async def count(self) -> int:
        """Return how many records there are."""
        total = 0
        for start in range(0, self._keys.buckets, COUNT_BUCKETS):
            total += sum(await self._ask_buckets("HLEN", start, COUNT_BUCKETS))
        return total

    async def scan(self, after: str) -> AsyncIterator[Subscriber]:
        """Iterate over the records behind ``after`` in the store's own order: by bucket, then by MSISDN.

        No record comes twice. Those that can't be read are left out, and a `StoreError` of the kind "corrupt"
        at the end says how many there were.
        """
        first = self._keys.bucket(after) if after else 0
        unreadable = 0
        for start in range(first, self._keys.buckets, SCAN_BUCKETS):
            for number, fields in enumerate(await self._ask_buckets("HGETALL", start, SCAN_BUCKETS), start):
                for name in sorted(fields):
                    msisdn = name.decode("ascii", "replace")
                    if number == first and msisdn <= after:
                        continue
                    try:
                        record = unpack(msisdn, fields[name])
                    except RecordError:
                        unreadable += 1
                    else:
                        yield record
        if unreadable:
            raise StoreError(f"redis: {unreadable} records could not be read and were left out", "corrupt")

    async def _ask_buckets(self, verb: str, start: int, number: int) -> list[Reply]:
        end = start + number
        links = self._servers.opened.writes[start:end]
        asked = [
            self._servers.request(link, (verb, name))
            for link, name in zip(links, self._keys.names[start:end], strict=True)
        ]
        replies = await asyncio.gather(*asked, return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return [checked(reply) for reply in replies]

    # --- writing ---

    async def put(self, record: Subscriber) -> Subscriber:
        """Compare and set, see `scp.ports.SubscriberStore.put`."""
        new = msgspec.structs.replace(record, version=record.version + 1)
        conflict = await self._change(PUT, record.msisdn, (record.version, pack(new)))
        if conflict == 1:
            return new
        raise VersionConflictError(record.msisdn, _unpacked(record.msisdn, conflict))

    async def delete(self, msisdn: str, version: int) -> None:
        """Remove the record if its version is ``version``; 0 for one that is not there does nothing."""
        conflict = await self._change(DELETE, msisdn, (version,))
        if conflict != 1:
            raise VersionConflictError(msisdn, _unpacked(msisdn, conflict))

    async def _change(self, script: Script, msisdn: str, arguments: tuple[int | bytes, ...]) -> Reply:
        """Run a script on one record's bucket; return 1, or what is there in place of what was expected."""
        bucket = self._keys.bucket(msisdn)
        link = self._servers.opened.writes[bucket]
        try:
            return await self._servers.run(link, script, (self._keys.names[bucket],), (msisdn, *arguments))
        finally:
            self._changed([bucket])

    # --- bulk load ---

    async def packed(self, records: Sequence[Subscriber]) -> list[Packed]:
        """Return records as they are written, the first version of each.

        Raises:
            ValueError: a record is not one that a store may hold (`scp.store.record_format.check`).
        """
        packed: list[Packed] = []
        for start in range(0, len(records), SLICE):
            for record in records[start : start + SLICE]:
                check(record)
                new = msgspec.structs.replace(record, version=1)
                packed.append((self._keys.bucket(record.msisdn), record.msisdn, pack(new)))
            await asyncio.sleep(0)
        return packed

    async def put_many(self, packed: Sequence[Packed]) -> None:
        """Overwrite all; of two with the same MSISDN the later one stays."""
        write = self._write_together if self._servers.opened.transactions else self._write_by_bucket
        try:
            await with_script(lambda whole: write(packed, whole))
        finally:
            self._changed([bucket for bucket, _, _ in packed])

    async def _write_together(self, packed: Sequence[Packed], whole: bool) -> None:
        """Write all records in one transaction of one server, a script call for each slice."""
        link = self._servers.opened.writes[0]
        calls = [
            self._put_call(packed[start : start + SLICE], whole) for start in range(0, len(packed), SLICE)
        ]
        if len(calls) == 1:
            await self._servers.write(link, calls[0])
            return
        wire = link.up
        for octets in (_MULTI, *calls):
            wire.send(octets, IGNORED)
        await self._servers.write(link, _EXEC)

    async def _write_by_bucket(self, packed: Sequence[Packed], whole: bool) -> None:
        """Write bucket by bucket, all at once: each may be on another server."""
        links = self._servers.opened.writes
        buckets: dict[int, list[Packed]] = {}
        for each in packed:
            buckets.setdefault(each[0], []).append(each)
        writes = [
            self._servers.write(links[bucket], self._put_call(records, whole))
            for bucket, records in buckets.items()
        ]
        for outcome in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _put_call(self, packed: Sequence[Packed], whole: bool) -> bytes:
        names = self._keys.names
        fields = [field for _, msisdn, record in packed for field in (msisdn, record)]
        return PUT_MANY.call([names[bucket] for bucket, _, _ in packed], fields, whole=whole)


def _unpacked(msisdn: str, packed: Reply) -> Subscriber | None:
    value = checked(packed)
    if value is None:
        return None
    try:
        return unpack(msisdn, value)
    except RecordError as error:
        raise StoreError(f"redis: {error}", "corrupt") from None
