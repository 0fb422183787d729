"""Administration of the records in Redis: reading, counting, scanning, compare-and-set, bulk load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import msgspec

from scp.domain.map_results import Result
from scp.domain.moves import Moved
from scp.ports import StoreError, VersionConflictError
from scp.store.record_format import RecordError, check, pack, place_words, unpack
from scp.store.redis_errors import answered, translate
from scp.store.redis_scripts import DELETE, MOVE, PUT, PUT_MANY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from redis.commands.core import AsyncScript

    from scp.domain.moves import Move
    from scp.domain.subscriber import Subscriber
    from scp.store.redis_deployment import Deployment
    from scp.store.redis_scripts import Keys

Packed: TypeAlias = "tuple[int, str, bytes]"
"""Bucket, MSISDN, record."""

SLICE: Final = 250
"""Records that are packed between two turns of the event loop."""
SCAN_BUCKETS: Final = 256
"""Buckets that are read at a time."""
COUNT_BUCKETS: Final = 4096


@final
class Records:
    """The records of one store.

    Args:
        deployment: where they are.
        keys: under which.
        changed: told the buckets in which records of ours were, or may have been, written.
    """

    def __init__(self, deployment: Deployment, keys: Keys, changed: Callable[[Sequence[int]], None]) -> None:
        self._client = deployment.client
        self._one_script = deployment.one_script
        self._put = deployment.writes.script(PUT)
        self._delete = deployment.writes.script(DELETE)
        self._move = deployment.writes.script(MOVE)
        self._put_many = deployment.writes.script(PUT_MANY)
        self._keys = keys
        self._changed = changed

    # --- reading ---

    async def get(self, msisdn: str) -> Subscriber | None:
        """Read one record from the master."""
        key = self._keys.names[self._keys.bucket(msisdn)]
        return _unpacked(msisdn, await answered(self._client.execute_command("HGET", key, msisdn)))

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

    async def _ask_buckets(self, verb: str, start: int, number: int) -> list[Any]:
        names = self._keys.names[start : start + number]
        return await _all(self._client.execute_command(verb, name) for name in names)

    # --- writing ---

    async def put(self, record: Subscriber) -> Subscriber:
        """Compare and set, see `scp.ports.SubscriberStore.put`."""
        new = msgspec.structs.replace(record, version=record.version + 1)
        there = await self._change(self._put, record.msisdn, [record.version, pack(new)])
        if there == 1:
            return new
        raise VersionConflictError(record.msisdn, _unpacked(record.msisdn, there))

    async def delete(self, msisdn: str, version: int) -> None:
        """Remove the record if its version is ``version``; 0 for one that is not there does nothing."""
        there = await self._change(self._delete, msisdn, [version])
        if there != 1:
            raise VersionConflictError(msisdn, _unpacked(msisdn, there))
        key = self._keys.together(self._keys.bucket(msisdn))[1]
        await answered(self._client.execute_command("HDEL", key, msisdn))

    async def move(self, move: Move) -> Moved:
        """See `scp.ports.SubscriberStore.move`."""
        age = "" if move.age_s is None else move.age_s
        words = [move.identity, age, *place_words(move.roaming, move.vlr)]
        bucket = self._keys.bucket(move.msisdn)
        try:
            result, version = await answered(self._move(self._keys.together(bucket), [move.msisdn, *words]))
        finally:
            self._changed([bucket])
        if result == b"schema":
            raise StoreError(
                f"redis: the record has schema {version}, this release changes others", "corrupt"
            )
        return Moved(Result(result.decode()), version)

    async def _change(self, script: AsyncScript, msisdn: str, words: Sequence[str | int | bytes]) -> Any:
        """Run a script on one record's bucket; return 1, or what is there in place of what was expected."""
        bucket = self._keys.bucket(msisdn)
        try:
            return await answered(script([self._keys.names[bucket]], [msisdn, *words]))
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
                packed.append((self._keys.bucket(record.msisdn), record.msisdn, pack(record, 1)))
            await asyncio.sleep(0)
        return packed

    async def put_many(self, packed: Sequence[Packed]) -> None:
        """Overwrite all; of two with the same MSISDN the later one stays.

        One script does it, or with a cluster one for each bucket: another may be on another server.
        """
        calls = [packed] if self._one_script else self._by_bucket(packed)
        names = self._keys.names
        try:
            await _all(
                self._put_many(
                    [names[bucket] for bucket, _, _ in call],
                    [field for _, msisdn, record in call for field in (msisdn, record)],
                )
                for call in calls
            )
        finally:
            self._changed([bucket for bucket, _, _ in packed])

    @staticmethod
    def _by_bucket(packed: Sequence[Packed]) -> Iterable[Sequence[Packed]]:
        buckets: dict[int, list[Packed]] = {}
        for each in packed:
            buckets.setdefault(each[0], []).append(each)
        return buckets.values()


async def _all(commands: Iterable[Awaitable[Any]]) -> list[Any]:
    """Return the replies to commands that are sent at once; of several errors the first is raised."""
    replies = await asyncio.gather(*commands, return_exceptions=True)
    for reply in replies:
        if isinstance(reply, Exception):
            raise translate(reply)
    return replies


def _unpacked(msisdn: str, packed: bytes | None) -> Subscriber | None:
    if packed is None:
        return None
    try:
        return unpack(msisdn, packed)
    except RecordError as error:
        raise StoreError(f"redis: {error}", "corrupt") from None
